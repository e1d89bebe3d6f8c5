//! Heads and chunks as we write them.

/// Ends a chunk's payload.
pub const CHUNK_END: &[u8] = b"\r\n";
/// Ends a chunked body that has no trailers.
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";
/// Begins the end of a chunked body that has trailers: their lines and an empty line follow.
pub const LAST_CHUNK_START: &[u8] = b"0\r\n";

/// Appends one head to a buffer: the first line at once, then fields, then [`HeadWriter::finish`].
///
/// What it is given must come from a parsed head or from checked configuration: it adds no CR, LF or NUL of its
/// own, and looks for none.
#[must_use = "a head without its empty line is not finished"]
#[derive(Debug)]
pub struct HeadWriter<'a> {
    out: &'a mut Vec<u8>,
}

impl<'a> HeadWriter<'a> {
    /// Goes on with a head of which only fields are missing.
    pub fn more(out: &'a mut Vec<u8>) -> Self {
        HeadWriter { out }
    }

    /// Bytes written so far.
    pub fn written(&self) -> usize {
        self.out.len()
    }

    /// Begins a request, as HTTP/1.1.
    #[inline]
    pub fn request(out: &'a mut Vec<u8>, method: &[u8], target: &[u8]) -> Self {
        debug_assert!(is_one_line(method) && is_one_line(target), "a request line is one line");
        out.extend_from_slice(method);
        out.push(b' ');
        out.extend_from_slice(target);
        out.extend_from_slice(b" HTTP/1.1\r\n");
        Self { out }
    }

    /// Begins a response, as HTTP/1.1 whatever the version of the request.
    #[inline]
    pub fn response(out: &'a mut Vec<u8>, status: u16, reason: &[u8]) -> Self {
        debug_assert!((100..1000).contains(&status), "a status has three digits");
        debug_assert!(is_one_line(reason), "a status line is one line");
        out.extend_from_slice(b"HTTP/1.1 ");
        out.extend_from_slice(itoa::Buffer::new().format(status).as_bytes());
        out.push(b' ');
        out.extend_from_slice(reason);
        out.extend_from_slice(b"\r\n");
        Self { out }
    }

    /// Adds a field.
    #[inline]
    pub fn field(&mut self, name: &[u8], value: &[u8]) {
        debug_assert!(is_one_line(name) && is_one_line(value), "a field is one line");
        self.out.reserve(name.len() + value.len() + 4);
        self.out.extend_from_slice(name);
        self.out.extend_from_slice(b": ");
        self.out.extend_from_slice(value);
        self.out.extend_from_slice(b"\r\n");
    }

    /// Copies whole field lines, each with its end, from a head that was parsed.
    #[inline]
    pub fn lines(&mut self, lines: &[u8]) {
        debug_assert!(lines.is_empty() || lines.ends_with(b"\r\n"), "field lines are whole");
        self.out.extend_from_slice(lines);
    }

    /// Adds a field whose value is a number.
    #[inline]
    pub fn number(&mut self, name: &[u8], value: u64) {
        self.field(name, itoa::Buffer::new().format(value).as_bytes());
    }

    /// Ends the head.
    #[inline]
    pub fn finish(self) {
        self.out.extend_from_slice(b"\r\n");
    }
}

fn is_one_line(bytes: &[u8]) -> bool {
    !bytes.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0))
}

/// What goes before a chunk's payload, on the stack.
#[derive(Clone, Copy, Debug)]
pub struct ChunkHeader {
    bytes: [u8; 18],
    start: u8,
}

impl ChunkHeader {
    /// For a payload of `length` bytes, which should not be zero: that would end the body.
    #[inline]
    pub fn new(length: usize) -> Self {
        debug_assert!(length > 0, "an empty chunk is the last one");
        let mut bytes = *b"0000000000000000\r\n";
        let mut start = 16;
        let mut left = length;
        // Backwards from the last digit.
        while left > 0 || start == 16 {
            start -= 1;
            bytes[start] = b"0123456789abcdef"[left & 0xf];
            left >>= 4;
        }
        Self { bytes, start: start as u8 }
    }

    /// The size in hexadecimal and CRLF.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[usize::from(self.start)..]
    }
}
