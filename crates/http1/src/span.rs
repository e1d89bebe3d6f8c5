//! Where a part of a head lies in the buffer that holds it.

/// A half-open range of bytes in the caller's buffer.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// The span's bytes. `buffer` is the one that was parsed, or a copy of it.
    #[inline]
    pub fn of<'a>(&self, buffer: &'a [u8]) -> &'a [u8] {
        &buffer[self.start as usize..self.end as usize]
    }

    /// Length in bytes.
    #[inline]
    pub fn len(&self) -> usize {
        (self.end - self.start) as usize
    }

    /// Whether there are no bytes in it.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// From offsets, which the head limit keeps within 32 bits.
    #[inline]
    pub(crate) fn new(start: usize, end: usize) -> Self {
        Self { start: start as u32, end: end as u32 }
    }

    /// Where `part`, a slice of `buffer`, lies in it.
    #[inline]
    pub(crate) fn locate(buffer: &[u8], part: &[u8]) -> Self {
        let start = part.as_ptr() as usize - buffer.as_ptr() as usize;
        debug_assert!(start + part.len() <= buffer.len(), "the part lies in the buffer");
        Self::new(start, start + part.len())
    }
}
