//! The texts of a probe: what it asks, and what it wants to see.

use std::str::FromStr;

use super::matching::{is_address, is_name};
use super::name::{Refusal, is_token};
use super::quantity::whole;
use crate::words::quoted;

/// The path that a probe asks for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ProbePath(pub(crate) String);

/// The method of a probe.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Method(pub(crate) String);

/// The value of a `Host` field.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct HostValue(pub(crate) String);

/// The value of any other field.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FieldValue(pub(crate) String);

/// A text that is sent or looked for: not empty, and of at most 4 KiB.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Wanted(pub(crate) String);

/// Longest method, in bytes.
const LONGEST_METHOD: usize = 64;

/// Longest text that is sent or looked for, in bytes.
const LONGEST_WANTED: usize = 4096;

/// Methods that are more likely misspelt in lower case than meant so.
const METHODS: [&str; 8] = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE"];

impl FromStr for ProbePath {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
        if !text.starts_with('/') {
            let message = format!("{} does not begin with `/`", quoted(text));
            return Err(Refusal::new(message, "write the path alone, like `/healthz`"));
        }
        if !is_plain {
            let message = format!("{} holds a character that cannot be sent", quoted(text));
            return Err(Refusal::new(message, "write it percent-encoded, without a fragment"));
        }
        Ok(ProbePath(text.into()))
    }
}

impl FromStr for Method {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let upper = text.to_ascii_uppercase();
        if !is_token(text) || text.len() > LONGEST_METHOD {
            let message = format!("{} is no method", quoted(text));
            return Err(Refusal::new(message, "write one like `GET`, `HEAD` or `OPTIONS`"));
        }
        if upper == "CONNECT" {
            let message = format!("{} asks for a tunnel, not for a path", quoted(text));
            return Err(Refusal::new(message, "write one like `GET`, `HEAD` or `OPTIONS`"));
        }
        if upper != text && METHODS.contains(&upper.as_str()) {
            let message = format!("{} is not the method `{upper}`: their case counts", quoted(text));
            return Err(Refusal::new(message, format_args!("write `{upper}`")));
        }
        Ok(Method(text.into()))
    }
}

impl FromStr for HostValue {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !text.ends_with(']') => (host, Some(port)),
            _ => (text, None),
        };
        let is_port = |port| whole(port).is_some_and(|port| (1..=65_535).contains(&port));
        if !(is_address(host) || is_name(host)) || !port.is_none_or(is_port) {
            let message = format!("{} cannot be the value of `Host`", quoted(text));
            let help = "write a name, and perhaps a port, like `app.internal` or `app.internal:8080`";
            return Err(Refusal::new(message, help));
        }
        Ok(HostValue(text.into()))
    }
}

impl FromStr for FieldValue {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let is_plain = |byte: u8| byte == b'\t' || byte == b' ' || byte.is_ascii_graphic();
        if !text.bytes().all(is_plain) {
            let message = format!("{} holds a character that no field can have", quoted(text));
            return Err(Refusal::new(
                message,
                "write ASCII without line breaks and other control characters",
            ));
        }
        if text.trim_ascii() != text {
            let message = format!("{} begins or ends with a space", quoted(text));
            return Err(Refusal::new(message, "a space there is no part of a value; remove it"));
        }
        Ok(FieldValue(text.into()))
    }
}

impl FromStr for Wanted {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        if text.is_empty() {
            return Err(Refusal::new("there is no text", "write one, or remove the key"));
        }
        if text.len() > LONGEST_WANTED {
            let message = format!("it has {} bytes, and may have {LONGEST_WANTED}", text.len());
            return Err(Refusal::new(message, "a part of it will do"));
        }
        Ok(Wanted(text.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_is_a_token_in_its_own_case() {
        for text in ["GET", "HEAD", "PROPFIND", "Custom-Method"] {
            assert_eq!(text.parse::<Method>().unwrap().0, text);
        }
        for (text, help) in [
            ("get", "write `GET`"),
            ("Head", "write `HEAD`"),
            ("CONNECT", "`OPTIONS`"),
            ("connect", "`OPTIONS`"),
            ("G ET", "`OPTIONS`"),
            ("", "`OPTIONS`"),
            (&"A".repeat(65), "`OPTIONS`"),
        ] {
            assert!(text.parse::<Method>().unwrap_err().help.contains(help), "{text}");
        }
    }

    #[test]
    fn a_host_is_a_name_or_an_address_with_perhaps_a_port() {
        for text in
            ["app.internal", "App.internal:8080", "10.0.0.5", "10.0.0.5:80", "[::1]", "[::1]:8080", "a_b"]
        {
            assert_eq!(text.parse::<HostValue>().unwrap().0, text);
        }
        for text in
            ["", "*.example.com", "http://app", "app:", "app:0", "app:+80", "app:65536", "::1", "a b", "a\nb"]
        {
            assert!(text.parse::<HostValue>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_value_of_a_field_is_one_line_of_ascii() {
        for text in ["", "1", "a b", "a\tb", "Basic dXNlcjpwYXNz"] {
            assert_eq!(text.parse::<FieldValue>().unwrap().0, text);
        }
        for text in ["a\r\nX: 1", "a\0", "\u{7f}", "ä", " a", "a\t"] {
            assert!(text.parse::<FieldValue>().is_err(), "{text:?}");
        }
    }
}
