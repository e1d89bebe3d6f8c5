//! How the last reading of certificates and the like went; the program writes it, metrics and status show it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

/// The last reading, shared by whoever holds a clone.
#[derive(Clone, Debug)]
pub struct FilesState(Arc<Mutex<LastReading>>);

/// One reading of every certificate, key, CA and revocation list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastReading {
    /// When all of them were good, the last time.
    pub succeeded: SystemTime,
    /// What was wrong since then; empty: nothing. What was read before serves.
    pub problems: Arc<[String]>,
}

impl FilesState {
    /// Nothing wrong, as of now.
    pub fn new() -> Self {
        FilesState(Arc::new(Mutex::new(LastReading::good())))
    }

    /// All are good.
    pub fn accepted(&self) {
        *self.lock() = LastReading::good();
    }

    /// Some are not. Returns whether it is another trouble than before.
    pub fn rejected(&self, problems: Vec<String>) -> bool {
        let mut last = self.lock();
        let is_news = *last.problems != *problems;
        last.problems = problems.into();
        is_news
    }

    /// The last one.
    pub fn last(&self) -> LastReading {
        self.lock().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, LastReading> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LastReading {
    /// Whether all were good.
    pub fn is_successful(&self) -> bool {
        self.problems.is_empty()
    }

    fn good() -> Self {
        LastReading { succeeded: SystemTime::now(), problems: [].into() }
    }
}

impl Default for FilesState {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trouble_is_news_once() {
        let state = FilesState::new();
        let problems = || vec!["a.pem: no certificate".to_string()];
        assert!(state.clone().rejected(problems()));
        assert!(!state.rejected(problems()));
        assert!(!state.last().is_successful());
        assert!(state.rejected(vec!["b.key: encrypted".to_string()]));
        state.accepted();
        assert!(state.last().is_successful());
        assert!(state.rejected(problems()), "after a good time it is news again");
    }

    #[test]
    fn what_is_bad_does_not_change_when_all_was_good() {
        let state = FilesState::new();
        let good = state.last().succeeded;
        state.rejected(vec!["x".to_string()]);
        assert_eq!(state.last().succeeded, good);
    }
}
