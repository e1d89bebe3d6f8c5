//! The head of a response, from a backend: as strict as for requests, but for the two repairs that RFC 9112 asks for.

use std::mem::MaybeUninit;

use httparse::{Error, Response, Status};
use memchr::memchr;

use crate::field::{BadFields, Notable, collect, list};
use crate::repair::repair;
use crate::search::Search;
use crate::{
    BadResponse, BodyKind, Field, HeadLimits, Known, MAX_FIELDS, Method, Span, Version, connection, framing,
};

/// The head of a response as spans over the caller's buffer. Meaningful after [`ResponseHead::parse`] gave `Ok(true)`.
#[derive(Default, Debug)]
pub struct ResponseHead {
    /// The status, 100 to 599. After 101 the connection speaks another protocol, from `buffer[length]` on.
    pub status: u16,
    /// The reason phrase; may be empty.
    pub reason: Span,
    /// The version.
    pub version: Version,
    /// Every field in the order sent. An underscore means nothing here.
    pub fields: Vec<Field>,
    /// Bytes of the head with its empty line: the body starts at `buffer[length]`.
    pub length: usize,
    /// How the body ends.
    pub body: BodyKind,
    /// What the fields say of a body, whether or not one follows: the answer to a HEAD has a length and no body.
    pub announced: BodyKind,
    /// Whether the backend lets the connection stay open. Never if only its close ends the body.
    pub keep_alive: bool,
    /// The `timeout` of `Keep-Alive`, in seconds.
    pub keep_alive_timeout: Option<u64>,
    /// The value of the only `Upgrade` field, if `Connection` lists `upgrade`. Never in HTTP/1.0.
    pub upgrade: Option<Span>,
    /// The value of the only `X-Evenkeel-Drain` field.
    pub drain: Option<Span>,
    /// Whether `Connection` lists more than the options that everybody knows: see [`ResponseHead::nominated`].
    pub nominates: bool,
    search: Search,
}

impl ResponseHead {
    /// Reads a head from the front of `buffer`, which has everything received so far. `Ok(true)`: it is complete.
    /// `Ok(false)`: more bytes are needed. `to` is the method of the request.
    ///
    /// Folded lines and spaces before a colon are repaired in the buffer, without changing its length. As with
    /// requests, a head that comes byte by byte costs linear time; call [`ResponseHead::clear`] if the next call is
    /// about another message.
    pub fn parse(&mut self, buffer: &mut [u8], to: Method, limits: &HeadLimits) -> Result<bool, BadResponse> {
        self.fields.clear();
        let length = limits.window(buffer.len());
        let window = &mut buffer[..length];
        let full = length >= limits.head_bytes;
        if window.is_empty() || !self.search.is_due(window, full, usize::MAX) {
            return Ok(false);
        }
        if self.read(window, to, limits)? {
            self.search = Search::default();
            Ok(true)
        } else if self.search.finds_bare_line_feed(window) {
            Err(BadResponse::BareLineFeed)
        } else if full {
            Err(BadResponse::TooLarge)
        } else {
            Ok(false)
        }
    }

    /// Forgets everything but the memory, for the next message.
    #[inline]
    pub fn clear(&mut self) {
        let fields = std::mem::take(&mut self.fields);
        *self = Self { fields, ..Self::default() };
        self.fields.clear();
    }

    /// The values of `Connection`, joined: what it nominates has no business in the trailers either.
    #[cold]
    pub fn nominated(&self, buffer: &[u8]) -> Vec<u8> {
        connection::joined(buffer, &self.fields)
    }

    #[inline]
    fn read(&mut self, window: &mut [u8], to: Method, limits: &HeadLimits) -> Result<bool, BadResponse> {
        let front = &window[..window.len().min(5)];
        if !b"HTTP/".starts_with(front) {
            return Err(BadResponse::NotHttp);
        }
        match self.read_strictly(window, to, limits)? {
            Outcome::Complete => Ok(true),
            Outcome::Partial => Ok(false),
            Outcome::BadName => self.read_repaired(window, to, limits),
        }
    }

    #[cold]
    fn read_repaired(
        &mut self,
        window: &mut [u8],
        to: Method,
        limits: &HeadLimits,
    ) -> Result<bool, BadResponse> {
        let sure = repair(window);
        match self.read_strictly(&window[..sure], to, limits)? {
            Outcome::Complete => Ok(true),
            Outcome::Partial => Ok(false),
            Outcome::BadName => Err(BadResponse::BadField),
        }
    }

