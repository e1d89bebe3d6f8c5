//! Heads as evenkeel writes them: hop-by-hop fields gone, forwarding fields true, framing our own.

use std::io::Write;
use std::net::IpAddr;

use evenkeel_http1::{BodyKind, Field, HeadWriter, Known, Method, RequestHead, ResponseHead, Version};
use evenkeel_routing::{ForwardingRule, Underscores};

use crate::core::Core;
use crate::downstream::Client;
use crate::flow::Coding;
use crate::scratch::Scratch;

/// Longest `X-Request-Id` that is believed, in bytes.
const LONGEST_REQUEST_ID: usize = 128;

/// Tells backends which attempt of a request they see: 1 is the first.
const ATTEMPT: &[u8] = b"X-Evenkeel-Attempt";

/// What stands between the members of a list.
const LIST: &[u8] = b", ";

/// What evenkeel adds to a head, in bytes, as a rule.
const ROOM: usize = 512;

/// Neighbouring fields on their way into another head: what stands together is copied together.
struct Run<'a> {
    head: &'a [u8],
    start: usize,
    end: usize,
}

impl<'a> Run<'a> {
    fn new(head: &'a [u8]) -> Self {
        Run { head, start: 0, end: 0 }
    }

    #[inline]
    fn copy(&mut self, writer: &mut HeadWriter<'_>, field: &Field) {
        let (start, end) = (field.name.start as usize, field.value.end as usize);
        // One space behind the colon and none before the line's end: a line as evenkeel would write it.
        let is_plain = field.value.start == field.name.end + 2
            && self.head[field.name.end as usize + 1] == b' '
            && self.head[end..].starts_with(b"\r\n");
        if is_plain && start == self.end {
            self.end = end + 2;
            return;
        }
        self.end(writer);
        if is_plain {
            (self.start, self.end) = (start, end + 2);
        } else {
            writer.field(field.name.of(self.head), field.value.of(self.head));
        }
    }

    #[inline]
    fn end(&mut self, writer: &mut HeadWriter<'_>) {
        writer.lines(&self.head[self.start..self.end]);
        self.start = self.end;
    }
}

/// The peer of a connection, as headers show it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sender {
    address: IpAddr,
    /// The address as text; the longest has 39 characters.
    text: [u8; 40],
    length: u8,
}

impl Sender {
    pub(crate) fn new(address: IpAddr) -> Self {
        let address = address.to_canonical();
        let mut text = [0; 40];
        let mut rest = &mut text[..];
        // What does not fit is cut, and nothing is longer.
        let _ = write!(rest, "{address}");
        let length = 40 - rest.len() as u8;
        Sender { address, text, length }
    }

    fn text(&self) -> &[u8] {
        &self.text[..usize::from(self.length)]
    }

    /// Whether its forwarding fields are believed.
    #[inline]
    pub(crate) fn is_trusted(&self, rule: &ForwardingRule) -> bool {
        rule.trusted_networks.iter().any(|network| network.contains(&self.address))
    }
}

/// `Via` as evenkeel adds it, by the version of the message received (RFC 9110, section 7.6.3).
#[derive(Debug)]
pub(crate) struct Via {
    http10: Box<[u8]>,
    http11: Box<[u8]>,
}

impl Via {
    pub(crate) fn new(name: &str) -> Self {
        let of = |version: &str| format!("{version} {name}").into_bytes().into();
        Via { http10: of("1.0"), http11: of("1.1") }
    }

    fn of(&self, version: Version) -> &[u8] {
        match version {
            Version::Http10 => &self.http10,
            Version::Http11 => &self.http11,
        }
    }
}

/// Notes the request's id: the client's, where it is believed, else a new one.
pub(crate) fn note_request_id(core: &Core, scratch: &mut Scratch, is_trusted: bool) {
    scratch.request_id.clear();
    if is_trusted
        && let Some(id) = value_of(&scratch.request, &scratch.head, Known::XRequestId)
        && !id.is_empty()
        && id.len() <= LONGEST_REQUEST_ID
    {
        scratch.request_id.extend_from_slice(id);
        return;
    }
    scratch.request_id.extend_from_slice(&core.random.request_id());
}

