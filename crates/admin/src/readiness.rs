//! Whether whoever stands before evenkeel should send requests.
//!
//! A verdict of "ejected" is a verdict: a pool that is wholly out is answered for, and hiding every node of a fleet for
//! it would turn one bad pool into an outage of all.

use std::fmt;

use evenkeel_model::{Phase, PoolName};
use evenkeel_routing::{Pool, Snapshot};

/// Why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NotReady {
    /// The process is stopping.
    Draining,
    /// No configuration is published yet.
    NotStarted,
    /// No probe of these pools has led to a verdict yet.
    Unproven(Vec<PoolName>),
}

/// Ready once every probed pool has a member with a verdict, until the process stops.
pub(crate) fn check(snapshot: &Snapshot, is_draining: bool) -> Result<(), NotReady> {
    if is_draining {
        return Err(NotReady::Draining);
    }
    if snapshot.generation == 0 {
        return Err(NotReady::NotStarted);
    }
    let unproven = snapshot.pools.iter().filter(|pool| is_unproven(pool));
    let unproven: Vec<_> = unproven.map(|pool| pool.name.clone()).collect();
    if unproven.is_empty() { Ok(()) } else { Err(NotReady::Unproven(unproven)) }
}

fn is_unproven(pool: &Pool) -> bool {
    pool.is_probed && pool.members.iter().all(|member| member.status.phase == Phase::Unproven)
}

impl fmt::Display for NotReady {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotReady::Draining => out.write_str("draining, the process is stopping"),
            NotReady::NotStarted => out.write_str("no configuration is published yet"),
            NotReady::Unproven(pools) => {
                out.write_str("no verdict of a probe yet in ")?;
                for (index, pool) in pools.iter().enumerate() {
                    let before = if index == 0 { "" } else { ", " };
                    write!(out, "{before}{pool}")?;
                }
                Ok(())
            }
        }
    }
}
