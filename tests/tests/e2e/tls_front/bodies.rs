//! Bodies over TLS arrive as they were sent: large ones, slow ones, and what flows through a WebSocket.

use std::thread;
use std::time::Duration;

use evenkeel_tests::client::{Client, Ending};
use evenkeel_tests::pattern::{Checksum, Pattern};
use evenkeel_tests::tls_client::curl;
use evenkeel_tests::wait;
use rustls::version::{TLS12, TLS13};

use super::rig::{Front, Words};
use crate::upgrades::{self, exchange};

const LARGE: usize = 10 << 20;

#[test]
fn ten_mebibytes_go_up_and_down_intact() {
    let front = Front::start("");
    let body = Pattern::default().whole(LARGE);
    for version in [&TLS12, &TLS13] {
        let mut client = Client::secure(front.address(), &front.client().version(version));
        let (mut received, mut is_right) = (0, true);
        let pattern = Pattern::default();
        client.send(format!("GET /pattern/{LARGE} HTTP/1.1\r\nHost: a.test\r\n\r\n"));
        let answer = client.response_into("GET", |piece| {
            is_right &= pattern.matches(received, piece);
            received += piece.len() as u64;
        });
        assert_eq!((answer.unwrap().status, received, is_right), (200, LARGE as u64, true), "{version:?}");
        let answer = client.post("/", &body);
        assert_eq!(answer.field("x-body-bytes"), Some(&*LARGE.to_string()), "{version:?}");
        assert_eq!(answer.field("x-body-checksum"), Some(&*Checksum::of(&body)), "{version:?}");
    }
}

#[test]
fn curl_downloads_and_uploads_what_it_should() {
    let front = Front::start("");
    let port = front.address().port();
    let resolve = format!("a.test:{port}:127.0.0.1");
    let url = |path: &str| format!("https://a.test:{port}{path}");
    let common = ["--cacert", front.place.root(), "--resolve", &resolve];
    let said = curl(&[&common[..], &[&url(&format!("/pattern/{LARGE}"))]].concat());
    assert!(said.status.success() && said.stdout == Pattern::default().whole(LARGE), "{:?}", said.status);
    let file = front.place.path().join("upload");
    std::fs::write(&file, Pattern::default().whole(LARGE)).unwrap();
    for coding in ["Content-Length: 10485760", "Transfer-Encoding: chunked"] {
        let upload = ["-i", "-H", coding, "-T", file.to_str().unwrap(), &url("/")];
        let said = curl(&[&common[..], &upload].concat());
        let expected = Checksum::of(&Pattern::default().whole(LARGE));
        let text = String::from_utf8_lossy(&said.stdout).into_owned();
        assert!(text.contains(&format!("X-Body-Checksum: {expected}\r\n")), "{coding}: {text}");
    }
}

#[test]
fn a_slow_reader_and_a_slow_writer_get_everything() {
    let front = Front::start("");
    let length = 1 << 20;
    let slow = Client::narrow(front.address());
    let mut reader = slow.try_upgrade(&front.client()).unwrap();
    reader.send(format!("GET /pattern/{length} HTTP/1.1\r\nHost: a.test\r\n\r\n"));
    let (mut received, pattern) = (0, Pattern::default());
    let answer = reader.response_into("GET", |piece| {
        assert!(pattern.matches(received, piece));
        received += piece.len() as u64;
        wait::pause(Duration::from_millis(2));
    });
    assert_eq!((answer.unwrap().status, received), (200, length));

    let mut writer = front.connect();
    let body = pattern.whole(5000);
    writer.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5000\r\n\r\n");
    for piece in body.chunks(100) {
        writer.send(piece);
        wait::pause(Duration::from_millis(5));
    }
    let answer = writer.response("POST");
    assert_eq!(answer.field("x-body-checksum"), Some(&*Checksum::of(&body)));
}

#[test]
fn many_requests_in_one_record_and_one_request_in_many_records_are_the_same() {
    let front = Front::start("");
    let mut client = front.connect();
    let one = |place: usize| format!("GET /{place} HTTP/1.1\r\nHost: a.test\r\n\r\n");
    client.send((0..50).map(one).collect::<String>());
    for place in 0..50 {
        assert!(client.response("GET").text().starts_with(&format!("GET /{place} HTTP/1.1\r\n")));
    }
    for byte in one(50).bytes() {
        client.send([byte]);
    }
    assert!(client.response("GET").text().starts_with("GET /50 HTTP/1.1\r\n"));
}

#[test]
fn a_websocket_over_tls_is_a_tunnel_both_ways_and_ends_cleanly() {
    let front = Front::with(Words { top: "workers: 1", ..Words::default() });
    for version in [&TLS12, &TLS13] {
        let mut client = Client::secure(front.address(), &front.client().version(version));
        upgrades::upgrade(&mut client, "a.test");
        exchange(&mut client, "GET / HTTP/1.1\r\n\r\n, which is no request here");
        let large = Pattern::default().whole(1_000_000);
        for piece in large.chunks(50_000) {
            client.send(piece).expect(piece);
        }
        client.finish();
        assert_eq!(client.ending().unwrap(), Ending::Clean);
    }
}

#[test]
fn downloads_of_several_clients_at_once_stay_apart() {
    let front = Front::with(Words { top: "workers: 1", ..Words::default() });
    let download = |turn: u64| {
        let (address, client) = (front.address(), front.client());
        thread::spawn(move || {
            let length = 500_000 + turn * 1_000;
            let (mut received, pattern) = (0, Pattern::default());
            let mut client = Client::secure(address, &client);
            client.send(format!("GET /pattern/{length} HTTP/1.1\r\nHost: a.test\r\n\r\n"));
            let answer = client.response_into("GET", |piece| {
                assert!(pattern.matches(received, piece), "client {turn} at {received}");
                received += piece.len() as u64;
            });
            assert_eq!((answer.unwrap().status, received), (200, length));
        })
    };
    let downloads: Vec<_> = (0..8).map(download).collect();
    downloads.into_iter().for_each(|download| download.join().unwrap());
}
