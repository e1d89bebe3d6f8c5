//! What a plan takes over from the one before it, so that clients and backends can resume their sessions.

use std::sync::Arc;

use evenkeel_tls::{Client, Dial};

use crate::Plan;
use crate::plan::PoolPlan;

impl Plan {
    /// Takes over from the plan before it what clients and backends remember: session tickets, and sessions to resume.
    /// Profiles that did not change are the very same.
    pub fn carry_over(&mut self, before: &Plan) {
        for listener in &mut self.listeners {
            let Some(tls) = &mut listener.tls else { continue };
            let same_name = before.listeners.iter().find(|other| other.name == listener.name);
            let Some(old) = same_name.and_then(|other| other.tls.as_ref()) else { continue };
            tls.server = match tls.server == old.server {
                true => old.server.clone(),
                false => tls.server.clone().inherit(&old.server),
            };
        }
        for pool in &mut self.pools {
            if let Some(old) = before.pools.iter().find(|other| other.name == pool.name) {
                carry_over(pool, old);
            }
        }
    }
}

fn carry_over(pool: &mut PoolPlan, before: &PoolPlan) {
    let Some(old) = client(before).cloned() else { return };
    // Compared once, not for each backend: all of them share a client.
    let same = client(pool).filter(|client| **client == old).cloned();
    for backend in &mut pool.backends {
        let Some(dial) = &mut backend.tls else { continue };
        if !same.as_ref().is_some_and(|same| Arc::ptr_eq(same, dial.client())) {
            continue;
        }
        let of_same = before.backends.iter().find(|other| other.address == backend.address);
        let of_same = of_same.and_then(|other| other.tls.as_ref());
        *dial = match of_same.filter(|other| other.name() == dial.name() && Arc::ptr_eq(other.client(), &old))
        {
            Some(other) => other.clone(),
            None => Arc::new(Dial::new(old.clone(), dial.name().clone())),
        };
    }
}

/// The client that a pool's backends share.
pub(crate) fn client(pool: &PoolPlan) -> Option<&Arc<Client>> {
    pool.backends.iter().find_map(|backend| backend.tls.as_ref()).map(|dial| dial.client())
}
