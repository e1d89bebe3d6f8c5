//! HTTP/1.1 read once more, by the grammar of RFC 9112 and nothing else: what judges the messages that evenkeel writes
//! and those that it accepts. It shares no code with the product, and is slow and plain on purpose.

/// A head, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Method, target and version; or version, status and reason.
    pub first: [Vec<u8>; 3],
    /// Names as sent, values without the whitespace around them.
    pub fields: Vec<(Vec<u8>, Vec<u8>)>,
    /// Bytes of the head, with its empty lines.
    pub length: usize,
}

/// How a message's body ends, by its fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// The fields say nothing of a body.
    None,
    /// So many bytes.
    Length(u64),
    /// Chunks.
    Chunked,
}

/// A body that has come to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    /// What was meant.
    pub payload: Vec<u8>,
    /// Bytes that it took, framing and trailers included.
    pub length: usize,
}

/// A request that has come to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Its head.
    pub head: Head,
    /// Its body, decoded.
    pub body: Vec<u8>,
}

/// What is against the grammar.
pub type Fault = String;

impl Head {
    /// The values of a field.
    pub fn values(&self, name: &str) -> Vec<&[u8]> {
        let is = |field: &&(Vec<u8>, Vec<u8>)| field.0.eq_ignore_ascii_case(name.as_bytes());
        self.fields.iter().filter(is).map(|(_, value)| &value[..]).collect()
    }

    /// How the body ends; every doubt is a fault.
    ///
    /// # Errors
    /// Lengths that are no numbers, several of them, or one beside a transfer coding other than one `chunked`.
    pub fn framing(&self) -> Result<Framing, Fault> {
        match (&self.values("content-length")[..], &self.values("transfer-encoding")[..]) {
            ([], []) => Ok(Framing::None),
            ([length], []) if !length.is_empty() && length.iter().all(u8::is_ascii_digit) => {
                let digits = String::from_utf8_lossy(length);
                digits.parse().map(Framing::Length).map_err(|_| format!("Content-Length {digits}"))
            }
            ([], [coding]) if coding.eq_ignore_ascii_case(b"chunked") => Ok(Framing::Chunked),
            _ => Err("ambiguous framing".into()),
        }
    }
}

/// Reads a request head from the front of `bytes`; `None` if it is not whole.
///
/// # Errors
/// Anything that the grammar does not have.
pub fn request_head(bytes: &[u8]) -> Result<Option<Head>, Fault> {
    let start = if bytes.starts_with(b"\r\n") { 2 } else { 0 };
    let Some((line, fields, length)) = head(&bytes[start..])? else { return Ok(None) };
    let words: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
    let [method, target, version] = words[..] else { return Err(fault("request line", line)) };
    let is_target = !target.is_empty() && target.iter().all(|byte| byte.is_ascii_graphic() && *byte != b'#');
    if !is_token(method) || !is_target || !is_version(version) {
        return Err(fault("request line", line));
    }
    let head =
        Head { first: [method.to_vec(), target.to_vec(), version.to_vec()], fields, length: start + length };
    if head.values("host").len() > 1 || (version == b"HTTP/1.1" && head.values("host").is_empty()) {
        return Err("not one Host".into());
    }
    Ok(Some(head))
}

