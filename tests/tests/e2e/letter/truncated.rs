//! A response body that is cut short is never a clean end for the client.

use std::io::{ErrorKind, Write};

use evenkeel_tests::backend::{Next, Script, reset};
use evenkeel_tests::client::Client;

use super::rig::rig;

/// What the backend sends before it is gone, and whether it leaves with a reset.
fn cut(response: Vec<u8>, with_reset: bool) -> Script {
    Script::custom(move |_, socket| {
        socket.write_all(&response)?;
        if with_reset {
            // What is still on its way is not lost with it.
            evenkeel_tests::wait::pause(std::time::Duration::from_millis(20));
            reset(socket)?;
        }
        Ok(Next::Close)
    })
}

/// All that a client of this version sees of one exchange.
fn seen(script: Script, version: &str) -> (Result<(), ErrorKind>, String) {
    let (_backend, evenkeel) = rig(script, ", retry: off");
    let mut client = Client::connect(evenkeel.address());
    // So that an answer of evenkeel's own ends, too.
    client.send(format!("GET / HTTP/{version}\r\nHost: a.test\r\nConnection: close\r\n\r\n"));
    let mut seen = Vec::new();
    let end = client.rest_into(|piece| seen.extend_from_slice(piece)).map_err(|error| error.kind());
    (end, String::from_utf8_lossy(&seen).into_owned())
}

#[test]
fn a_chunked_body_that_is_cut_anywhere_has_no_end() {
    let body = "5\r\nhello\r\n6;a=b\r\n world\r\n0\r\nX: y\r\n\r\n";
    for length in 0..body.len() {
        let response = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{}", &body[..length]);
        for version in ["1.1", "1.0"] {
            let (end, seen) = seen(cut(response.clone().into_bytes(), false), version);
            let what = format!("HTTP/{version}, {:?}: {end:?}, {seen:?}", &body[..length]);
            let is_told = seen.starts_with("HTTP/1.1 502 ");
            match version {
                "1.1" => assert!(is_told || !seen.contains("\r\n0\r\n"), "{what}"),
                // Only the close could end it: so the close is a reset.
                _ => assert!(is_told || end == Err(ErrorKind::ConnectionReset), "{what}"),
            }
        }
    }
}

#[test]
fn a_chunked_body_that_turns_bad_has_no_end() {
    for bad in [
        "g\r\n",
        "5 \r\nhello",
        "5\nhello",
        "5\r\nhello!",
        "5;\0\r\nhello",
        "0\r\nno colon\r\n\r\n",
        "fffffffffffffffff\r\n",
    ] {
        for before in ["", "5\r\nhello\r\n"] {
            let response = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{before}{bad}");
            for version in ["1.1", "1.0"] {
                let (end, seen) = seen(cut(response.clone().into_bytes(), false), version);
                let what = format!("HTTP/{version}, {before:?} {bad:?}: {end:?}, {seen:?}");
                match seen.starts_with("HTTP/1.1 502 ") {
                    true => assert!(seen.contains("502 bad_chunk: "), "{what}"),
                    false if version == "1.1" => assert!(!seen.contains("\r\n0\r\n"), "{what}"),
                    false => assert_eq!(end, Err(ErrorKind::ConnectionReset), "{what}"),
                }
            }
        }
    }
}

#[test]
fn a_body_shorter_than_its_length_is_shorter_for_the_client_too() {
    for length in [0, 1, 5, 9] {
        let response = format!("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{}", &"0123456789"[..length]);
        for (version, with_reset) in [("1.1", false), ("1.0", false), ("1.1", true)] {
            let (_, seen) = seen(cut(response.clone().into_bytes(), with_reset), version);
            let is_told = seen.starts_with("HTTP/1.1 502 ");
            let body = seen.split_once("\r\n\r\n").map_or("", |(_, body)| body);
            let is_short = seen.contains("Content-Length: 10\r\n") && body.len() < 10;
            assert!(is_told || is_short || seen.is_empty(), "HTTP/{version}, {length}: {seen:?}");
        }
    }
}

#[test]
fn a_reset_in_place_of_a_closing_end_is_no_end() {
    let response = b"HTTP/1.1 200 OK\r\n\r\nhello".to_vec();
    let (end, chunked) = seen(cut(response.clone(), true), "1.1");
    assert!(!chunked.contains("\r\n0\r\n"), "{end:?}, {chunked:?}");
    let (end, old) = seen(cut(response.clone(), true), "1.0");
    assert_eq!(end, Err(ErrorKind::ConnectionReset), "{old:?}");
    // And a clean close is one.
    let (end, whole) = seen(cut(response.clone(), false), "1.0");
    assert!(end.is_ok() && whole.ends_with("\r\n\r\nhello"), "{end:?}, {whole:?}");
}
