//! However the reads cut the bytes, and whatever the bytes are: the same outcome, no panic, no loop.

use evenkeel_http1::{BodyDecoder, BodyKind, HeadLimits, Method};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::delivery::{body_in, request_in, response_in};

/// Pieces that heads are made of, good and bad, so that their mixtures come close to the border.
const HEAD_PIECES: &[&str] = &[
    "GET ",
    "POST ",
    "TRACE ",
    "OPTIONS ",
    "/",
    "/a?b",
    "*",
    "http://a.test/x",
    "#",
    " ",
    " HTTP/1.1",
    " HTTP/1.0",
    " HTTP/2.0",
    "HTTP/1.1 ",
    "200",
    "200 OK",
    "101 ",
    "204 x",
    "\r\n",
    "\r\n",
    "\r\n",
    "\r\n",
    "\r\n\r\n",
    "\r",
    "\n",
    "Host: a.test",
    "Host",
    "Content-Length: 5",
    "Content-Length",
    "Transfer-Encoding: chunked",
    "Transfer-Encoding : chunked",
    "Connection: close, a",
    "Upgrade: b",
    "Expect: 100-continue",
    "TE: trailers",
    "a",
    "A: b",
    "A : b",
    "content_length: 1",
    ":",
    " b",
    "\t",
    "\0",
    "\u{e4}",
    "Keep-Alive: timeout=5",
];

/// Good first lines, so that many mixtures get to their fields.
const REQUEST_STARTS: &[&str] = &[
    "",
    "\r\n",
    "GET / HTTP/1.1\r\n",
    "GET / HTTP/1.1\r\nHost: a.test\r\n",
    "POST /a HTTP/1.0\r\n",
    "GET http://a.test/ HTTP/1.1\r\n",
];
const RESPONSE_STARTS: &[&str] = &["", "HTTP/1.1 200 OK\r\n", "HTTP/1.0 404\r\n", "HTTP/1.1 200 OK\r\nA: b"];

const CHUNK_PIECES: &[&str] = &[
    "0",
    "1",
    "5",
    "a",
    "00",
    "\r\n",
    "\r\n",
    "\r\n",
    "\r",
    "\n",
    "a\r\n",
    "hello",
    "hello\r\n",
    "5\r\nhello\r\n",
    ";",
    ";x=y",
    " ",
    "0\r\n",
    "0\r\n\r\n",
    "A: b\r\n",
    "Host: c\r\n",
    "A : b\r\n",
    "\0",
    "ffffffffffffffff",
    "g",
];

fn head(starts: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    let mixture = (select(starts), vec(select(HEAD_PIECES), 0..12), select(&["", "\r\n\r\n"][..]));
    mixture.prop_map(|(start, pieces, end)| [start, &pieces.concat(), end].concat().into_bytes())
}

fn cuts() -> impl Strategy<Value = Vec<usize>> {
    prop_oneof![Just(vec![1; 400]), vec(1..20_usize, 0..60)]
}

fn limits() -> impl Strategy<Value = HeadLimits> {
    let tight = HeadLimits { head_bytes: 60, fields: 3, uri_bytes: 8 };
    prop_oneof![Just(HeadLimits::default()), Just(tight)]
}

proptest! {
    // PROPTEST_CASES asks for more.
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases.max(2000)))]

    #[test]
    fn a_request_is_read_the_same_in_any_pieces(bytes in head(REQUEST_STARTS), cuts in cuts(), limits in limits()) {
        let whole = request_in(&bytes, &[], &limits).map_err(|refusal| refusal.status());
        let mut pieces = request_in(&bytes, &cuts, &limits).map_err(|refusal| refusal.status());
        if whole.is_err() && pieces == Ok(None) {
            // The refusal may wait for the end of the head.
            let ended = [&bytes[..], b"\r\n\r\n"].concat();
            pieces = request_in(&ended, &vec![1; ended.len()], &limits).map_err(|refusal| refusal.status());
        }
        prop_assert_eq!(pieces, whole);
    }

    #[test]
    fn a_response_is_read_the_same_in_any_pieces(bytes in head(RESPONSE_STARTS), cuts in cuts(), limits in limits()) {
        let whole = response_in(&bytes, &[], Method::Get, &limits);
        let mut pieces = response_in(&bytes, &cuts, Method::Get, &limits);
        if whole.is_err() && pieces == Ok(None) {
            let ended = [&bytes[..], b"\r\n\r\n"].concat();
            pieces = response_in(&ended, &vec![1; ended.len()], Method::Get, &limits);
        }
        match whole {
            Ok(head) => prop_assert_eq!(pieces, Ok(head)),
            Err(_) => prop_assert!(pieces.is_err(), "in pieces: {:?}", pieces),
        }
    }

    #[test]
    fn a_chunked_body_is_read_the_same_in_any_pieces(pieces in vec(select(CHUNK_PIECES), 0..20), cuts in cuts()) {
        let bytes = pieces.concat().into_bytes();
        let whole = body_in(&bytes, &[], BodyKind::Chunked);
        let slowly = body_in(&bytes, &cuts, BodyKind::Chunked);
        prop_assert_eq!(slowly, whole);
    }

    #[test]
    fn random_bytes_neither_panic_nor_loop(bytes in vec(any::<u8>(), 0..300), cuts in cuts(), start in 0..4_usize) {
        let limits = HeadLimits::default();
        let request = [REQUEST_STARTS[start].as_bytes(), &bytes].concat();
        let _ = request_in(&request, &cuts, &limits);
        let response = [RESPONSE_STARTS[start].as_bytes(), &bytes].concat();
        let _ = response_in(&response, &cuts, Method::Get, &limits);
        let _ = body_in(&bytes, &cuts, BodyKind::Chunked);
    }

    #[test]
    fn what_is_accepted_has_no_stray_line_end(bytes in head(REQUEST_STARTS)) {
        if let Ok(Some(head)) = request_in(&bytes, &[], &HeadLimits::default()) {
            let text = String::from_utf8_lossy(&bytes[..head.length]).replace("\r\n", "");
            prop_assert!(!text.contains(['\r', '\n', '\0']));
        }
    }

    #[test]
    fn a_length_is_read_the_same_in_any_pieces(length in 0..300_u64, extra in 0..50_usize, cuts in cuts()) {
        let bytes = vec![b'x'; length as usize + extra];
        let body = body_in(&bytes, &cuts, BodyKind::Length(length)).expect("nothing can be wrong");
        prop_assert_eq!((body.payload.len() as u64, body.rest.len(), body.done), (length, extra, true));
        prop_assert!(BodyDecoder::new(BodyKind::Length(length)).remaining() == Some(length));
    }
}
