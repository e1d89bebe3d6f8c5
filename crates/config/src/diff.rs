//! What changes from one plan to the next, one readable line a change.
//!
//! Both plans are written out as settings ([`settings`]); what differs there is the difference. Plans that are not
//! equal never have an empty one.

mod health;
mod settings;
mod tls;

use std::collections::HashMap;
use std::fmt;

use self::settings::{Setting, Settings, Subject, settings, show_socket};
use crate::plan::Plan;

/// What changes, one line a change; empty if nothing does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes(Vec<String>);

impl Changes {
    /// The lines, in the order of a file.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Changes {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0.join("\n"))
    }
}

impl Plan {
    /// What changes from `old` to this plan.
    pub fn diff(&self, old: &Plan) -> Changes {
        if self == old {
            return Changes::default();
        }
        let (old, new) = (settings(old), settings(self));
        let (before, after) = (old.by_title(), new.by_title());
        let mut lines = Vec::new();
        for subject in &new.0 {
            match before.get(subject.title.as_str()) {
                Some(before) => changed(before, subject, &mut lines),
                None if subject.goes_with_parent(&before) => {}
                None => lines.push(format!("{} added{}", subject.title, subject.details)),
            }
        }
        let gone = old.0.iter().filter(|subject| !after.contains_key(subject.title.as_str()));
        let gone = gone.filter(|subject| !subject.goes_with_parent(&after));
        lines.extend(gone.map(|subject| format!("{} removed", subject.title)));
        if lines.is_empty() {
            lines.push("the same, in another order".into());
        }
        Changes(lines)
    }

    /// Why a running process cannot take this plan in place of `old`; `None` if it can.
    pub fn needs_restart(&self, old: &Plan) -> Option<String> {
        let show = |workers: Option<usize>| workers.map_or("auto".into(), |count| count.to_string());
        let mut changes = Vec::new();
        if self.workers != old.workers {
            changes.push(format!("`workers` ({} -> {})", show(old.workers), show(self.workers)));
        }
        if self.admin.address != old.admin.address {
            let show = |plan: &Plan| plan.admin.address.map_or("off".into(), |address| address.to_string());
            changes.push(format!("`admin.address` ({} -> {})", show(old), show(self)));
        }
        if self.admin.socket != old.admin.socket {
            let show = |plan: &Plan| show_socket(&plan.admin.socket);
            changes.push(format!("`admin.socket` ({} -> {})", show(old), show(self)));
        }
        let what = changes.join(" and ");
        (!what.is_empty()).then(|| format!("changing {what} needs a restart"))
    }
}

type ByTitle<'a> = HashMap<&'a str, &'a Subject>;

impl Settings {
    fn by_title(&self) -> ByTitle<'_> {
        self.0.iter().map(|subject| (subject.title.as_str(), subject)).collect()
    }
}

impl Subject {
    /// Whether it belongs to something that the other plan does not have, either, and is told with that.
    fn goes_with_parent(&self, others: &ByTitle<'_>) -> bool {
        self.parent.as_deref().is_some_and(|parent| !others.contains_key(parent))
    }
}

fn changed(before: &Subject, after: &Subject, lines: &mut Vec<String>) {
    for (old, new) in before.settings.iter().zip(&after.settings) {
        // What a route has from its pool is told once, with the pool.
        let is_told = old.is_inherited && new.is_inherited;
        if let Some(change) = old.change_to(new).filter(|_| !is_told) {
            let name = if after.title.is_empty() { String::new() } else { format!("{}: ", after.title) };
            lines.push(format!("{name}{} {change}", new.key));
        }
    }
}

