//! A stretch of a message's body as it is written: chunk header, payload, tail.

use evenkeel_http1::{CHUNK_END, ChunkHeader, LAST_CHUNK, LAST_CHUNK_START};

use super::Coding;

/// What is being written behind the head.
#[derive(Debug)]
pub(super) struct Piece {
    header: Option<ChunkHeader>,
    /// Whether the payload stands in the replay, rather than in the input.
    pub(super) is_replayed: bool,
    /// Bytes of payload.
    pub(super) payload: usize,
    /// Bytes of input that it was decoded from.
    pub(super) consumed: usize,
    tail: Tail,
    /// Bytes of the piece that the sink took.
    pub(super) written: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tail {
    None,
    ChunkEnd,
    /// Closes the last chunk if there is one, and the body.
    End {
        chunk: bool,
    },
}

impl Piece {
    pub(super) const EMPTY: Piece =
        Piece { header: None, is_replayed: false, payload: 0, consumed: 0, tail: Tail::None, written: 0 };

    /// The end of a chunked body behind its last piece of payload.
    pub(super) const END: Piece = Piece { tail: Tail::End { chunk: false }, ..Piece::EMPTY };

    /// Payload that was decoded from `consumed` bytes of the input.
    #[inline]
    pub(super) fn decoded(payload: usize, consumed: usize, coding: Coding, is_last: bool) -> Self {
        let (header, tail) = match (coding, is_last) {
            (Coding::Identity, _) => (None, Tail::None),
            (Coding::Chunked, false) => (Some(ChunkHeader::new(payload)), Tail::ChunkEnd),
            (Coding::Chunked, true) => (Some(ChunkHeader::new(payload)), Tail::End { chunk: true }),
        };
        Piece { header, is_replayed: false, payload, consumed, tail, written: 0 }
    }

    /// Payload that is kept, to be sent again.
    pub(super) fn replayed(payload: usize, coding: Coding) -> Self {
        Piece { is_replayed: true, ..Piece::decoded(payload, 0, coding, false) }
    }

    /// The same, with nothing of it written yet.
    pub(super) fn again(self) -> Self {
        Piece { written: 0, ..self }
    }

    /// Its parts in order; `source` is where its payload stands.
    #[inline]
    pub(super) fn parts<'a>(&'a self, source: &'a [u8], trailers: &'a [u8]) -> [&'a [u8]; 5] {
        let header = self.header.as_ref().map_or(&[][..], ChunkHeader::as_bytes);
        let [tail, trailers, end] = self.tail.parts(trailers);
        [header, &source[..self.payload], tail, trailers, end]
    }
}

impl Tail {
    #[inline]
    fn parts(self, trailers: &[u8]) -> [&[u8]; 3] {
        match self {
            Tail::None => [&[], &[], &[]],
            Tail::ChunkEnd => [CHUNK_END, &[], &[]],
            Tail::End { chunk } => {
                let before: &[u8] = if chunk { CHUNK_END } else { &[] };
                match trailers {
                    [] => [before, LAST_CHUNK, &[]],
                    _ if chunk => [b"\r\n0\r\n", trailers, CHUNK_END],
                    _ => [LAST_CHUNK_START, trailers, CHUNK_END],
                }
            }
        }
    }
}
