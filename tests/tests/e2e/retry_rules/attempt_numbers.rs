//! `X-Evenkeel-Attempt`: backends are told which attempt theirs is, and a retry of a proxy before us is not made again.

use evenkeel_tests::backend::{Backend, Refusing, Script};
use evenkeel_tests::balancer::Evenkeel;
use evenkeel_tests::client::Client;
use evenkeel_tests::response::Response;

use super::KEEP;
use crate::named::pool;

/// The numbers that came with the requests for `target`.
fn numbers(backend: &Backend, target: &str) -> Vec<String> {
    let requests = backend.requests().into_iter().filter(|request| request.target == target);
    requests.map(|request| request.fields("x-evenkeel-attempt").join(" and ")).collect()
}

/// A GET that says that it is such an attempt.
fn get(evenkeel: &Evenkeel, target: &str, attempt: &str) -> Response {
    let request =
        format!("GET {target} HTTP/1.1\r\nHost: test.example\r\nX-Evenkeel-Attempt: {attempt}\r\n\r\n");
    Client::connect(evenkeel.address()).send(request).response("GET")
}

/// A backend that fails each request and one that answers, and whether the client is believed.
fn scene(script: Script, is_trusted: bool) -> (Backend, Backend, Evenkeel) {
    let (bad, good) = (Backend::start("bad", script), Backend::start("good", Script::Echo));
    let addresses = [("bad", bad.address()), ("good", good.address())];
    (bad, good, Evenkeel::start(&configuration(&addresses, is_trusted)))
}

fn configuration(addresses: &[(&str, String)], is_trusted: bool) -> String {
    let trusted = if is_trusted { "trusted_networks: [127.0.0.0/8]\n" } else { "" };
    format!("{trusted}{}", pool(addresses, &[KEEP]))
}

#[test]
fn every_attempt_is_numbered_and_a_stranger_is_not_believed() {
    let (bad, good, evenkeel) = scene(Script::CloseOnRequest, false);
    for (target, attempt) in [("/0", "7"), ("/1", "7"), ("/2", "nonsense"), ("/3", "0")] {
        assert_eq!(get(&evenkeel, target, attempt).status, 200);
        let expected: &[&str] = if numbers(&bad, target).is_empty() { &["1"] } else { &["2"] };
        assert_eq!(numbers(&good, target), expected, "{target}");
        assert!(numbers(&bad, target).iter().all(|number| number == "1"), "{target}");
    }
    assert_eq!(bad.requests().len(), 2);
}

#[test]
fn a_retry_that_a_trusted_proxy_made_is_not_made_again() {
    for (name, script) in [
        ("closes", Script::CloseOnRequest),
        ("half a head", Script::ReplyThenClose(b"HTTP/1.1 2".to_vec())),
        ("503", Script::Status(503)),
    ] {
        let (bad, good, evenkeel) = scene(script, true);
        let mut statuses = Vec::new();
        for target in ["/0", "/1"] {
            statuses.push(get(&evenkeel, target, "3").status);
            let all = [numbers(&bad, target), numbers(&good, target)].concat();
            assert_eq!(all, ["3"], "{name}: {target}");
        }
        statuses.sort_unstable();
        assert!(statuses[0] == 200 && statuses[1] >= 502, "{name}: {statuses:?}");
    }
}

#[test]
fn a_trusted_proxys_first_attempt_is_a_first_attempt() {
    let (bad, good, evenkeel) = scene(Script::CloseOnRequest, true);
    for (target, attempt) in [("/0", "1"), ("/1", "1"), ("/2", "nonsense"), ("/3", "nonsense")] {
        assert_eq!(get(&evenkeel, target, attempt).status, 200, "{target}");
        let expected: &[&str] = if numbers(&bad, target).is_empty() { &["1"] } else { &["2"] };
        assert_eq!(numbers(&good, target), expected, "{target}");
    }
}

#[test]
fn what_was_never_sent_is_tried_elsewhere_even_for_a_trusted_proxys_retry() {
    let (refusing, good) = (Refusing::default(), Backend::start("good", Script::Echo));
    let addresses = [("refusing", refusing.address()), ("good", good.address())];
    let evenkeel = Evenkeel::start(&configuration(&addresses, true));
    let mut all = Vec::new();
    for target in ["/0", "/1"] {
        assert_eq!(get(&evenkeel, target, "3").status, 200);
        all.extend(numbers(&good, target));
    }
    all.sort();
    assert_eq!(all, ["3", "4"], "the first attempt has the number that came, the next one the next");
}