/// Reads a response head from the front of `bytes`, where folded lines and whitespace before a colon are repaired;
/// `None` if it is not whole.
///
/// # Errors
/// Anything that the grammar does not have.
pub fn response_head(bytes: &[u8]) -> Result<Option<Head>, Fault> {
    let Some(end) = find(bytes, b"\r\n\r\n") else { return Ok(None) };
    let mut repaired = Vec::new();
    for (number, line) in bytes[..end].split_inclusive(|byte| *byte == b'\n').enumerate() {
        let is_folded = number > 1 && matches!(line.first(), Some(b' ' | b'\t'));
        if is_folded {
            let length = repaired.len() - 2;
            repaired.truncate(length);
        }
        let name_end = line.iter().position(|byte| !is_token(&[*byte])).unwrap_or(0);
        let colon = name_end + line[name_end..].iter().position(|byte| !b" \t".contains(byte)).unwrap_or(0);
        if number > 0 && name_end > 0 && line[colon] == b':' && !is_folded {
            repaired.extend_from_slice(&line[..name_end]);
            repaired.extend_from_slice(&line[colon..]);
        } else {
            repaired.extend_from_slice(line);
        }
    }
    repaired.extend_from_slice(b"\r\n\r\n");
    let Some((line, fields, _)) = head(&repaired)? else { return Err("a head within a head".into()) };
    let (version, rest) = line.split_at(line.len().min(8));
    let is_status = |rest: &[u8]| rest.len() == 3 && rest.iter().all(u8::is_ascii_digit);
    let (status, reason) = match rest {
        [b' ', rest @ ..] if is_status(rest) => (rest, &b""[..]),
        [b' ', rest @ ..] if rest.len() > 3 && is_status(&rest[..3]) && rest[3] == b' ' => rest.split_at(3),
        _ => return Err(fault("status line", line)),
    };
    if !is_version(version) || !(b'1'..=b'5').contains(&status[0]) {
        return Err(fault("status line", line));
    }
    Ok(Some(Head { first: [version.to_vec(), status.to_vec(), reason.to_vec()], fields, length: end + 4 }))
}

/// Reads a body that is framed so from the front of `bytes`; `None` if it is not whole.
///
/// # Errors
/// A chunk or trailer that the grammar does not have.
pub fn body(bytes: &[u8], framing: Framing) -> Result<Option<Body>, Fault> {
    match framing {
        Framing::None => Ok(Some(Body { payload: Vec::new(), length: 0 })),
        Framing::Length(length) => Ok(usize::try_from(length)
            .ok()
            .and_then(|length| Some(Body { payload: bytes.get(..length)?.to_vec(), length }))),
        Framing::Chunked => chunked(bytes),
    }
}

/// Reads whole requests from the front of `bytes`, and how many bytes they took.
///
/// # Errors
/// The first thing that the grammar does not have.
pub fn requests(bytes: &[u8]) -> Result<(Vec<Request>, usize), Fault> {
    let (mut requests, mut at) = (Vec::new(), 0);
    while let Some(head) = request_head(&bytes[at..])? {
        let Some(body) = body(&bytes[at + head.length..], head.framing()?)? else { break };
        at += head.length + body.length;
        requests.push(Request { head, body: body.payload });
    }
    Ok((requests, at))
}

/// First line, fields and length of a whole head; `None` if it is not whole.
type Parts<'a> = (&'a [u8], Vec<(Vec<u8>, Vec<u8>)>, usize);

fn head(bytes: &[u8]) -> Result<Option<Parts<'_>>, Fault> {
    let Some(end) = find(bytes, b"\r\n\r\n") else { return Ok(None) };
    let mut lines = lines(&bytes[..end]);
    let first = lines.next().unwrap_or_default();
    let is_good = |line: &[u8]| line.iter().all(|byte| matches!(byte, b'\t' | b' '..=b'~' | 0x80..));
    if !is_good(first) {
        return Err(fault("first line", first));
    }
    let mut fields = Vec::new();
    for line in lines {
        let colon = line.iter().position(|byte| *byte == b':').ok_or_else(|| fault("field", line))?;
        let (name, value) = (&line[..colon], &line[colon + 1..]);
        if !is_token(name) || !is_good(value) {
            return Err(fault("field", line));
        }
        fields.push((name.to_vec(), trim(value).to_vec()));
    }
    Ok(Some((first, fields, end + 4)))
}

