//! Which request may itself be to blame for a failure.
//!
//! A backend failed it, and no retry could tell whose fault that was. While control wonders, a core that sees a request
//! with the same key succeed on another backend says so, which is the proof.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The key that control wonders about, over all cores of a pool.
#[derive(Debug, Default)]
pub struct Suspicion(AtomicU64);

impl Suspicion {
    /// Wonders about `key`, or about nothing. Called by control alone.
    pub fn set(&self, key: Option<u64>) {
        self.0.store(key.unwrap_or(0), Relaxed);
    }

    /// The key; `None` nearly always.
    #[inline]
    pub fn key(&self) -> Option<u64> {
        match self.0.load(Relaxed) {
            0 => None,
            key => Some(key),
        }
    }
}
