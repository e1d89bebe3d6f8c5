//! Which request a failure belongs to, as a number: the same route, method and path have the same, whatever the query.
//!
//! It is computed only when something failed, or while a pool wonders whether a request is to blame.

use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;

/// Of this process alone, so that nobody can choose two requests with one key; all cores have to agree.
static KEYS: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// The key of a request; never zero.
#[cold]
pub(crate) fn of(route: &str, method: &[u8], path: &[u8]) -> u64 {
    KEYS.hash_one((route, method, path)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_has_one_key_on_every_thread_and_others_have_others() {
        let key = of("*", b"GET", b"/a");
        assert_eq!(std::thread::spawn(|| of("*", b"GET", b"/a")).join().unwrap(), key);
        for other in [of("*", b"PUT", b"/a"), of("*", b"GET", b"/b"), of("*/a", b"GET", b"/a")] {
            assert_ne!(other, key);
        }
        assert_ne!(of("*", b"GE", b"T/a"), key, "what follows is told apart");
    }
}
