//! `evenkeel fault-backend`: it fails as it says, when it is told to, and is a good backend otherwise.

mod process;
mod table;

use evenkeel_tests::balancer::{self, SOON};
use evenkeel_tests::client::{self, Client};
use evenkeel_tests::mutate::{Dice, corpus, first_seed, mutate};
use evenkeel_tests::wait;
use rustix::process::Signal;

use self::process::{FaultBackend, Listed};

#[test]
fn one_connection_serves_every_method_and_framing() {
    let backend = FaultBackend::start(&["--name", "red"]);
    let mut client = Client::connect(backend.address());
    assert_eq!(client.get("/any?thing").text(), "hello from red\n");
    let head = client.send("HEAD / HTTP/1.1\r\nHost: x\r\n\r\n").response("HEAD");
    assert_eq!(head.field("content-length"), Some("15"));
    assert_eq!(client.post("/", &[b'x'; 300_000]).status, 200);
    client.send(
        "PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nA: b\r\n\r\n",
    );
    assert_eq!(client.response("PUT").status, 200);
    client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(client.response("POST").status, 100);
    client.send("ok");
    assert_eq!(client.response("POST").status, 200);
    client.send("GET /1 HTTP/1.1\r\nHost: x\r\n\r\n".repeat(3));
    (0..3).for_each(|_| assert_eq!(client.response("GET").status, 200));
    client.send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").response("GET");
    client.expect_close();
}

#[test]
fn what_is_no_request_is_refused_and_harms_nobody() {
    let backend = FaultBackend::start(&[]);
    for (bytes, status) in [
        ("\r\n\r\n\r\n", 400),
        ("nonsense\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        ("GET / HTTP/3.0\r\nHost: x\r\n\r\n", 505),
    ] {
        let mut client = Client::connect(backend.address());
        assert_eq!(client.send(bytes).response("GET").status, status, "{bytes}");
    }
    for (bytes, target) in [
        ("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nfive\r\n", "a bad chunk"),
        ("GET /fault/\u{7f}\u{1} HTTP/1.1\r\nHost: x\r\n\r\n", "a control in the target"),
    ] {
        let mut client = Client::connect(backend.address());
        client.send(bytes).finish();
        let _ = client.rest().unwrap_or_else(|error| panic!("{target}: {error}"));
    }
    for target in ["/fault/nothing", "/fault/refuse", "/fault/slow?after=99h", "/control/hang?for=-1s"] {
        assert_eq!(client::get(backend.address(), target).status, 404, "{target}");
    }
    assert_eq!(client::get(backend.address(), "/").status, 200);
}

#[test]
fn an_order_holds_for_a_while_or_until_the_next_one() {
    let backend = FaultBackend::start(&["--listen", "127.0.0.1:0", "--name", "red", "--name", "green"]);
    let (red, green) = (backend.named("red"), backend.named("green"));
    assert_eq!(client::get(red, "/control/status/503?retry_after=7").status, 200);
    let down = client::get(red, "/");
    assert_eq!((down.status, down.field("retry-after")), (503, Some("7")));
    assert_eq!(client::get(red, "/control").text(), "red: status/503\n");
    assert_eq!(client::get(green, "/").status, 200, "an order is for one backend");
    assert_eq!(client::get(red, "/fault/ok").status, 200, "a path goes before an order");
    assert_eq!(client::get(red, "/control/ok").status, 200);
    assert_eq!(client::get(red, "/").status, 200);

    // An order that is answered is carried out.
    let mut idle = Client::connect(red);
    assert_eq!(idle.get("/").status, 200);
    assert!(client::get(red, "/control/refuse?for=1s").closes());
    let refused = Client::try_connect(red).err().map(|error| error.kind());
    assert_eq!(refused, Some(std::io::ErrorKind::ConnectionRefused));
    idle.expect_close();
    wait::until_true(SOON, "red to be back", || client::try_get(red, "/").is_ok());
}

#[test]
fn a_rate_hits_its_share_and_a_seed_repeats_it() {
    let arguments = ["--fault", "status/503", "--rate", "25%", "--seed", "7"];
    let statuses = || {
        let backend = FaultBackend::start(&arguments);
        let mut client = Client::connect(backend.address());
        (0..400).map(|_| client.get("/").status).collect::<Vec<_>>()
    };
    let first = statuses();
    let hit = first.iter().filter(|status| **status == 503).count();
    assert!((60..140).contains(&hit), "{hit} of 400");
    assert_eq!(first, statuses());
}

#[test]
fn a_schedule_goes_through_its_phases_and_stays_in_the_last() {
    let backend =
        FaultBackend::start(&["--schedule", "ok 1s, status/503 1s, close-on-accept 1s, status/500"]);
    let status = || client::try_get(backend.address(), "/").map_or(0, |response| response.status);
    let mut seen = vec![status()];
    wait::until_true(SOON, "the last phase", || {
        let now = status();
        if seen.last() != Some(&now) {
            seen.push(now);
        }
        now == 500
    });
    assert_eq!(seen, [200, 503, 0, 500]);
    assert_eq!(status(), 500);
}

#[test]
fn a_fault_may_be_for_some_of_the_backends() {
    let backend = FaultBackend::start(&[
        "--listen",
        "127.0.0.1:0",
        "--name",
        "red",
        "--fault",
        "status/502",
        "--only",
        "fault-2",
    ]);
    assert_eq!(client::get(backend.named("red"), "/").status, 200);
    assert_eq!(client::get(backend.named("fault-2"), "/").status, 502);
}

#[test]
fn idle_connections_are_closed_when_it_was_said() {
    let backend = FaultBackend::start(&["--keep-alive", "1s", "--announce-keep-alive"]);
    let mut client = Client::connect(backend.address());
    assert_eq!(client.get("/").field("keep-alive"), Some("timeout=1"));
    client.wait_at_most(SOON).expect_close();

    let mut client = Client::connect(backend.address());
    let response = client.get("/fault/idle-close?after=2s&announce=yes");
    assert_eq!(response.field("keep-alive"), Some("timeout=2"));
    client.wait_at_most(SOON).expect_close();
}

#[test]
fn connections_end_after_as_many_responses_as_was_said() {
    let backend = FaultBackend::start(&["--fault", "close-after?count=3&with=rst"]);
    let mut client = Client::connect(backend.address());
    (0..3).for_each(|_| assert!(!client.get("/").closes()));
    let reset = client.rest().unwrap_err();
    assert_eq!(reset.kind(), std::io::ErrorKind::ConnectionReset);
}

#[test]
fn a_signal_ends_it_with_whatever_hangs() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut backend = FaultBackend::start(&["--fault", "hang"]);
        let mut client = Client::connect(backend.address());
        client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
        assert_eq!(backend.end(signal), Some(0));
        client.expect_close();
    }
}

