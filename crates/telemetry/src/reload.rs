//! How the last reload went; the program writes it, metrics and status show it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

/// The last reload, shared by whoever holds a clone.
#[derive(Clone, Debug)]
pub struct ReloadState(Arc<Mutex<LastReload>>);

/// One reload; the first is the start of the process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastReload {
    /// Whether its configuration was taken.
    pub successful: bool,
    /// The newest generation that was accepted; 0 before the first.
    pub generation: u64,
    /// When it ended.
    pub at: SystemTime,
    /// Why it was rejected, as the log says it; `None` if it was taken.
    pub problems: Option<Arc<str>>,
}

impl ReloadState {
    /// Nothing loaded yet, and nothing wrong.
    pub fn new() -> Self {
        ReloadState(Arc::new(Mutex::new(LastReload {
            successful: true,
            generation: 0,
            at: SystemTime::now(),
            problems: None,
        })))
    }

    /// A configuration was published as `generation`.
    pub fn accepted(&self, generation: u64) {
        self.set(|_| LastReload { successful: true, generation, at: SystemTime::now(), problems: None });
    }

    /// The configuration that serves was published again as `generation`, with other files; how the last reload went
    /// stays as it is.
    pub fn renewed(&self, generation: u64) {
        self.set(|last| LastReload { generation, ..last.clone() });
    }

    /// A configuration was refused; the old one goes on.
    pub fn rejected(&self, problems: String) {
        self.set(|last| LastReload {
            successful: false,
            generation: last.generation,
            at: SystemTime::now(),
            problems: Some(problems.into()),
        });
    }

    /// The last one.
    pub fn last(&self) -> LastReload {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, next: impl FnOnce(&LastReload) -> LastReload) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *last = next(&last);
    }
}

impl Default for ReloadState {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rejected_reload_keeps_the_generation_and_says_why() {
        let state = ReloadState::new();
        state.accepted(3);
        state.clone().rejected("line 4: no such pool".to_string());
        let last = state.last();
        assert!(!last.successful);
        assert_eq!(last.generation, 3);
        assert_eq!(last.problems.as_deref(), Some("line 4: no such pool"));
    }

    #[test]
    fn the_next_good_reload_forgets_the_problems() {
        let state = ReloadState::new();
        state.rejected("x".to_string());
        state.accepted(2);
        assert_eq!(state.last().problems, None);
        assert!(state.last().successful);
    }

    #[test]
    fn files_that_are_read_again_do_not_hide_a_rejected_reload() {
        let state = ReloadState::new();
        state.accepted(3);
        state.rejected("x".to_string());
        state.renewed(4);
        let last = state.last();
        assert_eq!((last.generation, last.successful), (4, false));
        assert_eq!(last.problems.as_deref(), Some("x"));
    }
}
