//! The door over a real socket, in raw bytes, before a snapshot made by hand.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwap;
use evenkeel_admin::{Handles, serve};
use evenkeel_model::{
    BackendId, Cause, Evidence, ListenerCounters, Phase, PoolCounters, PoolName, RouteCounters, Status,
};
use evenkeel_routing::{
    Backend, ForwardingRule, HostMatch, Listener, ListenerRule, Member, PathMatch, Pool, PoolRule, Retry,
    Route, Router, Rule, Snapshot, Timeouts, Wake,
};
use evenkeel_telemetry::{AccessLog, Registry, ReloadState};
use serde_json::{Value, json};
use tokio::sync::oneshot;

const PATIENCE: Duration = Duration::from_secs(10);
const WORKERS: usize = 2;

#[test]
fn the_index_says_what_is_where() {
    let door = Door::open(snapshot(Phase::Serving));
    let index = door.get("/");
    assert_eq!(index.status, 200);
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
fn the_manual_explains_every_field_of_the_status() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/operations.md");
    let manual = std::fs::read_to_string(path).unwrap();
    let status = Door::open(snapshot(Phase::Serving)).status();
    let mut fields = Vec::new();
    collect_fields(&status, &mut fields);
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

/// An open door, and what it shows.
struct Door {
    address: SocketAddr,
    handles: Handles,
    close: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Door {
    fn open(snapshot: Snapshot) -> Door {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let handles = handles(snapshot);
        let (close, closed) = oneshot::channel();
        let shown = handles.clone();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                tokio::select! {
                    served = serve(listener, shown) => served.unwrap(),
                    _ = closed => {}
                }
            });
        });
        Door { address, handles, close: Some(close), thread: Some(thread) }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect_timeout(&self.address, PATIENCE).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    fn ask(&self, request: &str) -> Answer {
        let mut stream = self.connect();
        stream.write_all(request.as_bytes()).unwrap();
        Answer::read(stream)
    }

    fn get(&self, path: &str) -> Answer {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"))
    }

    fn status(&self) -> Value {
        serde_json::from_str(&self.get("/api/status").body).unwrap()
    }

    /// A connection that was used once and stays open.
    fn keep_alive(&self) -> TcpStream {
        let mut stream = self.connect();
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        let mut seen = Vec::new();
        while !seen.ends_with(b"\r\n\r\nok\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            seen.extend(byte);
        }
        stream
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        // The thread may have ended in a panic already; joining it says so.
        let _ = self.close.take().unwrap().send(());
        let ended = self.thread.take().unwrap().join();
        assert!(ended.is_ok() || thread::panicking());
    }
}

impl Answer {
    /// Reads until the server closes, or what a refused body leaves of it.
    fn read(mut stream: TcpStream) -> Answer {
        let mut bytes = Vec::new();
        let mut piece = [0; 4096];
        while let Ok(length) = stream.read(&mut piece) {
            if length == 0 {
                break;
            }
            bytes.extend_from_slice(&piece[..length]);
        }
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head in {text:?}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: format!("{head}\r\n"), body: body.to_string() }
    }
}

fn handles(snapshot: Snapshot) -> Handles {
    let view = Arc::new(ArcSwap::from_pointee(snapshot));
    let reload = ReloadState::new();
    reload.accepted(3);
    let access_log = AccessLog::start(None).unwrap();
    let registry = Arc::new(Registry::new(view.clone(), reload.clone(), access_log));
    Handles {
        view,
        registry,
        reload,
        draining: Arc::new(AtomicBool::new(false)),
        listeners: Arc::new(Mutex::new(vec![("edge".into(), "127.0.0.1:8080".parse().unwrap())])),
        started: SystemTime::now(),
        version: "1.2.3",
    }
}

fn snapshot(phase: Phase) -> Snapshot {
    let rule = Rule {
        host: HostMatch::Any,
        path: PathMatch::Any,
        pool: PoolName::new("web"),
        timeouts: Timeouts::default(),
        retry: Retry::default(),
    };
    let counters = Arc::new(RouteCounters::new(WORKERS));
    let route = Route { label: "*".into(), rule, pool: 0, counters };
    let rule = ListenerRule::new("edge".into(), SocketAddr::from(([127, 0, 0, 1], 0)));
    let counters = Arc::new(ListenerCounters::new(WORKERS));
    Snapshot {
        generation: 3,
        epoch: 17,
        router: Router::new(vec![Arc::new(route)]),
        pools: vec![Arc::new(pool(phase, true))],
        listeners: vec![Arc::new(Listener { rule, counters })],
        forwarding: ForwardingRule::default(),
    }
}

fn pool(phase: Phase, is_probed: bool) -> Pool {
    let name = PoolName::new("web");
    let counters = Arc::new(PoolCounters::new(WORKERS));
    Pool::new(
        name.clone(),
        PoolRule::default(),
        vec![member(name, phase)],
        is_probed,
        counters,
        Default::default(),
        Default::default(),
    )
}

fn member(pool: PoolName, phase: Phase) -> Member {
    let id = BackendId { pool, address: "127.0.0.1:3000".parse().unwrap() };
    let endpoint = id.address.endpoint().unwrap();
    let evidence = Evidence::Strikes { count: 3, cause: Cause::ConnectRefused, status: 0 };
    let since = Instant::now().checked_sub(Duration::from_secs(60)).unwrap();
    Member {
        backend: Backend::new(id, "blue".into(), WORKERS, Wake::new(Box::new(|| {}))),
        endpoints: [endpoint].into(),
        unresolved: None,
        weight: 5,
        status: Status { evidence, ejections: 1, ramp: 0.5, ..Status::new(phase, since) },
    }
}