fn chunked(bytes: &[u8]) -> Result<Option<Body>, Fault> {
    let (mut payload, mut at) = (Vec::new(), 0);
    loop {
        let Some(end) = find(&bytes[at..], b"\n") else { return Ok(None) };
        let line = bytes[at..at + end]
            .strip_suffix(b"\r")
            .ok_or_else(|| fault("chunk size", &bytes[at..at + end]))?;
        at += end + 1;
        let digits = line.iter().position(|byte| !byte.is_ascii_hexdigit()).unwrap_or(line.len());
        let (size, rest) = line.split_at(digits);
        let extension = rest.iter().position(|byte| !b" \t".contains(byte)).map(|start| &rest[start..]);
        let is_extension = match extension {
            None => rest.is_empty(),
            Some(text) => {
                text[0] == b';' && text.iter().all(|byte| matches!(byte, b'\t' | b' '..=b'~' | 0x80..))
            }
        };
        if size.is_empty() || size.len() > 16 || !is_extension {
            return Err(fault("chunk size", line));
        }
        let size =
            u64::from_str_radix(&String::from_utf8_lossy(size), 16).map_err(|_| fault("chunk size", line))?;
        if size == 0 {
            return trailers(&bytes[at..]).map(|length| Some(Body { payload, length: at + length? }));
        }
        let end = usize::try_from(size).ok().and_then(|size| at.checked_add(size)).unwrap_or(usize::MAX);
        let Some(chunk) = bytes.get(at..end) else { return Ok(None) };
        payload.extend_from_slice(chunk);
        match &bytes[end..] {
            [b'\r', b'\n', ..] => at = end + 2,
            [] | [b'\r'] => return Ok(None),
            other => return Err(fault("chunk end", &other[..2.min(other.len())])),
        }
    }
}

/// Bytes of a trailer section; `None` if it is not whole.
fn trailers(bytes: &[u8]) -> Result<Option<usize>, Fault> {
    if bytes.starts_with(b"\r\n") {
        return Ok(Some(2));
    }
    let with_first_line = [b"x\r\n", bytes].concat();
    Ok(head(&with_first_line)?.map(|(_, _, length)| length - 3))
}

/// The lines of a head, by CRLF and nothing else.
fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(bytes);
    std::iter::from_fn(move || {
        let bytes = rest?;
        let end = find(bytes, b"\r\n");
        rest = end.map(|end| &bytes[end + 2..]);
        Some(&bytes[..end.unwrap_or(bytes.len())])
    })
}

fn is_token(bytes: &[u8]) -> bool {
    let is_good = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !bytes.is_empty() && bytes.iter().all(is_good)
}

fn is_version(bytes: &[u8]) -> bool {
    bytes == b"HTTP/1.1" || bytes == b"HTTP/1.0"
}

fn trim(bytes: &[u8]) -> &[u8] {
    let is_space = |byte: &u8| b" \t".contains(byte);
    let start = bytes.iter().position(|byte| !is_space(byte)).unwrap_or(bytes.len());
    let end = bytes.iter().rposition(|byte| !is_space(byte)).map_or(start, |last| last + 1);
    &bytes[start..end]
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

fn fault(what: &str, bytes: &[u8]) -> Fault {
    format!("{what} {:?}", String::from_utf8_lossy(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_requests_are_read_and_the_rest_is_left() {
        let bytes = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\nPOST /b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n\
                      3;a=b\r\nabc\r\n0\r\nT: v\r\n\r\nGET /c";
        let (requests, length) = requests(bytes).unwrap();
        let seen: Vec<_> =
            requests.iter().map(|request| (&request.head.first[1][..], &request.body[..])).collect();
        assert_eq!(seen, [(&b"/a"[..], &b""[..]), (b"/b", b"abc")]);
        assert_eq!(&bytes[length..], b"GET /c");
    }

    #[test]
    fn what_the_grammar_does_not_have_is_a_fault() {
        for bytes in [
            "GET  / HTTP/1.1\r\nHost: x\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\nA: b\r\n\r\n",
            "GET / HTTP/1.1\r\nHost : x\r\n\r\n",
            "GET / HTTP/1.1\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5 \r\nhello\r\n0\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello!\r\n0\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n",
        ] {
            assert!(requests(bytes.as_bytes()).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn a_response_is_repaired_as_the_standard_says() {
        let head = response_head(b"HTTP/1.1 200\r\nA : b\r\n c\r\n\r\n").unwrap().unwrap();
        assert_eq!(head.values("a"), [b"b c"]);
        assert!(response_head(b"HTTP/1.1 600 X\r\n\r\n").is_err());
    }
}
