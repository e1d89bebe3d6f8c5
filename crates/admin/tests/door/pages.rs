//! The pages that both doors show, asked for over TCP.

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use evenkeel_model::{ByOperator, Cause, Hold, Kept, NameFailure, Phase, Rcode};
use evenkeel_routing::{Member, Snapshot};
use serde_json::{Value, json};

use crate::support::{Answer, Door, PATIENCE, member, pool, pool_of, snapshot};

#[test]
fn the_index_says_what_is_where() {
    let door = Door::open(snapshot(Phase::Serving));
    let index = door.get("/");
    assert_eq!(index.status, 200);
    assert!(index.body.contains("/api/backends/{backend}/drain"), "{}", index.body);
    for path in ["/metrics", "/healthz", "/readyz", "/api/status"] {
        assert!(index.body.contains(path), "{path}");
        assert_eq!(door.get(path).status, 200, "{path}");
    }
}

#[test]
fn metrics_come_in_the_format_that_prometheus_reads() {
    let door = Door::open(snapshot(Phase::Serving));
    let metrics = door.get("/metrics");
    assert!(metrics.head.contains("content-type: text/plain; version=0.0.4\r\n"), "{}", metrics.head);
    assert!(metrics.body.contains("\nevenkeel_config_generation 3\n"), "{}", metrics.body);
}

#[test]
fn ready_means_that_every_probed_pool_has_a_verdict() {
    let door = Door::open(snapshot(Phase::Unproven));
    let waiting = door.get("/readyz");
    assert_eq!(
        (waiting.status, waiting.body.as_str()),
        (503, "not ready: no verdict of a probe yet in web\n")
    );
    for phase in [Phase::Serving, Phase::Ejected, Phase::Trial] {
        door.handles.view.store(Arc::new(snapshot(phase)));
        assert_eq!(door.get("/readyz").status, 200, "{phase:?}");
    }
    assert_eq!(door.get("/healthz").status, 200);
}

#[test]
fn a_pool_without_probes_needs_no_verdict() {
    let mut snapshot = snapshot(Phase::Unproven);
    snapshot.pools = vec![Arc::new(pool(Phase::Unproven, false))];
    assert_eq!(Door::open(snapshot).get("/readyz").status, 200);
}

#[test]
fn nothing_published_is_not_ready_but_healthy() {
    let door = Door::open(Snapshot::default());
    assert_eq!(door.get("/readyz").status, 503);
    assert_eq!(door.get("/healthz").status, 200);
}

#[test]
fn a_draining_process_is_healthy_and_not_ready() {
    let door = Door::open(snapshot(Phase::Serving));
    door.handles.draining.store(true, Relaxed);
    let ready = door.get("/readyz");
    assert_eq!((ready.status, ready.body.as_str()), (503, "not ready: draining, the process is stopping\n"));
    assert_eq!(door.get("/healthz").status, 200);
}

#[test]
fn status_tells_the_standing_of_every_backend_and_why() {
    let door = Door::open(snapshot(Phase::Ejected));
    let snapshot = door.handles.view.load_full();
    let backend = &snapshot.pools[0].members[0].backend;
    backend.ejections.add(2);
    backend.counters[1].failures[Cause::ConnectRefused as usize].add(3);
    backend.counters[0].responses[1].add(8);
    let status = door.status();
    assert_eq!(status["version"], "1.2.3");
    assert_eq!((&status["generation"], &status["epoch"]), (&json!(3), &json!(17)));
    assert_eq!(status["listeners"][0]["name"], "edge");
    assert_eq!(status["listeners"][0]["address"], "127.0.0.1:8080");
    assert_eq!(status["routes"], json!([{ "route": "*", "pool": "web" }]));
    let shown = &status["pools"][0]["backends"][0];
    for (key, value) in [
        ("label", json!("blue")),
        ("address", json!("127.0.0.1:3000")),
        ("endpoints", json!(["127.0.0.1:3000"])),
        ("weight", json!(5)),
        ("phase", json!("ejected")),
        ("evidence", json!("3 requests in a row failed, the last one with connect_refused")),
        ("ejections_in_a_row", json!(1)),
        ("ramp", json!(0.5)),
        ("in_flight", json!(0)),
    ] {
        assert_eq!(shown[key], value, "{key}");
    }
    assert!(shown["seconds_in_phase"].as_u64().unwrap() >= 60);
    assert!(shown["since"].as_str().unwrap().ends_with('Z'));
    assert_eq!(shown["counters"]["ejections"], 2);
    assert_eq!(shown["counters"]["failures"], json!({ "connect_refused": 3 }));
    assert_eq!(shown["counters"]["responses"]["2xx"], 8);
}

#[test]
fn status_tells_who_holds_a_backend_and_until_when() {
    let since = Instant::now().checked_sub(Duration::from_secs(90)).unwrap();
    let asked = |until| Hold::Asked { since, until };
    let by = ByOperator { uid: 1000, since };
    let until = Instant::now() + Duration::from_secs(60);
    for (hold, word, uid, ends) in [
        (Hold::None, json!(null), json!(null), false),
        (asked(None), json!("asked"), json!(null), false),
        (asked(Some(until)), json!("asked"), json!(null), true),
        (Hold::Drained(by), json!("drained"), json!(1000), false),
        (Hold::Out(by), json!("out"), json!(1000), false),
    ] {
        let shown = shown(|member| member.status.hold = hold);
        assert_eq!((&shown["hold"], &shown["hold_by_uid"]), (&word, &uid));
        assert_eq!(shown["in_service"], hold == Hold::None);
        assert_eq!(shown["phase"], "serving");
        assert_eq!(shown["hold_until"].is_string(), ends);
        let is_held = hold != Hold::None;
        assert_eq!(shown["hold_since"].is_string(), is_held);
        assert_eq!(shown["seconds_in_hold"].as_u64().is_some_and(|seconds| seconds >= 90), is_held);
        if ends {
            assert!(shown["hold_until"].as_str() > shown["hold_since"].as_str());
        }
    }
}

