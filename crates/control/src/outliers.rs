//! Members that stand out of their pool: by their share of successes, or by the time they take.

use std::time::Duration;

use evenkeel_health::{Eject, Tally};
use evenkeel_model::{Address, Evidence};

/// How often the members of a pool are compared.
pub(crate) const EVERY: Duration = Duration::from_secs(1);

/// From how many members with enough requests on a comparison says something.
const LEAST_MEMBERS: usize = 3;

/// How far below the mean a share of successes lies at least, however close together the others are.
const LEAST_GAP: f64 = 0.05;

/// How much longer than the others' a wait is at least: a factor alone says little about fractions of a millisecond.
const LEAST_LATENCY_GAP: Duration = Duration::from_millis(10);

/// Whether the rule asks for comparisons at all.
pub(crate) fn are_wanted(rule: &Eject) -> bool {
    rule.deviation_tenths.is_some() || rule.latency_factor.is_some()
}

/// Who stands out, and in what.
pub(crate) fn find(members: &[(Address, Tally)], rule: &Eject) -> Vec<(Address, Evidence)> {
    let mut found = Vec::new();
    if let Some(tenths) = rule.deviation_tenths {
        found.extend(by_successes(members, f64::from(tenths) / 10.0, rule.minimum_requests));
    }
    if let Some(factor) = rule.latency_factor {
        let mut slow = by_latency(members, factor, rule.minimum_requests);
        slow.retain(|(address, _)| !found.iter().any(|(it, _)| it == address));
        found.extend(slow);
    }
    found
}

fn by_successes(members: &[(Address, Tally)], deviations: f64, least: u32) -> Vec<(Address, Evidence)> {
    let rated: Vec<(&Address, f64)> = members
        .iter()
        .filter(|(_, tally)| tally.requests() >= least)
        .map(|(address, tally)| (address, 1.0 - tally.failure_share()))
        .collect();
    if rated.len() < LEAST_MEMBERS {
        return Vec::new();
    }
    let count = rated.len() as f64;
    let mean = rated.iter().map(|(_, share)| share).sum::<f64>() / count;
    let variance = rated.iter().map(|(_, share)| (share - mean).powi(2)).sum::<f64>() / count;
    let bound = mean - (deviations * variance.sqrt()).max(LEAST_GAP);
    let percent = |share: f64| (share * 100.0).round() as u8;
    rated
        .into_iter()
        .filter(|(_, share)| *share < bound)
        .map(|(address, share)| {
            let evidence = Evidence::Deviation { percent: percent(share), pool_percent: percent(mean) };
            (address.clone(), evidence)
        })
        .collect()
}

fn by_latency(members: &[(Address, Tally)], factor: u32, least: u32) -> Vec<(Address, Evidence)> {
    let timed: Vec<(&Address, Duration)> = members
        .iter()
        .filter(|(_, tally)| tally.heads >= least)
        .filter_map(|(address, tally)| Some((address, tally.average_head()?)))
        .collect();
    let slow = |(address, took): &(&Address, Duration)| {
        let mut others: Vec<Duration> =
            timed.iter().filter(|(other, _)| other != address).map(|(_, took)| *took).collect();
        others.sort_unstable();
        let others = *others.get(others.len() / 2)?;
        let bound = others.saturating_mul(factor).max(others + LEAST_LATENCY_GAP);
        (*took > bound).then(|| ((*address).clone(), Evidence::Slow { took: *took, others }))
    };
    timed.iter().filter_map(slow).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(of: &[(u32, u32, u64)]) -> Vec<(Address, Tally)> {
        let member = |(index, (successes, failed, millis)): (usize, &(u32, u32, u64))| {
            let (heads, head_micros) = (100, millis * 100_000);
            let tally =
                Tally { successes: *successes, failed: *failed, heads, head_micros, ..Tally::default() };
            (format!("10.0.0.{index}:80").parse().unwrap(), tally)
        };
        of.iter().enumerate().map(member).collect()
    }

    fn found(of: &[(u32, u32, u64)], rule: Eject) -> Vec<String> {
        find(&members(of), &rule).into_iter().map(|(address, _)| address.to_string()).collect()
    }

    #[test]
    fn who_fails_far_more_than_its_pool_stands_out() {
        let rule = Eject { deviation_tenths: Some(19), ..Eject::default() };
        let good = (100, 0, 1);
        assert_eq!(found(&[(70, 30, 1), good, good, good, good], rule), ["10.0.0.0:80"]);
        assert_eq!(found(&[(97, 3, 1), good, good, good, good], rule), [""; 0], "close enough to the others");
        assert_eq!(found(&[(7, 3, 1), good, good, good, good], rule), [""; 0], "too few requests");
        assert_eq!(found(&[(70, 30, 1), good], rule), [""; 0], "too few members");
    }

    #[test]
    fn who_is_far_slower_than_the_others_stands_out() {
        let rule = Eject { latency_factor: Some(10), ..Eject::default() };
        assert_eq!(found(&[(100, 0, 500), (100, 0, 10), (100, 0, 12)], rule), ["10.0.0.0:80"]);
        assert_eq!(found(&[(100, 0, 90), (100, 0, 10), (100, 0, 12)], rule), [""; 0]);
        assert_eq!(found(&[(100, 0, 9), (100, 0, 0), (100, 0, 0)], rule), [""; 0], "of no time at all");
        assert_eq!(found(&[(100, 0, 500)], rule), [""; 0]);
    }

    #[test]
    fn nobody_stands_out_unless_the_rule_asks() {
        assert!(!are_wanted(&Eject::default()));
        assert_eq!(found(&[(0, 100, 900), (100, 0, 1), (100, 0, 1), (100, 0, 1)], Eject::default()), [""; 0]);
    }
}
