//! Waiting for a condition with a deadline: the only way in which tests let time pass.

use std::time::{Duration, Instant};

/// Between two looks at a condition.
const GLANCE: Duration = Duration::from_millis(5);

/// Looks at a condition until it yields a value; panics with `what` once `longest` is over.
#[track_caller]
pub fn until<T>(longest: Duration, what: &str, condition: impl FnMut() -> Option<T>) -> T {
    match until_some(longest, condition) {
        Some(value) => value,
        // Not in a closure, of which the place would be told instead of the caller's.
        None => panic!("not within {longest:?}: {what}"),
    }
}

/// Looks at a condition until it yields a value, or until `longest` is over.
pub fn until_some<T>(longest: Duration, mut condition: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + longest;
    loop {
        let value = condition();
        if value.is_some() || Instant::now() >= deadline {
            return value;
        }
        pause(GLANCE);
    }
}

/// Looks at a condition until it holds; panics with `what` once `longest` is over.
#[track_caller]
pub fn until_true(longest: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    until(longest, what, || condition().then_some(()));
}

/// Lets time pass: for a pace that a test sets (load, slow peers), never in place of a condition.
pub fn pause(length: Duration) {
    // The ban on sleeping is for workers; this thread serves nobody.
    #[expect(clippy::disallowed_methods, reason = "a test's own thread")]
    std::thread::sleep(length);
}
