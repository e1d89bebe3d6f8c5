//! How a body ends, decided from the raw fields: the place where smuggling is prevented.
//!
//! Stricter than RFC 9112, 6.3: a message that gives its length twice is refused on both sides, even if both times
//! say the same.

use crate::field::{Notable, Seen, is_token, list, trim};
use crate::{BadResponse, BodyKind, Refusal, Version};

/// The body of a request.
#[inline]
pub(crate) fn of_request(buffer: &[u8], notable: &Notable, version: Version) -> Result<BodyKind, Refusal> {
    match (notable.transfer_encoding, notable.content_length) {
        (Seen::Nowhere, Seen::Nowhere) => Ok(BodyKind::None),
        (Seen::Nowhere, Seen::Once(length)) => {
            content_length(length.of(buffer)).map(BodyKind::Length).ok_or(Refusal::BadContentLength)
        }
        (Seen::Nowhere, Seen::Repeated) => Err(Refusal::RepeatedContentLength),
        (Seen::Once(coding), Seen::Nowhere) if version == Version::Http11 => {
            chunked_request(coding.of(buffer))
        }
        // HTTP/1.0 has no transfer codings: whoever sent this may frame it otherwise.
        (Seen::Once(_) | Seen::Repeated, Seen::Nowhere) => Err(Refusal::BadTransferCoding),
        (Seen::Once(_) | Seen::Repeated, Seen::Once(_) | Seen::Repeated) => Err(Refusal::ConflictingFraming),
    }
}

/// What the fields of a response say about its body; `None` if they say nothing. The status may overrule it.
#[inline]
pub(crate) fn of_response(
    buffer: &[u8],
    notable: &Notable,
    version: Version,
) -> Result<Option<BodyKind>, BadResponse> {
    match (notable.transfer_encoding, notable.content_length) {
        (Seen::Nowhere, Seen::Nowhere) => Ok(None),
        (Seen::Nowhere, Seen::Once(length)) => {
            let length = content_length(length.of(buffer)).ok_or(BadResponse::BadContentLength)?;
            Ok(Some(BodyKind::Length(length)))
        }
        (Seen::Nowhere, Seen::Repeated) => Err(BadResponse::ConflictingLength),
        (Seen::Once(coding), Seen::Nowhere)
            if version == Version::Http11 && is_chunked(coding.of(buffer)) =>
        {
            Ok(Some(BodyKind::Chunked))
        }
        // We never offer another coding in TE, so a backend has no reason to use one.
        (Seen::Once(_) | Seen::Repeated, Seen::Nowhere) => Err(BadResponse::BadTransferCoding),
        (Seen::Once(_) | Seen::Repeated, Seen::Once(_) | Seen::Repeated) => {
            Err(BadResponse::ConflictingLength)
        }
    }
}

/// Digits and nothing else: no sign, no list, no more than 64 bits.
fn content_length(value: &[u8]) -> Option<u64> {
    if value.is_empty() {
        return None;
    }
    value.iter().try_fold(0_u64, |length, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        length.checked_mul(10)?.checked_add(digit)
    })
}

fn is_chunked(coding: &[u8]) -> bool {
    coding.eq_ignore_ascii_case(b"chunked")
}

fn chunked_request(value: &[u8]) -> Result<BodyKind, Refusal> {
    if is_chunked(value) {
        Ok(BodyKind::Chunked)
    } else if is_unknown_coding_then_chunked(value) {
        Err(Refusal::UnsupportedTransferCoding)
    } else {
        Err(Refusal::BadTransferCoding)
    }
}

/// Whether it is a good list of codings that we do not have, framed by one final `chunked` (RFC 9112, 6.1). Any
/// other list leaves the length of the body unknown (6.3).
#[cold]
fn is_unknown_coding_then_chunked(value: &[u8]) -> bool {
    let codings = list(value).count();
    list(value).enumerate().all(|(index, coding)| {
        // A coding may have parameters.
        let name = trim(coding.split(|byte| *byte == b';').next().unwrap_or_default());
        if index + 1 == codings { is_chunked(coding) } else { is_token(name) && !is_chunked(name) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_length_is_digits_and_nothing_else() {
        for (value, length) in [
            ("0", Some(0)),
            ("42", Some(42)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", None),
            ("", None),
            ("+1", None),
            ("-1", None),
            ("1 ", None),
            ("1 2", None),
            ("0x10", None),
            ("5, 5", None),
            ("1e3", None),
        ] {
            assert_eq!(content_length(value.as_bytes()), length, "{value:?}");
        }
    }
}
