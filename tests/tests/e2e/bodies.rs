//! Bodies: large, slow, chunked, byte by byte, and clients that do not read.

use std::time::Duration;

use evenkeel_tests::backend::{Backend, Script};
use evenkeel_tests::balancer::{Evenkeel, SOON};
use evenkeel_tests::client::Client;
use evenkeel_tests::pattern::{Checksum, Pattern};
use evenkeel_tests::process::private_bytes;
use evenkeel_tests::wait;

use crate::forwarding::one_backend;
use crate::turns::heavy;

const LARGE: u64 = 100 * 1000 * 1000;
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn a_large_download_arrives_whole() {
    let _turn = heavy();
    let (_backend, evenkeel) = one_backend(Script::Echo);
    let mut client = Client::connect(evenkeel.address());
    client.send(format!("GET /pattern/{LARGE} HTTP/1.1\r\nHost: x\r\n\r\n"));
    client.wait_at_most(PATIENCE);
    let pattern = Pattern::default();
    let mut received = 0;
    let take = |piece: &[u8]| {
        assert!(pattern.matches(received, piece), "a wrong byte after {received}");
        received += piece.len() as u64;
    };
    client.response_into("GET", take).unwrap();
    assert_eq!(received, LARGE);
    assert_eq!(client.get("/after").status, 200);
}

#[test]
fn a_large_upload_arrives_whole_however_it_is_framed() {
    let _turn = heavy();
    let (_backend, evenkeel) = one_backend(Script::Echo);
    let body = Pattern::default().whole(LARGE as usize);
    let checksum = Checksum::of(&body);
    let mut client = Client::connect(evenkeel.address());
    for is_chunked in [false, true] {
        let framing = match is_chunked {
            true => "Transfer-Encoding: chunked".to_owned(),
            false => format!("Content-Length: {LARGE}"),
        };
        client.send(format!("POST / HTTP/1.1\r\nHost: x\r\n{framing}\r\n\r\n"));
        for piece in body.chunks(100_003) {
            if is_chunked {
                client.send(format!("{:x}\r\n", piece.len()));
            }
            client.send(piece);
            if is_chunked {
                client.send("\r\n");
            }
        }
        if is_chunked {
            client.send("0\r\n\r\n");
        }
        let response = client.wait_at_most(PATIENCE).response("POST");
        assert_eq!(response.field("x-body-bytes"), Some(LARGE.to_string().as_str()));
        assert_eq!(response.field("x-body-checksum"), Some(checksum.as_str()));
    }
}

#[test]
fn a_client_that_reads_nothing_costs_no_memory() {
    const LENGTH: u64 = 400 * 1000 * 1000;
    /// Memory is taken from the kernel in large pieces: several clients show what each of them costs.
    const CLIENTS: u64 = 8;
    let _turn = heavy();
    let backend = Backend::start("a", Script::Echo);
    let evenkeel = Evenkeel::start(&format!(
        "workers: 1\npools: {{ web: {{ backends: [\"{}\"] }} }}\n",
        backend.address()
    ));
    let warm = Client::connect(evenkeel.address()).get("/pattern/1000000");
    assert_eq!(warm.body.len(), 1_000_000);
    let before = private_bytes(&[evenkeel.id()]);

    let request = format!("GET /pattern/{LENGTH} HTTP/1.1\r\nHost: x\r\n\r\n");
    let mut clients: Vec<Client> = (0..CLIENTS).map(|_| Client::connect(evenkeel.address())).collect();
    for client in &mut clients {
        client.send(&request);
    }
    let mut last = 0;
    wait::until_true(SOON, "the responses to stop flowing", || {
        wait::pause(Duration::from_millis(200));
        let now = backend.pattern_bytes();
        let has_stopped = now > 2_000_000 && now == last;
        last = now;
        has_stopped
    });
    let cost = private_bytes(&[evenkeel.id()]).saturating_sub(before) / CLIENTS;
    assert!(last < LENGTH * CLIENTS / 2, "{last} bytes were taken in");
    assert!(cost < 1 << 20, "{cost} bytes for a client that does not read");

    // What waited is still whole.
    let mut client = clients.remove(0);
    let mut length = 0;
    client.wait_at_most(PATIENCE);
    client.response_into("GET", |piece| length += piece.len() as u64).unwrap();
    assert_eq!(length, LENGTH);
}

#[test]
fn a_request_may_come_byte_by_byte() {
    let (backend, evenkeel) = one_backend(Script::Echo);
    let mut client = Client::connect(evenkeel.address());
    let request = "\r\nPOST /slow HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3;e=\"q\"\r\nabc\r\nA\r\n0123456789\r\n0\r\nX-T: v\r\n\r\n\
                   GET /next HTTP/1.1\r\nHost: x\r\n\r\n";
    for byte in request.as_bytes() {
        client.send([*byte]);
    }
    let response = client.response("POST");
    assert_eq!(response.field("x-body-bytes"), Some("13"));
    assert_eq!(response.field("x-body-checksum"), Some(Checksum::of(b"abc0123456789").as_str()));
    assert_eq!(client.response("GET").status, 200);
    assert_eq!(backend.requests().len(), 2);
}

#[test]
fn a_response_may_come_byte_by_byte() {
    let response = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x\r\nde\r\n0\r\n\r\n";
    let script = Script::ReplySlowly(response.to_vec(), 1, Duration::from_millis(1));
    let (backend, evenkeel) = one_backend(script);
    let mut client = Client::connect(evenkeel.address());
    for _ in 0..2 {
        assert_eq!(client.get("/").body, b"abcde");
    }
    assert_eq!(backend.connections(), 1);
}

#[test]
fn a_body_that_ends_with_the_connection_is_whole() {
    let (_backend, evenkeel) =
        one_backend(Script::ReplyThenClose(b"HTTP/1.1 200 OK\r\n\r\nto the end".to_vec()));
    let mut client = Client::connect(evenkeel.address());
    for _ in 0..2 {
        let response = client.get("/");
        assert_eq!((response.status, response.text().as_str()), (200, "to the end"));
    }
}

#[test]
fn a_truncated_body_does_not_look_whole() {
    for head in ["Content-Length: 100", "Transfer-Encoding: chunked"] {
        let response = format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n32\r\nshort");
        let (_backend, evenkeel) = one_backend(Script::ReplyThenClose(response.into_bytes()));
        let mut client = Client::connect(evenkeel.address());
        let result = client.try_get("/");
        assert!(result.as_ref().map_or(true, |response| response.status == 502), "{head}: {result:?}");
    }
}

#[test]
fn the_backend_is_asked_whether_to_continue() {
    let (backend, evenkeel) = one_backend(Script::Echo);
    let mut client = Client::connect(evenkeel.address());
    client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(client.response("POST").status, 100);
    let response = client.send("hello").response("POST");
    assert_eq!(response.field("x-body-bytes"), Some("5"));
    assert_eq!(backend.requests().len(), 1);
    assert_eq!(client.get("/after").status, 200);
}
