//! Who keeps a backend from new requests beside its health: an operator, or the backend itself. The operator outranks it.

use std::time::{Duration, Instant};

use evenkeel_model::{ByOperator, Hold, Order};

/// So often a backend may change its mind: each time is a publication and a line in the log.
const BETWEEN_CHANGES: Duration = Duration::from_secs(1);

/// Everybody's word about one backend.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Holds {
    operator: Option<(Order, ByOperator)>,
    /// The backend asked in an answer, from when until when.
    by_answer: Option<(Instant, Instant)>,
    /// When it changed its mind last.
    changed: Option<Instant>,
    /// Its probes ask for it, since when.
    by_probes: Option<Instant>,
}

impl Holds {
    /// What comes of all of them.
    pub(crate) fn hold(&self, now: Instant) -> Hold {
        match (self.operator, self.by_probes, self.by_answer) {
            (Some((Order::Eject, by)), ..) => Hold::Out(by),
            (Some((Order::Drain | Order::Ready, by)), ..) => Hold::Drained(by),
            (None, Some(since), _) => Hold::Asked { since, until: None },
            (None, None, Some((since, until))) if now < until => Hold::Asked { since, until: Some(until) },
            (None, None, _) => Hold::None,
        }
    }

    /// Obeys an operator. The same order again keeps who gave it first.
    pub(crate) fn order(&mut self, order: Order, by: ByOperator) {
        match order {
            Order::Ready => *self = Holds::default(),
            Order::Drain | Order::Eject if self.operator.is_some_and(|(held, _)| held == order) => {}
            Order::Drain | Order::Eject => self.operator = Some((order, by)),
        }
    }

    /// The backend asks to be drained for so long; zero: no longer.
    pub(crate) fn ask(&mut self, how_long: Duration, at: Instant) {
        let is_other = self.by_answer.is_some() == how_long.is_zero();
        let is_hasty = self.changed.is_some_and(|last| at.saturating_duration_since(last) < BETWEEN_CHANGES);
        if is_other && is_hasty {
            return;
        }
        self.changed = if is_other { Some(at) } else { self.changed };
        let since = self.by_answer.map_or(at, |(since, _)| since);
        let until = at.checked_add(how_long).filter(|_| !how_long.is_zero());
        self.by_answer = until.map(|until| (since, until));
    }

    /// The answer to a probe asks for it, until another one does not.
    pub(crate) fn ask_by_probe(&mut self, now: Instant) {
        self.by_probes.get_or_insert(now);
    }

    /// Probes do not ask for it any more.
    pub(crate) fn probes_ended(&mut self) {
        self.by_probes = None;
    }

    /// Forgets what is over. Returns what was the hold until then.
    pub(crate) fn expire(&mut self, now: Instant) -> Option<Hold> {
        let (since, until) = self.by_answer.filter(|(_, until)| *until <= now)?;
        let before = Holds { by_answer: Some((since, until)), ..*self }.hold(since);
        self.by_answer = None;
        Some(before)
    }

    /// When the backend's own word is over.
    pub(crate) fn until(&self) -> Option<Instant> {
        self.by_answer.map(|(_, until)| until)
    }
}
