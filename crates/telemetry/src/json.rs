//! Bytes from anywhere as JSON strings.
//!
//! What the network sent is shown one code point a byte, U+0000 to U+00FF, so that it can be read back exactly and no
//! byte reaches a terminal as a control.

/// Longest value that is shown whole, in bytes; a longer one is cut there and ends in `...`.
pub(crate) const LONGEST_VALUE: usize = 2048;

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Appends bytes from the network as a quoted string.
pub(crate) fn bytes(out: &mut Vec<u8>, value: &[u8]) {
    let shown = &value[..value.len().min(LONGEST_VALUE)];
    out.push(b'"');
    escape(out, shown, |byte| !matches!(byte, 0x20..=0x7e) || byte == b'"' || byte == b'\\');
    if shown.len() < value.len() {
        out.extend_from_slice(b"...");
    }
    out.push(b'"');
}

/// Appends text of our own, or of the configuration, as a quoted string.
pub(crate) fn text(out: &mut Vec<u8>, value: &str) {
    let mut end = value.len().min(LONGEST_VALUE);
    while !value.is_char_boundary(end) {
        end -= 1;
    }
    out.push(b'"');
    escape(out, &value.as_bytes()[..end], |byte| {
        byte < 0x20 || byte == 0x7f || byte == b'"' || byte == b'\\'
    });
    if end < value.len() {
        out.extend_from_slice(b"...");
    }
    out.push(b'"');
}

/// Copies runs of plain bytes at once; nearly every value is one run.
#[inline]
fn escape(out: &mut Vec<u8>, mut value: &[u8], is_special: impl Fn(u8) -> bool) {
    while let Some(at) = value.iter().position(|byte| is_special(*byte)) {
        out.extend_from_slice(&value[..at]);
        write_escaped(out, value[at]);
        value = &value[at + 1..];
    }
    out.extend_from_slice(value);
}

fn write_escaped(out: &mut Vec<u8>, byte: u8) {
    match byte {
        b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
        _ => {
            out.extend_from_slice(b"\\u00");
            out.push(HEX[usize::from(byte >> 4)]);
            out.push(HEX[usize::from(byte & 15)]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_comes_back_from_its_string() {
        let all: Vec<u8> = (0..=255).collect();
        let mut out = Vec::new();
        bytes(&mut out, &all);
        assert!(out.iter().all(|byte| (0x20..0x7f).contains(byte)));
        let back: String = serde_json::from_slice(&out).unwrap();
        let back: Vec<u8> = back.chars().map(|point| point as u8).collect();
        assert_eq!(back, all);
    }

    #[test]
    fn a_long_value_is_cut() {
        let mut out = Vec::new();
        bytes(&mut out, &[b'a'; LONGEST_VALUE + 1]);
        assert_eq!(out.len(), LONGEST_VALUE + 5);
        assert!(out.ends_with(b"a...\""));
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        let long = "x".to_string() + &"ä".repeat(LONGEST_VALUE);
        let mut out = Vec::new();
        text(&mut out, &long);
        let back: String = serde_json::from_slice(&out).unwrap();
        assert!(long.starts_with(back.strip_suffix("...").unwrap()));
    }

    #[test]
    fn text_keeps_its_letters_and_escapes_its_controls() {
        let mut out = Vec::new();
        text(&mut out, "blå \"\n");
        assert_eq!(out, "\"blå \\\"\\u000a\"".as_bytes());
    }
}
