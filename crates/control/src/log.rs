//! How notices look in the log.

use evenkeel_model::{Cause, Order, Phase};

use crate::notice::ground;
use crate::{FateChange, HoldChange, Keeping, NameChange, Notice, Ordered, Transition};

pub(crate) fn log(notice: &Notice) {
    match notice {
        Notice::Transition(transition) => log_transition(transition),
        Notice::Name(change) => log_name(change),
        Notice::Kept(keeping) => log_kept(keeping),
        Notice::Fate(change) => log_fate(change),
        Notice::Ordered(ordered) => log_ordered(ordered),
        Notice::Hold(change) => log_hold(change),
    }
}

fn log_kept(Keeping { pool, backend, kept, evidence }: &Keeping) {
    tracing::warn!(
        target: "evenkeel::health", %pool, %backend, why = kept.as_str(), evidence = ground(*evidence),
        "backend fails, and stays in service"
    );
}

fn log_fate(FateChange { pool, cause, backends }: &FateChange) {
    match cause.map(Cause::token) {
        Some(cause) => tracing::warn!(
            target: "evenkeel::health", %pool, cause, backends,
            "most of the pool fails in the same way at once: look at this machine, its network and its resolver first"
        ),
        None => {
            tracing::info!(target: "evenkeel::health", %pool, "the pool does not fail as a whole any more")
        }
    }
}

fn log_ordered(Ordered { pool, backend, order, uid }: &Ordered) {
    let message = match order {
        Order::Drain => "backend drained by an operator",
        Order::Eject => "backend taken out by an operator",
        Order::Ready => "backend is ready, says an operator",
    };
    tracing::info!(target: "evenkeel::health", %pool, %backend, uid, "{message}");
}

fn log_hold(HoldChange { pool, backend, is_drained, how_long }: &HoldChange) {
    match (is_drained, how_long) {
        (true, Some(how_long)) => tracing::info!(
            target: "evenkeel::health", %pool, %backend, ?how_long, "backend asked to be drained"
        ),
        (true, None) => tracing::info!(
            target: "evenkeel::health", %pool, %backend, "backend asked to be drained, by its probe"
        ),
        (false, _) => tracing::info!(
            target: "evenkeel::health", %pool, %backend, "backend takes requests again: its drain is over"
        ),
    }
}

fn log_transition(transition: &Transition) {
    let Transition { pool, backend, from, to, is_flapping: flapping, .. } = transition;
    let next = transition.next.to_string();
    let (from, evidence, message) = (from.as_str(), transition.ground(), transition.message());
    match to {
        Phase::Ejected => tracing::warn!(
            target: "evenkeel::health", %pool, %backend, from, to = to.as_str(), evidence, next, flapping, "{message}"
        ),
        Phase::Unproven | Phase::Serving | Phase::Trial => tracing::info!(
            target: "evenkeel::health", %pool, %backend, from, to = to.as_str(), evidence, next, flapping, "{message}"
        ),
    }
}

fn log_name(NameChange { host, port, failure, endpoints }: &NameChange) {
    match failure.map(|failure| failure.to_string()) {
        Some(cause) if *endpoints == 0 => tracing::warn!(
            target: "evenkeel::names", %host, port, cause, "name does not resolve, and never did"
        ),
        Some(cause) => tracing::warn!(
            target: "evenkeel::names", %host, port, cause, endpoints,
            "name does not resolve; the last good answer stays in use"
        ),
        None => tracing::info!(target: "evenkeel::names", %host, port, endpoints, "name resolves"),
    }
}
