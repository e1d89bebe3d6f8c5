//! Nothing malformed passes from a backend: the client is told 502 and why, and sees no byte of it.

use std::io::Write;
use std::sync::{Arc, Mutex};

use evenkeel_tests::backend::{Next, Script};
use evenkeel_tests::client::Client;

use super::rig::{good, rig, shared_out};

/// Stands in every bad response; no client may see it.
const SECRET: &str = "SECRET";

/// How the bytes of a response arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Arrival {
    Whole,
    ByteByByte,
    /// On a connection that has answered a request well.
    SecondOnTheConnection,
}

const ARRIVALS: [Arrival; 3] = [Arrival::Whole, Arrival::ByteByByte, Arrival::SecondOnTheConnection];

/// Heads that are no HTTP, and the cause of the 502.
fn cases() -> Vec<(Vec<u8>, &'static str)> {
    let bad_lines = [
        "HTTP/1.1 200",
        "HTTP/1.1 20 OK",
        "HTTP/1.1 2000 OK",
        "HTTP/1.1 099 OK",
        "HTTP/1.1 600 OK",
        "HTTP/1.1 999 OK",
        "HTTP/1.1 abc OK",
        "HTTP/1.1  200 OK",
        "HTTP/1.1 -20 OK",
        "HTTP/1.1 0200 OK",
        "HTTP/2.0 200 OK",
        "HTTP/1.2 200 OK",
        "HTTP/0.9 200 OK",
        "http/1.1 200 OK",
        "HTTP/1.1\t200 OK",
        "HTTP 200 OK",
        "HTTP/1 200 OK",
        "HTTP/11 200 OK",
        "HTTP/1.1 200 O\0K",
        "HTTP/1.1 200 O\rK",
        " HTTP/1.1 200 OK",
        "ICY 200 OK",
        "\0\0",
        "<html>",
        "SSH-2.0-OpenSSH",
        "{\"a\":1}",
        "+OK",
        "200 OK",
        "HTTP/1.1 200OK",
        "HTTP/1.1 2 0 OK",
    ];
    // A status line may lack its reason, and even the space before it.
    let mut cases: Vec<(Vec<u8>, &str)> = bad_lines[1..]
        .iter()
        .map(|line| {
            (format!("{line}\r\nX: {SECRET}\r\nContent-Length: 6\r\n\r\n{SECRET}").into_bytes(), "bad_head")
        })
        .collect();
    let bad_fields = [
        "no colon",
        ": no name",
        "X Y: z",
        "X(Y): z",
        "X\"Y: z",
        "\u{e4}: y",
        "X: y\0z",
        "X: \u{1}",
        "X: \u{7f}",
        "X: y\rz",
        "X\0: y",
        "X: y\nZ: z",
        "Content-Length:",
        "Content-Length: +6",
        "Content-Length: -6",
        "Content-Length: 6a",
        "Content-Length: 0x6",
        "Content-Length: 6 6",
        "Content-Length: 6, 6",
        "Content-Length: 6\r\nContent-Length: 6",
        "Content-Length: 6\r\nContent-Length: 7",
        "Content-Length: 18446744073709551616",
        "Content-Length: 6\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 6",
        "Transfer-Encoding: gzip",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: identity",
        "Transfer-Encoding:",
        "Transfer-Encoding: xchunked",
    ];
    cases.extend(bad_fields.iter().map(|fields| {
        (format!("HTTP/1.1 200 OK\r\n{fields}\r\nX: {SECRET}\r\n\r\n{SECRET}").into_bytes(), "bad_head")
    }));
    for head in [
        "HTTP/1.1 200 OK\nContent-Length: 6\n\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 6\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\n",
        "HTTP/1.1 200 OK\nContent-Length: 6\r\n\r\n",
        "HTTP/1.1 200 OK\r\n folded: first\r\nContent-Length: 6\r\n\r\n",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "\r\nHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n",
    ] {
        cases.push((format!("{head}{SECRET}").into_bytes(), "bad_head"));
    }
    let long = "x".repeat(70_000);
    cases.push((format!("HTTP/1.1 200 OK\r\nX: {long}\r\n\r\n{SECRET}").into_bytes(), "head_too_large"));
    let many: String = (0..300).map(|number| format!("X-{number}: y\r\n")).collect();
    cases.push((format!("HTTP/1.1 200 OK\r\n{many}\r\n{SECRET}").into_bytes(), "head_too_large"));
    let switch = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    cases.push((format!("{switch}{SECRET}").into_bytes(), "upgrade_failed"));
    let interim = "HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n".repeat(17);
    cases.push((format!("{interim}HTTP/1.1 200 OK\r\nX: {SECRET}\r\n\r\n").into_bytes(), "bad_head"));
    cases.push((b"HTTP/1.1 200 OK\r\nX: y".to_vec(), "eof_in_head"));
    cases.push((b"HTTP/1.".to_vec(), "eof_in_head"));
    cases.push((Vec::new(), "closed_before_response"));
    cases
}

