//! One connection of a client: a request out, a response in, and perhaps another; it never blocks.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

use crate::nonblocking::{self, is_not_yet};
use crate::request::Reader;
use crate::response::{self, Response};

/// A connection.
pub(super) struct Conversation {
    pub(super) stream: TcpStream,
    /// The number of the request that is being made.
    pub(super) asked: Option<usize>,
    /// When the last response was whole.
    pub(super) idle_since: Instant,
    /// Whether a response has come on it before.
    pub(super) is_used: bool,
    unsent: Vec<u8>,
    received: Vec<u8>,
}

/// How far an exchange has come.
pub(super) enum Progress {
    /// More has to come.
    Waits,
    /// The response is whole.
    Answered(Response),
    /// The connection ended before the first byte of a response.
    Unanswered,
    /// It ended, or broke the grammar, within the response.
    Broken,
}

impl Conversation {
    /// Begins to connect.
    pub(super) fn connect(address: SocketAddr) -> io::Result<Conversation> {
        Ok(Conversation {
            stream: nonblocking::connect(address)?,
            asked: None,
            idle_since: Instant::now(),
            is_used: false,
            unsent: Vec::new(),
            received: Vec::new(),
        })
    }

    /// Begins an exchange.
    pub(super) fn ask(&mut self, id: usize, request: Vec<u8>) {
        self.asked = Some(id);
        self.unsent = request;
        self.received.clear();
    }

    /// Writes and reads what can be written and read now.
    pub(super) fn advance(&mut self) -> Progress {
        match self.transfer() {
            Ok(is_over) => progress(&self.received, is_over),
            // What came before a reset counts as much as what came before an end.
            Err(_) => progress(&self.received, true),
        }
    }

    /// Whether an idle connection is still one.
    pub(super) fn is_silent(&mut self) -> bool {
        self.stream.read(&mut [0]).is_err_and(|error| is_not_yet(&error))
    }

    /// True at the end of the stream.
    fn transfer(&mut self) -> io::Result<bool> {
        while !self.unsent.is_empty() {
            match self.stream.write(&self.unsent) {
                Ok(written) => drop(self.unsent.drain(..written)),
                Err(error) if is_not_yet(&error) => break,
                Err(error) => return Err(error),
            }
        }
        let mut buffer = [0; 4096];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return Ok(true),
                Ok(read) => self.received.extend_from_slice(&buffer[..read]),
                Err(error) if is_not_yet(&error) => return Ok(false),
                Err(error) => return Err(error),
            }
        }
    }
}

/// What bytes say, given whether they are all. The methods of this program differ in nothing that a reader has to know.
fn progress(received: &[u8], is_over: bool) -> Progress {
    if received.is_empty() {
        return if is_over { Progress::Unanswered } else { Progress::Waits };
    }
    match response::read(&mut Reader::new(received), "GET") {
        // Without a length, the body ends with the connection.
        Ok(response) if is_over || response.field("content-length").is_some() => Progress::Answered(response),
        Ok(_) => Progress::Waits,
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof && !is_over => Progress::Waits,
        Err(_) => Progress::Broken,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc";

    #[test]
    fn a_response_is_awaited_until_it_is_whole() {
        for cut in 0..ANSWER.len() {
            assert!(matches!(progress(&ANSWER[..cut], false), Progress::Waits), "{cut}");
        }
        assert!(matches!(progress(ANSWER, false), Progress::Answered(response) if response.text() == "abc"));
    }

    #[test]
    fn an_end_before_the_first_byte_is_told_from_one_within_the_response() {
        assert!(matches!(progress(b"", true), Progress::Unanswered));
        for cut in 1..ANSWER.len() {
            assert!(matches!(progress(&ANSWER[..cut], true), Progress::Broken), "{cut}");
        }
    }

    #[test]
    fn a_body_without_a_length_ends_with_its_connection() {
        let answer = b"HTTP/1.1 502 Bad Gateway\r\n\r\noops";
        assert!(matches!(progress(answer, false), Progress::Waits));
        assert!(matches!(progress(answer, true), Progress::Answered(response) if response.status == 502));
    }

    #[test]
    fn what_is_not_http_is_broken() {
        assert!(matches!(progress(b"\x16\x03\x01 nothing\r\n\r\n", false), Progress::Broken));
    }
}
