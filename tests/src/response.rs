//! A response as a strict client reads it: status line, fields, body by its framing.

use std::io::{self, Read};

use crate::request::{Reader, fields};

/// One response.
#[derive(Clone, Debug)]
pub struct Response {
    /// From 100 to 599.
    pub status: u16,
    /// The head's bytes, the empty line included.
    pub head: String,
    /// Decoded.
    pub body: Vec<u8>,
    /// Of a chunked body.
    pub trailers: Vec<String>,
}

impl Response {
    /// The first value of a field.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields(name).first().copied()
    }

    /// The values of a field, in order.
    pub fn fields(&self, name: &str) -> Vec<&str> {
        fields(&self.head, name)
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Whether the sender announced the end of the connection.
    pub fn closes(&self) -> bool {
        self.fields("connection").iter().any(|value| value.eq_ignore_ascii_case("close"))
    }
}

/// Reads one response to a `method` request.
pub fn read<S: Read>(reader: &mut Reader<S>, method: &str) -> io::Result<Response> {
    let mut body = Vec::new();
    let mut response = read_into(reader, method, |piece| body.extend_from_slice(piece))?;
    response.body = body;
    Ok(response)
}

/// Reads one response to a `method` request and hands its body on in pieces.
pub fn read_into<S: Read>(
    reader: &mut Reader<S>,
    method: &str,
    take: impl FnMut(&[u8]),
) -> io::Result<Response> {
    let head = reader.head()?.ok_or_else(closed)?;
    let mut response = Response { status: status(&head)?, head, body: Vec::new(), trailers: Vec::new() };
    match framing(&response, method)? {
        Framing::None => {}
        Framing::Length(length) => reader.exact(length, take)?,
        Framing::Chunked => response.trailers = reader.chunked(take)?,
        Framing::UntilClose => reader.until_close(take)?,
    }
    Ok(response)
}

enum Framing {
    None,
    Length(u64),
    Chunked,
    UntilClose,
}

fn framing(response: &Response, method: &str) -> io::Result<Framing> {
    let lengths = response.fields("content-length");
    let codings = response.fields("transfer-encoding");
    if lengths.len() + codings.len() > 1 {
        return Err(invalid(format!("two framings: {}", response.head)));
    }
    let is_bodiless = method == "HEAD" || matches!(response.status, 100..=199 | 204 | 304);
    if is_bodiless {
        return Ok(Framing::None);
    }
    match (lengths.first(), codings.first()) {
        // The library's reader takes a sign.
        (Some(length), _) if length.starts_with('+') => Err(invalid(format!("Content-Length: {length}"))),
        (Some(length), _) => {
            length.parse().map(Framing::Length).map_err(|_| invalid(format!("Content-Length: {length}")))
        }
        (None, Some(coding)) if *coding == "chunked" => Ok(Framing::Chunked),
        (None, Some(coding)) => Err(invalid(format!("Transfer-Encoding: {coding}"))),
        (None, None) => Ok(Framing::UntilClose),
    }
}

fn status(head: &str) -> io::Result<u16> {
    let line = head.split("\r\n").next().unwrap_or_default();
    let code = line.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..4));
    code.filter(|code| code.ends_with(' '))
        .and_then(|code| code.trim_end().parse().ok())
        .filter(|status| (100..600).contains(status))
        .ok_or_else(|| invalid(format!("status line: {line}")))
}

fn closed() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the connection was closed before a response")
}

fn invalid(text: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}
