//! Tests with load take turns, so that they do not fight for the cores.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// A test's turn, until it is dropped.
pub(crate) type Turn = MutexGuard<'static, ()>;

/// Held by a test that uses whatever the cores have.
pub(crate) fn heavy() -> Turn {
    static TURN: Mutex<()> = Mutex::new(());
    take(&TURN)
}

/// Held by a test whose load has a pace or that waits most of its time: one of these beside a heavy one.
pub(crate) fn paced() -> Turn {
    static TURN: Mutex<()> = Mutex::new(());
    take(&TURN)
}

fn take(turn: &'static Mutex<()>) -> Turn {
    // A test that failed has left nothing behind here.
    turn.lock().unwrap_or_else(PoisonError::into_inner)
}
