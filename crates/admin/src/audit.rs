//! Who changed what, or tried to: one line of the log each, target `evenkeel::audit`.

use evenkeel_model::{Command, Done, Order};

use crate::door::Peer;

const TARGET: &str = "evenkeel::audit";

/// Longest name as a client sent it that is repeated to anybody, in bytes.
const LONGEST_NAME: usize = 256;

/// A command under way. It is logged whatever becomes of it, also when its sender leaves before the answer.
#[must_use]
pub(crate) struct Audit {
    peer: Peer,
    order: Order,
    /// As asked for; empty: any.
    pool: String,
    backend: String,
    is_settled: bool,
}

impl Audit {
    pub(crate) fn of(peer: Peer, command: &Command) -> Audit {
        Audit {
            peer,
            order: command.order,
            pool: command.pool.as_ref().map(|pool| cut(pool.as_str()).to_owned()).unwrap_or_default(),
            backend: cut(&command.backend).to_owned(),
            is_settled: false,
        }
    }

    /// It was carried out, or there was nothing left to do.
    pub(crate) fn done(mut self, done: &Done) {
        self.is_settled = true;
        tracing::info!(
            target: TARGET,
            uid = self.peer.uid,
            pid = self.peer.pid,
            order = self.order.as_str(),
            pool = done.pool.as_str(),
            backend = &*done.backend,
            result = "done",
            changed = done.is_changed,
            phase = done.phase.as_str(),
            hold = done.hold.word(),
            in_flight = done.in_flight,
            "operator's command"
        );
    }

    /// Nothing was changed, as far as is known, and this is why.
    pub(crate) fn failed(mut self, why: &str) {
        self.tell(why);
    }

    fn tell(&mut self, result: &str) {
        self.is_settled = true;
        tracing::info!(
            target: TARGET,
            uid = self.peer.uid,
            pid = self.peer.pid,
            order = self.order.as_str(),
            pool = self.pool,
            backend = self.backend,
            result,
            "operator's command"
        );
    }
}

impl Drop for Audit {
    fn drop(&mut self) {
        if !self.is_settled {
            self.tell("unknown: whoever asked left before the answer");
        }
    }
}

/// Somebody who may not use the admin socket tried to.
pub(crate) fn turned_away(peer: Peer, own: u32) {
    tracing::warn!(
        target: TARGET,
        uid = peer.uid,
        pid = peer.pid,
        allowed = if own == 0 { "0".to_string() } else { format!("0, {own}") },
        "turned away from the admin socket"
    );
}

/// The beginning of a name that a client sent.
pub(crate) fn cut(name: &str) -> &str {
    &name[..name.floor_char_boundary(LONGEST_NAME)]
}
