//! What a scrape shows of health: who is in service, and of the others, why not.
//!
//! A standing that is one of several words has a series for each word, 1 or 0, so that sums count backends and an alert
//! can wait on a value.

use evenkeel_model::{Address, Cause, Hold, Kept, Phase};
use evenkeel_routing::{Member, Pool, Snapshot};
use prometheus::proto::MetricFamily;

use crate::collect::members;
use crate::family::{Sample, count, family, number};
use crate::names;

/// Why a name has no address.
const OF_NAMES: [Cause; 2] = [Cause::DnsFailed, Cause::DnsTimeout];

/// A member with its labels.
type Labelled<'a> = ([&'a str; 2], &'a Member);

/// The families of every pool and backend that say how they stand now.
pub(crate) fn families(snapshot: &Snapshot) -> [MetricFamily; 9] {
    let pools = || snapshot.pools.iter();
    let all = || pools().flat_map(|pool| members(pool));
    let probed = pools().filter(|pool| pool.is_probed).flat_map(|pool| members(pool));
    let of_pool = |pool: &Pool, backends: usize| count(&[pool.name.as_str()], backends as u64);
    [
        family(&names::POOL_BACKENDS, pools().map(|pool| of_pool(pool, pool.members.len()))),
        family(&names::POOL_IN_SERVICE, pools().map(|pool| of_pool(pool, in_service(pool)))),
        family(&names::BACKEND_STATE, all().flat_map(state)),
        family(&names::BACKEND_HOLD, all().flat_map(hold)),
        family(&names::BACKEND_KEPT, all().flat_map(kept)),
        family(&names::BACKEND_FLAPPING, all().map(flapping)),
        family(&names::BACKEND_RAMP, all().map(ramp)),
        family(&names::BACKEND_UNRESOLVED, all().filter(is_named).flat_map(unresolved)),
        family(&names::BACKEND_PROBES, probed.flat_map(probes)),
    ]
}

fn in_service(pool: &Pool) -> usize {
    pool.members.iter().filter(|member| member.status.is_admitted()).count()
}

fn state(member: Labelled) -> [Sample; Phase::ALL.len()] {
    Phase::ALL.map(|phase| word(member, phase.as_str(), member.1.status.phase == phase))
}

fn hold(member: Labelled) -> [Sample; Hold::WORDS.len()] {
    Hold::WORDS.map(|hold| word(member, hold, member.1.status.hold.word() == Some(hold)))
}

fn kept(member: Labelled) -> [Sample; Kept::ALL.len()] {
    Kept::ALL.map(|kept| word(member, kept.as_str(), member.1.status.kept == Some(kept)))
}

fn unresolved(member: Labelled) -> [Sample; OF_NAMES.len()] {
    let failure = member.1.unresolved.map(|failure| failure.cause);
    OF_NAMES.map(|cause| word(member, cause.token(), failure == Some(cause)))
}

fn probes(([pool, backend], member): Labelled) -> [Sample; 2] {
    let results = [("passed", &member.backend.probes_passed), ("failed", &member.backend.probes_failed)];
    results.map(|(result, times)| count(&[pool, backend, result], times.read()))
}

fn flapping((labels, member): Labelled) -> Sample {
    count(&labels, u64::from(member.status.is_flapping))
}

fn ramp((labels, member): Labelled) -> Sample {
    // In hundredths, as turns are given: the nearest f32 to 0.3 has many more digits as an f64.
    let ramp = (f64::from(member.status.ramp) * 100.0).round() / 100.0;
    number(&labels, if member.status.is_admitted() { ramp } else { 0.0 })
}

fn word(([pool, backend], _): Labelled, word: &str, is_it: bool) -> Sample {
    count(&[pool, backend, word], u64::from(is_it))
}

fn is_named((_, member): &Labelled) -> bool {
    matches!(member.backend.id.address, Address::Name { .. })
}
