//! What passes through TLS on its way to a backend and back: large bodies, trailers, tunnels.

use evenkeel_tests::backend::{Next, Script};
use evenkeel_tests::balancer::Evenkeel;
use evenkeel_tests::client::Client;
use evenkeel_tests::pattern::{Checksum, Pattern};
use evenkeel_tests::wait;

use super::site::{Scripted, Site, one};
use crate::upgrades;

const LARGE: usize = 10 << 20;

fn scripted(script: Script) -> (Scripted, Evenkeel, Site) {
    let site = Site::new();
    let backend = Scripted::new(script, &site.local());
    let evenkeel = one(&backend.tls.address(), &site.believes());
    (backend, evenkeel, site)
}

#[test]
fn ten_mebibytes_go_both_ways() {
    let (backend, evenkeel, _site) = scripted(Script::Echo);
    let pattern = Pattern::default();
    let mut client = Client::connect(evenkeel.address());
    for _ in 0..2 {
        client.send(format!("GET /pattern/{LARGE} HTTP/1.1\r\nHost: x\r\n\r\n"));
        let mut received = 0;
        let take = |piece: &[u8]| {
            assert!(pattern.matches(received, piece), "a wrong byte after {received}");
            received += piece.len() as u64;
        };
        assert_eq!(client.response_into("GET", take).unwrap().status, 200);
        assert_eq!(received, LARGE as u64);
        let body = pattern.whole(LARGE);
        let post = client.post("/", &body);
        assert_eq!(post.field("x-body-checksum"), Some(Checksum::of(&body).as_str()));
        let mut chunked = b"PUT /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        for chunk in body.chunks(100_000) {
            chunked.extend(format!("{:x}\r\n", chunk.len()).bytes());
            chunked.extend(chunk);
            chunked.extend(b"\r\n");
        }
        chunked.extend(b"0\r\n\r\n");
        let put = client.send(chunked).response("PUT");
        assert_eq!(put.field("x-body-checksum"), Some(Checksum::of(&body).as_str()));
    }
    assert_eq!(backend.tls.connections(), 1);
}

#[test]
fn trailers_go_both_ways() {
    let script = Script::custom(|_, socket| {
        let answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 5\r\n\r\n";
        std::io::Write::write_all(socket, answer.as_bytes())?;
        Ok(Next::Continue)
    });
    let (backend, evenkeel, _site) = scripted(script);
    let mut client = Client::connect(evenkeel.address());
    let request = "POST / HTTP/1.1\r\nHost: x\r\nTE: trailers\r\nTransfer-Encoding: chunked\r\nTrailer: X-Mine\r\n\r\n\
                   2\r\nhi\r\n0\r\nX-Mine: 2\r\n\r\n";
    let response = client.send(request).response("POST");
    assert_eq!(response.text(), "hello");
    assert_eq!(response.trailers, ["X-Sum: 5"]);
    let received = String::from_utf8_lossy(&backend.backend.received()).into_owned();
    assert!(received.ends_with("2\r\nhi\r\n0\r\nX-Mine: 2\r\n\r\n"), "{received}");
}

#[test]
fn a_websocket_is_a_tunnel_both_ways() {
    let (backend, evenkeel, _site) = scripted(Script::Echo);
    let mut client = upgrades::open(&evenkeel);
    upgrades::exchange(&mut client, "GET / HTTP/1.1\r\n\r\n, which is no request here");
    for piece in Pattern::default().whole(1_000_000).chunks(50_000) {
        client.send(piece).expect(piece);
    }
    client.finish();
    assert_eq!(client.rest().unwrap(), b"");
    wait::until_true(evenkeel_tests::balancer::SOON, "the tunnel to end", || backend.tls.open() == 0);
    let seen = backend.tls.seen();
    assert_eq!(seen[0].ending, Some(evenkeel_tests::client::Ending::Clean), "its end is announced");
}

#[test]
fn a_websocket_that_its_backend_ends_is_ended() {
    let script = Script::custom(|_, socket| {
        let answer =
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nbye";
        std::io::Write::write_all(socket, answer.as_bytes())?;
        Ok(Next::Close)
    });
    let (_backend, evenkeel, _site) = scripted(script);
    let mut client = upgrades::open(&evenkeel);
    client.expect(b"bye");
    assert_eq!(client.rest().unwrap(), b"");
}
