//! Plans at random, and how backends behave in truth.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use evenkeel_config::{BackendPlan, Plan, PoolPlan, Resolve};
use evenkeel_health::{Eject, Initial, Policy, Probe, ProbeResult};
use evenkeel_model::{Address, Cause, PoolName, ProbeFailure};
use evenkeel_routing::{Balance, PoolRule, WhenAllEjected};

use crate::chance::Chance;

/// How a backend answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Truth {
    Well,
    Refusing,
    /// Connects, and never answers.
    Hanging,
    /// Answers 502, to probes too.
    Failing,
}

impl Truth {
    pub(crate) const BAD: [Truth; 3] = [Truth::Refusing, Truth::Hanging, Truth::Failing];

    /// The result of a request, and how long it takes.
    pub(crate) fn answer(self) -> (Result<(), Cause>, Duration) {
        match self {
            Truth::Well => (Ok(()), Duration::from_millis(20)),
            Truth::Refusing => (Err(Cause::ConnectRefused), Duration::from_millis(1)),
            Truth::Hanging => (Err(Cause::HeadTimeout), Duration::from_millis(1000)),
            Truth::Failing => (Err(Cause::UpstreamStatus), Duration::from_millis(5)),
        }
    }

    pub(crate) fn connects(self) -> Result<(), Cause> {
        if self == Truth::Refusing { Err(Cause::ConnectRefused) } else { Ok(()) }
    }
}

/// What a probe finds.
pub(crate) fn probed(result: Result<(), Cause>) -> ProbeResult {
    match result {
        Ok(()) => ProbeResult::Passed,
        Err(Cause::UpstreamStatus) => ProbeResult::Failed(ProbeFailure::Status(502)),
        Err(cause) => ProbeResult::Failed(ProbeFailure::Failed(cause)),
    }
}

/// Hosts that a plan may hold; the first three have to be resolved.
const HOSTS: [&str; 7] = [
    "one.test:80",
    "two.test:80",
    "many.test:80",
    "10.0.0.3:80",
    "10.0.0.4:80",
    "10.0.0.5:80",
    "unix:/run/six.sock",
];

/// What the name with many addresses resolves to, in part.
pub(crate) const MANY: [&str; 3] = ["10.0.1.1:80", "10.0.1.2:80", "10.0.1.3:80"];

/// Every address that a backend can have.
pub(crate) fn addresses() -> Vec<Address> {
    HOSTS.iter().chain(&MANY).map(|host| host.parse().unwrap()).collect()
}

/// One or two pools over some of the addresses.
pub(crate) fn plan(chance: &mut Chance) -> Arc<Plan> {
    static BASE: OnceLock<Plan> = OnceLock::new();
    let base = BASE.get_or_init(|| Plan::from_flags("127.0.0.1:8080", &["127.0.0.1:1".into()]).unwrap());
    let mut plan = base.clone();
    plan.pools = (0..chance.among(1..3)).map(|index| pool(index, chance)).collect();
    for route in &mut plan.routes {
        route.pool = plan.pools[0].name.clone();
    }
    Arc::new(plan)
}

fn pool(index: u64, chance: &mut Chance) -> PoolPlan {
    let mut backends: Vec<Address> =
        HOSTS.iter().filter(|_| chance.percent(60)).map(|host| host.parse().unwrap()).collect();
    if backends.is_empty() {
        backends.push(HOSTS[3].parse().unwrap());
    }
    let balances = [Balance::RoundRobin, Balance::LeastRequests, Balance::Random];
    let last_words = [WhenAllEjected::LastResort, WhenAllEjected::FailOpen, WhenAllEjected::FailClosed];
    PoolPlan {
        name: PoolName::new(["web", "api"][index as usize]),
        rule: PoolRule {
            balance: *chance.one(&balances),
            when_all_ejected: *chance.one(&last_words),
            ..PoolRule::default()
        },
        health: policy(chance),
        backends: backends.into_iter().map(|address| backend(address, chance)).collect(),
    }
}

fn backend(address: Address, chance: &mut Chance) -> BackendPlan {
    let name = chance.percent(10).then(|| format!("{address}, renamed").into());
    let is_many = address.to_string() == HOSTS[2];
    let resolve = if is_many { Resolve::Each } else { Resolve::Once };
    BackendPlan { name, address, weight: chance.among(1..5) as u16, resolve, tls: None }
}

fn policy(chance: &mut Chance) -> Policy {
    let probe = chance.percent(50).then(|| {
        let interval = chance.millis(500..2000);
        Probe {
            interval,
            fast_interval: Probe::usual_fast_interval(interval),
            timeout: Duration::from_millis(400),
            fall: chance.among(1..4) as u32,
            rise: chance.among(1..4) as u32,
            ..Probe::default()
        }
    });
    let eject = chance.percent(85).then(|| Eject {
        // One strike may be a fate that the others will share: with two, they have had their turn.
        consecutive: chance.among(2..5) as u32,
        wait: chance.millis(500..3000),
        longest_wait: Duration::from_secs(8),
        trial: chance.among(1..4) as u32,
        keep_percent: *chance.one(&[0, 50, 50, 100]),
        deviation_tenths: chance.percent(20).then_some(19),
        ..Eject::default()
    });
    let initials = [Initial::Unproven, Initial::Unproven, Initial::Serving, Initial::Ejected];
    let is_judged = probe.is_some() || eject.is_some();
    let initial = if is_judged { *chance.one(&initials) } else { Initial::Unproven };
    Policy { probe, eject, slow_start: chance.millis(0..3000), initial }
}
