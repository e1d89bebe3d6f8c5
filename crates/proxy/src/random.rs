//! Random numbers of one core, for request ids and starting points; not for secrets.

use std::cell::Cell;

/// A xorshift generator.
#[derive(Debug)]
pub(crate) struct Random(Cell<u64>);

impl Random {
    /// Seeded by the kernel.
    pub(crate) fn from_system() -> Self {
        let mut seed = [0; 8];
        // A kernel without getrandom leaves zeros; the clock and the address of a local then tell cores apart.
        let filled = rustix::rand::getrandom(&mut seed[..], rustix::rand::GetRandomFlags::empty());
        let clock = std::time::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_nanos() as u64);
        let seed = u64::from_ne_bytes(seed) ^ if filled.is_ok() { 0 } else { clock };
        Random(Cell::new(seed | 1))
    }

    #[inline]
    pub(crate) fn next(&self) -> u64 {
        let mut state = self.0.get();
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        self.0.set(state);
        state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// From 0.0 to 1.0 exclusive.
    pub(crate) fn fraction(&self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// 32 hexadecimal digits.
    #[inline]
    pub(crate) fn request_id(&self) -> [u8; 32] {
        let mut id = [0; 32];
        for quarter in id.chunks_exact_mut(8) {
            quarter.copy_from_slice(&hexadecimal(self.next() as u32).to_ne_bytes());
        }
        id
    }
}

/// Eight digits at once: each half of a byte in a byte of its own, then moved into the ranges of `0` and `a`.
#[inline]
fn hexadecimal(bits: u32) -> u64 {
    let spread = u64::from(bits);
    let spread = (spread | spread << 16) & 0x0000_ffff_0000_ffff;
    let spread = (spread | spread << 8) & 0x00ff_00ff_00ff_00ff;
    let digits = (spread | spread << 4) & 0x0f0f_0f0f_0f0f_0f0f;
    let above_nine = ((digits + 0x0606_0606_0606_0606) >> 4) & 0x0101_0101_0101_0101;
    digits + 0x3030_3030_3030_3030 + above_nine * (b'a' - b'0' - 10) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_ids_are_hexadecimal_and_differ() {
        let random = Random::from_system();
        let (one, other) = (random.request_id(), random.request_id());
        assert_ne!(one, other);
        assert!(one.iter().chain(&other).all(|digit| b"0123456789abcdef".contains(digit)));
    }
}
