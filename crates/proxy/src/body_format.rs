//! The body of an answer of evenkeel's own: text, JSON or HTML, as the client prefers.

use std::fmt::Write;

/// What an answer says.
pub(crate) struct Notice<'a> {
    pub(crate) status: u16,
    pub(crate) reason: &'a str,
    pub(crate) token: &'a str,
    /// One short sentence without its full stop.
    pub(crate) explanation: &'a str,
    pub(crate) request_id: &'a str,
}

/// How it is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Text,
    Json,
    Html,
}

impl Format {
    /// The format that these `Accept` values prefer: text unless another one is named with a higher weight, or as the
    /// first of several that weigh the same (RFC 9110, section 12.5.1).
    pub(crate) fn preferred<'a>(accept: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut best = (0, Format::Text);
        for range in accept.flat_map(|value| value.split(|byte| *byte == b',')) {
            let mut parts = range.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
            let Some(format) = parts.next().and_then(Self::of_type) else { continue };
            let weight = parts.find_map(weight).unwrap_or(1000);
            if weight > best.0 {
                best = (weight, format);
            }
        }
        best.1
    }

    fn of_type(name: &[u8]) -> Option<Self> {
        let is = |wanted: &str| name.eq_ignore_ascii_case(wanted.as_bytes());
        if is("text/html") || is("application/xhtml+xml") {
            Some(Format::Html)
        } else if is("application/json") || is("application/problem+json") || is("application/*") {
            Some(Format::Json)
        } else if is("text/plain") || is("text/*") || is("*/*") {
            Some(Format::Text)
        } else {
            None
        }
    }

    pub(crate) fn content_type(self) -> &'static [u8] {
        match self {
            Format::Text => b"text/plain; charset=utf-8",
            Format::Json => b"application/json",
            Format::Html => b"text/html; charset=utf-8",
        }
    }

    /// Writes the notice.
    pub(crate) fn write(self, notice: &Notice<'_>) -> String {
        let Notice { status, reason, token, explanation, request_id } = notice;
        match self {
            Format::Text => format!("{status} {token}: {explanation}\nrequest {request_id}\n"),
            Format::Json => format!(
                "{{\"status\":{status},\"cause\":\"{token}\",\"message\":\"{explanation}\",\"request_id\":\"{}\"}}\n",
                escaped(request_id, json_escape)
            ),
            Format::Html => format!(
                "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{status} {reason}</title></head>\n\
                 <body><h1>{status} {reason}</h1><p>{}</p>\n\
                 <p><small>{token}, request {}</small></p></body></html>\n",
                escaped(explanation, html_escape),
                escaped(request_id, html_escape)
            ),
        }
    }
}

/// The weight among the parameters of a media range, in thousandths.
fn weight(parameter: &[u8]) -> Option<u32> {
    let value = match parameter {
        [b'q' | b'Q', b'=', value @ ..] => value,
        _ => return None,
    };
    let number: f32 = str::from_utf8(value).ok()?.parse().ok()?;
    // What is out of range is as much, or as little, as can be.
    Some((number.clamp(0.0, 1.0) * 1000.0) as u32)
}

/// A trusted peer's request id may hold any printable character.
fn escaped(text: &str, escape: fn(&mut String, char)) -> String {
    let mut out = String::with_capacity(text.len());
    text.chars().for_each(|character| escape(&mut out, character));
    out
}

fn json_escape(out: &mut String, character: char) {
    match character {
        '"' | '\\' => out.extend(['\\', character]),
        control if control < ' ' => {
            // Writing to a string does not fail.
            let _ = write!(out, "\\u{:04x}", u32::from(control));
        }
        plain => out.push(plain),
    }
}

fn html_escape(out: &mut String, character: char) {
    match character {
        '<' => out.push_str("&lt;"),
        '>' => out.push_str("&gt;"),
        '&' => out.push_str("&amp;"),
        plain => out.push(plain),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_gets_what_it_prefers() {
        for (accept, format) in [
            ("", Format::Text),
            ("*/*", Format::Text),
            ("image/png", Format::Text),
            ("text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8", Format::Html),
            ("application/json, text/plain, */*", Format::Json),
            ("application/json", Format::Json),
            ("application/problem+json;q=0.5, text/html;q=0.4", Format::Json),
            ("text/html;q=0.2, application/json;q=0.3", Format::Json),
            ("text/html;q=0", Format::Text),
            ("TEXT/HTML; Q=1", Format::Html),
            ("text/html;level=1;q=0.5, text/plain;q=nonsense", Format::Text),
            ("text/plain, text/html", Format::Text),
            (";;,,;q=", Format::Text),
        ] {
            assert_eq!(Format::preferred(std::iter::once(accept.as_bytes())), format, "{accept}");
        }
        let several = [&b"text/html;q=0.5"[..], b"application/json"];
        assert_eq!(Format::preferred(several.into_iter()), Format::Json);
    }

    #[test]
    fn what_came_from_outside_is_text_in_every_format() {
        let request_id = "a\"<b>&\\\u{1}";
        let notice = Notice {
            status: 502,
            reason: "Bad Gateway",
            token: "bad_head",
            explanation: "it isn't HTTP",
            request_id,
        };
        assert_eq!(
            Format::Text.write(&notice),
            format!("502 bad_head: it isn't HTTP\nrequest {request_id}\n")
        );
        assert_eq!(
            Format::Json.write(&notice),
            "{\"status\":502,\"cause\":\"bad_head\",\"message\":\"it isn't HTTP\",\
             \"request_id\":\"a\\\"<b>&\\\\\\u0001\"}\n"
        );
        assert!(Format::Html.write(&notice).contains("bad_head, request a\"&lt;b&gt;&amp;\\"));
    }
}
