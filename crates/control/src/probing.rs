//! When a backend is probed: faster in doubt, slower while its requests prove it well.

use std::time::{Duration, Instant};

use evenkeel_health::{Pace, Probe, ProbeResult};

use crate::random::Random;

/// So late a probe is that was not merely waiting for its turn.
const LATE: Duration = Duration::from_millis(500);

/// The probes of one backend.
#[derive(Debug, Default)]
pub(crate) struct Probing {
    /// When the next one begins; `None` while one is in flight, and without probes.
    pub(crate) due: Option<Instant>,
    /// Whether a request has succeeded since the last one began.
    pub(crate) proven: bool,
    /// Whether one had in the interval before it.
    was_proven: bool,
    in_flight: Option<u64>,
    /// When the last one began.
    began: Option<Instant>,
    /// Answers of 429 in a row.
    too_often: u32,
}

/// What is thought of a backend when its next probe is planned.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mood {
    /// Whether the newest evidence contradicts its phase.
    pub(crate) is_in_doubt: bool,
    /// Whether it is out of service.
    pub(crate) is_out: bool,
}

impl Probing {
    /// Begins, or goes on in the rhythm of another plan.
    pub(crate) fn join(&mut self, probe: Option<&Probe>, backends: usize, now: Instant, random: &mut Random) {
        let latest = probe.map(|probe| match self.due {
            Some(due) => due.min(now + probe.next_wait(Pace::Usual, random.chance())),
            None => now + probe.first_wait(backends, random.chance()),
        });
        self.due = latest.filter(|_| self.in_flight.is_none());
    }

    /// Whether one has to begin now. After a pause of the whole process all of them are late, and are spread anew.
    pub(crate) fn is_due(&mut self, probe: Option<&Probe>, now: Instant, random: &mut Random) -> bool {
        let Some(probe) = probe else {
            self.due = None;
            return false;
        };
        let Some(due) = self.due.filter(|due| *due <= now) else { return false };
        let late = now.saturating_duration_since(due);
        if late > LATE && late > probe.interval / 2 {
            self.due = Some(now + probe.interval.mul_f64(random.chance()));
            return false;
        }
        true
    }

    /// One begins.
    pub(crate) fn begin(&mut self, serial: u64, now: Instant) {
        self.due = None;
        self.was_proven = std::mem::take(&mut self.proven);
        self.in_flight = Some(serial);
        self.began = Some(now);
    }

    /// Whether none is in flight nor planned.
    pub(crate) fn has_stopped(&self) -> bool {
        self.in_flight.is_none() && self.due.is_none()
    }

    /// Whether the one of this serial is.
    pub(crate) fn is_in_flight(&self, serial: u64) -> bool {
        self.in_flight == Some(serial)
    }

    /// The one of this serial is over; false if it is not in flight.
    pub(crate) fn end(&mut self, serial: u64, result: ProbeResult) -> bool {
        if self.in_flight != Some(serial) {
            return false;
        }
        self.too_often = match result {
            ProbeResult::TooOften => self.too_often.saturating_add(1),
            ProbeResult::Passed | ProbeResult::Drains | ProbeResult::Failed(_) => 0,
        };
        self.in_flight = None;
        true
    }

    /// The one in flight came to nothing that says anything.
    pub(crate) fn give_up(&mut self) {
        self.in_flight = None;
    }

    /// Sets when the next one is due. It only ever comes forward, but after an answer.
    pub(crate) fn plan(&mut self, probe: Option<&Probe>, mood: Mood, now: Instant, random: &mut Random) {
        let Some(probe) = probe.filter(|_| self.in_flight.is_none()) else {
            self.due = None;
            return;
        };
        let pace = match (self.too_often, mood.is_in_doubt) {
            (1.., _) => Pace::Slower(self.too_often),
            (0, true) => Pace::Fast,
            (0, false) if self.was_proven => Pace::Slow,
            (0, false) => Pace::Usual,
        };
        // Two that pass at one instant are no two proofs: after one that waited long, the next is not at once.
        let earliest = if mood.is_out { now + probe.fast_interval } else { now };
        let due = (self.began.unwrap_or(now) + probe.next_wait(pace, random.chance())).max(earliest);
        self.due = Some(self.due.map_or(due, |planned| planned.min(due)));
    }

    /// Has the next one begin at once.
    pub(crate) fn hurry(&mut self, now: Instant) {
        self.due = self.due.map(|due| due.min(now));
    }
}
