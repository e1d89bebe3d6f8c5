//! Changes: over the admin socket, by whom, with which answers, and what the audit says.

use std::fs::{Permissions, set_permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::Command as Program;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use evenkeel_admin::Commander;
use evenkeel_model::{ByOperator, Command, CommandError, Done, Hold, Order, Phase, PoolName};
use rustix::process::{geteuid, getpid};
use serde_json::{Value, json};

use crate::support::{Door, PATIENCE, member, pool_of, request, snapshot};

/// What the commander was told.
type Told = Arc<Mutex<Vec<Command>>>;

/// A door before a commander that replies like this.
fn door(reply: impl Fn(&Command) -> Result<Done, CommandError> + Send + Sync + 'static) -> (Door, Told) {
    let told = Told::default();
    let telling = told.clone();
    let commander = Commander::new(move |command| {
        let reply = reply(&command);
        telling.lock().unwrap().push(command);
        async move { reply }
    });
    (Door::open_with(snapshot(Phase::Serving), commander), told)
}

fn done(command: &Command) -> Result<Done, CommandError> {
    let by = ByOperator { uid: command.uid, since: Instant::now() };
    let hold = match command.order {
        Order::Drain => Hold::Drained(by),
        Order::Ready => Hold::None,
        Order::Eject => Hold::Out(by),
    };
    let pool = command.pool.clone().unwrap_or_else(|| PoolName::new("web"));
    let backend = "blue".into();
    Ok(Done { pool, backend, phase: Phase::Serving, hold, is_changed: true, in_flight: 3 })
}

fn own_uid() -> u32 {
    geteuid().as_raw()
}

#[test]
fn the_socket_shows_the_same_pages() {
    let (door, _) = door(done);
    for path in ["/", "/metrics", "/healthz", "/readyz", "/api/status"] {
        assert_eq!(door.ask_socket(&request("GET", path)).status, 200, "{path}");
    }
    assert!(door.audit().is_empty(), "reads are not audited");
}

#[test]
fn an_order_reaches_the_commander_and_its_outcome_the_operator() {
    let (door, told) = door(done);
    for (order, hold) in
        [(Order::Drain, json!("drained")), (Order::Ready, Value::Null), (Order::Eject, json!("out"))]
    {
        let answer = door.post(&format!("/api/pools/web/backends/blue/{}", order.as_str()));
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert!(answer.head.contains("content-type: application/json"), "{}", answer.head);
        let expected = json!({
            "pool": "web", "backend": "blue", "phase": "serving", "hold": hold, "changed": true, "in_flight": 3
        });
        assert_eq!(answer.json(), expected);
        let expected =
            Command { order, pool: Some(PoolName::new("web")), backend: "blue".into(), uid: own_uid() };
        assert_eq!(told.lock().unwrap().pop(), Some(expected));
    }
}

#[test]
fn the_pool_may_be_left_out() {
    let (door, told) = door(done);
    assert_eq!(door.post("/api/backends/blue/drain").status, 200);
    assert_eq!(told.lock().unwrap()[0].pool, None);
}

#[test]
fn names_are_percent_decoded() {
    let (door, told) = door(done);
    for (path, pool, backend) in [
        ("/api/backends/127.0.0.1%3A3000/drain", None, "127.0.0.1:3000"),
        ("/api/backends/127.0.0.1:3000/drain", None, "127.0.0.1:3000"),
        ("/api/backends/unix%3A%2Frun%2Fapp.sock/drain", None, "unix:/run/app.sock"),
        ("/api/pools/a%2Fb/backends/%5B%3A%3A1%5D%3A80/drain", Some("a/b"), "[::1]:80"),
    ] {
        assert_eq!(door.post(path).status, 200, "{path}");
        let command = told.lock().unwrap().pop().unwrap();
        assert_eq!(command.pool.as_ref().map(PoolName::as_str), pool, "{path}");
        assert_eq!(&*command.backend, backend, "{path}");
    }
    let unreadable = door.post("/api/backends/%ff/drain");
    assert_eq!(unreadable.status, 400);
    assert!(unreadable.json()["help"].as_str().unwrap().contains("percent-encoded"));
    assert!(told.lock().unwrap().is_empty());
}

#[test]
fn what_is_not_there_is_answered_with_what_is() {
    let (door, _) = door(|command| match &command.pool {
        Some(pool) if pool.as_str() != "web" => Err(CommandError::UnknownPool(pool.clone())),
        Some(_) | None => Err(CommandError::UnknownBackend(command.backend.clone())),
    });
    for (path, error, help) in [
        ("/api/pools/wbe/backends/blue/drain", "there is no pool `wbe`", "the pools are `web`"),
        (
            "/api/pools/web/backends/bleu/drain",
            "there is no backend `bleu` in pool `web`",
            "the backends are `blue`",
        ),
        ("/api/backends/bleu/drain", "there is no backend `bleu`", "the backends are `blue`"),
        ("/api/backends/blue/stop", "there is no such order", "the orders are drain, ready, eject"),
    ] {
        let answer = door.post(path);
        assert_eq!((answer.status, answer.json()), (404, json!({ "error": error, "help": help })), "{path}");
    }
}

#[test]
fn a_name_that_several_pools_have_wants_its_pool() {
    let (door, _) = door(|_| Err(CommandError::Ambiguous(vec![PoolName::new("api"), PoolName::new("web")])));
    let answer = door.post("/api/backends/blue/drain");
    assert_eq!(answer.status, 409);
    assert_eq!(answer.json()["error"], "several pools have that backend: `api`, `web`");
}

#[test]
fn a_process_that_stops_takes_no_commands() {
    let (door, _) = door(|_| Err(CommandError::Stopping));
    let answer = door.post("/api/backends/blue/drain");
    assert_eq!((answer.status, &answer.json()["error"]), (503, &json!("the process is stopping")));
}

#[test]
fn no_reply_is_an_answer_after_a_while() {
    let silent = Commander::new(|_| std::future::pending());
    let door = Door::open_with(snapshot(Phase::Serving), silent);
    let answer = door.post("/api/backends/blue/drain");
    assert_eq!(answer.status, 503);
    assert!(answer.json()["error"].as_str().unwrap().contains("no reply"), "{}", answer.body);
    assert!(door.audit()[0]["result"].as_str().unwrap().starts_with("unknown"));
}

#[test]
fn over_tcp_nothing_can_be_changed() {
    let (door, told) = door(done);
    for path in
        ["/api/backends/blue/drain", "/api/pools/web/backends/blue/eject", "/api/backends/blue/nonsense"]
    {
        let answer = door.ask(&request("POST", path));
        assert_eq!(answer.status, 403, "{path}");
        let json = answer.json();
        assert_eq!(json["error"], "changes are taken on the admin socket only");
        assert!(json["help"].as_str().unwrap().contains(door.socket.to_str().unwrap()), "{json}");
    }
    assert!(told.lock().unwrap().is_empty());
    assert!(door.audit().is_empty());
}

#[test]
fn changes_are_made_with_post_alone() {
    let (door, told) = door(done);
    for path in ["/api/backends/blue/drain", "/api/pools/web/backends/blue/eject"] {
        for method in ["GET", "HEAD", "PUT", "DELETE", "PATCH"] {
            let request = request(method, path);
            for answer in [door.ask(&request), door.ask_socket(&request)] {
                assert_eq!(answer.status, 405, "{method} {path}");
                assert!(answer.head.contains("allow: POST\r\n"), "{}", answer.head);
            }
        }
    }
    assert!(told.lock().unwrap().is_empty());
}

#[test]
fn a_large_body_is_refused_on_the_socket_too() {
    let (door, told) = door(done);
    let request = "POST /api/backends/blue/drain HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n";
    assert_eq!(door.ask_socket(request).status, 413);
    assert!(told.lock().unwrap().is_empty());
}

#[test]
fn every_command_is_audited_before_it_is_answered() {
    let (door, _) = door(|command| match &*command.backend {
        "blue" => done(command),
        _ => Err(CommandError::UnknownBackend(command.backend.clone())),
    });
    door.post("/api/backends/blue/drain");
    door.post("/api/pools/web/backends/no%0Abody/eject");
    let audit = door.audit();
    let own = json!(own_uid());
    let id = json!(getpid().as_raw_nonzero().get());
    for (line, expected) in audit.iter().zip([
        json!({ "level": "INFO", "order": "drain", "pool": "web", "backend": "blue", "result": "done",
                "changed": true, "phase": "serving", "hold": "drained" }),
        json!({ "level": "INFO", "order": "eject", "pool": "web", "backend": "no\nbody",
                "result": "there is no backend `no\nbody`" }),
    ]) {
        assert_eq!((&line["uid"], &line["pid"]), (&own, &id));
        for (field, value) in expected.as_object().unwrap() {
            assert_eq!(&line[field], value, "{field}");
        }
    }
    assert_eq!(audit.len(), 2);
}

#[test]
fn a_command_whose_sender_leaves_is_audited_nevertheless() {
    let has_begun = Arc::new(AtomicBool::new(false));
    let begun = has_begun.clone();
    let silent = Commander::new(move |_| {
        begun.store(true, Ordering::Relaxed);
        std::future::pending()
    });
    let door = Door::open_with(snapshot(Phase::Serving), silent);
    let mut stream = door.connect_socket();
    stream.write_all(request("POST", "/api/backends/blue/eject").as_bytes()).unwrap();
    let deadline = Instant::now() + PATIENCE;
    // One that leaves before its command began has asked for nothing.
    while !has_begun.load(Ordering::Relaxed) {
        assert!(Instant::now() < deadline, "the command has not begun");
        std::thread::yield_now();
    }
    drop(stream);
    while door.audit().is_empty() {
        assert!(Instant::now() < deadline, "no audit line");
        std::thread::yield_now();
    }
    let audit = door.audit();
    assert_eq!((&audit[0]["order"], &audit[0]["backend"]), (&json!("eject"), &json!("blue")));
    assert!(audit[0]["result"].as_str().unwrap().starts_with("unknown"), "{}", audit[0]);
}

/// Only root can become somebody else; the rule itself is tested beside the code.
#[test]
fn another_user_is_turned_away_and_the_log_says_so() {
    if own_uid() != 0 {
        return;
    }
    let (door, told) = door(done);
    let folder = door.socket.parent().unwrap();
    set_permissions(folder, Permissions::from_mode(0o755)).unwrap();
    set_permissions(&door.socket, Permissions::from_mode(0o777)).unwrap();
    for arguments in [&["-X", "POST", "http://x/api/backends/blue/eject"][..], &["http://x/api/status"][..]] {
        let mut curl = Program::new("setpriv");
        curl.args(["--reuid=65534", "--clear-groups", "curl", "-s", "-m", "10", "-w", "%{http_code}"]);
        let output = curl.arg("--unix-socket").arg(&door.socket).args(arguments).output().unwrap();
        let answer = String::from_utf8(output.stdout).unwrap();
        let (json, status) = answer.split_at(answer.len() - 3);
        assert_eq!(status, "403", "{answer} {}", String::from_utf8_lossy(&output.stderr));
        let json: Value = serde_json::from_str(json).unwrap();
        assert_eq!(json["error"], "uid 65534 may not use the admin socket");
        assert_eq!(json["help"], "only root (uid 0) may");
    }
    assert!(told.lock().unwrap().is_empty());
    let audit = door.audit();
    assert_eq!((audit.len(), &audit[0]["level"], &audit[0]["uid"]), (2, &json!("WARN"), &json!(65534)));
}

#[test]
fn a_long_list_of_names_is_cut() {
    let (door, _) = door(|command| Err(CommandError::UnknownBackend(command.backend.clone())));
    let members = (0..500).map(|index| member("web", &format!("backend-{index}"), Phase::Serving)).collect();
    let mut many = snapshot(Phase::Serving);
    many.pools = vec![Arc::new(pool_of("web", members, false))];
    door.handles.view.store(Arc::new(many));
    let answer = door.post(&format!("/api/backends/{}/drain", "x".repeat(5000)));
    assert_eq!(answer.status, 404);
    assert!(answer.body.contains("and 450 more"), "{}", answer.body);
    assert!(answer.body.len() < 3000, "{}", answer.body.len());
}
