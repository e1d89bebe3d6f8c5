//! Failed handshakes in the log: the first one at once, then what came together, a line every ten seconds at most.

use std::cell::{Cell, RefCell};
use std::fmt::Write;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use evenkeel_model::HandshakeFailure;

/// How often the log says so, for a listener on a core.
const TOLD_EVERY: Duration = Duration::from_secs(10);

/// One listener's on one core.
#[derive(Debug, Default)]
pub(crate) struct Complaints {
    told: Cell<Option<Instant>>,
    /// Those that were not told yet.
    counts: RefCell<[u64; HandshakeFailure::ALL.len()]>,
    last: RefCell<Option<(SocketAddr, String)>>,
}

impl Complaints {
    /// Notes a failure; `text` says more about it.
    #[cold]
    pub(crate) fn note(
        &self,
        listener: &str,
        why: HandshakeFailure,
        text: String,
        client: SocketAddr,
        now: Instant,
    ) {
        self.counts.borrow_mut()[why as usize] += 1;
        self.last.replace(Some((client, text)));
        self.tell(listener, now);
    }

    /// Tells what was noted, once it is time.
    #[inline]
    pub(crate) fn tell(&self, listener: &str, now: Instant) {
        let is_due = |told| now.saturating_duration_since(told) >= TOLD_EVERY;
        if self.last.borrow().is_some() && self.told.get().is_none_or(is_due) {
            self.told.set(Some(now));
            self.tell_now(listener);
        }
    }

    #[cold]
    fn tell_now(&self, listener: &str) {
        let Some((client, text)) = self.last.take() else { return };
        let counts = self.counts.take();
        let failures: u64 = counts.iter().sum();
        tracing::warn!(
            listener,
            failures,
            reasons = reasons(&counts),
            last_client = %client,
            last_error = text,
            "TLS handshakes with clients failed"
        );
    }
}

/// Such as `timeout=2 alert=17`.
fn reasons(counts: &[u64; HandshakeFailure::ALL.len()]) -> String {
    let mut reasons = String::new();
    for (why, count) in HandshakeFailure::ALL.into_iter().zip(counts).filter(|(_, count)| **count > 0) {
        let space = if reasons.is_empty() { "" } else { " " };
        // Writing to a string does not fail.
        let _ = write!(reasons, "{space}{}={count}", why.token());
    }
    reasons
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_failures_is_told_once_in_ten_seconds() {
        let (complaints, start) = (Complaints::default(), Instant::now());
        let client = "192.0.2.7:50000".parse().unwrap();
        let note = |why| complaints.note("edge", why, "no".to_owned(), client, start);
        note(HandshakeFailure::Alert);
        assert!(complaints.last.borrow().is_none(), "the first is told at once");
        note(HandshakeFailure::Alert);
        note(HandshakeFailure::Timeout);
        note(HandshakeFailure::Alert);
        assert_eq!(reasons(&complaints.counts.borrow()), "timeout=1 alert=2");
        complaints.tell("edge", start + TOLD_EVERY - Duration::from_millis(1));
        assert!(complaints.last.borrow().is_some());
        complaints.tell("edge", start + TOLD_EVERY);
        assert!(complaints.last.borrow().is_none());
        assert_eq!(complaints.counts.borrow().iter().sum::<u64>(), 0);
    }
}
