//! Ways in which the same bytes can arrive, and what came of them, as plain values that can be compared.

use evenkeel_http1::{
    BadBody, BadResponse, BodyDecoder, BodyKind, HeadLimits, Known, Method, Refusal, RequestHead,
    ResponseHead, Version,
};

/// What a request was read as.
#[derive(PartialEq, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) authority: String,
    pub(crate) path: String,
    pub(crate) version: Version,
    pub(crate) fields: Vec<(String, String, Known)>,
    pub(crate) length: usize,
    pub(crate) body: BodyKind,
    pub(crate) keep_alive: bool,
    pub(crate) expect_continue: bool,
    pub(crate) upgrade: Option<String>,
    pub(crate) te_trailers: bool,
}

/// What a response was read as.
#[derive(PartialEq, Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) reason: String,
    pub(crate) version: Version,
    pub(crate) fields: Vec<(String, String, Known)>,
    pub(crate) length: usize,
    pub(crate) body: BodyKind,
    pub(crate) keep_alive: bool,
    pub(crate) keep_alive_timeout: Option<u64>,
    pub(crate) drain: Option<String>,
    pub(crate) upgrade: Option<String>,
}

/// What a body was read as.
#[derive(PartialEq, Debug)]
pub(crate) struct Body {
    pub(crate) payload: Vec<u8>,
    pub(crate) trailers: String,
    /// The bytes behind the body.
    pub(crate) rest: Vec<u8>,
    pub(crate) done: bool,
}

/// Reads a request of which `cuts` bytes have come at a time; `None` if it never completes.
pub(crate) fn request_in(
    bytes: &[u8],
    cuts: &[usize],
    limits: &HeadLimits,
) -> Result<Option<Request>, Refusal> {
    let mut head = RequestHead::default();
    for end in ends(bytes.len(), cuts) {
        let buffer = &bytes[..end];
        if head.parse(buffer, limits)? {
            return Ok(Some(seen_request(&head, buffer)));
        }
    }
    Ok(None)
}

/// Reads a request that comes whole, byte by byte, and behind an empty line: the outcome must be the same.
pub(crate) fn request(text: impl AsRef<[u8]>) -> Result<Option<Request>, Refusal> {
    let bytes = text.as_ref();
    let limits = HeadLimits::default();
    let whole = request_in(bytes, &[], &limits);
    let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(200)]);
    let mut slowly = request_in(bytes, &vec![1; bytes.len()], &limits);
    if whole.is_err() && slowly == Ok(None) {
        // A head that comes slowly is refused when its end is in sight, if not before.
        let ended = [bytes, b"\r\n\r\n"].concat();
        slowly = request_in(&ended, &vec![1; ended.len()], &limits);
    }
    assert_eq!(whole, slowly, "byte by byte: {shown}");
    if !bytes.starts_with(b"\r") {
        let led = [b"\r\n", bytes].concat();
        let led = request_in(&led, &[], &limits).map(|head| head.map(|head| (head.target, head.length - 2)));
        let plain = whole.as_ref().map(|head| head.as_ref().map(|head| (head.target.clone(), head.length)));
        assert_eq!(led, plain.map_err(|refusal| *refusal), "behind an empty line: {shown}");
    }
    whole
}

/// Reads a response of which `cuts` bytes have come at a time; `None` if it never completes.
pub(crate) fn response_in(
    bytes: &[u8],
    cuts: &[usize],
    to: Method,
    limits: &HeadLimits,
) -> Result<Option<Response>, BadResponse> {
    let mut head = ResponseHead::default();
    let mut buffer = bytes.to_vec();
    for end in ends(bytes.len(), cuts) {
        let complete = head.parse(&mut buffer[..end], to, limits)?;
        assert_eq!(buffer[end..], bytes[end..], "bytes that have not come are not touched");
        if complete {
            assert_eq!(buffer[head.length..], bytes[head.length..], "bytes behind the head are not touched");
            return Ok(Some(seen_response(&head, &buffer)));
        }
    }
    Ok(None)
}

