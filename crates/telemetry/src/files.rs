//! How the last reading of certificates and the like went; the program writes it, metrics and status show it.

use std::collections::HashSet;
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

    /// Some are not. Returns which problems are new since the last reading.
    pub fn rejected(&self, problems: Vec<String>) -> Vec<String> {
        let mut last = self.lock();
        let known: HashSet<&String> = last.problems.iter().collect();
        let news = problems.iter().filter(|problem| !known.contains(problem)).cloned().collect();
        last.problems = problems.into();
        news
    }

    /// None could be read, so that what was wrong with them still is. Returns the problem if it is new.
    pub fn missed(&self, problem: String) -> Vec<String> {
        let mut problems = self.last().problems.to_vec();
        if !problems.contains(&problem) {
            problems.push(problem);
        }
        self.rejected(problems)
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
    fn a_problem_is_news_once() {
        let state = FilesState::new();
        let [a, b] = ["a.pem: no certificate", "b.key: encrypted"];
        let news_of =
            |problems: &[&str]| state.clone().rejected(problems.iter().map(ToString::to_string).collect());
        assert_eq!(news_of(&[a]), [a]);
        assert_eq!(news_of(&[a]), [""; 0]);
        assert!(!state.last().is_successful());
        assert_eq!(news_of(&[a, b]), [b], "the first is known");
        assert_eq!(news_of(&[b]), [""; 0], "one that is mended makes no news of the others");
        assert_eq!(*state.last().problems, [b]);
        state.accepted();
        assert!(state.last().is_successful());
        assert_eq!(news_of(&[a]), [a], "after a good time it is news again");
    }

    #[test]
    fn files_that_do_not_come_mend_none_of_those_that_are_bad() {
        let state = FilesState::new();
        let [a, late] = ["a.pem: no certificate", "the files could not be read"].map(str::to_string);
        state.rejected(vec![a.clone()]);
        for news in [std::slice::from_ref(&late), &[]] {
            assert_eq!(state.missed(late.clone()), news);
            assert_eq!(*state.last().problems, [a.clone(), late.clone()]);
        }
        assert_eq!(state.rejected(vec![a.clone()]), [""; 0], "the bad one is known");
        assert_eq!(*state.last().problems, [a], "it hangs no more");
    }

    #[test]
    fn what_is_bad_does_not_change_when_all_was_good() {
        let state = FilesState::new();
        let good = state.last().succeeded;
        state.rejected(vec!["x".to_string()]);
        assert_eq!(state.last().succeeded, good);
    }
}
