//! The chunk decoder: a state machine over single bytes, except in payload, which it jumps over.
//!
//! httparse's own takes an empty line for size 0 and any byte in an extension; ours takes the grammar and no more
//! (RFC 9112, 7.1). Extensions are dropped unread: no recipient need know any.

use crate::trailers::Trailers;
use crate::{BadBody, Decoded};

/// 16 digits fill 64 bits.
const MAX_DIGITS: u8 = 16;
/// Longest line of one size and its extensions.
const MAX_HEADER_BYTES: u16 = 4096;
/// Extensions may take this much beyond what the payload has, over the whole body.
const MAX_EXTENSION_BYTES: u64 = 16 * 1024;

/// Where in a chunked body the next byte falls, and what has been counted.
#[derive(Default, Debug)]
pub(crate) struct Chunked {
    place: Place,
    /// Of the size being read, then of its payload still to come.
    left: u64,
    digits: u8,
    header_bytes: u16,
    extension_bytes: u64,
    payload_bytes: u64,
    /// Boxed, since most bodies have none.
    trailers: Option<Box<Trailers>>,
    drops_underscores: bool,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
enum Place {
    /// In the digits, or before them.
    #[default]
    Size,
    /// In whitespace behind the digits, which only an extension may follow.
    Gap,
    Extension,
    SizeLineFeed,
    Payload,
    PayloadReturn,
    PayloadLineFeed,
    /// At the start of a trailer line, or of the line that ends it all.
    Trailer,
    TrailerLine,
    LastLineFeed,
    Done,
}

impl Chunked {
    pub(crate) fn decode(&mut self, buffer: &mut [u8]) -> Result<Decoded, BadBody> {
        let mut decoded = Decoded::default();
        while decoded.consumed < buffer.len() && self.place != Place::Done {
            let rest = decoded.consumed..buffer.len();
            decoded.consumed += match self.place {
                Place::Payload => {
                    let taken = self.take_payload(rest.len());
                    // Nothing to move for a payload that stands at the front already.
                    if decoded.consumed != decoded.produced {
                        buffer.copy_within(rest.start..rest.start + taken, decoded.produced);
                    }
                    decoded.produced += taken;
                    taken
                }
                Place::TrailerLine => self.take_trailer(&buffer[rest])?,
                place => {
                    let next = self.step(place, buffer[rest.start])?;
                    // The first byte of a trailer line belongs to it.
                    let taken = usize::from(next != Place::TrailerLine);
                    self.place = next;
                    taken
                }
            };
        }
        Ok(decoded)
    }

    pub(crate) fn is_done(&self) -> bool {
        self.place == Place::Done
    }

    pub(crate) fn drop_trailers(&mut self, nominated: Vec<u8>) {
        self.trailers.get_or_insert_default().nominated = nominated;
    }

    pub(crate) fn drop_underscored_trailers(&mut self) {
        self.drops_underscores = true;
    }

    pub(crate) fn trailers(&self) -> &[u8] {
        self.trailers.as_ref().map_or(&[], |trailers| trailers.kept())
    }

    #[inline]
    fn take_payload(&mut self, available: usize) -> usize {
        let taken = usize::try_from(self.left).map_or(available, |left| left.min(available));
        self.left -= taken as u64;
        self.payload_bytes += taken as u64;
        if self.left == 0 {
            self.place = Place::PayloadReturn;
        }
        taken
    }

    #[cold]
    fn take_trailer(&mut self, bytes: &[u8]) -> Result<usize, BadBody> {
        let trailers = self.trailers.get_or_insert_default();
        let (taken, line_ended) = trailers.take(bytes, self.drops_underscores)?;
        if line_ended {
            self.place = Place::Trailer;
        }
        Ok(taken)
    }

    #[inline]
    fn step(&mut self, place: Place, byte: u8) -> Result<Place, BadBody> {
        match (place, byte) {
            (Place::Size, b'\r' | b';' | b' ' | b'\t') if self.digits == 0 => Err(BadBody::BadChunkSize),
            (Place::Size | Place::Extension, b'\r') => Ok(Place::SizeLineFeed),
            (Place::Size, b' ' | b'\t') => self.count_extension(Place::Gap),
            (Place::Size | Place::Gap, b';') => self.count_extension(Place::Extension),
            (Place::Size, digit) => self.push_digit(digit),
            (Place::Gap, b' ' | b'\t') => self.count_extension(Place::Gap),
            (Place::Gap, _) => Err(BadBody::BadChunkSize),
            (Place::Extension, b'\t' | b' '..=b'~' | 0x80..) => self.count_extension(Place::Extension),
            (Place::Extension, _) => Err(BadBody::BadChunkExtension),
            (Place::SizeLineFeed, b'\n') => self.start_payload(),
            (Place::SizeLineFeed, _) => Err(BadBody::BadChunkSize),
            (Place::PayloadReturn, b'\r') => Ok(Place::PayloadLineFeed),
            (Place::PayloadLineFeed, b'\n') => Ok(Place::Size),
            (Place::PayloadReturn | Place::PayloadLineFeed, _) => Err(BadBody::BadChunkEnd),
            (Place::Trailer, b'\r') => Ok(Place::LastLineFeed),
            (Place::Trailer, _) => Ok(Place::TrailerLine),
            (Place::LastLineFeed, b'\n') => Ok(Place::Done),
            (Place::LastLineFeed, _) => Err(BadBody::BadTrailer),
            // Not reached: whole runs of these are taken at once.
            (Place::Payload | Place::TrailerLine | Place::Done, _) => Ok(place),
        }
    }

    #[inline]
    fn push_digit(&mut self, byte: u8) -> Result<Place, BadBody> {
        let digit = char::from(byte).to_digit(16).ok_or(BadBody::BadChunkSize)?;
        if self.digits == MAX_DIGITS {
            return Err(BadBody::ChunkTooLarge);
        }
        self.digits += 1;
        self.left = self.left << 4 | u64::from(digit);
        Ok(Place::Size)
    }

    fn count_extension(&mut self, next: Place) -> Result<Place, BadBody> {
        self.header_bytes += 1;
        self.extension_bytes += 1;
        let allowed = self.payload_bytes.saturating_add(MAX_EXTENSION_BYTES);
        if self.header_bytes > MAX_HEADER_BYTES || self.extension_bytes > allowed {
            return Err(BadBody::BadChunkExtension);
        }
        Ok(next)
    }

    #[inline]
    fn start_payload(&mut self) -> Result<Place, BadBody> {
        self.payload_bytes.checked_add(self.left).ok_or(BadBody::ChunkTooLarge)?;
        self.digits = 0;
        self.header_bytes = 0;
        Ok(if self.left == 0 { Place::Trailer } else { Place::Payload })
    }
}