#[test]
fn mistakes_say_how_to_mend_them() {
    let busy = FaultBackend::start(&[]);
    let address = busy.address().to_string();
    for (arguments, code, wanted) in [
        (vec!["--listen", &address], 1, "in use"),
        (vec!["--fault", "hagn"], 2, "did you mean `hang`?"),
        (vec!["--schedule", "ok 1s, hang 2s"], 2, "`hang 2s, ok`"),
        (vec!["--fault", "refuse", "--rate", "5%"], 2, "no rate"),
        (vec!["--only", "rde", "--name", "red"], 2, "did you mean `red`?"),
    ] {
        let output = balancer::command().arg("fault-backend").args(&arguments).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
        assert!(text.contains(wanted), "{arguments:?}: {text}");
    }
}

#[test]
fn the_list_and_the_manual_name_the_same_faults_and_causes() {
    let manual = std::fs::read_to_string(balancer::workspace().join("docs/fault-backend.md")).unwrap();
    let cells = |line: &str| line.split('|').map(|cell| cell.trim().replace('`', "")).collect::<Vec<_>>();
    let rows = manual.lines().skip_while(|line| !line.starts_with("| fault |"));
    let rows = rows.skip(2).take_while(|line| line.starts_with('|')).map(cells);
    let documented: Vec<_> =
        rows.map(|cells| (cells[1].clone(), cells[3].clone(), cells[4].clone())).collect();
    let causes = |row: &Listed| if row.causes.is_empty() { "-".into() } else { row.causes.join(" or ") };
    let listed: Vec<_> =
        process::list().iter().map(|row| (row.name.clone(), row.befalls.clone(), causes(row))).collect();
    assert!(listed.len() > 30, "{listed:?}");
    assert_eq!(listed, documented);
}

#[test]
fn random_bytes_neither_break_nor_stop_it() {
    let backend = FaultBackend::start(&[]);
    let (first, _) = first_seed();
    let (mut dice, requests) = (Dice::new(first), corpus("requests"));
    for _ in 0..500 {
        let mut bytes = dice.pick(&requests).clone();
        mutate(&mut dice, &mut bytes, &requests);
        let mut client = Client::connect(backend.address());
        // It may have closed on what came first.
        let _ = client.try_send(&bytes);
        client.finish();
        let _ = client.rest();
    }
    let output = backend.output();
    assert!(!output.contains("panicked"), "EVENKEEL_SEED={first}: {output}");
    assert_eq!(client::get(backend.address(), "/control/ok").status, 200, "EVENKEEL_SEED={first}");
    assert_eq!(client::get(backend.address(), "/").status, 200, "EVENKEEL_SEED={first}");
}
