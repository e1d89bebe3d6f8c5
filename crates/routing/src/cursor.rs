//! The state of picks on one core for one pool: where the rotation stands, and random numbers.
//!
//! It survives publications. It starts at random, so that cores do not walk in step.

/// Where one core's picks from one pool stand.
#[derive(Debug)]
pub struct Cursor {
    position: usize,
    random: u64,
}

impl Cursor {
    /// Any seed will do.
    pub fn new(seed: u64) -> Self {
        let mut cursor = Cursor { position: 0, random: seed | 1 };
        cursor.position = cursor.random() as usize;
        cursor
    }

    /// The next place of a rotation through `length` places.
    #[inline]
    pub(crate) fn step(&mut self, length: usize) -> usize {
        let next = self.position.wrapping_add(1);
        self.position = if next >= length { next % length } else { next };
        self.position
    }

    /// A random place among `length`.
    #[inline]
    pub(crate) fn place(&mut self, length: usize) -> usize {
        ((u128::from(self.random()) * length as u128) >> 64) as usize
    }

    #[inline]
    fn random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
}
