//! Response heads: what passes, what is repaired, and what is refused.

use evenkeel_http1::{BadResponse, BodyKind, HeadLimits, Known, Method, ResponseHead, Version};

use crate::delivery::{Response, response, response_in};

fn accepted(text: &str) -> Response {
    response(text, Method::Get).unwrap_or_else(|bad| panic!("{bad}: {text:?}")).expect("a whole head")
}

fn refused(text: impl AsRef<[u8]>) -> BadResponse {
    let text = text.as_ref();
    match response(text, Method::Get) {
        Err(bad) => bad,
        Ok(head) => panic!("accepted {:?} as {head:?}", String::from_utf8_lossy(text)),
    }
}

fn values(head: &Response) -> Vec<(&str, &str)> {
    head.fields.iter().map(|(name, value, _)| (name.as_str(), value.as_str())).collect()
}

#[test]
fn a_common_response_is_read_whole() {
    let text =
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nSet-Cookie: a\r\nset_cookie: b\r\nEmpty:\r\n\r\nhello";
    let head = accepted(text);
    assert_eq!((head.status, head.reason.as_str(), head.version), (200, "OK", Version::Http11));
    assert_eq!(head.length, text.len() - "hello".len());
    assert_eq!((head.body, head.keep_alive), (BodyKind::Length(5), true));
    assert_eq!(
        values(&head),
        [("Content-Length", "5"), ("Set-Cookie", "a"), ("set_cookie", "b"), ("Empty", "")]
    );
    assert_eq!(head.fields[2].2, Known::Other);
}

#[test]
fn an_incomplete_response_asks_for_more() {
    for text in [
        "",
        "H",
        "HTTP/",
        "HTTP/1.1 2",
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 200 OK\r\nA: b\r\n",
        "HTTP/1.1 200 OK\r\nA ",
    ] {
        assert_eq!(response(text, Method::Get), Ok(None), "{text:?}");
    }
}

#[test]
fn a_reason_may_be_anything_on_one_line() {
    for (line, reason) in [
        ("HTTP/1.1 200 OK", "OK"),
        ("HTTP/1.1 200 ", ""),
        ("HTTP/1.1 200", ""),
        ("HTTP/1.1 404  Not\tthere ", " Not\tthere "),
        ("HTTP/1.1 200 sch\u{f6}n", "sch\u{f6}n"),
    ] {
        assert_eq!(accepted(&format!("{line}\r\n\r\n")).reason, reason, "{line:?}");
    }
}

#[test]
fn a_malformed_status_line_is_refused() {
    for line in [
        "HTTP/1.1",
        "HTTP/1.1 ",
        "HTTP/1.1 20",
        "HTTP/1.1 2000",
        "HTTP/1.1 200OK",
        "HTTP/1.1  200 OK",
        "HTTP/1.1\t200 OK",
        "HTTP/1.1 2x0 OK",
        "HTTP/1.1 -20 OK",
        "HTTP/1.1 099 Low",
        "HTTP/1.1 000 Low",
        "HTTP/1.1 600 High",
        "HTTP/1.1 999 High",
        "HTTP/2.0 200 OK",
        "HTTP/1.2 200 OK",
        "HTTP/0.9 200 OK",
        "HTTP/11 200 OK",
        "HTTP/1.1 200 O\0K",
        "HTTP/1.1 200 O\u{1}K",
        "HTTP/1.1 200 O\u{7f}K",
        "HTTP/1.1 200 O\rK",
    ] {
        assert_eq!(refused(format!("{line}\r\n\r\n")), BadResponse::BadStatusLine, "{line:?}");
    }
}

#[test]
fn what_is_not_http_is_refused_at_its_first_bytes() {
    for bytes in
        [&b"\x15\x03"[..], b"\r", b"\n", b" ", b"http/1.1 200 OK", b"HTTX", b"ICY 200 OK", b"<html>", b"\0"]
    {
        let outcome = response_in(bytes, &[], Method::Get, &HeadLimits::default());
        assert_eq!(outcome, Err(BadResponse::NotHttp), "{bytes:?}");
    }
}

#[test]
fn every_line_ends_in_cr_lf() {
    let good = "HTTP/1.1 200 OK\r\nA: b\r\nC:\r\nD: \r\n\r\n";
    let ends: Vec<_> = good.match_indices("\r\n").map(|(at, _)| at).collect();
    for at in ends {
        assert_eq!(refused(good[..at].to_owned() + &good[at + 1..]), BadResponse::BareLineFeed, "at {at}");
        refused(good[..at].to_owned() + "\r" + &good[at..]);
        if at + 2 < good.len() {
            refused(good[..=at].to_owned() + &good[at + 2..]);
        }
    }
    refused("HTTP/1.1 200 OK\nA: b\r\n c\r\n\r\n");
    refused("HTTP/1.1 200 OK\r\nA: b\n c\r\n\r\n");
}

