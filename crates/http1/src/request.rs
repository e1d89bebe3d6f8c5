//! The head of a request, from a client: strict, since a backend may read every oddity in another way.

use std::mem::MaybeUninit;

use httparse::{Error, Header, Request, Status};
use memchr::memchr;

use crate::field::{BadFields, Notable, Seen, collect, is_token_byte, list};
use crate::limits::MAX_METHOD_BYTES;
use crate::search::{Search, first_bare_line_feed};
use crate::target::Target;
use crate::{BodyKind, Field, HeadLimits, Known, MAX_FIELDS, Method, Refusal, Span, Version, connection, framing};

/// The head of a request as spans over the caller's buffer. Meaningful after [`RequestHead::parse`] gave `Ok(true)`.
#[derive(Default, Debug)]
pub struct RequestHead {
    /// The method.
    pub method: Method,
    /// Its bytes.
    pub method_span: Span,
    /// The target as sent.
    pub target: Span,
    /// Host and port: of an absolute-form target, else of `Host`. Empty in an HTTP/1.0 request that has neither.
    pub authority: Span,
    /// The path and query to forward, byte-exact. Of an absolute-form target it is what follows the authority, which
    /// may need something before it: see [`RequestHead::path_prefix`].
    pub path: Span,
    /// The version.
    pub version: Version,
    /// Every field in the order sent.
    pub fields: Vec<Field>,
    /// Bytes of the head with its empty lines: the body starts at `buffer[length]`.
    pub length: usize,
    /// How the body ends; never [`BodyKind::UntilClose`].
    pub body: BodyKind,
    /// Whether the client lets the connection stay open.
    pub keep_alive: bool,
    /// Whether the client waits for a 100 before its body. Never in HTTP/1.0.
    pub expect_continue: bool,
    /// The value of the only `Upgrade` field, if `Connection` lists `upgrade`. Never in HTTP/1.0.
    pub upgrade: Option<Span>,
    /// Whether `TE` lists `trailers`. Never in HTTP/1.0.
    pub te_trailers: bool,
    search: Search,
}

impl RequestHead {
    /// Reads a head from the front of `buffer`, which has everything received so far. `Ok(true)`: it is complete.
    /// `Ok(false)`: more bytes are needed.
    ///
    /// Each call starts from scratch but for a note of how far the end was looked for, so that a head that comes byte
    /// by byte costs linear time. Call [`RequestHead::clear`] before another message.
    pub fn parse(&mut self, buffer: &[u8], limits: &HeadLimits) -> Result<bool, Refusal> {
        self.fields.clear();
        let window = &buffer[..limits.window(buffer.len())];
        let full = window.len() >= limits.head_bytes;
        if window.is_empty() || !self.search.is_due(window, full, limits.line_bytes()) {
            return Ok(false);
        }
        let mut slots = [const { MaybeUninit::uninit() }; MAX_FIELDS];
        match tokenise(window, limits, &mut slots)? {
            Some(tokens) => self.read(window, &tokens).map(|()| true),
            None if self.search.finds_bare_line_feed(window) => Err(bare_line_feed(window, limits)),
            None if full => Err(Refusal::HeadTooLarge),
            None => Ok(false),
        }
    }

    /// Forgets everything but the memory, for the next message.
    #[inline]
    pub fn clear(&mut self) {
        let fields = std::mem::take(&mut self.fields);
        *self = Self { fields, ..Self::default() };
        self.fields.clear();
    }

