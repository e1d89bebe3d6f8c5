//! One message on its way from one socket to another: its head, then its body as fast as both sides go.
//!
//! A flow holds at most one buffer of payload; while the sink does not take it, nothing more is read. One that may have
//! to be sent again keeps what it sent, up to a limit.

mod piece;
mod replay;

use std::io::{self, IoSlice};
use std::task::{Context, Poll};

use evenkeel_http1::{BadBody, BodyDecoder};
use evenkeel_upstream::{Socket, TlsFailure};

use crate::input::{Buffers, Input, LARGE};

use self::piece::Piece;
use self::replay::Replay;

/// Most bytes of payload that are copied behind their head: one plain write is cheaper than a gathered one.
const INLINE: usize = 4096;

/// How a body is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    /// As it is: its length stands in the head, or the close ends it.
    Identity,
    /// In chunks, with trailers.
    Chunked,
}

/// A message on its way.
#[derive(Debug)]
pub(crate) struct Flow {
    decoder: BodyDecoder,
    coding: Coding,
    /// Bytes of the head still to be written stand before the piece.
    head: usize,
    piece: Option<Piece>,
    /// What was sent of the body, for the next time; `None`: it is sent once.
    replay: Option<Box<Replay>>,
    /// Payload bytes whose piece is written, those that are sent again included.
    moved: u64,
    /// Payload bytes decoded so far.
    decoded: u64,
    /// Largest body that is let through.
    most: u64,
    /// Bytes that the sink took, heads and framing included.
    written: u64,
    ended: bool,
    /// The body waits until the sink has asked for it.
    held: bool,
}

/// Why a message did not get across.
#[derive(Debug)]
pub(crate) enum FlowError {
    /// The source failed; by TLS, if that is told.
    Read(Option<TlsFailure>),
    /// The source ended where only its word would show that nothing is missing, and it gave none (RFC 9112, section 9.8).
    Cut,
    /// The source's framing is wrong, or it ended too early.
    Body(BadBody),
    /// More payload than allowed.
    TooLarge,
    /// The sink failed.
    Write,
}

/// Which side a pending flow waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waiting {
    /// For the source to say more.
    Source,
    /// For the sink to take more.
    Sink,
}

/// The two ends of a flow, for one poll.
pub(crate) struct Ends<'a> {
    pub(crate) source: &'a mut Socket,
    pub(crate) input: &'a mut Input,
    pub(crate) sink: &'a mut Socket,
    pub(crate) head: &'a [u8],
    pub(crate) buffers: &'a Buffers,
}

impl Flow {
    /// A message with a head of `head` bytes before its body.
    pub(crate) fn new(head: usize, decoder: BodyDecoder, coding: Coding, most: u64) -> Self {
        Flow {
            decoder,
            coding,
            head,
            piece: None,
            replay: None,
            moved: 0,
            decoded: 0,
            most,
            written: 0,
            ended: false,
            held: false,
        }
    }

    /// Keeps what is sent of the body, up to `most` bytes, so that it can be sent again.
    pub(crate) fn keep(&mut self, most: usize) {
        self.replay = Some(Box::new(Replay::new(most)));
    }

    /// Whether everything that was sent of it is still there.
    pub(crate) fn can_rewind(&self) -> bool {
        match &self.replay {
            Some(replay) => replay.is_whole(),
            None => self.moved == 0,
        }
    }

    /// Starts again from the first byte, behind a head of `head` bytes. Only where [`can_rewind`](Flow::can_rewind).
    pub(crate) fn rewind(&mut self, head: usize) {
        (self.head, self.written, self.moved) = (head, 0, 0);
        let interrupted = self.piece.take().filter(|piece| piece.payload > 0);
        let next = interrupted.map(Piece::again);
        self.piece = match &mut self.replay {
            Some(replay) => replay.rewind(next),
            None => next,
        };
        self.ended = self.piece.is_some() && self.decoder.is_done();
    }

    /// Keeps the body back until [`release`](Flow::release).
    pub(crate) fn hold(&mut self) {
        self.held = true;
    }

    /// Lets the body follow the head.
    pub(crate) fn release(&mut self) {
        self.held = false;
    }

    /// Whether the head was written and the body waits to be asked for.
    pub(crate) fn is_holding(&self) -> bool {
        self.held && self.head == 0
    }

    /// Whether no byte of it was written.
    pub(crate) fn is_untouched(&self) -> bool {
        self.written == 0
    }

    /// Whether the last byte was written.
    pub(crate) fn is_done(&self) -> bool {
        self.ended && self.head == 0 && self.piece.is_none()
    }

    /// Payload bytes that the sink took.
    pub(crate) fn moved(&self) -> u64 {
        self.moved
    }

    /// All bytes that the sink took.
    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    /// Which side it waits for, if it is pending.
    pub(crate) fn waiting(&self) -> Waiting {
        if self.head > 0 || self.piece.is_some() { Waiting::Sink } else { Waiting::Source }
    }

    /// Decodes what is there already, so that a body that is wrong from the start is known before its head is
    /// written.
    #[inline]
    pub(crate) fn begin(&mut self, input: &mut Input, buffers: &Buffers) -> Result<(), FlowError> {
        if self.piece.is_some() || self.ended || self.held {
            return Ok(());
        }
        if let Some(length) = self.replay.as_ref().and_then(|replay| replay.due()) {
            self.piece = Some(Piece::replayed(length, self.coding));
            return Ok(());
        }
        self.prepare(input, buffers)
    }