/// Where a request comes from, and what is said about it.
#[derive(Clone, Copy)]
pub(crate) struct ToBackend<'a> {
    pub(crate) client: &'a Client,
    pub(crate) is_trusted: bool,
    pub(crate) via: Option<&'a Via>,
    /// Which attempt it is.
    pub(crate) number: u64,
    /// The authority of a request of HTTP/1.0 that names none: where it was sent to (RFC 9112, section 3.3).
    pub(crate) unnamed: Option<&'a str>,
    /// What backends see as `Host`, where it is not what the client sent.
    pub(crate) host: Option<&'a str>,
}

/// Writes the request head for a backend into `scratch.to_backend`.
pub(crate) fn to_backend(scratch: &mut Scratch, way: ToBackend<'_>) {
    let ToBackend { client, is_trusted, via, unnamed, host, number } = way;
    let rule = &client.listener.rule;
    let Scratch { request, head, to_backend: out, request_id, attempt_at, .. } = scratch;
    out.clear();
    out.reserve(head.len() + ROOM);
    let mut writer = request_line(request, head, out);
    // First, as RFC 9112 section 3.2 wants it.
    writer.field(b"Host", host.or(unnamed).map_or(request.authority.of(head), str::as_bytes));
    let mut run = Run::new(head);
    let mut via_before = None;
    let (mut forwarded_for, mut certificate) = (None, None);
    for field in &request.fields {
        let value = field.value.of(head);
        match field.known {
            Known::Host => continue,
            Known::Via => via_before = Some(join(via_before, LIST, value)),
            Known::XForwardedFor if is_trusted => forwarded_for = Some(join(forwarded_for, LIST, value)),
            Known::XForwardedClientCert if is_trusted => certificate = Some(join(certificate, b",", value)),
            Known::XForwardedProto | Known::XForwardedHost | Known::Forwarded | Known::ForwardingOther
                if is_trusted => {}
            Known::XForwardedFor
            | Known::XForwardedProto
            | Known::XForwardedHost
            | Known::XForwardedClientCert
            | Known::Forwarded
            | Known::ForwardingOther => continue,
            Known::XRequestId | Known::Attempt | Known::ContentLength => continue,
            Known::Underscore if rule.underscores != Underscores::Pass => continue,
            // Without a body to wait for, or from HTTP/1.0, it means nothing (RFC 9110, section 10.1.1).
            Known::Expect if !request.expect_continue || !has_body(request) => continue,
            Known::Trailer if request.body != BodyKind::Chunked => continue,
            Known::MaxForwards if request.method == Method::Options => {
                run.end(&mut writer);
                writer.number(b"Max-Forwards", hops(value).unwrap_or(0).saturating_sub(1));
                continue;
            }
            known if known.is_hop_by_hop() => continue,
            _ => {}
        }
        match field.known {
            Known::Via | Known::XForwardedFor | Known::XForwardedClientCert => {}
            _ => run.copy(&mut writer, field),
        }
    }
    run.end(&mut writer);
    forwarding(&mut writer, request, head, (client, is_trusted), forwarded_for);
    client_certificate(&mut writer, client, certificate);
    writer.field(b"X-Request-Id", request_id);
    match (via_before, via.map(|via| via.of(request.version))) {
        (Some(before), Some(ours)) => writer.field(b"Via", &join(Some(before), LIST, ours)),
        (Some(only), None) => writer.field(b"Via", &only),
        (None, Some(only)) => writer.field(b"Via", only),
        (None, None) => {}
    }
    framing_to_backend(&mut writer, request, head, &rule.upgrades);
    *attempt_at = writer.written();
    writer.number(ATTEMPT, number);
    writer.finish();
}

/// Says to the backend which attempt this is.
#[cold]
pub(crate) fn number_attempt(scratch: &mut Scratch, number: u64) {
    scratch.to_backend.truncate(scratch.attempt_at);
    let mut writer = HeadWriter::more(&mut scratch.to_backend);
    writer.number(ATTEMPT, number);
    writer.finish();
}

/// A decimal number, or the largest that there is; 0 if it is none.
fn number_of(text: &[u8]) -> u64 {
    let is_number = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    let number = || str::from_utf8(text).ok()?.parse().ok();
    if is_number { number().unwrap_or(u64::MAX) } else { 0 }
}

