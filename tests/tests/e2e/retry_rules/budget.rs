//! The budget: what retries may cost, and how a denial looks.

use std::collections::HashSet;
use std::sync::Mutex;

use evenkeel_tests::backend::{Backend, Next, Refusing, Script};
use evenkeel_tests::balancer::Evenkeel;
use evenkeel_tests::client::Client;
use evenkeel_tests::response::Response;
use evenkeel_tests::structured;

use super::KEEP;
use crate::named::{entry, pool, start, sum};

const NOTHING: &str = "retry: { budget: { share: 0%, at_least: 0 } }";

/// Of two GETs to a bad and a good backend the one that met the bad one, with its path.
fn denied(bad: &Backend, settings: &[&str]) -> (Evenkeel, String, Response) {
    let good = Backend::start("good", Script::Echo);
    let evenkeel = start(&[("bad", bad), ("good", &good)], settings);
    let mut client = Client::connect(evenkeel.address());
    let answers = ["/0", "/1"].map(|path| (path.to_owned(), client.get(path)));
    let met = answers.into_iter().find(|(path, _)| bad.deliveries(path) == 1);
    let (path, response) = met.expect("one of two meets it");
    assert_eq!(good.deliveries(&path), 0, "it was tried again");
    (evenkeel, path, response)
}

#[test]
fn a_retry_that_is_denied_shows_as_its_failure_and_says_so() {
    let bad = Backend::start("bad", Script::CloseOnRequest);
    let (evenkeel, path, response) = denied(&bad, &[KEEP, NOTHING]);
    assert_eq!(response.status, 502);
    assert!(response.text().starts_with("502 closed_before_response: "), "{}", response.text());
    let items = structured::list(&response.fields("proxy-status")).unwrap();
    let [item] = &items[..] else { panic!("{items:?}") };
    assert_eq!(item.text("error"), Some("connection_terminated"));
    assert_eq!(item.text("details"), Some("closed_before_response; retry_denied=budget"));
    assert_eq!(item.text("next-hop"), Some("web/bad"));
    let entry = entry(&evenkeel, &path);
    assert_eq!(entry["cause"], "closed_before_response", "{entry}");
    assert_eq!(entry["detail"], "retry_denied=budget", "{entry}");
    assert_eq!(entry["attempts"], 1, "{entry}");
    assert_eq!(sum(&evenkeel, "pool_retries_denied_total", &[]), 1.0);
    assert_eq!(sum(&evenkeel, "pool_retries_total", &[]), 0.0);
}

#[test]
fn a_detail_of_the_failure_itself_comes_first() {
    let bad = Backend::start("bad", Script::ReplyThenClose(b"HTTP/1.1 20 OK\r\n\r\n".to_vec()));
    let (evenkeel, path, response) = denied(&bad, &[KEEP, NOTHING]);
    let items = structured::list(&response.fields("proxy-status")).unwrap();
    let details = items[0].text("details").unwrap();
    assert!(details.starts_with("bad_head: "), "{details}");
    assert!(details.ends_with("; retry_denied=budget"), "{details}");
    let entry = entry(&evenkeel, &path);
    let detail = entry["detail"].as_str().unwrap();
    assert!(details.contains(detail) && detail != "retry_denied=budget", "{entry}");
}

#[test]
fn a_status_whose_retry_is_denied_is_relayed() {
    let own = b"HTTP/1.1 503 Own\r\nContent-Length: 3\r\n\r\nown".to_vec();
    let bad = Backend::start("bad", Script::Reply(own));
    let (evenkeel, _, response) = denied(&bad, &[KEEP, NOTHING]);
    assert_eq!((response.status, response.text().as_str()), (503, "own"));
    let items = structured::list(&response.fields("proxy-status")).unwrap();
    assert_eq!(items[0].parameter("received-status"), Some(&structured::Value::Integer(503)));
    assert_eq!(sum(&evenkeel, "pool_retries_denied_total", &[]), 1.0);
}

#[test]
fn what_gave_no_backend_work_is_free() {
    let (refusing, good) = (Refusing::default(), Backend::start("good", Script::Echo));
    let addresses = [("refusing", refusing.address()), ("good", good.address())];
    let evenkeel = Evenkeel::start(&pool(&addresses, &[KEEP, NOTHING]));
    let mut client = Client::connect(evenkeel.address());
    for number in 0..4 {
        assert_eq!(client.post(&format!("/{number}"), b"x").status, 200);
    }
    assert!(sum(&evenkeel, "pool_retries_total", &[]) >= 2.0);
    assert_eq!(sum(&evenkeel, "pool_retries_denied_total", &[]), 0.0);
}

#[test]
fn a_fresh_connection_after_a_stale_one_is_free() {
    let seen = Mutex::new(HashSet::new());
    let stale = Backend::start(
        "stale",
        Script::custom(move |request, socket| {
            let is_first = seen.lock().unwrap().insert(socket.peer_addr()?.as_socket());
            if !is_first {
                return Ok(Next::Close);
            }
            let text = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", request.target.len());
            std::io::Write::write_all(socket, format!("{text}{}", request.target).as_bytes())?;
            Ok(Next::Continue)
        }),
    );
    let evenkeel = start(&[("stale", &stale)], &[KEEP, NOTHING]);
    let mut client = Client::connect(evenkeel.address());
    for number in 0..6 {
        assert_eq!(client.get(&format!("/{number}")).status, 200);
    }
    assert!(sum(&evenkeel, "backend_failures_total", &[("cause", "stale_reuse")]) >= 3.0);
    assert_eq!(sum(&evenkeel, "pool_retries_denied_total", &[]), 0.0);
}

#[test]
fn no_more_retries_are_made_than_the_budget_has() {
    let bad = Backend::start("bad", Script::CloseOnRequest);
    let good = Backend::start("good", Script::Echo);
    let budget = "retry: { budget: { share: 0%, window: 60s, at_least: 1 } }";
    let evenkeel = start(&[("bad", &bad), ("good", &good)], &[KEEP, budget]);
    let mut client = Client::connect(evenkeel.address());
    let mut failed = 0;
    for number in 0..200 {
        failed += usize::from(client.get(&format!("/{number}")).status == 502);
    }
    // A hundred of them met the bad one.
    assert_eq!(failed, 40);
    assert_eq!(sum(&evenkeel, "pool_retries_total", &[]), 60.0);
    assert_eq!(sum(&evenkeel, "pool_retries_denied_total", &[]), 40.0);
}

#[test]
fn a_share_of_the_requests_may_be_retried() {
    let bad = Backend::start("bad", Script::CloseOnRequest);
    let good = Backend::start("good", Script::Echo);
    let budget = "retry: { budget: { share: 20%, window: 60s, at_least: 0 } }";
    let evenkeel = start(&[("bad", &bad), ("good", &good)], &[KEEP, budget]);
    let mut client = Client::connect(evenkeel.address());
    for number in 0..200 {
        client.get(&format!("/{number}"));
    }
    let retries = sum(&evenkeel, "pool_retries_total", &[]);
    assert!((36.0..=40.0).contains(&retries), "{retries} retries of 200 requests");
    assert_eq!(sum(&evenkeel, "pool_requests_total", &[]), 200.0);
}
