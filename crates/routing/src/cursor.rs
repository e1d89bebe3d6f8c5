//! The state of picks on one core for one pool: where the rotation stands, and random numbers.
//!
//! It survives publications. It starts at random, so that cores do not walk in step.

/// Where one core's picks from one pool stand.
#[derive(Debug)]
pub struct Cursor {
    pub(crate) position: usize,
    pub(crate) random: u64,
}