#[test]
fn a_folded_value_is_unfolded() {
    for (fields, value) in [
        ("A: b\r\n c\r\n", "b   c"),
        ("A: b\r\n\tc\r\n", "b  \tc"),
        ("A:\r\n b\r\n", "b"),
        ("A: b\r\n \r\n", "b"),
        ("A: b\r\n c\r\n d : e\r\n", "b   c   d : e"),
    ] {
        let text = format!("HTTP/1.1 200 OK\r\n{fields}Z: z\r\n\r\n body\r\n : x");
        let head = accepted(&text);
        assert_eq!(values(&head), [("A", value), ("Z", "z")], "{fields:?}");
        assert_eq!(&text[head.length..], " body\r\n : x");
    }
}

#[test]
fn space_before_a_colon_is_removed() {
    let head = accepted("HTTP/1.1 200 OK\r\nA : b\r\nC \t :\td\r\nE  :\r\n\r\n");
    assert_eq!(values(&head), [("A", "b"), ("C", "d"), ("E", "")]);
}

#[test]
fn a_repaired_field_frames_like_any_other() {
    assert_eq!(accepted("HTTP/1.1 200 OK\r\nContent-Length : 5\r\n\r\n").body, BodyKind::Length(5));
    assert_eq!(accepted("HTTP/1.1 200 OK\r\nTransfer-Encoding:\r\n chunked\r\n\r\n").body, BodyKind::Chunked);
    let twice = "HTTP/1.1 200 OK\r\nContent-Length : 5\r\nContent-Length: 6\r\n\r\n";
    assert_eq!(refused(twice), BadResponse::ConflictingLength);
    assert_eq!(refused("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n 2\r\n\r\n"), BadResponse::BadContentLength);
    assert_eq!(
        refused("HTTP/1.1 200 OK\r\nTransfer-Encoding: chun\r\n ked\r\n\r\n"),
        BadResponse::BadTransferCoding
    );
}

#[test]
fn a_field_beyond_repair_is_refused() {
    for field in [
        ": b",
        " A: b",
        "\tA: b",
        " : b",
        "A",
        "A b: c",
        "A b : c",
        "A : b\r\nC D: e",
        "A(): b",
        "A: b\0c",
        "A: \u{7f}",
        "A: b\rc",
        "A \r\n: b",
        "\u{e4}: b",
    ] {
        assert_eq!(
            refused(format!("HTTP/1.1 200 OK\r\n{field}\r\n\r\n")),
            BadResponse::BadField,
            "{field:?}"
        );
    }
}

#[test]
fn a_body_ends_as_the_fields_say() {
    for (fields, body, keep_alive) in [
        ("Content-Length: 0\r\n", BodyKind::Length(0), true),
        ("Content-Length: 5\r\n", BodyKind::Length(5), true),
        ("Transfer-Encoding: Chunked\r\n", BodyKind::Chunked, true),
        ("", BodyKind::UntilClose, false),
        ("Connection: keep-alive\r\n", BodyKind::UntilClose, false),
        ("Content-Length: 5\r\nConnection: close\r\n", BodyKind::Length(5), false),
    ] {
        let head = accepted(&format!("HTTP/1.1 200 OK\r\n{fields}\r\n"));
        assert_eq!((head.body, head.keep_alive), (body, keep_alive), "{fields:?}");
    }
}

#[test]
fn some_responses_have_no_body_whatever_they_say() {
    for fields in ["", "Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n"] {
        for status in [100, 101, 103, 199, 204, 304] {
            let head = accepted(&format!("HTTP/1.1 {status} x\r\n{fields}\r\n"));
            assert_eq!((head.body, head.keep_alive), (BodyKind::None, true), "{status} {fields:?}");
        }
        let text = format!("HTTP/1.1 200 OK\r\n{fields}\r\n");
        let head = response(text, Method::Head).expect("good").expect("whole");
        assert_eq!((head.body, head.keep_alive), (BodyKind::None, true), "{fields:?}");
    }
    let refused = response("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", Method::Head);
    assert_eq!(refused, Err(BadResponse::BadContentLength));
}