impl Setting {
    /// What is told about a change, if there is one.
    fn change_to(&self, new: &Setting) -> Option<String> {
        let (old_value, new_value) = (self.value.as_ref()?, new.value.as_ref()?);
        let (old_shown, new_shown) = (self.shown.as_ref(), new.shown.as_ref());
        let (old_shown, new_shown) = (old_shown.unwrap_or(old_value), new_shown.unwrap_or(new_value));
        match old_value == new_value {
            true => None,
            false if old_shown == new_shown => Some("changed".into()),
            false => Some(format!("{old_shown} -> {new_shown}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(text: &str) -> Plan {
        crate::parse(text, "test.yaml", &|_| None).unwrap_or_else(|problems| panic!("{problems}"))
    }

    fn lines(old: &str, new: &str) -> Vec<String> {
        plan(new).diff(&plan(old)).iter().map(str::to_owned).collect()
    }

    const OLD: &str = r#"
listeners:
  - { name: edge, address: "127.0.0.1:8080" }
routes:
  - pool: web
  - { match: { path: /v1/ }, pool: api }
pools:
  web: { backends: ["10.0.0.1:80", "10.0.0.2:80"] }
  api: { backends: ["10.0.0.3:80"] }
"#;

    #[test]
    fn equal_plans_have_no_changes() {
        assert!(plan(OLD).diff(&plan(OLD)).is_empty());
    }

    #[test]
    fn every_change_is_a_line() {
        let new = r#"
drain_timeout: 1m
access_log: off
listeners:
  - { name: edge, address: "127.0.0.1:8080", limits: { body_bytes: 1MiB } }
  - { name: inner, address: "127.0.0.1:8081" }
routes:
  - pool: web
  - { match: { path: /v2/ }, pool: web, timeouts: { total: 5s } }
pools:
  web:
    backends: ["10.0.0.4:80", { address: "10.0.0.1:80", weight: 2 }]
    timeouts: { head: 5s }
    health: { probe: { path: /healthz }, eject: off }
"#;
        assert_eq!(
            lines(OLD, new),
            [
                "access_log stdout -> off",
                "drain_timeout 30s -> 1m",
                "listener edge: limits.body_bytes 1GiB -> 1MiB",
                "listener inner added (127.0.0.1:8081)",
                "route */v2/ added (to pool web)",
                "pool web: timeouts.head 30s -> 5s",
                "pool web: health.probe off -> GET /healthz every 2s, timeout 1s, fall 3, rise 2",
                "pool web: health.eject after 3 or 50%, wait 10s to 5m, trial 2 -> off",
                "pool web: backend 10.0.0.4:80 added (weight 1)",
                "pool web: backend 10.0.0.1:80: weight 1 -> 2",
                "route */v1/ removed",
                "pool web: backend 10.0.0.2:80 removed",
                "pool api removed",
            ]
        );
    }

    #[test]
    fn another_order_is_told() {
        let new = OLD.replace(r#""10.0.0.1:80", "10.0.0.2:80""#, r#""10.0.0.2:80", "10.0.0.1:80""#);
        assert_eq!(lines(OLD, &new), ["the same, in another order"]);
    }

    #[test]
    fn a_route_tells_what_it_overrides() {
        let new = OLD.replace("pool: api }", "pool: api, retry: off }");
        assert_eq!(lines(OLD, &new), ["route */v1/: retry.attempts 3 -> 1"]);
    }

    #[test]
    fn every_key_about_retries_and_stalls_is_told() {
        let retry = "retry: { attempts: 4, statuses: [503], replay_bytes: 1MiB, backoff: 50ms, \
                     retry_after: false, budget: { share: 5%, window: 1m, at_least: 0 } }";
        let new = OLD
            .replace(r#""10.0.0.3:80"]"#, &format!(r#""10.0.0.3:80"], {retry}, stall: {{ floor: 500ms }}"#));
        assert_eq!(
            lines(OLD, &new),
            [
                "pool api: retry.attempts 3 -> 4",
                "pool api: retry.statuses [502, 503, 504] -> [503]",
                "pool api: retry.replay_bytes 64KiB -> 1MiB",
                "pool api: retry.backoff 25ms -> 50ms",
                "pool api: retry.retry_after true -> false",
                "pool api: retry.budget 20% of 10s, at least 10/s -> 5% of 1m, at least 0/s",
                "pool api: stall 1s or 10 x p99 -> 500ms or 10 x p99",
            ]
        );
    }

    #[test]
    fn what_is_turned_off_is_told_as_off() {
        let off = "retry: { replay_bytes: 0, backoff: 0s, budget: off }, stall: off";
        let new = OLD.replace(r#""10.0.0.3:80"]"#, &format!(r#""10.0.0.3:80"], {off}"#));
        assert_eq!(
            lines(&new, OLD),
            [
                "pool api: retry.replay_bytes off -> 64KiB",
                "pool api: retry.backoff off -> 25ms",
                "pool api: retry.budget off -> 20% of 10s, at least 10/s",
                "pool api: stall off -> 1s or 10 x p99",
            ]
        );
    }

    #[test]
    fn a_route_tells_which_part_of_the_budget_it_overrides() {
        let new = OLD.replace("pool: api }", "pool: api, retry: { budget: { share: 5% } } }");
        let expected = "route */v1/: retry.budget 20% of 10s, at least 10/s -> 5% of 10s, at least 10/s";
        assert_eq!(lines(OLD, &new), [expected]);
    }

    #[test]
    fn workers_and_the_operators_door_need_a_restart() {
        let new = format!("workers: 2\nadmin: {{ address: off }}\n{OLD}");
        let expected =
            "changing `workers` (auto -> 2) and `admin.address` (127.0.0.1:9180 -> off) needs a restart";
        assert_eq!(plan(&new).needs_restart(&plan(OLD)).as_deref(), Some(expected));
        assert_eq!(plan(OLD).needs_restart(&plan(OLD)), None);
    }
}