/// How many attempts a proxy before us has made already, as it says by the number of this one.
pub(crate) fn attempts_before(scratch: &Scratch, is_trusted: bool) -> u64 {
    if !is_trusted {
        return 0;
    }
    let Scratch { request, head, .. } = scratch;
    let fields = request.fields.iter().filter(|field| field.known == Known::Attempt);
    let members = fields.flat_map(|field| field.value.of(head).split(|byte| *byte == b','));
    // Of several, the one that claims most: rather one retry too few.
    let numbers = members.map(|member| number_of(member.trim_ascii()));
    numbers.max().unwrap_or(0).saturating_sub(1)
}

/// Whether a proxy before us says that its client came by HTTPS; of several, the first was nearest to the client.
pub(crate) fn came_by_https(scratch: &Scratch, is_trusted: bool) -> bool {
    let Scratch { request, head, .. } = scratch;
    let mut fields = request.fields.iter().filter(|field| field.known == Known::XForwardedProto);
    let first = fields.next().and_then(|field| field.value.of(head).split(|byte| *byte == b',').next());
    is_trusted && first.is_some_and(|scheme| scheme.trim_ascii().eq_ignore_ascii_case(b"https"))
}

fn has_body(request: &RequestHead) -> bool {
    !matches!(request.body, BodyKind::None | BodyKind::Length(0))
}

/// How many times a request may be forwarded yet, as `Max-Forwards` says it (RFC 9110, section 7.6.2).
pub(crate) fn hops(value: &[u8]) -> Option<u64> {
    let is_number = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    is_number.then(|| str::from_utf8(value).ok()?.parse().ok())?
}

fn request_line<'a>(request: &RequestHead, head: &[u8], out: &'a mut Vec<u8>) -> HeadWriter<'a> {
    let (prefix, path) = (request.path_prefix(head), request.path.of(head));
    let method = request.method_span.of(head);
    if prefix.is_empty() {
        HeadWriter::request(out, method, path)
    } else {
        HeadWriter::request(out, method, &[prefix, path].concat())
    }
}

fn forwarding(
    writer: &mut HeadWriter<'_>,
    request: &RequestHead,
    head: &[u8],
    (client, is_trusted): (&Client, bool),
    before: Option<Vec<u8>>,
) {
    match before {
        Some(before) => {
            writer.field(b"X-Forwarded-For", &join(Some(before), LIST, client.sender.text()));
        }
        None => writer.field(b"X-Forwarded-For", client.sender.text()),
    }
    let has = |known| is_trusted && request.fields.iter().any(|field| field.known == known);
    if !has(Known::XForwardedProto) {
        let is_https = client.secure.is_some();
        writer.field(b"X-Forwarded-Proto", if is_https { b"https" } else { b"http" });
    }
    if !has(Known::XForwardedHost) && !request.authority.is_empty() {
        writer.field(b"X-Forwarded-Host", request.authority.of(head));
    }
}

/// Says who the client is by its certificate, behind what trusted proxies before us say of theirs.
fn client_certificate(writer: &mut HeadWriter<'_>, client: &Client, before: Option<Vec<u8>>) {
    let ours = client.secure.as_ref().and_then(|secure| secure.certificate.as_deref());
    let all = match (before, ours) {
        (before, Some(ours)) => join(before, b",", ours),
        (Some(before), None) => before,
        (None, None) => return,
    };
    writer.field(b"X-Forwarded-Client-Cert", &all);
}

fn framing_to_backend(
    writer: &mut HeadWriter<'_>,
    request: &RequestHead,
    head: &[u8],
    upgrades: &[Box<str>],
) {
    match request.body {
        BodyKind::Length(length) => writer.number(b"Content-Length", length),
        BodyKind::Chunked => writer.field(b"Transfer-Encoding", b"chunked"),
        BodyKind::None | BodyKind::UntilClose => {}
    }
    if let Some(protocol) = upgrade(request, head, upgrades) {
        writer.field(b"Connection", b"Upgrade");
        writer.field(b"Upgrade", protocol);
    } else if request.te_trailers {
        writer.field(b"Connection", b"TE");
        writer.field(b"TE", b"trailers");
    }
}

/// The protocol that the client asks to upgrade to: the first that it lists and the listener lets pass. One that
/// sends a body before it may upgrade is served without.
pub(crate) fn upgrade<'a>(request: &RequestHead, head: &'a [u8], upgrades: &[Box<str>]) -> Option<&'a [u8]> {
    let listed = request.upgrade.filter(|_| request.body == BodyKind::None)?.of(head);
    let passes =
        |protocol: &&[u8]| upgrades.iter().any(|name| protocol.eq_ignore_ascii_case(name.as_bytes()));
    listed.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).find(passes)
}