#[test]
fn what_is_no_http_is_a_502_and_no_client_sees_it() {
    shared_out(&cases(), |cases| {
        let bad = Arc::<Mutex<(Vec<u8>, bool)>>::default();
        let answers = bad.clone();
        let (backend, evenkeel) = rig(
            Script::custom(move |request, socket| {
                if request.target == "/good" {
                    socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood")?;
                    return Ok(Next::Continue);
                }
                let (bytes, is_slow) = answers.lock().unwrap().clone();
                let size = if is_slow { 1 } else { bytes.len().max(1) };
                bytes.chunks(size).try_for_each(|piece| socket.write_all(piece))?;
                Ok(Next::Close)
            }),
            "",
        );
        for (case, arrival) in cases.iter().flat_map(|case| ARRIVALS.map(|arrival| (case, arrival))) {
            let (bytes, cause) = case;
            *bad.lock().unwrap() = (bytes.clone(), arrival == Arrival::ByteByByte);
            let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(200)]).into_owned();
            let what = format!("{arrival:?}: {shown:?}");
            let mut client = Client::connect(evenkeel.address());
            if arrival == Arrival::SecondOnTheConnection {
                assert_eq!(client.get("/good").text(), "good");
            }
            let before = backend.connections();
            // Not repeatable, so that it stands for itself.
            client
                .send("POST /bad HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
            let told = client.rest().unwrap_or_else(|error| panic!("{error}: {what}"));
            let told = String::from_utf8_lossy(&told).into_owned();
            let told = told.trim_start_matches("HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n");
            assert!(told.starts_with("HTTP/1.1 502 Bad Gateway\r\n"), "{what}: {told}");
            // Without a byte, a connection that was reused may just have been closed.
            let is_stale = *cause == "closed_before_response" && told.contains("502 stale_reuse: ");
            assert!(is_stale || told.contains(&format!("502 {cause}: ")), "{what}: {told}");
            assert!(!told.contains(SECRET), "{what}: {told}");
            assert_eq!(told.matches("HTTP/1.1 ").count(), 1, "{what}: {told}");
            let after = Client::connect(evenkeel.address()).get("/good");
            assert_eq!(after.text(), "good", "{what}");
            assert!(backend.connections() > before, "{what}: the connection is not used again");
        }
    });
}

#[test]
fn what_the_standard_repairs_is_repaired() {
    for (received, name, value) in [
        ("X-A: b\r\n c\r\n\td\r\n", "x-a", "b   c  \td"),
        ("X-A : b\r\n", "x-a", "b"),
        ("X-A \t : b\r\n", "x-a", "b"),
        ("X-A:\r\n b\r\n", "x-a", "b"),
    ] {
        let response = format!("HTTP/1.1 200 OK\r\n{received}Content-Length: 2\r\n\r\nok");
        let (_backend, evenkeel) = rig(Script::Reply(response.into()), "");
        let answer = Client::connect(evenkeel.address()).get("/");
        assert_eq!(
            (answer.text().as_str(), answer.field(name)),
            ("ok", Some(value)),
            "{received:?}: {}",
            answer.head
        );
        assert!(!answer.head.contains(" :") && !answer.head.contains("\r\n "), "{}", answer.head);
    }
}