#[test]
fn ambiguous_framing_is_refused() {
    use BadResponse::{BadContentLength, BadTransferCoding, ConflictingLength};
    for (version, fields, bad) in [
        ("1.1", "Content-Length: 5\r\nContent-Length: 5\r\n", ConflictingLength),
        ("1.1", "Content-Length: 5\r\nContent-Length: 6\r\n", ConflictingLength),
        ("1.1", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", ConflictingLength),
        ("1.0", "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", ConflictingLength),
        ("1.1", "Content-Length: 5, 5\r\n", BadContentLength),
        ("1.1", "Content-Length:\r\n", BadContentLength),
        ("1.1", "Content-Length: -1\r\n", BadContentLength),
        ("1.1", "Content-Length: 18446744073709551616\r\n", BadContentLength),
        ("1.1", "Transfer-Encoding:\r\n", BadTransferCoding),
        ("1.1", "Transfer-Encoding: gzip\r\n", BadTransferCoding),
        ("1.1", "Transfer-Encoding: identity\r\n", BadTransferCoding),
        ("1.1", "Transfer-Encoding: gzip, chunked\r\n", BadTransferCoding),
        ("1.1", "Transfer-Encoding: chunked, chunked\r\n", BadTransferCoding),
        ("1.1", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", BadTransferCoding),
        ("1.0", "Transfer-Encoding: chunked\r\n", BadTransferCoding),
    ] {
        assert_eq!(refused(format!("HTTP/{version} 200 OK\r\n{fields}\r\n")), bad, "{version} {fields:?}");
    }
}

#[test]
fn http_1_0_stays_open_only_on_request_and_with_a_length() {
    for (fields, keep_alive) in [
        ("Content-Length: 5\r\n", false),
        ("Content-Length: 5\r\nConnection: keep-alive\r\n", true),
        ("Connection: keep-alive\r\n", false),
    ] {
        assert_eq!(
            accepted(&format!("HTTP/1.0 200 OK\r\n{fields}\r\n")).keep_alive,
            keep_alive,
            "{fields:?}"
        );
    }
}

#[test]
fn keep_alive_tells_how_long_the_backend_waits() {
    for (value, timeout) in [
        ("timeout=5", Some(5)),
        ("max=100, Timeout=30", Some(30)),
        ("timeout=", None),
        ("timeout=-1", None),
        ("timeout=99999999999999999999", None),
        ("max=5", None),
        ("", None),
    ] {
        let head = accepted(&format!("HTTP/1.1 204 x\r\nKeep-Alive: {value}\r\n\r\n"));
        assert_eq!(head.keep_alive_timeout, timeout, "{value:?}");
    }
}

#[test]
fn a_backend_that_asks_to_be_drained_says_so_once() {
    let head = accepted("HTTP/1.1 204 x\r\nx-evenkeel-DRAIN: 30 \r\nConnection: x-evenkeel-drain\r\n\r\n");
    assert_eq!(head.drain.as_deref(), Some("30"));
    assert_eq!(head.fields[0].2, Known::Drain, "nobody nominates it away");
    let twice = accepted("HTTP/1.1 204 x\r\nX-Evenkeel-Drain: 30\r\nX-Evenkeel-Drain: 40\r\n\r\n");
    assert_eq!(twice.drain, None);
}

#[test]
fn an_upgrade_and_nominated_fields_are_found() {
    let head = accepted(
        "HTTP/1.1 101 Switching\r\nConnection: upgrade, x-own\r\nUpgrade: websocket\r\nX-Own: a\r\n\r\n\x01",
    );
    assert_eq!(head.upgrade.as_deref(), Some("websocket"));
    assert_eq!(head.fields[2].2, Known::Nominated);
}

#[test]
fn a_head_beyond_the_limits_is_too_large_and_not_wrong() {
    let fields = |count| format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(count));
    assert_eq!(accepted(&fields(100)).fields.len(), 100);
    assert_eq!(refused(fields(101)), BadResponse::TooManyFields);
    let long = "HTTP/1.1 200 OK\r\nA: ".to_owned() + &"b".repeat(70_000);
    assert_eq!(refused(&long), BadResponse::TooLarge);
    assert!(BadResponse::TooLarge.is_too_large() && BadResponse::TooManyFields.is_too_large());
    assert!(!BadResponse::BadField.is_too_large());
}

#[test]
fn interim_and_final_heads_follow_each_other() {
    let mut buffer =
        b"HTTP/1.1 103 Early\r\nLink: a\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n".to_vec();
    let mut head = ResponseHead::default();
    let mut statuses = Vec::new();
    while head.parse(&mut buffer, Method::Get, &HeadLimits::default()).expect("good") {
        statuses.push(head.status);
        buffer.drain(..head.length);
        head.clear();
    }
    assert_eq!(statuses, [103, 100, 200]);
}