/// How a response is written to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ToClient {
    pub(crate) coding: Coding,
    /// Whether the connection serves another request after it.
    pub(crate) keep_alive: bool,
    pub(crate) client: Version,
    /// Neither a length nor a last chunk tells the client where the body ends.
    pub(crate) only_close_ends_it: bool,
}

/// Writes the response head for the client into `out`; `head` holds the bytes that `response` points into.
pub(crate) fn to_client(
    core: &Core,
    response: &ResponseHead,
    head: &[u8],
    way: ToClient,
    (proxy_status, hsts_value): (Option<&str>, Option<&[u8]>),
    out: &mut Vec<u8>,
) {
    out.clear();
    out.reserve(response.length + ROOM);
    let mut writer = HeadWriter::response(out, response.status, response.reason.of(head));
    let mut run = Run::new(head);
    let mut has_date = false;
    let has_trailers = response.body == BodyKind::Chunked && way.coding == Coding::Chunked;
    let drops_length = response.body == BodyKind::Chunked || response.status == 204 || response.status < 200;
    for field in &response.fields {
        match field.known {
            Known::ContentLength if drops_length => continue,
            Known::Trailer if !has_trailers => continue,
            Known::Date => has_date = true,
            Known::Drain => continue,
            Known::StrictTransportSecurity if hsts_value.is_some() => continue,
            known if known.is_hop_by_hop() => continue,
            _ => {}
        }
        run.copy(&mut writer, field);
    }
    run.end(&mut writer);
    if let Some(member) = proxy_status {
        // Behind those of proxies that are nearer to the origin.
        writer.field(b"Proxy-Status", member.as_bytes());
    }
    if !has_date {
        writer.field(b"Date", &core.date.text());
    }
    hsts(&mut writer, hsts_value);
    if way.coding == Coding::Chunked {
        writer.field(b"Transfer-Encoding", b"chunked");
    }
    connection(&mut writer, way.keep_alive, way.client);
    writer.finish();
}

/// Says that browsers shall come over HTTPS alone, where the listener says so (RFC 6797).
#[inline]
pub(crate) fn hsts(writer: &mut HeadWriter<'_>, value: Option<&[u8]>) {
    if let Some(value) = value {
        writer.field(b"Strict-Transport-Security", value);
    }
}

/// Says whether the connection goes on, where that is not the version's default.
pub(crate) fn connection(writer: &mut HeadWriter<'_>, keep_alive: bool, client: Version) {
    match (keep_alive, client) {
        (false, _) => writer.field(b"Connection", b"close"),
        (true, Version::Http10) => writer.field(b"Connection", b"keep-alive"),
        (true, Version::Http11) => {}
    }
}

/// Writes an interim response, or the 101 that opens a tunnel.
pub(crate) fn interim(response: &ResponseHead, head: &[u8], out: &mut Vec<u8>) {
    out.clear();
    let mut writer = HeadWriter::response(out, response.status, response.reason.of(head));
    for field in &response.fields {
        if !field.known.is_hop_by_hop() && !matches!(field.known, Known::ContentLength | Known::Drain) {
            writer.field(field.name.of(head), field.value.of(head));
        }
    }
    if let (101, Some(protocol)) = (response.status, response.upgrade) {
        writer.field(b"Connection", b"Upgrade");
        writer.field(b"Upgrade", protocol.of(head));
    }
    writer.finish();
}

fn value_of<'a>(request: &RequestHead, head: &'a [u8], known: Known) -> Option<&'a [u8]> {
    request.fields.iter().find(|field| field.known == known).map(|field| field.value.of(head))
}

/// Joins the values of a field that stands several times (RFC 9110, section 5.3).
fn join(before: Option<Vec<u8>>, between: &[u8], value: &[u8]) -> Vec<u8> {
    match before {
        None => value.to_vec(),
        Some(mut all) => {
            all.extend_from_slice(between);
            all.extend_from_slice(value);
            all
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_is_too_large_is_the_largest_and_what_is_none_is_zero() {
        for (text, number) in [
            ("1", 1),
            ("0002", 2),
            ("99999999999999999999999", u64::MAX),
            ("", 0),
            ("+2", 0),
            ("-1", 0),
            ("two", 0),
            ("2 3", 0),
        ] {
            assert_eq!(number_of(text.as_bytes()), number, "{text}");
        }
    }
}