/// Reads a response that comes whole and byte by byte: the outcome must be the same.
pub(crate) fn response(text: impl AsRef<[u8]>, to: Method) -> Result<Option<Response>, BadResponse> {
    let bytes = text.as_ref();
    let limits = HeadLimits::default();
    let whole = response_in(bytes, &[], to, &limits);
    let mut slowly = response_in(bytes, &vec![1; bytes.len()], to, &limits);
    if whole.is_err() && slowly == Ok(None) {
        let ended = [bytes, b"\r\n\r\n"].concat();
        slowly = response_in(&ended, &vec![1; ended.len()], to, &limits);
    }
    assert_eq!(whole.is_err(), slowly.is_err(), "byte by byte: {}", String::from_utf8_lossy(bytes));
    if whole.is_ok() {
        assert_eq!(whole, slowly);
    }
    whole
}

/// Reads a body of which `cuts` bytes come at a time, keeping what was not consumed as a connection would.
pub(crate) fn body_in(bytes: &[u8], cuts: &[usize], kind: BodyKind) -> Result<Body, BadBody> {
    let mut decoder = BodyDecoder::new(kind);
    let (mut payload, mut rest, mut from) = (Vec::new(), Vec::new(), 0);
    for end in ends(bytes.len(), cuts) {
        rest.extend_from_slice(&bytes[from..end]);
        from = end;
        let before = rest.clone();
        let decoded = decoder.decode(&mut rest)?;
        assert!(decoded.produced <= decoded.consumed && decoded.consumed <= rest.len());
        assert_eq!(rest[decoded.consumed..], before[decoded.consumed..], "bytes behind are not touched");
        assert!(decoder.is_done() || decoded.consumed == rest.len(), "the buffer never fills up");
        payload.extend_from_slice(&rest[..decoded.produced]);
        rest.drain(..decoded.consumed);
    }
    let trailers = String::from_utf8_lossy(decoder.trailers()).into_owned();
    Ok(Body { payload, trailers, rest, done: decoder.is_done() })
}

/// Where the reads end: after each of `cuts` bytes, and at the end of all.
fn ends(length: usize, cuts: &[usize]) -> Vec<usize> {
    let mut ends: Vec<_> = cuts
        .iter()
        .scan(0, |end, cut| {
            *end += cut;
            Some(*end)
        })
        .take_while(|end| *end < length)
        .collect();
    ends.push(length);
    ends
}

fn seen_request(head: &RequestHead, buffer: &[u8]) -> Request {
    let text = |span: evenkeel_http1::Span| String::from_utf8_lossy(span.of(buffer)).into_owned();
    Request {
        method: text(head.method_span),
        target: text(head.target),
        authority: text(head.authority),
        path: String::from_utf8_lossy(head.path_prefix(buffer)).into_owned() + &text(head.path),
        version: head.version,
        fields: head.fields.iter().map(|field| (text(field.name), text(field.value), field.known)).collect(),
        length: head.length,
        body: head.body,
        keep_alive: head.keep_alive,
        expect_continue: head.expect_continue,
        upgrade: head.upgrade.map(text),
        te_trailers: head.te_trailers,
    }
}

fn seen_response(head: &ResponseHead, buffer: &[u8]) -> Response {
    let text = |span: evenkeel_http1::Span| String::from_utf8_lossy(span.of(buffer)).into_owned();
    Response {
        status: head.status,
        reason: text(head.reason),
        version: head.version,
        fields: head.fields.iter().map(|field| (text(field.name), text(field.value), field.known)).collect(),
        length: head.length,
        body: head.body,
        keep_alive: head.keep_alive,
        keep_alive_timeout: head.keep_alive_timeout,
        drain: head.drain.map(text),
        upgrade: head.upgrade.map(text),
    }
}