#[test]
fn a_final_response_without_a_body_has_none_whatever_its_fields_say() {
    for (method, head) in [
        ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n"),
        ("HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
        ("GET", "HTTP/1.1 204 No Content\r\nContent-Length: 6\r\n\r\n"),
        ("GET", "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n"),
        ("GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 6\r\n\r\n"),
    ] {
        // A backend that sends the body all the same must not answer anybody with it.
        let (backend, evenkeel) = rig(Script::Reply(format!("{head}{SECRET}").into_bytes()), "");
        let mut client = Client::connect(evenkeel.address());
        for turn in 1..=3 {
            client.send(format!("{method} / HTTP/1.1\r\nHost: a.test\r\n\r\n"));
            let answer = client.response(method);
            assert!(answer.body.is_empty() && answer.status < 400, "{head:?}: {}", answer.head);
            assert!(answer.fields("transfer-encoding").is_empty() || method == "HEAD", "{}", answer.head);
            assert_eq!(backend.connections(), turn, "{head:?}");
        }
    }
}

#[test]
fn bytes_behind_a_response_spoil_the_connection_and_reach_nobody() {
    let extra = format!("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n{SECRET}");
    for body in ["Content-Length: 4\r\n\r\ngood", "Transfer-Encoding: chunked\r\n\r\n4\r\ngood\r\n0\r\n\r\n"]
    {
        for script in [
            Script::Reply(format!("HTTP/1.1 200 OK\r\n{body}{extra}").into_bytes()),
            late(format!("HTTP/1.1 200 OK\r\n{body}"), extra.clone()),
        ] {
            let (backend, evenkeel) = rig(script, "");
            let mut client = Client::connect(evenkeel.address());
            for turn in 1..=5 {
                assert_eq!(client.get("/").text(), "good");
                assert_eq!(backend.connections(), turn, "{body:?}");
                // What comes late has come by then.
                evenkeel_tests::wait::pause(std::time::Duration::from_millis(60));
            }
        }
    }
}

/// Says something more once the connection is idle.
fn late(response: String, extra: String) -> Script {
    Script::custom(move |_, socket| {
        socket.write_all(response.as_bytes())?;
        evenkeel_tests::wait::pause(std::time::Duration::from_millis(20));
        socket.write_all(extra.as_bytes())?;
        Ok(Next::Continue)
    })
}

#[test]
fn interim_responses_reach_those_who_understand_them() {
    let response = "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\nContent-Length: 9\r\n\r\n\
                    HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let (_backend, evenkeel) = rig(Script::Reply(response.into()), "");
    let mut client = Client::connect(evenkeel.address());
    client.send(good("/"));
    assert_eq!(client.response("GET").status, 102);
    let hints = client.response("GET");
    assert_eq!((hints.status, hints.field("link"), hints.field("content-length")), (103, Some("</a>"), None));
    assert_eq!(client.response("GET").text(), "ok");
    let mut old = Client::connect(evenkeel.address());
    old.send("GET / HTTP/1.0\r\nHost: a.test\r\n\r\n");
    let answer = old.response("GET");
    assert_eq!((answer.status, answer.text().as_str()), (200, "ok"));
    old.expect_close();
}

#[test]
fn every_answer_is_in_our_own_version_with_a_date() {
    for (response, coding) in [
        ("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", None),
        ("HTTP/1.0 200 OK\r\n\r\nok", Some("chunked")),
        ("HTTP/1.1 200\r\n\r\nok", Some("chunked")),
    ] {
        let (_backend, evenkeel) = rig(Script::ReplyThenClose(response.into()), "");
        let mut client = Client::connect(evenkeel.address());
        let answer = client.get("/");
        assert!(answer.head.starts_with("HTTP/1.1 200 "), "{}", answer.head);
        assert_eq!(
            (answer.text().as_str(), answer.field("transfer-encoding")),
            ("ok", coding),
            "{response:?}"
        );
        assert_eq!(answer.fields("date").len(), 1, "{}", answer.head);
        client.send("GET / HTTP/1.0\r\nHost: a.test\r\nConnection: keep-alive\r\n\r\n");
        let old = client.response("GET");
        assert!(
            old.head.starts_with("HTTP/1.1 200 ") && old.field("transfer-encoding").is_none(),
            "{}",
            old.head
        );
        assert_eq!(old.text(), "ok");
    }
}
