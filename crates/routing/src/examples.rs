//! Backends and pools for tests.

use std::sync::Arc;
use std::time::Instant;

use evenkeel_model::{BackendId, PerCore, Phase, PoolName, Status};

use crate::{Backend, Balance, Member, Pool, PoolRule, Wake, WhenAllEjected};

pub(crate) fn backend(name: &str, workers: usize) -> Arc<Backend> {
    let address = format!("{name}.test:80").parse().unwrap();
    let id = BackendId { pool: PoolName::new("web"), address };
    Backend::new(id, name.into(), workers, Wake::new(Box::new(|| {})))
}

pub(crate) fn status(phase: Phase, since: Instant) -> Status {
    Status::new(phase, since)
}

/// Members in these phases, with these weights.
pub(crate) fn members(of: &[(Phase, u16)]) -> Vec<Member> {
    let now = Instant::now();
    let member = |(index, (phase, weight)): (usize, &(Phase, u16))| Member {
        backend: backend(&format!("b{index}"), 1),
        endpoints: [].into(),
        unresolved: None,
        tls: None,
        weight: *weight,
        status: status(*phase, now),
    };
    of.iter().enumerate().map(member).collect()
}

pub(crate) fn pool(balance: Balance, when_all_ejected: WhenAllEjected, members: Vec<Member>) -> Pool {
    let rule = PoolRule { balance, when_all_ejected, ..PoolRule::default() };
    Pool::new(
        PoolName::new("web"),
        rule,
        members,
        false,
        Arc::new(PerCore::new(1)),
        Arc::default(),
        Arc::default(),
    )
}
