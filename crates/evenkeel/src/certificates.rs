//! Which certificates a plan brings that the one before it did not have, for the log.

use std::collections::BTreeSet;
use std::sync::Arc;

use evenkeel_config::Plan;
use evenkeel_telemetry::rfc3339;
use evenkeel_tls::{Facts, Identity};

/// Most that are named.
const MOST_NAMED: usize = 8;

/// Names and ends of what is new; `None` if nothing is.
pub(crate) fn news(new: &Plan, old: &Plan) -> Option<String> {
    let mut known: BTreeSet<_> = identities(old).map(|identity| identity.facts().fingerprint).collect();
    let all = identities(new).map(|identity| identity.facts());
    named(all.filter(|facts| known.insert(facts.fingerprint)).map(described).collect())
}

/// What listeners present, and what backends are shown.
fn identities(plan: &Plan) -> impl Iterator<Item = &Arc<Identity>> {
    let presented = plan.listeners.iter().filter_map(|rule| rule.tls.as_ref());
    let presented = presented.flat_map(|tls| &tls.server.parts().identities);
    let dials = plan.pools.iter().flat_map(|pool| &pool.backends).filter_map(|backend| backend.tls.as_ref());
    presented.chain(dials.filter_map(|dial| dial.client().parts().identity.as_ref()))
}

fn described(facts: &Facts) -> String {
    format!("{} ({}, until {})", facts.label(), facts.key.as_str(), rfc3339(facts.not_after))
}

fn named(mut certificates: Vec<String>) -> Option<String> {
    let count = certificates.len();
    certificates.truncate(MOST_NAMED);
    if count > MOST_NAMED {
        certificates.push(format!("and {} more", count - MOST_NAMED));
    }
    (count > 0).then(|| certificates.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_are_counted() {
        let many = |count: usize| named((1..=count).map(|index| index.to_string()).collect());
        assert_eq!(many(0), None);
        assert_eq!(many(2).as_deref(), Some("1, 2"));
        assert_eq!(many(10).as_deref(), Some("1, 2, 3, 4, 5, 6, 7, 8, and 2 more"));
    }
}
