//! A trial in progress: when control helps it along by a connection, because no request came for it.

use std::time::{Duration, Instant};

/// Between two connections at least, whatever the wait is: one that failed for want of descriptors fails at once.
const LEAST_WAIT: Duration = Duration::from_secs(1);

/// What is known of a trial.
#[derive(Debug)]
pub(crate) struct Watch {
    /// Since when no outcome came.
    quiet_since: Instant,
    /// The connection that is being tried.
    connecting: Option<u64>,
    /// Whether one was tried since the last outcome.
    has_tried: bool,
    /// Whether one stood, so that any request may be the trial.
    is_open: bool,
    /// Whether nobody else is in service, so that no request could be hidden.
    is_alone: bool,
}

impl Watch {
    pub(crate) fn new(now: Instant, is_alone: bool) -> Self {
        Watch { quiet_since: now, connecting: None, has_tried: false, is_open: false, is_alone }
    }

    /// When a connection is to be tried; `wait`: how long requests are waited for. Where nobody else is in service no
    /// request can be hidden, so there is none to wait for.
    pub(crate) fn due(&self, wait: Duration) -> Option<Instant> {
        let is_hurried = self.is_alone && !self.has_tried;
        let wait = if is_hurried { Duration::ZERO } else { wait.max(LEAST_WAIT) };
        let may = self.connecting.is_none();
        may.then(|| self.quiet_since.checked_add(wait)).flatten()
    }

    /// A connection is being tried.
    pub(crate) fn begin(&mut self, serial: u64) {
        (self.connecting, self.has_tried) = (Some(serial), true);
    }

    /// The connection of this serial stands, or failed. False if none such was being tried.
    pub(crate) fn end(&mut self, serial: u64, now: Instant) -> bool {
        let was_connecting = self.connecting == Some(serial);
        if was_connecting {
            (self.connecting, self.quiet_since) = (None, now);
        }
        was_connecting
    }

    /// Any request may be the trial from now on.
    pub(crate) fn open(&mut self) {
        self.is_open = true;
    }

    /// Whether any request may be the trial.
    pub(crate) fn is_open(&self) -> bool {
        self.is_open
    }

    /// An outcome came.
    pub(crate) fn heard(&mut self, now: Instant) {
        (self.quiet_since, self.has_tried) = (now, false);
    }

    /// Whether nobody else is in service.
    pub(crate) fn is_alone(&self) -> bool {
        self.is_alone
    }

    /// Notes whether nobody else is in service; true if that is news.
    pub(crate) fn set_alone(&mut self, is_alone: bool) -> bool {
        std::mem::replace(&mut self.is_alone, is_alone) != is_alone
    }
}
