//! Bytes on their way through a session; one that is empty holds no memory.

use std::cell::RefCell;

/// Size of a pooled buffer: a body of 64 KiB as records, or the largest handshake message that is taken.
pub(crate) const LARGE: usize = 68 * 1024;

/// The least that is kept for a record that has come in part.
const SMALL: usize = 512;

/// Most unused buffers that a thread keeps.
const POOLED: usize = 16;

thread_local! {
    static POOL: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// A stretch of a byte stream: written behind, read from the front.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    /// Every byte initialised; its length is the room there is.
    storage: Vec<u8>,
    start: usize,
    end: usize,
}

impl Buffer {
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    #[inline]
    pub(crate) fn filled(&self) -> &[u8] {
        &self.storage[self.start..self.end]
    }

    #[inline]
    pub(crate) fn filled_mut(&mut self) -> &mut [u8] {
        &mut self.storage[self.start..self.end]
    }

    /// Room behind what is there: some, unless [`LARGE`] bytes are waiting already.
    pub(crate) fn room(&mut self) -> &mut [u8] {
        if self.storage.is_empty() {
            self.storage = take();
        } else if self.end == self.storage.len() {
            self.make_room();
        }
        &mut self.storage[self.end..]
    }

    /// Room for `count` bytes at least.
    pub(crate) fn room_for(&mut self, count: usize) -> &mut [u8] {
        if self.storage.is_empty() && count <= LARGE {
            self.storage = take();
        }
        if self.storage.len() - self.end < count {
            self.storage.resize(self.end + count, 0);
        }
        &mut self.storage[self.end..]
    }

    /// Counts bytes that were written into the room.
    #[inline]
    pub(crate) fn grow(&mut self, count: usize) {
        self.end += count;
        debug_assert!(self.end <= self.storage.len(), "only room is written to");
    }

    /// Adds bytes, however many.
    pub(crate) fn extend(&mut self, bytes: &[u8]) {
        self.room_for(bytes.len())[..bytes.len()].copy_from_slice(bytes);
        self.grow(bytes.len());
    }

    /// Forgets the first `count` bytes.
    #[inline]
    pub(crate) fn consume(&mut self, count: usize) {
        self.start += count;
        debug_assert!(self.start <= self.end, "only what is there is consumed");
        if self.is_empty() {
            self.clear();
        }
    }

    /// Forgets what stands behind the first `length` bytes.
    pub(crate) fn truncate(&mut self, length: usize) {
        debug_assert!(length <= self.end - self.start, "only what is there is forgotten");
        self.end = self.start + length;
        if self.is_empty() {
            self.clear();
        }
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        (self.start, self.end) = (0, 0);
        if !self.storage.is_empty() {
            give(std::mem::take(&mut self.storage));
        }
    }

    /// Keeps little more than it holds, for a wait.
    pub(crate) fn settle(&mut self) {
        if self.is_empty() {
            return self.clear();
        }
        let length = self.end - self.start;
        let enough = (length + SMALL).next_power_of_two();
        if self.storage.len() >= 2 * enough {
            let mut smaller = vec![0; enough];
            smaller[..length].copy_from_slice(self.filled());
            give(std::mem::replace(&mut self.storage, smaller));
            (self.start, self.end) = (0, length);
        }
    }

    /// How much memory it holds.
    #[cfg(test)]
    pub(crate) fn capacity(&self) -> usize {
        self.storage.len()
    }

    #[cold]
    fn make_room(&mut self) {
        let length = self.end - self.start;
        if self.start > 0 {
            self.storage.copy_within(self.start..self.end, 0);
        } else if self.storage.len() < LARGE {
            let mut larger = take();
            larger[..length].copy_from_slice(self.filled());
            give(std::mem::replace(&mut self.storage, larger));
        }
        (self.start, self.end) = (0, length);
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.clear();
    }
}

fn take() -> Vec<u8> {
    POOL.with_borrow_mut(Vec::pop).unwrap_or_else(|| vec![0; LARGE])
}

fn give(storage: Vec<u8>) {
    if storage.len() == LARGE {
        // A thread that ends has no pool any more.
        let _ = POOL.try_with(|pool| {
            let mut pool = pool.borrow_mut();
            if pool.len() < POOLED {
                pool.push(storage);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_kept_in_little_more_room_than_it_needs() {
        // The last two are more than half of the room that there was.
        for (length, most) in
            [(5, 1 << 10), (16_000, 32 << 10), (16_400, 32 << 10), (40_000, LARGE), (LARGE, LARGE)]
        {
            let bytes: Vec<u8> = (0..length).map(|place| place as u8).collect();
            let mut buffer = Buffer::default();
            buffer.room()[..length].copy_from_slice(&bytes);
            buffer.grow(length);
            buffer.settle();
            assert!(buffer.capacity() <= most, "{length}: {}", buffer.capacity());
            assert_eq!(buffer.filled(), bytes);
        }
    }
}
