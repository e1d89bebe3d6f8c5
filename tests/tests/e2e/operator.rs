//! `evenkeel backend`: what an operator orders over the admin socket, what clients see of it, and who is refused.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::process::Output;

use evenkeel_tests::backend::{Backend, Script};
use evenkeel_tests::balancer::{self, Evenkeel, SOON};
use evenkeel_tests::client::Client;
use evenkeel_tests::load::{Crowd, Load};
use evenkeel_tests::wait;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::named;
use crate::turns::paced;

fn two() -> ([Backend; 2], Evenkeel) {
    let backends = ["a", "b"].map(|name| Backend::start(name, Script::Echo));
    let evenkeel = named::start(&[("blue", &backends[0]), ("green", &backends[1])], &[]);
    (backends, evenkeel)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// What it printed; panics unless it succeeded.
#[track_caller]
fn done(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    text(&output.stdout)
}

/// What it said of its failure; panics unless it failed.
#[track_caller]
fn failed(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stdout));
    assert!(output.stdout.is_empty());
    text(&output.stderr)
}

/// What the audit says so far, as order, backend, result and change.
fn audit(evenkeel: &Evenkeel) -> Vec<[Value; 4]> {
    let events = evenkeel.events().into_iter().filter(|event| event["message"] == "operator's command");
    events.map(|event| ["order", "backend", "result", "changed"].map(|field| event[field].clone())).collect()
}

fn load(evenkeel: &Evenkeel) -> Crowd {
    Load { connections: 8, ..Load::on(evenkeel.address()) }.start()
}

#[test]
fn a_drained_backend_gets_nothing_new_and_no_request_is_lost() {
    let _turn = paced();
    let ([a, _b], evenkeel) = two();
    let crowd = load(&evenkeel);
    crowd.wait_for(100);

    let said = done(&evenkeel.operate(&["drain", "web/blue"]));
    assert!(said.starts_with("web/blue: drained; "), "{said}");
    assert!(said.ends_with("; back with `evenkeel backend ready web/blue`\n"), "{said}");
    let shown = evenkeel.backend(&a.address());
    assert_eq!(
        (&shown["hold"], &shown["in_service"], &shown["phase"]),
        (&json!("drained"), &json!(false), &json!("serving"))
    );
    wait::until_true(SOON, "the last request to finish", || evenkeel.backend(&a.address())["in_flight"] == 0);
    let before = a.requests().len();
    crowd.wait_for(200);
    assert_eq!(a.requests().len(), before);

    let again = done(&evenkeel.operate(&["drain", "blue"]));
    assert!(again.starts_with("web/blue: drained already; nothing is in flight; "), "{again}");
    assert_eq!(done(&evenkeel.operate(&["ready", "blue"])), "web/blue: in service (serving)\n");
    wait::until_true(SOON, "requests to come back", || a.requests().len() > before);
    crowd.expect_no_failure();
    let line = |order: &str, changed| [json!(order), json!("blue"), json!("done"), json!(changed)];
    assert_eq!(audit(&evenkeel), [line("drain", true), line("drain", false), line("ready", true)]);
}

#[test]
fn an_order_holds_over_a_reload() {
    let ([a, b], evenkeel) = two();
    done(&evenkeel.operate(&["drain", &a.address()]));
    let c = Backend::start("c", Script::Echo);
    let backends = [("blue", a.address()), ("green", b.address()), ("red", c.address())];
    let metrics = evenkeel.reload(&named::pool(&backends, &[]));
    assert_eq!(metrics.sum("evenkeel_config_last_reload_successful", &[]), 1.0);
    assert_eq!(evenkeel.backend(&a.address())["hold"], "drained");
    let mut client = Client::connect(evenkeel.address());
    (0..20).for_each(|_| assert_eq!(client.get("/").status, 200));
    assert_eq!(a.requests().len(), 0);
    assert!(!c.requests().is_empty());
}

