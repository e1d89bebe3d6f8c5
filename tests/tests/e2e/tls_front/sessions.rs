//! Sessions that go on: whichever worker takes the connection, and over reloads.

use std::process::Output;

use evenkeel_tests::backend::Script;
use evenkeel_tests::client::Client;
use evenkeel_tests::tls_client::openssl;
use rustls::HandshakeKind;
use rustls::version::{TLS12, TLS13};

use super::rig::{Front, NAMES, Place, Words};

const LAST: &str = "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n";

fn two_workers() -> Front {
    Front::with(Words { top: "workers: 2", ..Words::default() })
}

fn s_client(front: &Front, arguments: &[&str], input: &str) -> String {
    let common = ["-CAfile", front.place.root(), "-servername", "a.test", "-verify_return_error"];
    let Output { stdout, stderr, .. } = openssl(front.address(), &[&common, arguments].concat(), input);
    String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned()
}

#[test]
fn openssl_goes_on_with_a_session_that_it_kept() {
    let front = two_workers();
    let kept = front.place.file("session");
    for version in ["-tls1_2", "-tls1_3"] {
        let said = s_client(&front, &[version, "-ign_eof", "-sess_out", &kept], LAST);
        assert!(said.contains("New, TLSv1.") && said.contains("200 OK"), "{said}");
        let resumed = front.handshakes("resumed");
        for _ in 0..4 {
            let said = s_client(&front, &[version, "-ign_eof", "-sess_in", &kept], LAST);
            assert!(said.contains("Reused, TLSv1.") && said.contains("200 OK"), "{said}");
        }
        assert_eq!(front.handshakes("resumed"), resumed + 4.0);
    }
    assert_eq!(front.handshakes("full"), 2.0);
}

#[test]
fn openssl_connects_again_and_again_with_one_session() {
    let front = two_workers();
    let said = s_client(&front, &["-tls1_2", "-reconnect"], "");
    assert_eq!(said.matches("New, TLSv1.2").count(), 1, "{said}");
    assert_eq!(said.matches("Reused, TLSv1.2").count(), 5, "{said}");
    assert_eq!((front.handshakes("full"), front.handshakes("resumed")), (1.0, 5.0));
}

#[test]
fn a_session_goes_on_at_whichever_worker() {
    let front = two_workers();
    for version in [&TLS12, &TLS13] {
        let client = front.client().version(version).resuming();
        let mut held = Vec::new();
        for turn in 0..16 {
            let mut one = Client::secure(front.address(), &client);
            assert_eq!(one.get("/").status, 200);
            let expected = if turn == 0 { HandshakeKind::Full } else { HandshakeKind::Resumed };
            assert_eq!(one.tls().handshake_kind(), Some(expected), "{version:?}, turn {turn}");
            held.push(one);
        }
        // Held open, so that both workers have some.
        let metrics = front.evenkeel.metrics();
        for worker in ["0", "1"] {
            let connections = metrics.sum("evenkeel_worker_connections", &[("worker", worker)]);
            assert!(connections >= 2.0, "worker {worker} has {connections}");
        }
    }
}

#[test]
fn sessions_go_on_over_a_reload() {
    let front = two_workers();
    let kept = front.place.file("session");
    s_client(&front, &["-ign_eof", "-sess_out", &kept], LAST);
    let client = front.client().resuming();
    assert_eq!(Client::secure(front.address(), &client).get("/").status, 200);
    // Another certificate, and another setting of the listener.
    front.place.authority.server(&NAMES).write(front.place.path(), "site");
    let words = Words { top: "workers: 2", listener: "hsts: true", ..Words::default() };
    let metrics = front.evenkeel.reload(&front.place.configuration(&front.backend, words));
    assert_eq!(metrics.sum("evenkeel_config_last_reload_successful", &[]), 1.0);
    let said = s_client(&front, &["-ign_eof", "-sess_in", &kept], LAST);
    assert!(said.contains("Reused, TLSv1.3") && said.contains("Strict-Transport-Security"), "{said}");
    let mut again = Client::secure(front.address(), &client);
    assert_eq!(again.get("/").status, 200);
    assert_eq!(again.tls().handshake_kind(), Some(HandshakeKind::Resumed));
}

#[test]
fn no_session_goes_on_at_another_listener() {
    let place = Place::new();
    let other = format!(
        "  - {{ name: other, address: \"127.0.0.1:0\", tls: {{ certificates: [{}] }} }}",
        place.entry("site")
    );
    let words = Words { listeners: &other, ..Words::default() };
    let front = Front::at(place, Script::Echo, words);
    let client = front.client().resuming();
    assert_eq!(Client::secure(front.address(), &client).get("/").status, 200);
    let mut at_other = Client::secure(front.evenkeel.listener("other"), &client);
    assert_eq!(at_other.get("/").status, 200);
    assert_eq!(at_other.tls().handshake_kind(), Some(HandshakeKind::Full));
}
