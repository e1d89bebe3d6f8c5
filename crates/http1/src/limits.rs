//! How large a head may be.

/// Most fields that any [`HeadLimits`] can allow; a larger [`HeadLimits::fields`] means this many.
pub const MAX_FIELDS: usize = 256;

/// Longest method that is read; the longest registered one has 17 letters.
pub(crate) const MAX_METHOD_BYTES: usize = 64;

/// Bounds on one head.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HeadLimits {
    /// Longest head in bytes, with its empty lines. Beyond: 431, or a response that is too large.
    pub head_bytes: usize,
    /// Most fields, up to [`MAX_FIELDS`]. Beyond: 431, or a response that is too large.
    pub fields: usize,
    /// Longest request target in bytes. Beyond: 414.
    pub uri_bytes: usize,
}

impl Default for HeadLimits {
    fn default() -> Self {
        Self { head_bytes: 64 * 1024, fields: 100, uri_bytes: 16 * 1024 }
    }
}

impl HeadLimits {
    /// The part of the buffer that a head may lie in.
    #[inline]
    pub(crate) fn window(&self, length: usize) -> usize {
        // Spans have 32 bits.
        length.min(self.head_bytes).min(u32::MAX as usize)
    }

    /// Most fields that are read.
    #[inline]
    pub(crate) fn field_slots(&self) -> usize {
        self.fields.min(MAX_FIELDS)
    }

    /// No good first line is as long as this.
    #[inline]
    pub(crate) fn line_bytes(&self) -> usize {
        let around_the_target = "\r\n".len() + MAX_METHOD_BYTES + "  HTTP/1.1\r\n".len();
        self.uri_bytes.saturating_add(around_the_target)
    }
}
