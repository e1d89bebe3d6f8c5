//! The answer to an HTTP probe, read from its connection by our own codec.

use std::future::poll_fn;
use std::io::ErrorKind;

use evenkeel_http1::{BadBody, BadResponse, BodyDecoder, BodyKind, HeadLimits, Method, ResponseHead};
use evenkeel_model::{Cause, ProbeFailure};

use crate::{Socket, TlsFailure};

/// Most bytes of a body that are read.
const MOST_BODY_BYTES: usize = 64 * 1024;

/// Room to begin with: most answers to a probe are shorter.
const SMALL: usize = 2 * 1024;

/// Most room: no head that is accepted is longer.
const LARGE: usize = 64 * 1024;

/// Most heads with a status of 1xx before the final one.
const MOST_INTERIM: u32 = 16;

/// A connection, and what came over it.
#[derive(Debug)]
pub(super) struct Answer {
    socket: Socket,
    /// Every byte initialised; what has come and was not used yet is in `start..end`.
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// Whether anything has come at all.
    has_begun: bool,
}

/// Why there is no final head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoHead {
    /// The connection ended before the first byte.
    Closed,
    /// Anything else.
    Failed(ProbeFailure),
}

impl From<Cause> for NoHead {
    fn from(cause: Cause) -> Self {
        NoHead::Failed(ProbeFailure::Failed(cause))
    }
}

impl Answer {
    /// Nothing has come yet.
    pub(super) fn over(socket: Socket) -> Self {
        Answer { socket, buffer: vec![0; SMALL], start: 0, end: 0, has_begun: false }
    }

    /// The socket, to send the request over.
    pub(super) fn socket(&mut self) -> &mut Socket {
        &mut self.socket
    }

    /// The socket, if nothing came behind the answer: then it can be used again.
    pub(super) fn into_socket(self) -> Option<Socket> {
        (self.start == self.end).then_some(self.socket)
    }

    /// Reads the final head into `head` and returns its bytes, which are followed by the body.
    pub(super) async fn read_head(
        &mut self,
        head: &mut ResponseHead,
        method: Method,
    ) -> Result<&[u8], NoHead> {
        let limits = HeadLimits::default();
        let mut interim_left = MOST_INTERIM;
        loop {
            if head.parse(&mut self.buffer[self.start..self.end], method, &limits).map_err(bad_head)? {
                let start = self.start;
                self.start += head.length;
                match head.status {
                    101 => return Err(Cause::UpgradeFailed.into()),
                    100..200 if interim_left == 0 => return Err(Cause::BadHead.into()),
                    100..200 => interim_left -= 1,
                    _ => return Ok(&self.buffer[start..self.start]),
                }
            } else {
                match self.fill().await {
                    Ok(true) => {}
                    Ok(false) => return Err(self.closed()),
                    Err(error) => {
                        let failure = TlsFailure::of(&error);
                        return Err(failure.map_or(self.closed(), |failure| NoHead::Failed(failure.into())));
                    }
                }
            }
        }
    }

    /// Reads the body to its end, or as far as anybody wants to know it, into `text` if there is one. True at its end.
    pub(super) async fn read_body(
        &mut self,
        kind: BodyKind,
        mut text: Option<&mut Vec<u8>>,
    ) -> Result<bool, ProbeFailure> {
        let mut decoder = BodyDecoder::new(kind);
        let mut left = MOST_BODY_BYTES;
        loop {
            let came = &mut self.buffer[self.start..self.end];
            let decoded = decoder.decode(came).map_err(bad_body)?;
            let wanted = decoded.produced.min(left);
            if let Some(text) = &mut text {
                text.extend_from_slice(&came[..wanted]);
            }
            left -= wanted;
            self.start += decoded.consumed;
            if decoder.is_done() {
                return Ok(true);
            }
            if left == 0 {
                return Ok(false);
            }
            // A body that is cut short fails the probe: a backend that cannot finish is not well.
            if !self.fill().await.map_err(|_| ProbeFailure::Failed(Cause::BodyTruncated))? {
                return decoder.end().map(|()| true).map_err(bad_body);
            }
        }
    }

    fn closed(&self) -> NoHead {
        match self.has_begun {
            false => NoHead::Closed,
            true => Cause::EofInHead.into(),
        }
    }

    /// Reads more behind what is there; false at the end of the stream.
    async fn fill(&mut self) -> std::io::Result<bool> {
        self.make_room();
        let room = &mut self.buffer[self.end..];
        let count = match poll_fn(|cx| self.socket.poll_read(cx, room)).await {
            // Without a word of TLS: how a body is framed says whether it is whole, and one that only the end ends says
            // nothing about how well its backend is.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => 0,
            read => read?,
        };
        self.end += count;
        self.has_begun |= count > 0;
        Ok(count > 0)
    }

    fn make_room(&mut self) {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        if self.end == self.buffer.len() {
            let more = (self.buffer.len() * 2).min(LARGE);
            self.buffer.resize(more, 0);
        }
    }
}

fn bad_head(bad: BadResponse) -> NoHead {
    if bad.is_too_large() { Cause::HeadTooLarge.into() } else { Cause::BadHead.into() }
}

fn bad_body(bad: BadBody) -> ProbeFailure {
    ProbeFailure::Failed(match bad {
        BadBody::Truncated => Cause::BodyTruncated,
        BadBody::BadChunkSize
        | BadBody::BadChunkExtension
        | BadBody::BadChunkEnd
        | BadBody::ChunkTooLarge
        | BadBody::BadTrailer
        | BadBody::TrailersTooLarge => Cause::BadChunk,
    })
}