#[test]
fn status_tells_what_is_odd_about_a_backend() {
    let plain = shown(|_| {});
    for (field, value) in [("flapping", json!(false)), ("kept", Value::Null), ("unresolved", Value::Null)] {
        assert_eq!(plain[field], value, "{field}");
    }
    let odd = shown(|member| {
        member.status.is_flapping = true;
        member.status.kept = Some(Kept::Floor);
        member.unresolved = Some(NameFailure { cause: Cause::DnsFailed, rcode: Some(Rcode::NxDomain) });
    });
    assert_eq!(odd["flapping"], true);
    assert_eq!(odd["kept"], "keep_at_least");
    assert_eq!(odd["unresolved"], "dns_failed (NXDOMAIN)");
}

/// A serving backend as `/api/status` shows it, after a change.
fn shown(change: impl FnOnce(&mut Member)) -> Value {
    let mut member = member("web", "blue", Phase::Serving);
    change(&mut member);
    let mut snapshot = snapshot(Phase::Serving);
    snapshot.pools = vec![Arc::new(pool_of("web", vec![member], true))];
    Door::open(snapshot).status()["pools"][0]["backends"][0].clone()
}

#[test]
fn status_tells_where_changes_are_taken() {
    let door = Door::open(snapshot(Phase::Serving));
    assert_eq!(door.status()["admin_socket"], door.socket.to_str().unwrap());
}

#[test]
fn a_pool_that_operators_hold_has_its_verdict() {
    let hold = Hold::Out(ByOperator { uid: 0, since: Instant::now() });
    for (phase, status) in [(Phase::Serving, 200), (Phase::Ejected, 200), (Phase::Unproven, 503)] {
        let mut member = member("web", "blue", phase);
        member.status.hold = hold;
        let mut snapshot = snapshot(phase);
        snapshot.pools = vec![Arc::new(pool_of("web", vec![member], true))];
        assert_eq!(Door::open(snapshot).get("/readyz").status, status, "{phase:?}");
    }
}

#[test]
fn the_manual_explains_every_field_of_the_status() {
    expect_explained(&Door::open(snapshot(Phase::Serving)).status());
}

/// Every field of a status stands in the manual.
#[track_caller]
pub(crate) fn expect_explained(status: &Value) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/operations.md");
    let manual = std::fs::read_to_string(path).unwrap();
    let mut fields = Vec::new();
    collect_fields(status, &mut fields);
    assert!(fields.len() > 30);
    for field in fields {
        let is_class = field.ends_with("xx");
        let is_explained = [format!("`{field}`"), format!("`{field}[]`")].iter().any(|f| manual.contains(f));
        assert!(is_class || is_explained, "{field}");
    }
}

#[test]
fn a_rejected_reload_is_told_with_its_problems() {
    let door = Door::open(snapshot(Phase::Serving));
    door.handles.reload.accepted(3);
    assert_eq!(door.status()["last_reload"]["problems"], Value::Null);
    door.handles.reload.rejected("line 4: no such pool \"wbe\"".to_string());
    let reload = &door.status()["last_reload"];
    assert_eq!(reload["successful"], false);
    assert_eq!(reload["problems"], "line 4: no such pool \"wbe\"");
}

#[test]
fn head_is_get_without_a_body() {
    let door = Door::open(snapshot(Phase::Serving));
    for path in ["/", "/metrics", "/healthz", "/readyz", "/api/status"] {
        let answer = door.ask(&format!("HEAD {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
        assert_eq!((answer.status, answer.body.as_str()), (200, ""), "{path}");
    }
}

#[test]
fn what_is_not_here_is_said_shortly() {
    let door = Door::open(snapshot(Phase::Serving));
    let missing = door.get("/nothing");
    assert_eq!((missing.status, missing.body.as_str()), (404, "no such page; GET / lists what is here\n"));
    let refused = door.ask("DELETE /api/status HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert_eq!(refused.status, 405);
    assert!(refused.head.contains("allow: GET,HEAD\r\n"), "{}", refused.head);
    assert!(refused.body.contains("read-only"));
}

#[test]
fn a_large_body_is_refused_unread() {
    let door = Door::open(snapshot(Phase::Serving));
    let request = "POST /api/status HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n";
    assert_eq!(door.ask(request).status, 413);
}

#[test]
fn more_connections_than_the_bound_wait_for_their_turn() {
    let door = Door::open(snapshot(Phase::Serving));
    let idle: Vec<_> = (0..64).map(|_| door.keep_alive()).collect();
    let mut waiting = door.connect();
    waiting.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
    waiting.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    assert!(waiting.read(&mut [0; 1]).is_err());
    drop(idle);
    waiting.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(Answer::read(waiting).status, 200);
}

fn collect_fields(value: &Value, fields: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (field, value) in map {
                fields.push(field.clone());
                collect_fields(value, fields);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| collect_fields(value, fields)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
