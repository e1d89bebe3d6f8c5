//! The bytes of an answer, good or bad.

use evenkeel_http1::{HeadWriter, reason};

use super::fault::Fault;

/// What asks a client for its body.
pub(crate) const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// An informational response.
pub(crate) const HINTS: &[u8] = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n";

/// An answer as it should be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reply<'a> {
    pub(crate) status: u16,
    pub(crate) text: &'a str,
    /// The answer to a HEAD.
    pub(crate) is_head: bool,
    pub(crate) closes: bool,
    /// In seconds.
    pub(crate) retry_after: Option<u32>,
    /// In seconds.
    pub(crate) keep_alive: Option<u64>,
}

/// An answer as it should not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Raw {
    pub(crate) head: Vec<u8>,
    /// Not for a HEAD.
    pub(crate) body: &'static [u8],
}

impl Reply<'_> {
    /// Its bytes.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(256);
        let has_body = !matches!(self.status, 204 | 304);
        let mut head = HeadWriter::response(&mut out, self.status, reason(self.status).as_bytes());
        if has_body {
            head.field(b"Content-Type", b"text/plain; charset=utf-8");
            head.number(b"Content-Length", self.text.len() as u64);
        }
        if let Some(seconds) = self.retry_after {
            head.number(b"Retry-After", seconds.into());
        }
        if self.closes {
            head.field(b"Connection", b"close");
        } else if let Some(seconds) = self.keep_alive {
            head.field(b"Keep-Alive", format!("timeout={seconds}").as_bytes());
        }
        head.finish();
        if has_body && !self.is_head {
            out.extend_from_slice(self.text.as_bytes());
        }
        out
    }
}

impl Raw {
    /// The answer that this fault is about; an empty one if it is not about one.
    pub(crate) fn of(fault: Fault) -> Raw {
        let (head, body): (&[u8], &[u8]) = match fault {
            Fault::HalfHead => (b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Le", b""),
            Fault::Garbage => (b"\x15\x03\x03 this is not HTTP \xff\xfe\r\n\r\n", b""),
            Fault::BadStatusLine => (b"HTTP/1.1 fine, thanks\r\nContent-Length: 0\r\n\r\n", b""),
            Fault::BadField => (b"HTTP/1.1 200 OK\r\nX-Bad: a\0b\r\nContent-Length: 0\r\n\r\n", b""),
            Fault::BareLineFeed => (b"HTTP/1.1 200 OK\nContent-Length: 3\n\n", b"ok\n"),
            Fault::ConflictingLength => {
                (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 6\r\n\r\n", b"ok\nok\n")
            }
            Fault::FoldedField => {
                (b"HTTP/1.1 200 OK\r\nX-Folded: one\r\n two\r\nContent-Length: 3\r\n\r\n", b"ok\n")
            }
            Fault::SpaceBeforeColon => {
                (b"HTTP/1.1 200 OK\r\nX-Spaced : yes\r\nContent-Length: 3\r\n\r\n", b"ok\n")
            }
            Fault::UnsolicitedUpgrade | Fault::WrongUpgrade => {
                (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: another\r\nConnection: upgrade\r\n\r\n", b"")
            }
            Fault::HalfBody | Fault::BodyStall => (
                b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 1000\r\n\r\n",
                b"half of it\n",
            ),
            Fault::HalfChunked => (
                b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n",
                b"b\r\nhalf of it\n\r\n",
            ),
            Fault::BadChunk => {
                (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"three\r\nok\n\r\n0\r\n\r\n")
            }
            Fault::Refuse
            | Fault::AcceptFull
            | Fault::CloseOnAccept
            | Fault::ResetOnAccept
            | Fault::Close
            | Fault::Reset
            | Fault::StaleClose
            | Fault::IdleClose
            | Fault::CloseAfter
            | Fault::LateTimeout
            | Fault::HugeHead
            | Fault::Hang
            | Fault::Slow
            | Fault::NotReading
            | Fault::EarlyAnswer
            | Fault::Drip
            | Fault::ManyInterim
            | Fault::Status => (b"", b""),
        };
        Raw { head: head.to_vec(), body }
    }

    /// A head of at least so many bytes, in fields of 4 KiB.
    pub(crate) fn huge(bytes: usize) -> Raw {
        let value = "x".repeat(4096);
        let mut head = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n".to_vec();
        while head.len() < bytes {
            head.extend_from_slice(format!("X-Filler: {value}\r\n").as_bytes());
        }
        head.extend_from_slice(b"\r\n");
        Raw { head, body: b"" }
    }
}

#[cfg(test)]
mod tests {
    use evenkeel_http1::{BadResponse, HeadLimits, Method, ResponseHead};

    use super::*;

    fn parse(bytes: &[u8]) -> Result<bool, BadResponse> {
        ResponseHead::default().parse(&mut bytes.to_vec(), Method::Get, &HeadLimits::default())
    }

    fn raw(fault: Fault) -> Result<bool, BadResponse> {
        parse(&Raw::of(fault).head)
    }

    #[test]
    fn a_good_answer_is_one() {
        let reply = Reply {
            status: 503,
            text: "down\n",
            is_head: false,
            closes: false,
            retry_after: Some(2),
            keep_alive: Some(1),
        };
        let text = String::from_utf8(reply.bytes()).unwrap();
        assert_eq!(parse(text.as_bytes()), Ok(true));
        for wanted in [
            "503 Service Unavailable\r\n",
            "Retry-After: 2\r\n",
            "Keep-Alive: timeout=1\r\n",
            "\r\n\r\ndown\n",
        ] {
            assert!(text.contains(wanted), "{text}");
        }
        let head = Reply { is_head: true, closes: true, ..reply };
        let text = String::from_utf8(head.bytes()).unwrap();
        assert!(
            text.ends_with("\r\n\r\n")
                && text.contains("Content-Length: 5\r\nRetry-After: 2\r\nConnection: close")
        );
        let empty = Reply { status: 204, ..reply };
        assert!(!String::from_utf8(empty.bytes()).unwrap().contains("Content-Length"));
    }

    #[test]
    fn each_bad_head_is_bad_in_its_own_way() {
        assert_eq!(raw(Fault::HalfHead), Ok(false));
        assert_eq!(raw(Fault::Garbage), Err(BadResponse::NotHttp));
        assert_eq!(raw(Fault::BadStatusLine), Err(BadResponse::BadStatusLine));
        assert_eq!(raw(Fault::BadField), Err(BadResponse::BadField));
        assert_eq!(raw(Fault::BareLineFeed), Err(BadResponse::BareLineFeed));
        assert_eq!(raw(Fault::ConflictingLength), Err(BadResponse::ConflictingLength));
        assert_eq!(parse(&Raw::huge(100_000).head), Err(BadResponse::TooLarge));
    }

    #[test]
    fn what_is_repaired_and_what_fails_later_has_a_good_head() {
        for fault in [
            Fault::FoldedField,
            Fault::SpaceBeforeColon,
            Fault::WrongUpgrade,
            Fault::HalfBody,
            Fault::HalfChunked,
            Fault::BadChunk,
        ] {
            assert_eq!(raw(fault), Ok(true), "{fault:?}");
        }
    }
}
