//! Reloads under load: nothing fails, nothing is cut, and a bad file changes nothing.

use std::collections::VecDeque;
use std::thread;
use std::time::Duration;

use evenkeel_tests::backend::{Backend, Refusing, Script};
use evenkeel_tests::balancer::{Evenkeel, SOON};
use evenkeel_tests::client::Client;
use evenkeel_tests::load::Load;
use evenkeel_tests::nginx::Nginx;
use evenkeel_tests::pattern::Pattern;
use evenkeel_tests::wait;
use rustix::process::Signal;

use crate::turns::heavy;
use crate::upgrades;

/// Twenty different plans that all serve: backends come and go, weights, timeouts and a second listener change.
fn plan(turn: usize, nginx: &[Nginx], slow: &Backend) -> String {
    let weight = 1 + turn % 3;
    let second = &nginx[1 + turn % 2];
    let listener = match turn % 4 {
        0 => ", { name: other, address: \"127.0.0.1:0\" }",
        _ => "",
    };
    format!(
        "listeners: [{{ name: edge, address: \"127.0.0.1:0\" }}{listener}]
routes:
  - match: {{ path: /pattern/ }}
    pool: slow
  - match: {{ path: /chat }}
    pool: slow
  - pool: web
pools:
  web:
    backends: [\"{}\", {{ address: \"{}\", weight: {weight} }}]
    timeouts: {{ head: {}s }}
  slow: {{ backends: [\"{}\"] }}
",
        nginx[0].address(),
        second.address(),
        1 + turn,
        slow.address()
    )
}

#[test]
fn twenty_reloads_under_load_cost_nothing() {
    const LENGTH: u64 = 40_000_000;
    let _turn = heavy();
    let nginx: Vec<Nginx> = ["a", "b", "c"].map(Nginx::start).into();
    let slow = Backend::start("slow", Script::Echo);
    let evenkeel = Evenkeel::start(&plan(0, &nginx, &slow));
    let address = evenkeel.address();

    let kept = Load::on(address).start();
    let fresh = Load { connections: 8, is_fresh: true, ..Load::on(address) };
    let fresh = fresh.start();
    let mut websocket = upgrades::open(&evenkeel);
    let (sender, reloaded) = std::sync::mpsc::channel();
    let download = thread::spawn(move || download(address, LENGTH, &reloaded));

    for turn in 1..=20 {
        let before = evenkeel.metrics();
        if turn == 10 {
            let after = evenkeel.reload("pools: { web: { backends: [] } }\nunknown: key\n");
            assert_eq!(after.sum("evenkeel_config_last_reload_successful", &[]), 0.0);
            assert_eq!(
                after.sum("evenkeel_config_generation", &[]),
                before.sum("evenkeel_config_generation", &[])
            );
        } else {
            let after = evenkeel.reload(&plan(turn, &nginx, &slow));
            assert_eq!(after.sum("evenkeel_config_last_reload_successful", &[]), 1.0);
            assert_eq!(
                after.sum("evenkeel_config_generation", &[]),
                before.sum("evenkeel_config_generation", &[]) + 1.0
            );
        }
        upgrades::exchange(&mut websocket, &format!("still there after reload {turn}?"));
        kept.wait_for(64);
        fresh.wait_for(8);
    }
    sender.send(()).unwrap();
    assert_eq!(download.join().unwrap(), LENGTH);
    assert!(kept.expect_no_failure() > 1000);
    assert!(fresh.expect_no_failure() > 100);
    assert_eq!(slow.connections(), 2, "the download and the WebSocket kept their connections");
}

/// Reads half of a download, waits until all reloads are done, and reads the rest.
fn download(address: std::net::SocketAddr, length: u64, reloaded: &std::sync::mpsc::Receiver<()>) -> u64 {
    let pattern = Pattern::default();
    let mut client = Client::connect(address);
    client.send(format!("GET /pattern/{length} HTTP/1.1\r\nHost: x\r\n\r\n"));
    client.wait_at_most(Duration::from_secs(180));
    let (mut received, mut is_waiting) = (0, true);
    let take = |piece: &[u8]| {
        assert!(pattern.matches(received, piece), "a wrong byte after {received}");
        received += piece.len() as u64;
        if is_waiting && received > length / 2 {
            is_waiting = false;
            reloaded.recv_timeout(Duration::from_secs(120)).expect("the reloads end");
        }
    };
    client.response_into("GET", take).expect("the download goes on");
    received
}

#[test]
fn fifty_backends_come_and_go_and_no_request_notices() {
    const AT_ONCE: usize = 50;
    const CHANGED: usize = 10;
    let _turn = heavy();
    let start = |number: usize| Backend::start(&number.to_string(), Script::Echo);
    let plan = |backends: &VecDeque<Backend>| {
        let addresses: Vec<String> = backends.iter().map(Backend::address).collect();
        format!("pools: {{ web: {{ backends: [\"{}\"] }} }}\n", addresses.join("\", \""))
    };
    let mut backends: VecDeque<Backend> = (0..AT_ONCE).map(start).collect();
    let evenkeel = Evenkeel::start(&plan(&backends));
    let gets = Load { connections: 16, pace: Duration::from_millis(20), ..Load::on(evenkeel.address()) };
    let posts = Load { is_post: true, ..gets.clone() };
    let (gets, posts) = (gets.start(), posts.start());
    gets.wait_for(200);
    for turn in 0..10 {
        let gone: Vec<Backend> = backends.drain(..CHANGED).collect();
        backends.extend((0..CHANGED).map(|place| start(AT_ONCE + turn * CHANGED + place)));
        let metrics = evenkeel.reload(&plan(&backends));
        assert_eq!(metrics.sum("evenkeel_config_last_reload_successful", &[]), 1.0);
        // Once nobody is connected to them any more, they may go.
        wait::until_true(SOON, "connections to the old ones to close", || {
            gone.iter().all(|backend| backend.open() == 0)
        });
        drop(gone);
        gets.wait_for(100);
        posts.wait_for(100);
    }
    let have_served = || backends.iter().all(|backend| !backend.requests().is_empty());
    wait::until_true(SOON, "all of the last ones to serve", have_served);
    gets.expect_no_failure();
    posts.expect_no_failure();
    assert_eq!(evenkeel.metrics().sum("evenkeel_backend_ejections_total", &[]), 0.0);
}

#[test]
fn a_bad_file_is_refused_and_says_why() {
    let backend = Backend::start("a", Script::Echo);
    let good = format!("pools: {{ web: {{ backends: [\"{}\"] }} }}\n", backend.address());
    let evenkeel = Evenkeel::start(&good);
    let metrics = evenkeel.reload("pools: { web: { backends: [\"127.0.0.1:0\"], ballance: random } }\n");
    assert_eq!(metrics.sum("evenkeel_config_last_reload_successful", &[]), 0.0);
    let status = evenkeel.status();
    assert_eq!(status["last_reload"]["successful"], false);
    let problems = status["last_reload"]["problems"].as_str().unwrap().to_owned();
    for text in ["ballance", "balance", "port"] {
        assert!(problems.contains(text), "{text} is not in {problems}");
        assert!(evenkeel.output().contains(text), "{text} is not in the log");
    }
    assert_eq!(Client::connect(evenkeel.address()).get("/").status, 200);

    let metrics = evenkeel.reload(&good);
    assert_eq!(metrics.sum("evenkeel_config_last_reload_successful", &[]), 1.0);
    assert!(evenkeel.status()["last_reload"]["problems"].is_null());
}

#[test]
fn what_needs_a_restart_is_refused() {
    let backend = Backend::start("a", Script::Echo);
    let pools = format!("pools: {{ web: {{ backends: [\"{}\"] }} }}\n", backend.address());
    let evenkeel = Evenkeel::start(&format!("workers: 1\n{pools}"));
    let metrics = evenkeel.reload(&format!("workers: 2\n{pools}"));
    assert_eq!(metrics.sum("evenkeel_config_last_reload_successful", &[]), 0.0);
    let problems = evenkeel.status()["last_reload"]["problems"].to_string();
    assert!(problems.contains("restart"), "{problems}");
}

#[test]
fn health_and_counters_survive_a_reload() {
    let refusing = Refusing::default();
    let [a, b] = ["a", "b"].map(|name| Backend::start(name, Script::Echo));
    let plan = |others: &str| {
        format!(
            "workers: 1\npools: {{ web: {{ backends: [\"{}\", \"{}\"{others}], \
             health: {{ eject: {{ consecutive: 1, wait: 60s }} }} }} }}\n",
            refusing.address(),
            a.address()
        )
    };
    let evenkeel = Evenkeel::start(&plan(""));
    let mut client = Client::connect(evenkeel.address());
    for _ in 0..4 {
        assert_eq!(client.get("/").status, 200);
    }
    wait::until_true(SOON, "the ejection", || evenkeel.phase(&refusing.address()) == "ejected");
    let before = evenkeel.backend(&a.address());
    assert_eq!(before["counters"]["responses"]["2xx"], 4);
    let attempts = |evenkeel: &Evenkeel| {
        evenkeel.metrics().sum("evenkeel_backend_failures_total", &[("cause", "connect_refused")])
    };
    let refused = attempts(&evenkeel);

    evenkeel.reload(&plan(&format!(", {{ address: \"{}\", weight: 2 }}", b.address())));
    assert_eq!(evenkeel.phase(&refusing.address()), "ejected");
    assert_eq!(evenkeel.backend(&a.address())["counters"]["responses"]["2xx"], 4);
    for _ in 0..9 {
        assert_eq!(client.get("/").status, 200);
    }
    assert_eq!(attempts(&evenkeel), refused, "an ejected backend was asked again after the reload");
    assert_eq!(a.connections(), 1, "an unchanged backend keeps its connections");
    assert!(b.requests().len() >= 5, "{}", b.requests().len());
}

#[test]
fn connections_to_a_backend_that_is_gone_are_closed() {
    let [a, b] = ["a", "b"].map(|name| Backend::start(name, Script::Echo));
    let plan = |backend: &Backend| format!("pools: {{ web: {{ backends: [\"{}\"] }} }}\n", backend.address());
    let evenkeel = Evenkeel::start(&plan(&a));
    let mut client = Client::connect(evenkeel.address());
    assert_eq!(client.get("/").status, 200);
    assert_eq!(a.open(), 1);
    evenkeel.reload(&plan(&b));
    wait::until_true(SOON, "the old backend's connection to close", || a.open() == 0);
    assert_eq!(client.get("/").field("x-backend"), Some("b"));
}

#[test]
fn flags_have_nothing_to_reload() {
    let backend = Backend::start("a", Script::Echo);
    let folder = tempfile::tempdir().unwrap();
    let mut command = evenkeel_tests::balancer::command();
    command.args([
        "run",
        "--listen",
        "127.0.0.1:0",
        "--admin",
        "127.0.0.1:0",
        "--backend",
        &backend.address(),
    ]);
    let evenkeel = Evenkeel::launch(command, folder);
    evenkeel.signal(Signal::HUP);
    wait::until_true(SOON, "a word about the signal", || evenkeel.output().contains("SIGHUP"));
    assert_eq!(Client::connect(evenkeel.address()).get("/").status, 200);
}
