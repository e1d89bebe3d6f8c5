//! What operators see of TLS in metrics, the status and the access log.

use std::io::Write;
use std::time::SystemTime;

use evenkeel_tests::backend::Script;
use evenkeel_tests::balancer::SOON;
use evenkeel_tests::certificates::{Authority, DAY, Kind, Validity, Wish};
use evenkeel_tests::client::Client;
use evenkeel_tests::tls_client::{TlsClient, alert};
use evenkeel_tests::wait;
use rustls::AlertDescription;

use super::rig::{Front, NAMES, Place, Words};

#[test]
fn until_when_each_certificate_is_good_is_told() {
    let place = Place::new();
    let wish = Wish::new(&NAMES);
    place.authority.sign(&wish.clone().validity(Validity::For(20 * DAY))).write(place.path(), "site");
    place.authority.sign(&wish.kind(Kind::Rsa).validity(Validity::For(40 * DAY))).write(place.path(), "rsa");
    let listeners = format!(
        "  - {{ name: two, address: \"127.0.0.1:0\", tls: {{ certificates: [{}, {}] }} }}\n",
        place.entry("site"),
        place.entry("rsa")
    );
    let front = Front::at(place, Script::Echo, Words { listeners: &listeners, ..Words::default() });
    let metrics = front.evenkeel.metrics();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64();
    for (listener, key, days) in [("edge", "ecdsa", 20.0), ("two", "ecdsa", 20.0), ("two", "rsa", 40.0)] {
        let labels = [("listener", listener), ("certificate", "a.test"), ("key", key)];
        let until = metrics.sum("evenkeel_tls_certificate_not_after_timestamp_seconds", &labels);
        let left = (until - now) / DAY.as_secs_f64();
        assert!((left - days).abs() < 0.01, "{listener}, {key}: {left} days");
    }
    let status = front.evenkeel.status();
    let shown = &status["listeners"][0]["tls"]["certificates"][0];
    assert_eq!(shown["days_left"], 19, "{shown}");
    assert_eq!(shown["names"], serde_json::json!(NAMES), "{shown}");
}

#[test]
fn handshakes_are_counted_and_the_log_of_requests_tells_of_them() {
    let front = Front::with(Words { top: "access_log: { path: stdout }", ..Words::default() });
    let client = front.client().resuming();
    for kind in ["full", "resumed"] {
        assert_eq!(Client::secure(front.address(), &client).get(&format!("/{kind}")).status, 200);
        assert_eq!(front.handshakes(kind), 1.0);
        let entry = crate::named::entry(&front.evenkeel, &format!("/{kind}"));
        assert_eq!((&entry["tls"], &entry["server_name"]), (&"TLSv1.3".into(), &"a.test".into()), "{entry}");
        assert_eq!(entry["tls_resumed"], kind == "resumed", "{entry}");
    }
    assert_eq!(front.evenkeel.metrics().sum("evenkeel_listener_tls_handshakes_in_progress", &[]), 0.0);
}

/// What came of it, to the server's close.
fn say(front: &Front, bytes: &[u8]) {
    let mut client = Client::connect(front.address());
    client.send(bytes);
    // How it is closed depends on what was read; that it is closed matters.
    client.ending().expect("a close");
}

#[test]
fn failed_handshakes_are_counted_by_reason() {
    let front = Front::start("");
    let mut expected = 0.0;
    let mut expect = |reason: &str| {
        expected += 1.0;
        wait::until_true(SOON, reason, || front.failures(reason) == 1.0);
        let all = front.evenkeel.metrics().sum("evenkeel_listener_tls_handshake_failures_total", &[]);
        assert_eq!(all, expected, "{reason}, and nothing else");
    };
    // Who does not believe the certificate says so by an alert.
    let stranger = TlsClient::new(&Authority::new("another"), "a.test");
    assert!(Client::try_secure(front.address(), &stranger).is_err());
    expect("alert");
    let other_protocol = front.client().alpn(&["h2"]);
    let error = Client::try_secure(front.address(), &other_protocol).map(drop).unwrap_err();
    assert_eq!(alert(&error), Some(AlertDescription::NoApplicationProtocol));
    expect("nothing_in_common");
    say(&front, b"SSH-2.0-OpenSSH_9.6\r\n");
    expect("not_tls");
    let mut hello = front.client().hello();
    hello[5] = 99;
    say(&front, &hello);
    expect("malformed");
    let mut gone = Client::connect(front.address());
    gone.stream().write_all(&front.client().hello()[..40]).unwrap();
    gone.finish();
    gone.ending().unwrap();
    expect("closed");
    let mut plain = Client::connect(front.address());
    assert_eq!(plain.get("/").status, 400);
    expect("plain_http");
    // One that only looks whether the port is open.
    drop(Client::connect(front.address()));
    wait::until_true(SOON, "it to be gone", || front.failures("closed") == 2.0);
    assert_eq!(front.connect().get("/").status, 200);
    let idle = || front.evenkeel.metrics().sum("evenkeel_listener_tls_handshakes_in_progress", &[]) == 0.0;
    wait::until_true(SOON, "no handshake in progress", idle);
    let event = front.event("TLS handshakes with clients failed");
    assert!(event["reasons"].as_str().unwrap().contains("alert=1"), "{event}");
    assert!(event["last_client"].as_str().unwrap().starts_with("127.0.0.1:"), "{event}");
}
