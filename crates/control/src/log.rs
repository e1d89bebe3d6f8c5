//! How notices look in the log.

use evenkeel_model::{Cause, Phase};

use crate::{NameChange, Notice, Transition};

pub(crate) fn log(notice: &Notice) {
    match notice {
        Notice::Transition(transition) => log_transition(transition),
        Notice::Name(change) => log_name(change),
    }
}

fn log_transition(transition: &Transition) {
    let Transition { pool, backend, from, to, .. } = transition;
    let next = transition.next.to_string();
    let (from, evidence, message) = (from.as_str(), transition.ground(), transition.message());
    match to {
        Phase::Ejected => tracing::warn!(
            target: "evenkeel::health", %pool, %backend, from, to = to.as_str(), evidence, next, "{message}"
        ),
        Phase::Unproven | Phase::Serving | Phase::Trial => tracing::info!(
            target: "evenkeel::health", %pool, %backend, from, to = to.as_str(), evidence, next, "{message}"
        ),
    }
}

fn log_name(NameChange { host, port, failure, endpoints }: &NameChange) {
    match failure.map(Cause::token) {
        Some(cause) if *endpoints == 0 => tracing::warn!(
            target: "evenkeel::names", %host, port, cause, "name does not resolve, and never did"
        ),
        Some(cause) => tracing::warn!(
            target: "evenkeel::names", %host, port, cause, endpoints,
            "name does not resolve; the last good answer stays in use"
        ),
        None => tracing::info!(target: "evenkeel::names", %host, port, endpoints, "name resolves again"),
    }
}
