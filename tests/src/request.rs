//! A request as a scripted backend reads it: raw head, body taken in and summed up.

use std::io::{self, Read};

use crate::pattern::Checksum;

/// One request, as it arrived.
#[derive(Clone, Debug)]
pub struct Request {
    /// `GET`.
    pub method: String,
    /// `/path?query`.
    pub target: String,
    /// The head's bytes, the empty line included.
    pub head: String,
    /// Bytes of body received.
    pub body_bytes: u64,
    /// Their checksum.
    pub checksum: Checksum,
}

impl Request {
    /// A request of which the head has arrived.
    pub fn of_head(head: String) -> Request {
        let mut words = head.split(' ');
        let mut word = || words.next().unwrap_or_default().to_owned();
        let (method, target) = (word(), word());
        Request { method, target, head, body_bytes: 0, checksum: Checksum::default() }
    }

    /// Reads one with its body; `None` if the connection ended before its first byte. One that expects it is invited to
    /// send its body.
    pub fn read<S: Read>(
        reader: &mut Reader<S>,
        invite: impl FnOnce(&mut S) -> io::Result<()>,
    ) -> io::Result<Option<Request>> {
        let Some(head) = reader.head()? else {
            return Ok(None);
        };
        let mut request = Request::of_head(head);
        if request.field("expect").is_some() {
            invite(&mut reader.stream)?;
        }
        reader.body_of(&mut request)?;
        Ok(Some(request))
    }

    /// The values of a field, in order.
    pub fn fields(&self, name: &str) -> Vec<&str> {
        fields(&self.head, name)
    }

    /// The first value of a field.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields(name).first().copied()
    }
}

/// The values of a field in a head, in order.
pub fn fields<'a>(head: &'a str, name: &str) -> Vec<&'a str> {
    head.split("\r\n")
        .skip(1)
        .filter_map(|line| line.split_once(':'))
        .filter(|(field, _)| field.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
        .collect()
}

/// Bytes read but not yet used, before a stream.
pub struct Reader<S> {
    /// The connection.
    pub stream: S,
    buffer: Vec<u8>,
}

impl<S: Read> Reader<S> {
    /// Reads from `stream`.
    pub fn new(stream: S) -> Self {
        Reader { stream, buffer: Vec::new() }
    }

    /// Bytes that were read and not used yet.
    pub fn rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.buffer)
    }

    /// Reads up to the end of a head, one character for each byte; `None` if the connection ended before its first.
    pub fn head(&mut self) -> io::Result<Option<String>> {
        loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                return Ok(Some(self.buffer.drain(..end + 4).map(char::from).collect()));
            }
            if self.fill()? == 0 {
                return match self.buffer.is_empty() {
                    true => Ok(None),
                    false => Err(io::ErrorKind::UnexpectedEof.into()),
                };
            }
        }
    }

    /// Reads the body of a request whose head was read, and notes its length and checksum.
    pub fn body_of(&mut self, request: &mut Request) -> io::Result<()> {
        let (mut bytes, mut checksum) = (0, request.checksum);
        let take = |piece: &[u8]| {
            bytes += piece.len() as u64;
            checksum.add(piece);
        };
        self.body_into(request, take)?;
        (request.body_bytes, request.checksum) = (bytes, checksum);
        Ok(())
    }

    /// Reads the body of a request whose head was read, and hands it on in pieces.
    pub fn body_into(&mut self, request: &Request, take: impl FnMut(&[u8])) -> io::Result<()> {
        if request.field("transfer-encoding").is_some() {
            self.chunked(take)?;
        } else if let Some(length) = request.field("content-length") {
            self.exact(length.parse().unwrap_or(0), take)?;
        }
        Ok(())
    }

    /// Reads exactly `length` bytes and hands them on in pieces.
    pub fn exact(&mut self, length: u64, mut take: impl FnMut(&[u8])) -> io::Result<()> {
        let mut left = length;
        while left > 0 {
            if self.buffer.is_empty() && self.fill()? == 0 {
                return Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    format!("{left} of {length} body bytes are missing"),
                ));
            }
            let piece = self.buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            take(&self.buffer[..piece]);
            self.buffer.drain(..piece);
            left -= piece as u64;
        }
        Ok(())
    }

    /// Reads a chunked body strictly and hands its data on; the trailer fields are returned.
    pub fn chunked(&mut self, mut take: impl FnMut(&[u8])) -> io::Result<Vec<String>> {
        loop {
            let line = self.line()?;
            let digits = line.split(';').next().unwrap_or_default();
            // The library's reader takes a sign.
            if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                return Err(invalid("bad chunk size"));
            }
            let size = u64::from_str_radix(digits, 16).map_err(|_| invalid("bad chunk size"))?;
            if size == 0 {
                return self.trailers();
            }
            self.exact(size, &mut take)?;
            if !self.line()?.is_empty() {
                return Err(invalid("chunk data longer than its size"));
            }
        }
    }

    /// Reads until the peer closes.
    pub fn until_close(&mut self, mut take: impl FnMut(&[u8])) -> io::Result<()> {
        loop {
            take(&self.buffer);
            self.buffer.clear();
            if self.fill()? == 0 {
                return Ok(());
            }
        }
    }

    fn trailers(&mut self) -> io::Result<Vec<String>> {
        let mut trailers = Vec::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                return Ok(trailers);
            }
            trailers.push(line);
        }
    }

    fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = find(&self.buffer, b"\r\n") {
                let mut line: Vec<u8> = self.buffer.drain(..end + 2).collect();
                line.truncate(end);
                return String::from_utf8(line).map_err(|_| invalid("a line that is not UTF-8"));
            }
            if self.fill()? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    fn fill(&mut self) -> io::Result<usize> {
        let start = self.buffer.len();
        self.buffer.resize(start + 64 * 1024, 0);
        let read = self.stream.read(&mut self.buffer[start..]);
        self.buffer.truncate(start + *read.as_ref().unwrap_or(&0));
        read
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

fn invalid(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}
