//! Tests with heavy load take turns, so that two of them do not fight for the cores.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Held by a test with heavy load.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    // A test that failed has left nothing behind here.
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}
