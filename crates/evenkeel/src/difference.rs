//! What a reload may not change, and which listeners it opens and closes: decided from two plans alone.

use std::num::NonZero;
use std::sync::Arc;

use evenkeel_config::Plan;
use evenkeel_routing::ListenerRule;

/// Worker threads of a plan: as configured, else one per core.
pub(crate) fn workers(plan: &Plan) -> usize {
    plan.workers.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, NonZero::get))
}

/// Every change that a running node cannot make, each with what to do.
pub(crate) fn needs_restart(old: &Plan, new: &Plan) -> Vec<String> {
    let settings = new.needs_restart(old);
    let settings = settings.map(|what| format!("{what}; restart evenkeel, or put the old value back"));
    let addresses = new.listeners.iter().filter_map(|rule| taken_over(old, rule));
    settings.into_iter().chain(addresses).collect()
}

/// Names are what a running node knows its sockets by. A listener that takes an address over would have to
/// bind it while the old one still holds it.
fn taken_over(old: &Plan, rule: &ListenerRule) -> Option<String> {
    let address = rule.address;
    let holder = old
        .listeners
        .iter()
        .find(|held| held.address == address && address.port() != 0 && held.name != rule.name)?;
    Some(format!(
        "listeners: `{}` takes {address} over from `{}`, which needs a restart; restart evenkeel, \
         or keep the name `{}` for {address}",
        rule.name, holder.name, holder.name
    ))
}

/// Listeners that the new plan has and whose sockets are not open yet: new names, and new addresses.
pub(crate) fn to_open<'a>(old: &Plan, new: &'a Plan) -> Vec<&'a ListenerRule> {
    new.listeners.iter().filter(|rule| !has_socket(old, rule)).collect()
}

/// Names of listeners whose sockets the new plan no longer has.
pub(crate) fn to_close(old: &Plan, new: &Plan) -> Vec<Arc<str>> {
    old.listeners.iter().filter(|rule| !has_socket(new, rule)).map(|rule| rule.name.clone()).collect()
}

/// Limits and timeouts are read from the snapshot, so only name and address decide.
fn has_socket(plan: &Plan, rule: &ListenerRule) -> bool {
    plan.listeners.iter().any(|other| other.name == rule.name && other.address == rule.address)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(listeners: &[(&str, &str)]) -> Plan {
        let listeners: Vec<String> = listeners
            .iter()
            .map(|(name, address)| format!("{{ name: {name}, address: \"{address}\" }}"))
            .collect();
        let text = format!(
            "listeners: [{}]\npools: {{ web: {{ backends: [\"127.0.0.1:1\"] }} }}\n",
            listeners.join(", ")
        );
        evenkeel_config::parse(&text, "test.yaml", &|_| None).unwrap_or_else(|problems| panic!("{problems}"))
    }

    fn opened_and_closed(old: &Plan, new: &Plan) -> (Vec<String>, Vec<String>) {
        let opened = to_open(old, new).iter().map(|rule| rule.name.to_string()).collect();
        let closed = to_close(old, new).iter().map(ToString::to_string).collect();
        (opened, closed)
    }

    #[test]
    fn listeners_that_stay_keep_their_sockets() {
        let old = plan(&[("a", "127.0.0.1:81"), ("b", "127.0.0.1:82")]);
        let mut new = plan(&[("b", "127.0.0.1:82"), ("c", "127.0.0.1:83")]);
        new.listeners[0].limits.connections = 5;
        assert_eq!(opened_and_closed(&old, &new), (vec!["c".into()], vec!["a".into()]));
        assert!(needs_restart(&old, &new).is_empty());
    }

    #[test]
    fn a_listener_that_moves_is_closed_and_opened() {
        let (old, new) = (plan(&[("a", "127.0.0.1:81")]), plan(&[("a", "127.0.0.1:82")]));
        assert_eq!(opened_and_closed(&old, &new), (vec!["a".into()], vec!["a".into()]));
        assert!(needs_restart(&old, &new).is_empty());
    }

    #[test]
    fn an_address_does_not_change_hands() {
        let (old, new) = (plan(&[("a", "127.0.0.1:81")]), plan(&[("b", "127.0.0.1:81")]));
        let problems = needs_restart(&old, &new);
        assert_eq!(problems.len(), 1);
        assert!(problems[0].contains("`b` takes 127.0.0.1:81 over from `a`"), "{problems:?}");
    }

    #[test]
    fn two_listeners_on_ports_of_the_kernels_choice_share_nothing() {
        let (old, new) = (plan(&[("a", "127.0.0.1:0")]), plan(&[("b", "127.0.0.1:0")]));
        assert!(needs_restart(&old, &new).is_empty());
        assert_eq!(opened_and_closed(&old, &new), (vec!["b".into()], vec!["a".into()]));
    }

    #[test]
    fn every_change_that_needs_a_restart_is_named() {
        let old = plan(&[("a", "127.0.0.1:81")]);
        let mut new = plan(&[("b", "127.0.0.1:81")]);
        new.workers = Some(workers(&old) + 1);
        new.admin.socket = evenkeel_config::AdminSocket::Off;
        let problems = needs_restart(&old, &new);
        assert_eq!(problems.len(), 2);
        assert!(problems[0].contains("`workers`"), "{problems:?}");
        assert!(problems[0].contains("`admin.socket`"), "{problems:?}");
        assert!(problems.iter().all(|problem| problem.contains("restart evenkeel, or")), "{problems:?}");
    }
}
