//! What control orders for a backend whose time has come: a probe, or a connection that helps a trial along.

use std::sync::Arc;
use std::time::{Duration, Instant};

use evenkeel_health::{ProbeResult, Target};
use evenkeel_model::{BackendId, Endpoint, NameFailure, ProbeFailure};

use super::Control;
use crate::names::Names;
use crate::{ConnectOrder, Effects, ProbeOrder};

impl Control {
    /// Sees to one backend whose time has come.
    pub(super) fn visit(&mut self, id: &BackendId, now: Instant, effects: &mut Effects) {
        let (Some(plan), Some((entry, _))) = (self.plan.clone(), self.roster.get(id)) else { return };
        entry.due = None;
        let is_kept = entry.reconsider.is_some_and(|at| at <= now);
        let serial = self.serial.wrapping_add(1);
        let (mut wants_probe, mut wants_connection) = (false, false);
        self.touch(id, now, effects, |entry, policy, random| {
            wants_probe = entry.probing.is_due(policy.probe.as_ref(), now, random);
            wants_connection = entry.wants_connection(now, policy);
            if wants_probe {
                entry.probing.begin(serial, now);
            }
            if wants_connection {
                entry.trial.begin(serial);
            }
            None
        });
        if wants_probe || wants_connection {
            self.serial = serial;
        }
        if wants_probe {
            self.order_probe(id, serial, now, effects);
        }
        if wants_connection {
            self.order_connect(id, serial, effects);
        }
        if is_kept {
            self.look_over(&id.pool, &plan, now, effects);
        }
    }

    fn order_probe(&mut self, id: &BackendId, serial: u64, now: Instant, effects: &mut Effects) {
        let (Some(plan), Some((entry, pool))) = (self.plan.clone(), self.roster.get(id)) else { return };
        let policy = &plan.pools[pool].health;
        let Some(probe) = &policy.probe else { return };
        let is_fresh = !entry.status.is_admitted() || entry.health.is_in_doubt(policy);
        let host = entry.host.clone();
        let tls = entry.tls.clone().filter(|_| !probe.is_cleartext);
        match probe_endpoints(&self.names, id, &probe.target) {
            Ok(endpoints) if !endpoints.is_empty() => {
                let (id, probe) = (id.clone(), probe.clone());
                effects.probes.push(ProbeOrder { id, serial, endpoints, probe, host, tls, is_fresh });
            }
            // A backend without any endpoint cannot pass.
            Err(failure) if !matches!(probe.target, Target::Address(_)) => {
                let result = ProbeResult::Failed(ProbeFailure::Failed(failure.cause));
                if let Some(crew) = self.roster.crews.get_mut(&id.pool) {
                    crew.probed(&id.address, result, now);
                }
                self.touch(id, now, effects, |entry, policy, random| {
                    entry.probing.give_up();
                    let transition = entry.take_probe(result, now, policy);
                    entry.plan_probe(now, policy, random);
                    transition
                });
            }
            // Nobody knows yet, or not where the check is; that says nothing about the backend. The next one may.
            Ok(_) | Err(_) => self.touch(id, now, effects, |entry, policy, random| {
                entry.probing.give_up();
                entry.plan_probe(now, policy, random);
                None
            }),
        }
    }

    fn order_connect(&mut self, id: &BackendId, serial: u64, effects: &mut Effects) {
        let (Some(plan), Some((entry, pool))) = (&self.plan, self.roster.get(id)) else { return };
        let tls = entry.tls.clone();
        // Without endpoints the connection fails for the name, which is no fault of the backend's.
        let endpoints = self.names.endpoints(&id.address).unwrap_or_else(|_| [].into());
        let timeouts = plan.pools[pool].rule.timeouts;
        let timeout = timeouts.connect + tls.as_ref().map_or(Duration::ZERO, |_| timeouts.tls);
        effects.connects.push(ConnectOrder { id: id.clone(), serial, endpoints, tls, timeout });
    }
}

fn probe_endpoints(names: &Names, id: &BackendId, target: &Target) -> Result<Arc<[Endpoint]>, NameFailure> {
    match target {
        Target::Same => names.endpoints(&id.address),
        Target::Address(address) => names.endpoints(address),
        Target::Port(port) => {
            let endpoints = names.endpoints(&id.address)?;
            let moved = endpoints.iter().map(|endpoint| match endpoint {
                Endpoint::Tcp(address) => Endpoint::Tcp((address.ip(), *port).into()),
                Endpoint::Unix(path) => Endpoint::Unix(path.clone()),
            });
            Ok(moved.collect())
        }
    }
}
