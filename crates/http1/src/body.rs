//! A body, decoded in place wherever the reads happen to cut it.

use std::fmt;

use crate::BodyKind;
use crate::chunked::Chunked;

/// What one call of [`BodyDecoder::decode`] did.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Decoded {
    /// Bytes taken from the front of the buffer; those behind belong to the next message, or are still to come.
    pub consumed: usize,
    /// Bytes of payload, now at the front of the buffer. Never more than `consumed`.
    pub produced: usize,
}

/// Reads one body. An error is final: the same one comes again.
#[derive(Debug)]
pub struct BodyDecoder {
    state: State,
}

#[derive(Debug)]
enum State {
    Length(u64),
    Chunked(Chunked),
    UntilClose,
    Closed,
    Bad(BadBody),
}

impl BodyDecoder {
    /// For a body that ends so.
    pub fn new(kind: BodyKind) -> Self {
        let state = match kind {
            BodyKind::None => State::Length(0),
            BodyKind::Length(length) => State::Length(length),
            BodyKind::Chunked => State::Chunked(Chunked::default()),
            BodyKind::UntilClose => State::UntilClose,
        };
        Self { state }
    }

    /// Without the trailers that `nominated`, a list as in `Connection`, names (RFC 9110, 7.6.1).
    #[cold]
    #[must_use]
    pub fn dropping(mut self, nominated: Vec<u8>) -> Self {
        if let State::Chunked(chunked) = &mut self.state {
            chunked.drop_trailers(nominated);
        }
        self
    }

    /// Without the trailers whose names have an underscore.
    #[inline]
    #[must_use]
    pub fn dropping_underscores(mut self) -> Self {
        if let State::Chunked(chunked) = &mut self.state {
            chunked.drop_underscored_trailers();
        }
        self
    }

    /// Decodes in place: takes bytes from the front of `buffer` and moves the payload in them to
    /// `buffer[..produced]`. From `buffer[consumed]` on nothing is touched.
    ///
    /// All of the buffer is consumed unless the body ends within it, so that a buffer never fills up.
    #[inline]
    pub fn decode(&mut self, buffer: &mut [u8]) -> Result<Decoded, BadBody> {
        match &mut self.state {
            State::Length(left) => {
                let taken = usize::try_from(*left).map_or(buffer.len(), |left| left.min(buffer.len()));
                *left -= taken as u64;
                Ok(Decoded { consumed: taken, produced: taken })
            }
            State::Chunked(chunked) => match chunked.decode(buffer) {
                Ok(decoded) => Ok(decoded),
                Err(bad) => self.fail(bad),
            },
            State::UntilClose => Ok(Decoded { consumed: buffer.len(), produced: buffer.len() }),
            State::Closed => Ok(Decoded::default()),
            State::Bad(bad) => Err(*bad),
        }
    }

    /// Whether the body has ended as it should.
    #[inline]
    pub fn is_done(&self) -> bool {
        match &self.state {
            State::Length(left) => *left == 0,
            State::Chunked(chunked) => chunked.is_done(),
            State::Closed => true,
            State::UntilClose | State::Bad(_) => false,
        }
    }

    /// The peer has closed. That ends a body that lasts until then, and cuts any other that is not done.
    pub fn end(&mut self) -> Result<(), BadBody> {
        match &self.state {
            State::Bad(bad) => Err(*bad),
            State::UntilClose => {
                self.state = State::Closed;
                Ok(())
            }
            State::Length(_) | State::Chunked(_) | State::Closed if self.is_done() => Ok(()),
            State::Length(_) | State::Chunked(_) | State::Closed => self.fail(BadBody::Truncated),
        }
    }

    /// Bytes still to come, where the head told their number.
    #[inline]
    pub fn remaining(&self) -> Option<u64> {
        match &self.state {
            State::Length(left) => Some(*left),
            State::Chunked(_) | State::UntilClose | State::Closed | State::Bad(_) => None,
        }
    }

    /// The trailer section as lines of `name: value` with CRLF, without those that have no business in a trailer;
    /// meaningful once the body is done. At most 16 KiB and 100 fields.
    #[inline]
    pub fn trailers(&self) -> &[u8] {
        match &self.state {
            State::Chunked(chunked) => chunked.trailers(),
            State::Length(_) | State::UntilClose | State::Closed | State::Bad(_) => &[],
        }
    }

    #[cold]
    fn fail<T>(&mut self, bad: BadBody) -> Result<T, BadBody> {
        self.state = State::Bad(bad);
        Err(bad)
    }
}

/// Why a body cannot be trusted to be complete. Its connection must be closed, and so must the side it went to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BadBody {
    /// The peer closed in the middle.
    Truncated,
    /// A chunk size that is not 1 to 16 hexadecimal digits and CRLF.
    BadChunkSize,
    /// A chunk extension with a control in it, or more bytes of extensions than any sender needs.
    BadChunkExtension,
    /// No CRLF where the size says that the chunk ends.
    BadChunkEnd,
    /// A chunk size of more than 16 digits, or a body of more than 2^64 bytes.
    ChunkTooLarge,
    /// A malformed trailer field.
    BadTrailer,
    /// More than 16 KiB or 100 fields of trailers.
    TrailersTooLarge,
}

impl BadBody {
    /// A stable name in snake_case, for logs and error bodies.
    pub fn token(self) -> &'static str {
        match self {
            Self::Truncated => "body_truncated",
            Self::BadChunkSize => "bad_chunk_size",
            Self::BadChunkExtension => "bad_chunk_extension",
            Self::BadChunkEnd => "bad_chunk_end",
            Self::ChunkTooLarge => "chunk_too_large",
            Self::BadTrailer => "bad_trailer",
            Self::TrailersTooLarge => "trailers_too_large",
        }
    }
}

impl fmt::Display for BadBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.token())
    }
}