    /// The path without its query; `/` if it is empty.
    #[inline]
    pub fn path_without_query<'a>(&self, buffer: &'a [u8]) -> &'a [u8] {
        let path = self.path.of(buffer);
        match memchr(b'?', path).map_or(path, |query| &path[..query]) {
            [] => b"/",
            path => path,
        }
    }

    /// What to write before [`RequestHead::path`]: nothing, or `/` (or `*`, for OPTIONS) if an absolute-form target
    /// has no path (RFC 9112, 3.2).
    #[inline]
    pub fn path_prefix(&self, buffer: &[u8]) -> &'static [u8] {
        match self.path.of(buffer) {
            [] if self.method == Method::Options => b"*",
            [] | [b'?', ..] => b"/",
            _ => b"",
        }
    }

    /// Interprets what the tokeniser accepted.
    #[inline]
    fn read(&mut self, buffer: &[u8], tokens: &Tokens<'_>) -> Result<(), Refusal> {
        let known = Known::in_request;
        let notable = collect(&mut self.fields, buffer, tokens.headers, known).map_err(|bad| match bad {
            BadFields::BareLineFeed => Refusal::BareLineFeed,
            BadFields::Ambiguous => Refusal::AmbiguousFieldName,
        })?;
        self.method_span = Span::locate(buffer, tokens.method);
        self.method = Method::of(tokens.method);
        self.version = tokens.version;
        self.length = tokens.length;
        self.read_target(buffer, Span::locate(buffer, tokens.target), &notable)?;
        self.body = framing::of_request(buffer, &notable, self.version)?;
        self.read_options(buffer, &notable)
    }

    #[inline]
    fn read_target(&mut self, buffer: &[u8], target: Span, notable: &Notable) -> Result<(), Refusal> {
        if matches!(self.method, Method::Trace | Method::Connect) {
            return Err(Refusal::MethodNotAllowed);
        }
        let host = match notable.host {
            Seen::Once(host) => Some(host),
            Seen::Nowhere if self.version == Version::Http10 => None,
            Seen::Nowhere => return Err(Refusal::MissingHost),
            Seen::Repeated => return Err(Refusal::RepeatedHost),
        };
        let parts = Target::read(buffer, target, self.method)?;
        self.authority = parts.authority(buffer, host)?;
        self.target = target;
        self.path = parts.path;
        Ok(())
    }

    #[inline]
    fn read_options(&mut self, buffer: &[u8], notable: &Notable) -> Result<(), Refusal> {
        let options =
            connection::options(buffer, &mut self.fields, notable).ok_or(Refusal::TooManyConnectionOptions)?;
        let is_http11 = self.version == Version::Http11;
        self.keep_alive = options.keeps_alive(self.version);
        self.upgrade = notable.upgrade.single().filter(|_| options.upgrade && is_http11);
        // Most requests have none of these.
        self.te_trailers = is_http11 && !notable.te.is_nowhere() && self.accepts_trailers(buffer);
        self.expect_continue = is_http11 && expects_continue(buffer, notable.expect)?;
        Ok(())
    }

    fn accepts_trailers(&self, buffer: &[u8]) -> bool {
        let mut te = self.fields.iter().filter(|field| field.known == Known::Te);
        te.any(|field| list(field.value.of(buffer)).any(|coding| coding.eq_ignore_ascii_case(b"trailers")))
    }
}

#[inline]
fn expects_continue(buffer: &[u8], expect: Seen) -> Result<bool, Refusal> {
    match expect {
        Seen::Nowhere => Ok(false),
        Seen::Once(value) if value.of(buffer).eq_ignore_ascii_case(b"100-continue") => Ok(true),
        Seen::Once(_) | Seen::Repeated => Err(Refusal::ExpectationFailed),
    }
}

type Slots<'a> = [MaybeUninit<Header<'a>>; MAX_FIELDS];

/// A complete head, cut into tokens but not understood.
struct Tokens<'a> {
    method: &'a [u8],
    target: &'a [u8],
    version: Version,
    headers: &'a [Header<'a>],
    length: usize,
}

/// Cuts the head at the front of `window`; `None` if it is incomplete.
#[inline]
fn tokenise<'a>(
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
        let before = Request::new(&mut []).parse_with_uninit_headers(&head[..end], &mut slots[..limits.field_slots()]);
        return match before {
            Err(error) => explain(error, &head[..end], version),
            Ok(_) => Err(Refusal::BareLineFeed),
        };
    }
    explain(error, head, version)
}

/// Why the fields of a head that has a bare LF were not even looked at.
#[cold]
fn bare_line_feed(window: &[u8], limits: &HeadLimits) -> Refusal {
    let _ = (window, limits);
    Refusal::BareLineFeed
}

#[cold]
fn explain(error: Error, head: &[u8], version: &[u8]) -> Result<(), Refusal> {
    let line_is_good = is_version(version) && version.get(8..10) == Some(b"\r\n");
    match error {
        Error::Version => match version_shape(version) {
            Shape::Begun => Ok(()),
            Shape::Another => Err(Refusal::UnsupportedVersion),
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
    let (target, rest) = split_while(rest.get(1..).unwrap_or_default(), is_target_byte);
    (method, target, rest.get(1..).unwrap_or_default())
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
    /// One that we do not speak.
    Another,
    /// No version at all.
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
        true => Shape::Another,
    }
}
