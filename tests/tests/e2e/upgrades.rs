//! WebSocket upgrades: a tunnel both ways, and nothing else is upgraded.

use evenkeel_tests::backend::Script;
use evenkeel_tests::balancer::Evenkeel;
use evenkeel_tests::client::Client;
use evenkeel_tests::pattern::Pattern;

use crate::forwarding::one_backend;

const UPGRADE: &str = "GET /chat HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
                       Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// A client whose WebSocket is open, and echoes.
pub(crate) fn open(evenkeel: &Evenkeel) -> Client {
    let mut client = Client::connect(evenkeel.address());
    upgrade(&mut client, "x");
    client
}

/// Opens a WebSocket on a connection, at this host.
#[track_caller]
pub(crate) fn upgrade(client: &mut Client, host: &str) {
    let response = client.send(UPGRADE.replacen("Host: x", &format!("Host: {host}"), 1)).response("GET");
    assert_eq!(response.status, 101, "{}", response.head);
    assert_eq!(response.field("upgrade"), Some("websocket"));
    assert!(response.field("connection").unwrap().eq_ignore_ascii_case("upgrade"));
}

/// Sends something through an open WebSocket, which has to come back.
#[track_caller]
pub(crate) fn exchange(client: &mut Client, text: &str) {
    client.send(text).expect(text.as_bytes());
}

#[test]
fn a_websocket_is_a_tunnel_both_ways() {
    let (backend, evenkeel) = one_backend(Script::Echo);
    let mut client = open(&evenkeel);
    let request = backend.requests().remove(0);
    assert_eq!(request.fields("upgrade"), ["websocket"]);
    assert_eq!(request.fields("sec-websocket-version"), ["13"]);
    exchange(&mut client, "GET / HTTP/1.1\r\n\r\n, which is no request here");
    let large = Pattern::default().whole(1_000_000);
    for piece in large.chunks(50_000) {
        client.send(piece).expect(piece);
    }
    client.finish();
    assert_eq!(client.rest().unwrap(), b"");
}

#[test]
fn bytes_sent_with_the_upgrade_reach_the_tunnel() {
    let (_backend, evenkeel) = one_backend(Script::Echo);
    let mut client = Client::connect(evenkeel.address());
    let response = client.send(format!("{UPGRADE}early")).response("GET");
    assert_eq!(response.status, 101);
    client.expect(b"early");
}

#[test]
fn a_refused_upgrade_leaves_the_connection_usable() {
    let (backend, evenkeel) = one_backend(Script::Status(403));
    let mut client = Client::connect(evenkeel.address());
    assert_eq!(client.send(UPGRADE).response("GET").status, 403);
    backend.set(Script::Echo);
    assert_eq!(client.get("/").status, 200);
}

#[test]
fn an_upgrade_that_nobody_asked_for_is_an_error() {
    let response = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    let (_backend, evenkeel) = one_backend(Script::Reply(response.into()));
    let response = Client::connect(evenkeel.address()).get("/");
    assert_eq!(response.status, 502);
    assert!(response.text().contains("upgrade_failed"), "{}", response.text());
}
