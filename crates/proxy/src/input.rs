//! Bytes that were read and not yet used; an empty one holds no memory, so an idle connection costs no buffer.

use std::cell::RefCell;
use std::io;
use std::task::{Context, Poll};

use evenkeel_upstream::Socket;

/// Size of a pooled buffer: two reads take a response of 100 KiB, and a client that does not read what is in it costs
/// less than 64 KiB in all.
pub(crate) const LARGE: usize = 51 * 1024;

/// The least that a connection keeps that waits with a partial message.
const SMALL: usize = 512;

/// Most unused buffers that a core keeps: the last ones used are warm, the others would only be memory.
const POOLED: usize = 16;

/// Buffers of one core.
#[derive(Debug, Default)]
pub(crate) struct Buffers(RefCell<Vec<Vec<u8>>>);

/// A stretch of a byte stream.
#[derive(Debug, Default)]
pub(crate) struct Input {
    /// Every byte initialised; its length is the room there is.
    storage: Vec<u8>,
    start: usize,
    end: usize,
}

impl Buffers {
    fn take(&self) -> Vec<u8> {
        self.0.borrow_mut().pop().unwrap_or_else(|| vec![0; LARGE])
    }

    fn give(&self, storage: Vec<u8>) {
        let mut free = self.0.borrow_mut();
        if storage.len() == LARGE && free.len() < POOLED {
            free.push(storage);
        }
    }
}

impl Input {
    /// With bytes that were read elsewhere.
    #[cold]
    pub(crate) fn holding(bytes: Vec<u8>) -> Self {
        let end = bytes.len();
        Input { storage: bytes, start: 0, end }
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.end - self.start
    }

    #[inline]
    pub(crate) fn filled(&self) -> &[u8] {
        &self.storage[self.start..self.end]
    }

    #[inline]
    pub(crate) fn filled_mut(&mut self) -> &mut [u8] {
        &mut self.storage[self.start..self.end]
    }

    /// Forgets the first `count` bytes.
    #[inline]
    pub(crate) fn consume(&mut self, count: usize, buffers: &Buffers) {
        self.start += count;
        debug_assert!(self.start <= self.end, "only what was read is consumed");
        if self.is_empty() {
            self.clear(buffers);
        }
    }

    /// Forgets everything.
    #[inline]
    pub(crate) fn clear(&mut self, buffers: &Buffers) {
        (self.start, self.end) = (0, 0);
        if !self.storage.is_empty() {
            buffers.give(std::mem::take(&mut self.storage));
        }
    }

    /// Reads more behind what is there, to at most `most` bytes in all. `Ok(0)` is the end of the stream.
    #[inline]
    pub(crate) fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        socket: &mut Socket,
        buffers: &Buffers,
        most: usize,
    ) -> Poll<io::Result<usize>> {
        self.make_room(buffers, most);
        let polled = socket.poll_read(cx, &mut self.storage[self.end..]);
        match &polled {
            Poll::Ready(Ok(count)) => self.end += count,
            Poll::Ready(Err(_)) | Poll::Pending => {}
        }
        if self.is_empty() {
            self.clear(buffers);
        } else if polled.is_pending() {
            self.settle(buffers);
        }
        polled
    }

    /// Whether the stream has ended behind what is there, as far as is known without waiting. What comes instead is
    /// kept, as far as there is room.
    #[inline]
    pub(crate) fn has_ended(&mut self, socket: &mut Socket) -> bool {
        if self.end == self.storage.len() {
            return false;
        }
        let mut cx = Context::from_waker(std::task::Waker::noop());
        match socket.poll_read(&mut cx, &mut self.storage[self.end..]) {
            Poll::Pending => false,
            Poll::Ready(Ok(count @ 1..)) => {
                self.end += count;
                self.has_ended(socket)
            }
            Poll::Ready(Ok(0) | Err(_)) => true,
        }
    }

    #[inline]
    fn make_room(&mut self, buffers: &Buffers, most: usize) {
        if self.storage.is_empty() {
            self.storage = buffers.take();
        } else if self.end == self.storage.len() {
            self.grow(buffers, most);
        }
    }

    #[cold]
    fn grow(&mut self, buffers: &Buffers, most: usize) {
        let length = self.len();
        if self.start == 0 {
            let mut larger = if length < LARGE { buffers.take() } else { vec![0; most.max(2 * LARGE)] };
            larger[..length].copy_from_slice(self.filled());
            buffers.give(std::mem::replace(&mut self.storage, larger));
        } else {
            self.storage.copy_within(self.start..self.end, 0);
        }
        (self.start, self.end) = (0, length);
    }

    /// Keeps little more than it holds while waiting: a hundred slow clients must not hold a hundred large buffers.
    fn settle(&mut self, buffers: &Buffers) {
        let length = self.len();
        let enough = (length + SMALL).next_power_of_two();
        if self.storage.len() >= 4 * enough {
            let mut smaller = vec![0; enough];
            smaller[..length].copy_from_slice(self.filled());
            buffers.give(std::mem::replace(&mut self.storage, smaller));
            (self.start, self.end) = (0, length);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::AsyncWriteExt;
    use tokio::net::UnixStream;

    use super::*;

    #[tokio::test]
    async fn what_waits_with_little_keeps_little_and_what_is_empty_keeps_nothing() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let (mut socket, buffers, mut input) = (Socket::Unix(ours), Buffers::default(), Input::default());
        theirs.write_all(b"GET / HT").await.unwrap();
        poll_fn(|cx| input.poll_fill(cx, &mut socket, &buffers, LARGE)).await.unwrap();
        let polled = poll_fn(|cx| Poll::Ready(input.poll_fill(cx, &mut socket, &buffers, LARGE))).await;
        assert!(polled.is_pending());
        assert_eq!((input.filled(), input.storage.len()), (&b"GET / HT"[..], 2 * SMALL));
        input.consume(8, &buffers);
        assert_eq!(input.storage.capacity(), 0);
    }

    #[tokio::test]
    async fn a_stream_longer_than_any_buffer_arrives_whole() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let sent: Vec<u8> = (0..300_000u32).map(|number| number as u8).collect();
        let expected = sent.clone();
        let writer = tokio::spawn(async move { theirs.write_all(&sent).await });
        let (mut socket, buffers, mut input) = (Socket::Unix(ours), Buffers::default(), Input::default());
        while poll_fn(|cx| input.poll_fill(cx, &mut socket, &buffers, 1 << 20)).await.unwrap() > 0 {}
        assert_eq!(input.filled(), expected);
        writer.await.unwrap().unwrap();
    }
}
