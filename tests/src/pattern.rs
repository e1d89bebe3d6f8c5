//! Bodies whose every byte is known from its place, so that a lost, doubled or moved byte shows.

/// Length after which the pattern repeats: a prime, so that no buffer size divides it.
const PERIOD: usize = 65_521;

/// The pattern, ready to be sent from any offset.
pub struct Pattern {
    bytes: Vec<u8>,
}

impl Default for Pattern {
    fn default() -> Self {
        let byte = |place: usize| (place.wrapping_mul(2_654_435_761) >> 13) as u8;
        Pattern { bytes: (0..PERIOD).map(byte).collect() }
    }
}

impl Pattern {
    /// At most `most` bytes from `offset` on; never empty unless `most` is 0.
    pub fn piece(&self, offset: u64, most: u64) -> &[u8] {
        let start = (offset % PERIOD as u64) as usize;
        let length = (PERIOD - start).min(usize::try_from(most).unwrap_or(usize::MAX));
        &self.bytes[start..start + length]
    }

    /// The first `length` bytes.
    pub fn whole(&self, length: usize) -> Vec<u8> {
        self.bytes.iter().copied().cycle().take(length).collect()
    }

    /// Whether `piece` is what stands at `offset`.
    pub fn matches(&self, offset: u64, mut piece: &[u8]) -> bool {
        let mut offset = offset;
        while !piece.is_empty() {
            let expected = self.piece(offset, piece.len() as u64);
            if piece[..expected.len()] != *expected {
                return false;
            }
            offset += expected.len() as u64;
            piece = &piece[expected.len()..];
        }
        true
    }
}

/// A checksum of a body, the same for the same bytes however they were cut: FNV-1a of 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checksum(u64);

impl Default for Checksum {
    fn default() -> Self {
        Checksum(0xcbf2_9ce4_8422_2325)
    }
}

impl Checksum {
    /// Takes in more bytes.
    pub fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    /// The checksum of `bytes`, as backends write it in `X-Body-Checksum`.
    pub fn of(bytes: &[u8]) -> String {
        let mut sum = Checksum::default();
        sum.add(bytes);
        sum.text()
    }

    /// Sixteen hexadecimal digits.
    pub fn text(self) -> String {
        format!("{:016x}", self.0)
    }
}
