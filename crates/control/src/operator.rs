//! What an operator asks of a backend, and what that comes to.

use std::time::Instant;

use evenkeel_health::{Event, Policy};
use evenkeel_model::{BackendId, ByOperator, Command, CommandError, Done, Order, PoolName};

use crate::entry::Entry;
use crate::roster::Roster;
use crate::{Notice, Ordered, Transition};

/// The backend that a command means: by its name, or by its address as written.
pub(crate) fn find(roster: &Roster, command: &Command) -> Result<BackendId, CommandError> {
    if let Some(pool) = command.pool.as_ref().filter(|pool| !roster.crews.contains_key(pool)) {
        return Err(CommandError::UnknownPool(pool.clone()));
    }
    let is_meant = |entry: &&Entry| {
        let id = &entry.backend.id;
        let is_named =
            *entry.backend.label == *command.backend || *id.address.to_string() == *command.backend;
        is_named && command.pool.as_ref().is_none_or(|pool| *pool == id.pool)
    };
    let mut found: Vec<&BackendId> = roster.iter().filter(is_meant).map(|entry| &entry.backend.id).collect();
    match (found.pop(), found.is_empty()) {
        (None, _) => Err(CommandError::UnknownBackend(command.backend.clone())),
        (Some(only), true) => Ok(only.clone()),
        (Some(last), false) => {
            let mut pools: Vec<PoolName> = found.iter().map(|id| id.pool.clone()).collect();
            pools.push(last.pool.clone());
            pools.dedup();
            Err(CommandError::Ambiguous(pools))
        }
    }
}

/// Carries a command out; also says whether it changed anything.
pub(crate) fn apply(
    entry: &mut Entry,
    command: &Command,
    now: Instant,
    policy: &Policy,
) -> (Option<Transition>, bool) {
    let by = ByOperator { uid: command.uid, since: now };
    let is_held_otherwise = entry.change_hold(now, policy, |holds| holds.order(command.order, by));
    let transition = match command.order {
        Order::Ready => entry.step(Event::Ready, now, policy),
        Order::Drain | Order::Eject => None,
    };
    let is_changed = is_held_otherwise || transition.is_some();
    (transition, is_changed)
}

pub(crate) fn done(entry: &Entry, is_changed: bool, now: Instant) -> Done {
    Done {
        pool: entry.backend.id.pool.clone(),
        backend: (*entry.backend.label).into(),
        phase: entry.health.phase(),
        hold: entry.holds.hold(now),
        is_changed,
        in_flight: entry.backend.in_flight(),
    }
}

pub(crate) fn notice(entry: &Entry, command: &Command) -> Notice {
    Notice::Ordered(Ordered {
        pool: entry.backend.id.pool.clone(),
        backend: entry.backend.label.clone(),
        order: command.order,
        uid: command.uid,
    })
}