    #[inline]
    fn read_strictly(
        &mut self,
        window: &[u8],
        to: Method,
        limits: &HeadLimits,
    ) -> Result<Outcome, BadResponse> {
        let mut slots = [const { MaybeUninit::uninit() }; MAX_FIELDS];
        let mut response = Response::new(&mut []);
        let slots = &mut slots[..limits.field_slots()];
        let config = httparse::ParserConfig::default();
        match config.parse_response_with_uninit_headers(&mut response, window, slots) {
            Ok(Status::Complete(length)) => {
                self.interpret(&window[..length], &response, to).map(|()| Outcome::Complete)
            }
            Ok(Status::Partial) => Ok(Outcome::Partial),
            Err(Error::HeaderName) => Ok(Outcome::BadName),
            Err(Error::HeaderValue) => Err(BadResponse::BadField),
            Err(Error::TooManyHeaders) => Err(BadResponse::TooManyFields),
            // A stray CR: in the status line or, if that has passed, where a field should be.
            Err(Error::NewLine) if memchr(b'\n', window).is_some() => Err(BadResponse::BadField),
            Err(Error::NewLine | Error::Status | Error::Token | Error::Version) => {
                Err(BadResponse::BadStatusLine)
            }
        }
    }

    /// Interprets the head that the tokeniser accepted.
    #[inline]
    fn interpret(&mut self, head: &[u8], response: &Response<'_, '_>, to: Method) -> Result<(), BadResponse> {
        self.length = head.len();
        self.version = Version::of_minor(response.version);
        self.status =
            response.code.filter(|code| (100..600).contains(code)).ok_or(BadResponse::BadStatusLine)?;
        self.reason = reason(head)?;
        let known = |name: &[u8]| Some(Known::of(name));
        let notable = collect(&mut self.fields, head, response.headers, known).map_err(|bad| match bad {
            BadFields::BareLineFeed => BadResponse::BareLineFeed,
            BadFields::Ambiguous => BadResponse::BadField,
        })?;
        if head[head.len() - 2] != b'\r' {
            return Err(BadResponse::BareLineFeed);
        }
        let framed = framing::of_response(head, &notable, self.version)?;
        self.announced = framed.unwrap_or(BodyKind::None);
        self.body = if has_no_body(self.status, to) {
            BodyKind::None
        } else {
            framed.unwrap_or(BodyKind::UntilClose)
        };
        self.read_options(head, &notable)
    }

    #[inline]
    fn read_options(&mut self, head: &[u8], notable: &Notable) -> Result<(), BadResponse> {
        let options = connection::options(head, &mut self.fields, notable).ok_or(BadResponse::BadField)?;
        self.keep_alive = options.keeps_alive(self.version) && self.body != BodyKind::UntilClose;
        self.nominates = options.nominates;
        self.drain = notable.drain.single();
        let is_http11 = self.version == Version::Http11;
        self.upgrade = notable.upgrade.single().filter(|_| options.upgrade && is_http11);
        self.keep_alive_timeout = notable.keep_alive.single().and_then(|value| timeout(value.of(head)));
        Ok(())
    }
}

/// What the tokeniser made of a head.
enum Outcome {
    Complete,
    Partial,
    /// Perhaps one of the two things that are repaired.
    BadName,
}

/// Whether there is no body whatever the fields say (RFC 9112, 6.3).
#[inline]
fn has_no_body(status: u16, to: Method) -> bool {
    match to {
        Method::Head => true,
        Method::Connect if (200..300).contains(&status) => true,
        _ => matches!(status, 100..=199 | 204 | 304),
    }
}

/// The reason phrase of a head that starts with `HTTP/1.1 200`, at which point httparse has checked its bytes.
#[inline]
fn reason(head: &[u8]) -> Result<Span, BadResponse> {
    let code_end = "HTTP/1.1 200".len();
    let end = code_end + memchr(b'\n', &head[code_end..]).ok_or(BadResponse::BadStatusLine)?;
    if head[end - 1] != b'\r' {
        return Err(BadResponse::BareLineFeed);
    }
    // The space before the reason is often missing where the reason is.
    Ok(Span::new((code_end + 1).min(end - 1), end - 1))
}

/// The `timeout` among the parameters of `Keep-Alive`.
fn timeout(value: &[u8]) -> Option<u64> {
    list(value).find_map(|parameter| {
        let (name, seconds) = parameter.split_at_checked("timeout=".len())?;
        if !name.eq_ignore_ascii_case(b"timeout=") || !seconds.iter().all(u8::is_ascii_digit) {
            return None;
        }
        str::from_utf8(seconds).ok()?.parse().ok()
    })
}
