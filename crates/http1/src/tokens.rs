//! Cuts the head of a request into tokens with httparse, and makes up for what httparse lets pass.
//!
//! httparse skips any number of empty lines and takes a bare LF for a line end. It also stops at the first error
//! without telling where, so the reasons are found again on the cold path.

use std::mem::MaybeUninit;

use httparse::{Error, Header, Request, Status};

use crate::field::is_token_byte;
use crate::limits::MAX_METHOD_BYTES;
use crate::search::first_bare_line_feed;
use crate::{HeadLimits, MAX_FIELDS, Refusal, Version};

/// Room for the fields on the stack, not initialised: most heads have few.
pub(crate) type Slots<'a> = [MaybeUninit<Header<'a>>; MAX_FIELDS];

/// A complete head, cut into tokens but not understood.
pub(crate) struct Tokens<'a> {
    pub(crate) method: &'a [u8],
    pub(crate) target: &'a [u8],
    pub(crate) version: Version,
    pub(crate) headers: &'a [Header<'a>],
    pub(crate) length: usize,
}

/// Cuts the head at the front of `window`; `None` if it is incomplete.
#[inline]
pub(crate) fn tokenise<'a>(
    window: &'a [u8],
    limits: &HeadLimits,
    slots: &'a mut Slots<'a>,
) -> Result<Option<Tokens<'a>>, Refusal> {
    let Some(start) = skip_empty_line(window)? else { return Ok(None) };
    let head = &window[start..];
    let mut request = Request::new(&mut []);
    let outcome = request.parse_with_uninit_headers(head, &mut slots[..limits.field_slots()]);
    match (outcome, request.method, request.path) {
        (Ok(Status::Complete(length)), Some(method), Some(target)) => {
            let (method, target) = (method.as_bytes(), target.as_bytes());
            check_lengths(method, target, limits)?;
            let headers = request.headers;
            let version = Version::of_minor(request.version);
            check_line_ends(head, method.len() + target.len() + "  HTTP/1.1".len(), length)?;
            Ok(Some(Tokens { method, target, version, headers, length: start + length }))
        }
        (outcome, _, _) => incomplete(head, limits, outcome.err()).map(|()| None),
    }
}

/// How much to skip: one empty line may precede a request (RFC 9112, 2.2). `None` if that is not known yet.
#[inline]
fn skip_empty_line(window: &[u8]) -> Result<Option<usize>, Refusal> {
    match window {
        [b'\n', ..] | [b'\r', b'\n', b'\n', ..] => Err(Refusal::BareLineFeed),
        [b'\r'] | [b'\r', b'\n'] => Ok(None),
        [b'\r', b'\n', b'\r', ..] => Err(Refusal::BadRequestLine),
        [b'\r', b'\n', ..] => Ok(Some(2)),
        [b'\r', ..] => Err(Refusal::BadRequestLine),
        _ => Ok(Some(0)),
    }
}

#[inline]
fn check_lengths(method: &[u8], target: &[u8], limits: &HeadLimits) -> Result<(), Refusal> {
    if method.len() > MAX_METHOD_BYTES {
        Err(Refusal::BadRequestLine)
    } else if target.len() > limits.uri_bytes {
        Err(Refusal::UriTooLong)
    } else {
        Ok(())
    }
}

/// The ends of the first and the last line; those between are seen when the fields are copied.
#[inline]
fn check_line_ends(head: &[u8], line: usize, length: usize) -> Result<(), Refusal> {
    if head[line] == b'\r' && head[length - 2] == b'\r' { Ok(()) } else { Err(Refusal::BareLineFeed) }
}

/// Whether a head that cannot be cut, or not yet, is refused, and why. Of several reasons the one that comes first
/// in the head counts, so that the answer does not depend on how the reads happened to cut it.
#[cold]
fn incomplete(head: &[u8], limits: &HeadLimits, error: Option<Error>) -> Result<(), Refusal> {
    let (method, target, version) = first_line(head);
    check_lengths(method, target, limits)?;
    let Some(error) = error else { return Ok(()) };
    if let Some(end) = first_bare_line_feed(head).filter(|end| *end < head.len()) {
        let mut slots = [const { MaybeUninit::uninit() }; MAX_FIELDS];
        // Is there an error before the bare LF, too?
        let before =
            Request::new(&mut []).parse_with_uninit_headers(&head[..end], &mut slots[..limits.field_slots()]);
        return match before {
            Err(error) => explain(error, &head[..end], version),
            Ok(_) => Err(Refusal::BareLineFeed),
        };
    }
    explain(error, head, version)
}

#[cold]
fn explain(error: Error, head: &[u8], version: &[u8]) -> Result<(), Refusal> {
    let line_is_good = is_version(version) && version.get(8..10) == Some(b"\r\n");
    match error {
        Error::Version => match version_shape(version) {
            Shape::Begun => Ok(()),
            Shape::AnotherMajor => Err(Refusal::UnsupportedVersion),
            Shape::Wrong => Err(Refusal::BadRequestLine),
        },
        Error::TooManyHeaders => Err(Refusal::TooManyFields),
        Error::HeaderName | Error::HeaderValue => Err(Refusal::BadField),
        Error::NewLine if line_is_good => Err(Refusal::BadField),
        Error::Token if !head.first().is_some_and(|byte| is_token_byte(*byte)) => Err(Refusal::NotHttp),
        Error::NewLine | Error::Token | Error::Status => Err(Refusal::BadRequestLine),
    }
}

/// As much of method, target and version as has come; the version goes on to the end of `head`.
fn first_line(head: &[u8]) -> (&[u8], &[u8], &[u8]) {
    let is_target_byte = |byte: &u8| byte.is_ascii_graphic() || !byte.is_ascii();
    let (method, rest) = split_while(head, |byte| is_token_byte(*byte));
    match rest {
        [b' ', rest @ ..] if !method.is_empty() => {
            let (target, rest) = split_while(rest, is_target_byte);
            (method, target, rest.strip_prefix(b" ").unwrap_or_default())
        }
        _ => (method, &[], &[]),
    }
}

fn split_while(bytes: &[u8], good: impl Fn(&u8) -> bool) -> (&[u8], &[u8]) {
    bytes.split_at(bytes.iter().position(|byte| !good(byte)).unwrap_or(bytes.len()))
}

fn is_version(version: &[u8]) -> bool {
    version.starts_with(b"HTTP/1.0") || version.starts_with(b"HTTP/1.1")
}

/// What a version that httparse does not take looks like.
enum Shape {
    /// Could still be one.
    Begun,
    /// Of another protocol than HTTP/1.
    AnotherMajor,
    /// No version at all, or a minor one that nobody has defined.
    Wrong,
}

fn version_shape(version: &[u8]) -> Shape {
    let pattern = b"HTTP/0.0";
    let fits = version.iter().zip(pattern).all(|(byte, wanted)| match wanted {
        b'0' => byte.is_ascii_digit(),
        _ => byte == wanted,
    });
    match fits {
        false => Shape::Wrong,
        true if version.len() < pattern.len() => Shape::Begun,
        true if version[5] == b'1' => Shape::Wrong,
        true => Shape::AnotherMajor,
    }
}
