//! The head of a request, from a client: strict, since a backend may read every oddity in another way.

use std::mem::MaybeUninit;

use memchr::memchr;

use crate::field::{BadFields, Notable, Seen, collect, list};
use crate::search::Search;
use crate::target::Target;
use crate::tokens::{Tokens, tokenise};
use crate::{
    BodyKind, Field, HeadLimits, Known, MAX_FIELDS, Method, Refusal, Span, Version, connection, framing,
};

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
    /// How many fields are [`Known::Underscore`].
    pub underscored: u16,
    /// Whether `Connection` lists more than the options that everybody knows: see [`RequestHead::nominated`].
    pub nominates: bool,
    search: Search,
}

impl RequestHead {
    /// Reads a head from the front of `buffer`, which has everything received so far. `Ok(true)`: it is complete.
    /// `Ok(false)`: more bytes are needed.
    ///
    /// Each call starts from scratch but for a note of how far the end was looked for, so that a head that comes byte
    /// by byte costs linear time. Call [`RequestHead::clear`] if the next call is about another message.
    pub fn parse(&mut self, buffer: &[u8], limits: &HeadLimits) -> Result<bool, Refusal> {
        self.fields.clear();
        let window = &buffer[..limits.window(buffer.len())];
        let full = window.len() >= limits.head_bytes;
        if window.is_empty() || !self.search.is_due(window, full, limits.line_bytes()) {
            return Ok(false);
        }
        let mut slots = [const { MaybeUninit::uninit() }; MAX_FIELDS];
        match tokenise(window, limits, &mut slots)? {
            Some(tokens) => {
                self.search = Search::default();
                self.read(window, &tokens).map(|()| true)
            }
            None if self.search.finds_bare_line_feed(window) => Err(Refusal::BareLineFeed),
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

    /// The values of `Connection`, joined: what it nominates has no business in the trailers either.
    #[cold]
    pub fn nominated(&self, buffer: &[u8]) -> Vec<u8> {
        connection::joined(buffer, &self.fields)
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
        self.underscored = notable.underscored;
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
        let options = connection::options(buffer, &mut self.fields, notable)
            .ok_or(Refusal::TooManyConnectionOptions)?;
        let is_http11 = self.version == Version::Http11;
        self.keep_alive = options.keeps_alive(self.version);
        self.nominates = options.nominates;
        self.upgrade = notable.upgrade.single().filter(|_| options.upgrade && is_http11);
        // Most requests have none of these.
        self.te_trailers = is_http11 && !notable.te.is_nowhere() && self.accepts_trailers(buffer);
        self.expect_continue = expects_continue(buffer, notable.expect)? && is_http11;
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