    /// Copies a small piece that stands ready behind `head`, so that both leave in one plain write.
    #[inline]
    pub(crate) fn inline(&mut self, head: &mut Vec<u8>, input: &mut Input, buffers: &Buffers) {
        if let Some(piece) = self.piece.take_if(|piece| piece.payload <= INLINE) {
            debug_assert!(self.replay.is_none(), "an answer is sent once");
            let before = head.len();
            for part in piece.parts(input.filled(), self.decoder.trailers()) {
                head.extend_from_slice(part);
            }
            self.head += head.len() - before;
            self.moved += piece.payload as u64;
            input.consume(piece.consumed, buffers);
        }
    }

    /// Moves as much as both sides allow; ready when the whole message was written.
    #[inline]
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, ends: &mut Ends<'_>) -> Poll<Result<(), FlowError>> {
        loop {
            self.begin(ends.input, ends.buffers)?;
            if self.head > 0 || self.piece.is_some() {
                match self.poll_write(cx, ends) {
                    Poll::Ready(Ok(())) => continue,
                    Poll::Ready(Err(_)) => return Poll::Ready(Err(FlowError::Write)),
                    Poll::Pending => return Poll::Pending,
                }
            }
            if self.ended {
                return Poll::Ready(Ok(()));
            }
            if self.held {
                return Poll::Pending;
            }
            match ends.input.poll_fill(cx, ends.source, ends.buffers, LARGE) {
                Poll::Ready(Ok(0)) => self.source_ended()?,
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(self.source_failed(&error))),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// Decodes what was read into the next piece, if it makes one.
    #[inline]
    fn prepare(&mut self, input: &mut Input, buffers: &Buffers) -> Result<(), FlowError> {
        while !input.is_empty() && !self.decoder.is_done() {
            let decoded = self.decoder.decode(input.filled_mut()).map_err(FlowError::Body)?;
            self.decoded += decoded.produced as u64;
            if self.decoded > self.most {
                return Err(FlowError::TooLarge);
            }
            if decoded.produced > 0 {
                self.ended = self.decoder.is_done();
                self.piece =
                    Some(Piece::decoded(decoded.produced, decoded.consumed, self.coding, self.ended));
                return Ok(());
            }
            if decoded.consumed == 0 {
                return Ok(());
            }
            input.consume(decoded.consumed, buffers);
        }
        if self.decoder.is_done() {
            self.finish();
        }
        Ok(())
    }

    fn finish(&mut self) {
        self.ended = true;
        if self.coding == Coding::Chunked {
            self.piece = Some(Piece::END);
        }
    }

    #[cold]
    fn source_failed(&mut self, error: &io::Error) -> FlowError {
        if error.kind() != io::ErrorKind::UnexpectedEof {
            return FlowError::Read(TlsFailure::of(error));
        }
        // How the body is framed says whether it is whole, unless only the end does.
        self.source_ended().err().unwrap_or(FlowError::Cut)
    }

    fn source_ended(&mut self) -> Result<(), FlowError> {
        self.decoder.end().map_err(FlowError::Body)
    }

    #[inline]
    fn poll_write(&mut self, cx: &mut Context<'_>, ends: &mut Ends<'_>) -> Poll<io::Result<()>> {
        let head = &ends.head[ends.head.len() - self.head..];
        let piece = self.piece.as_ref().unwrap_or(&Piece::EMPTY);
        let source = match &self.replay {
            Some(replay) if piece.is_replayed => replay.bytes(),
            _ => ends.input.filled(),
        };
        let [chunk_header, payload, tail, trailers, end] = piece.parts(source, self.decoder.trailers());
        let parts = [head, chunk_header, payload, tail, trailers, end];
        let length: usize = parts.iter().map(|part| part.len()).sum();
        if length == piece.written {
            // A piece without a byte: the end of a body that only the close ends.
            self.complete(ends);
            return Poll::Ready(Ok(()));
        }
        let mut slices = [IoSlice::new(&[]); 6];
        let count = unwritten(&parts, piece.written, &mut slices);
        let taken = match ends.sink.poll_write(cx, &slices[..count]) {
            Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            Poll::Ready(Ok(taken)) => taken,
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            Poll::Pending => return Poll::Pending,
        };
        self.written += taken as u64;
        self.advance(taken, length, ends);
        Poll::Ready(Ok(()))
    }

    #[inline]
    fn advance(&mut self, taken: usize, length: usize, ends: &mut Ends<'_>) {
        let of_head = taken.min(self.head);
        let rest = length - self.head;
        self.head -= of_head;
        let Some(piece) = &mut self.piece else { return };
        piece.written += taken - of_head;
        if self.head == 0 && piece.written == rest {
            self.complete(ends);
        }
    }

    #[inline]
    fn complete(&mut self, ends: &mut Ends<'_>) {
        let Some(piece) = self.piece.take() else { return };
        self.moved += piece.payload as u64;
        if let Some(replay) = &mut self.replay {
            if piece.is_replayed {
                self.piece = replay.resent();
                self.ended = self.piece.is_some() && self.decoder.is_done();
                return;
            }
            replay.keep(&ends.input.filled()[..piece.payload]);
        }
        ends.input.consume(piece.consumed, ends.buffers);
    }
}

/// Lines up what is left of `parts` after `skip` bytes.
#[inline]
fn unwritten<'a>(parts: &[&'a [u8]; 6], mut skip: usize, slices: &mut [IoSlice<'a>; 6]) -> usize {
    let mut count = 0;
    for (index, part) in parts.iter().enumerate() {
        // The head is cut at its own progress already.
        let skipped = if index == 0 { 0 } else { skip.min(part.len()) };
        skip -= skipped;
        if skipped < part.len() {
            slices[count] = IoSlice::new(&part[skipped..]);
            count += 1;
        }
    }
    count
}

#[cfg(test)]
mod tests;