#[test]
fn an_ejected_backend_is_not_even_a_last_resort() {
    let ([a, b], evenkeel) = two();
    let said = evenkeel.operate(&["eject", "blue"]);
    assert!(done(&said).starts_with("web/blue: out; "));
    assert!(said.stderr.is_empty(), "{}", text(&said.stderr));
    let said = evenkeel.operate(&["drain", "green"]);
    assert!(done(&said).starts_with("web/green: drained; "));
    assert_eq!(text(&said.stderr), "warning: nobody is left in service in pool web\n");

    // Who is drained still works, and is asked rather than nobody.
    let mut client = Client::connect(evenkeel.address());
    (0..5).for_each(|_| assert_eq!(client.get("/").field("x-backend"), Some("b")));
    done(&evenkeel.operate(&["eject", "green"]));
    assert_eq!(Client::connect(evenkeel.address()).get("/").status, 503);
    assert_eq!((a.requests().len(), b.requests().len()), (0, 5));

    done(&evenkeel.operate(&["ready", "blue"]));
    assert_eq!(Client::connect(evenkeel.address()).get("/").field("x-backend"), Some("a"));
}

#[test]
fn what_is_in_flight_finishes_after_a_drain() {
    let slow = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789".to_vec();
    let script = Script::ReplySlowly(slow, 8, std::time::Duration::from_millis(100));
    let a = Backend::start("a", script);
    let evenkeel = named::start(&[("blue", &a)], &[]);
    let mut client = Client::connect(evenkeel.address());
    client.send("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
    wait::until_true(SOON, "the request to arrive", || a.deliveries("/slow") == 1);
    let said = done(&evenkeel.operate(&["eject", "blue"]));
    assert!(said.contains("; 1 request in flight finishes; "), "{said}");
    assert_eq!(client.response("GET").text(), "0123456789");
}

#[test]
fn the_list_shows_who_is_in_service_and_why_not() {
    let ([a, b], evenkeel) = two();
    done(&evenkeel.operate(&["drain", "blue"]));
    for arguments in [&["list"][..], &["list", "--pool", "web"]] {
        let list = done(&evenkeel.operate(arguments));
        let lines: Vec<_> = list.lines().collect();
        let words: Vec<_> = lines[0].split_whitespace().collect();
        assert_eq!(words, ["POOL", "BACKEND", "STATE", "SINCE", "SHARE", "IN", "FLIGHT", "WHY"]);
        assert!(lines[1].starts_with("web   blue     drained   "), "{list}");
        assert!(lines[1].contains("by uid ") && lines[1].contains("the file says nothing of it"), "{list}");
        assert!(lines[2].starts_with("web   green    unproven  "), "{list}");
        assert_eq!(lines.len(), 3);
    }
    let list: Value = serde_json::from_str(&done(&evenkeel.operate(&["list", "--json"]))).unwrap();
    let shown: Vec<_> = [0, 1].map(|index| (&list[index]["pool"], &list[index]["address"])).into();
    assert_eq!(shown, [(&json!("web"), &json!(a.address())), (&json!("web"), &json!(b.address()))]);
}

#[test]
fn the_node_is_found_by_flag_variable_file_or_place() {
    let (_backends, evenkeel) = two();
    let address = evenkeel.admin().to_string();
    let file = evenkeel.folder().join("evenkeel.yaml");
    let (socket, folder) = (evenkeel.socket(), evenkeel.folder().to_owned());
    let list = || {
        let mut command = balancer::command();
        command.args(["backend", "list"]);
        command
    };
    let mut by_address = list();
    by_address.args(["--admin", &address]);
    let mut by_socket = list();
    by_socket.arg("--admin").arg(&socket);
    let mut by_variable = list();
    by_variable.env("EVENKEEL_ADMIN", &socket);
    let mut by_file = list();
    by_file.arg("-c").arg(&file).env("RUNTIME_DIRECTORY", &folder);
    let mut by_place = list();
    by_place.env("RUNTIME_DIRECTORY", &folder);
    for mut command in [by_address, by_socket, by_variable, by_file, by_place] {
        assert!(done(&command.output().unwrap()).contains("green"), "{command:?}");
    }
}

#[test]
fn over_tcp_nothing_can_be_changed() {
    let ([a, _b], evenkeel) = two();
    let mut client = Client::connect(evenkeel.admin());
    client.send("POST /api/backends/blue/eject HTTP/1.1\r\nHost: x\r\n\r\n");
    let response = client.response("POST");
    let socket = evenkeel.socket().to_str().unwrap().to_owned();
    assert_eq!(response.status, 403);
    assert!(response.text().contains(&socket), "{}", response.text());
    let mut command = balancer::command();
    command.args(["backend", "eject", "blue", "--admin", &evenkeel.admin().to_string()]);
    let said = failed(&command.output().unwrap());
    assert!(said.contains("admin socket only") && said.contains(&socket), "{said}");
    assert_eq!(evenkeel.backend(&a.address())["hold"], Value::Null);
}

#[test]
fn a_mistake_is_answered_with_what_there_is() {
    let (_backends, evenkeel) = two();
    let said = failed(&evenkeel.operate(&["drain", "web/bleu"]));
    assert!(said.contains("did you mean `web/blue`?") && said.contains("`web/green`"), "{said}");
    let said = failed(&evenkeel.operate(&["list", "--pool", "wbe"]));
    assert!(said.contains("did you mean `web`?"), "{said}");
    let mut command = balancer::command();
    let nowhere = evenkeel.folder().join("nowhere.sock");
    let said = failed(&command.args(["backend", "list", "--admin"]).arg(&nowhere).output().unwrap());
    assert!(said.contains("no evenkeel answers") && said.contains("nowhere.sock"), "{said}");
}

#[test]
fn the_socket_is_its_users_alone_and_goes_with_the_node() {
    let (_backends, mut evenkeel) = two();
    let socket = evenkeel.socket();
    let mode = socket.metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let path = socket.to_str().unwrap();
    assert_eq!(evenkeel.status()["admin_socket"], path);
    let started = evenkeel.events().into_iter().find(|event| event["message"] == "started").unwrap();
    assert_eq!(started["admin_socket"], path);
    evenkeel.signal(Signal::TERM);
    assert_eq!(evenkeel.wait(SOON).code(), Some(0));
    assert!(!socket.exists());
}

#[test]
fn a_dead_socket_is_replaced() {
    let backend = Backend::start("a", Script::Echo);
    let folder = tempfile::tempdir().unwrap();
    let start = || {
        Evenkeel::start_with(&named::pool(&[("blue", backend.address())], &[]), |command| {
            command.env("RUNTIME_DIRECTORY", folder.path());
        })
    };
    let socket = folder.path().join("admin.sock");
    let mut first = start();
    first.signal(Signal::KILL);
    first.wait(SOON);
    assert!(socket.exists(), "nobody removes it after a SIGKILL");
    let second = start();
    assert_eq!(second.status()["admin_socket"], socket.to_str().unwrap());
    UnixStream::connect(&socket).unwrap();
}

#[test]
fn a_live_socket_is_never_stolen() {
    let (_backends, first) = two();
    let backend = Backend::start("c", Script::Echo);
    let mut second = Evenkeel::start_with(&named::pool(&[("red", backend.address())], &[]), |command| {
        command.env("RUNTIME_DIRECTORY", first.folder());
    });
    assert_eq!(second.status()["admin_socket"], Value::Null);
    let warnings: Vec<_> = second.events().into_iter().filter(|event| event["level"] == "WARN").collect();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    let warning = warnings[0]["message"].as_str().unwrap();
    for wanted in [first.socket().to_str().unwrap(), "another evenkeel", "`admin.socket`"] {
        assert!(warning.contains(wanted), "{wanted} is not in {warning}");
    }
    let refused = Client::connect(second.admin()).post("/api/backends/red/drain", b"");
    assert_eq!(refused.status, 403);

    second.signal(Signal::TERM);
    second.wait(SOON);
    assert!(first.socket().exists(), "it was removed by whom it did not belong to");
    assert!(done(&first.operate(&["list"])).contains("green"));
}
