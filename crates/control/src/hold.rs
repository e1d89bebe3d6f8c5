//! Who keeps a backend from new requests beside its health: an operator, or the backend itself. The operator outranks it.

use std::time::{Duration, Instant};

use evenkeel_model::{ByOperator, Hold, Order};

/// Everybody's word about one backend.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Holds {
    operator: Option<(Order, ByOperator)>,
    asked: Option<Asked>,
}

/// The backend's own word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Asked {
    since: Instant,
    /// `None`: until its probes say otherwise.
    until: Option<Instant>,
}

impl Holds {
    /// What comes of all of them.
    pub(crate) fn hold(&self, now: Instant) -> Hold {
        match (self.operator, self.asked) {
            (Some((Order::Eject, by)), _) => Hold::Out(by),
            (Some((Order::Drain | Order::Ready, by)), _) => Hold::Drained(by),
            (None, Some(Asked { since, until })) if until.is_none_or(|until| now < until) => {
                Hold::Asked { since, until }
            }
            (None, _) => Hold::None,
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
        let since = self.asked.map_or(at, |asked| asked.since);
        let asked = Asked { since, until: at.checked_add(how_long) };
        self.asked = (!how_long.is_zero()).then_some(asked);
    }

    /// The answer to a probe asks for it, until another one does not.
    pub(crate) fn ask_by_probe(&mut self, now: Instant) {
        let since = self.asked.map_or(now, |asked| asked.since);
        self.asked = Some(Asked { since, until: None });
    }

    /// Probes do not ask for it any more.
    pub(crate) fn probes_ended(&mut self) {
        self.asked = self.asked.filter(|asked| asked.until.is_some());
    }

    /// Forgets what is over.
    pub(crate) fn expire(&mut self, now: Instant) {
        self.asked = self.asked.filter(|asked| asked.until.is_none_or(|until| now < until));
    }

    /// When the backend's own word is over.
    pub(crate) fn until(&self) -> Option<Instant> {
        self.asked.and_then(|asked| asked.until)
    }
}
