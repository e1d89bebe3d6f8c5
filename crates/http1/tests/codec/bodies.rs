//! Bodies: where they end, and what is refused on the way.

use evenkeel_http1::{BadBody, BodyDecoder, BodyKind, Decoded, HeadLimits, RequestHead};

use crate::delivery::{Body, body_in};

/// Decodes chunks that come whole, byte by byte and in threes: the outcome must be the same.
fn chunked(bytes: impl AsRef<[u8]>) -> Result<Body, BadBody> {
    let bytes = bytes.as_ref();
    let whole = body_in(bytes, &[], BodyKind::Chunked);
    let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(100)]);
    for size in [1, 3] {
        let cuts = vec![size; bytes.len() / size];
        let slowly = body_in(bytes, &cuts, BodyKind::Chunked);
        assert_eq!(
            slowly.map(|body| (body.payload, body.trailers, body.done)),
            whole
                .as_ref()
                .map(|body| { (body.payload.clone(), body.trailers.clone(), body.done) })
                .map_err(|bad| *bad),
            "by {size}: {shown:?}"
        );
    }
    whole
}

#[test]
fn chunks_are_joined_in_place() {
    for (bytes, payload) in [
        ("0\r\n\r\n", ""),
        ("5\r\nhello\r\n0\r\n\r\n", "hello"),
        ("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", "hello world"),
        ("00000000000000005\r\nhello\r\n0\r\n\r\n", ""),
        ("0000000000000005\r\nhello\r\n00000\r\n\r\n", "hello"),
        ("a\r\n0123456789\r\n0\r\n\r\n", "0123456789"),
        ("A\r\n0\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n", "0\r\n\r\n0\r\n\r\n"),
    ] {
        if bytes.starts_with("00000000000000005") {
            assert_eq!(chunked(bytes), Err(BadBody::ChunkTooLarge), "17 digits");
            continue;
        }
        let body = chunked(bytes).unwrap_or_else(|bad| panic!("{bad}: {bytes:?}"));
        assert_eq!(body.payload, payload.as_bytes(), "{bytes:?}");
        assert!(body.done && body.rest.is_empty() && body.trailers.is_empty());
    }
}

#[test]
fn a_request_behind_the_chunks_is_left_intact() {
    let next = b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";
    let mut buffer = [b"5\r\nhello\r\n3;x\r\nyou\r\n0\r\nA: b\r\n\r\n", &next[..]].concat();
    let mut decoder = BodyDecoder::new(BodyKind::Chunked);
    let decoded = decoder.decode(&mut buffer).expect("good chunks");
    assert!(decoder.is_done());
    assert_eq!(buffer[..decoded.produced], *b"helloyou");
    assert_eq!(buffer[decoded.consumed..], *next);
    assert_eq!(decoder.decode(&mut buffer[decoded.consumed..]), Ok(Decoded::default()));
    assert_eq!(buffer[decoded.consumed..], *next);
}

#[test]
fn a_chunk_size_is_hex_digits_and_nothing_else() {
    for size in [
        "", " 5", "\t5", "+5", "-5", "0x5", "x", "g", "5g", "5 ", "5\t", "5 5", "5,", "5.", "5\0", "5\"",
        "\u{ff15}", "5\u{b}",
    ] {
        let outcome = chunked(format!("{size}\r\nhello\r\n0\r\n\r\n"));
        assert_eq!(outcome, Err(BadBody::BadChunkSize), "{size:?}");
    }
    for bytes in ["5\nhello\r\n0\r\n\r\n", "5\rhello", "5\r\rhello", "\n5\r\nhello", "5;a\rhello"] {
        assert_eq!(chunked(bytes), Err(BadBody::BadChunkSize), "{bytes:?}");
    }
    for size in ["10000000000000000", "ffffffffffffffffff", "00000000000000000"] {
        assert_eq!(chunked(format!("{size}\r\n")), Err(BadBody::ChunkTooLarge), "{size}");
    }
    assert_eq!(chunked("1\r\na\r\nffffffffffffffff\r\n"), Err(BadBody::ChunkTooLarge));
    assert!(chunked("ffffffffffffffff\r\nabc").is_ok_and(|body| body.payload == b"abc" && !body.done));
}

#[test]
fn a_chunk_ends_where_its_size_says() {
    for bytes in [
        "5\r\nhell\r\n0\r\n\r\n",
        "5\r\nhello!\r\n",
        "5\r\nhello\n0\r\n",
        "5\r\nhello\r0\r\n",
        "5\r\nhello0\r\n\r\n",
        "5\r\nhello\r\r\n",
    ] {
        assert_eq!(chunked(bytes), Err(BadBody::BadChunkEnd), "{bytes:?}");
    }
}

#[test]
fn extensions_are_dropped() {
    for extension in [";", ";a", ";a=b", " ; a = \"b;\u{e4}\t\\\"\"", "\t;a;b=c", ";\"\"", ";5\t"] {
        let body = chunked(format!("5{extension}\r\nhello\r\n0{extension}\r\n\r\n"));
        assert!(body.is_ok_and(|body| body.payload == b"hello" && body.done), "{extension:?}");
    }
}

#[test]
fn a_control_in_an_extension_is_refused() {
    for extension in [";\0", ";a\u{1}", ";a=\"\u{7f}\"", ";a\n", ";a\nb", ";\u{b}"] {
        let outcome = chunked(format!("5{extension}\r\nhello\r\n0\r\n\r\n"));
        assert_eq!(outcome, Err(BadBody::BadChunkExtension), "{extension:?}");
    }
}

#[test]
fn extensions_are_bounded_by_line_and_by_payload() {
    let line = |bytes: usize| format!("1;{}\r\na\r\n", "x".repeat(bytes - 1));
    assert!(chunked(line(4096)).is_ok());
    assert_eq!(chunked(line(4097)), Err(BadBody::BadChunkExtension));
    assert!(chunked(line(1000).repeat(16)).is_ok());
    assert_eq!(chunked(line(1000).repeat(17)), Err(BadBody::BadChunkExtension));
    // Signed chunks have a line of about 90 bytes for each 64 KiB: no end to them.
    let signed = format!("1000;chunk-signature={}\r\n{}\r\n", "f".repeat(64), "x".repeat(4096));
    assert!(chunked(signed.repeat(400)).is_ok());
}

#[test]
fn trailers_are_kept_line_by_line() {
    let body = chunked("0\r\nA: b\r\nC:\r\nGrpc-Status: 0\t\u{e4}\r\n\r\nrest").expect("good trailers");
    assert_eq!(body.trailers, "A: b\r\nC:\r\nGrpc-Status: 0\t\u{e4}\r\n");
    assert_eq!(body.rest, b"rest");
}

#[test]
fn trailers_cannot_frame_route_or_authenticate() {
    for name in [
        "Content-Length",
        "transfer-encoding",
        "Host",
        "Connection",
        "Keep-Alive",
        "TE",
        "Trailer",
        "Upgrade",
        "Expect",
        "Max-Forwards",
        "Authorization",
        "Proxy-Authorization",
        "WWW-Authenticate",
        "Proxy-Authenticate",
        "Cookie",
        "SET-COOKIE",
        "Cache-Control",
        "If-Match",
        "Range",
        "Content-Type",
        "Content-Encoding",
        "Content-Range",
        "Via",
        "Forwarded",
        "X-Forwarded-For",
        "X-Forwarded-Anything",
        "X-Real-IP",
        "Client-Cert",
        "Client-Cert-Chain",
        "X-Request-Id",
        "X-Evenkeel-Drain",
        "Date",
        "Location",
        "Vary",
        "content_length",
        "X_Forwarded_For",
    ] {
        let body = chunked(format!("0\r\nA: b\r\n{name}: 5\r\nC: d\r\n\r\n")).expect("good trailers");
        assert_eq!(body.trailers, "A: b\r\nC: d\r\n", "{name}");
    }
}

#[test]
fn trailers_that_connection_nominated_or_that_have_underscores_are_dropped_on_request() {
    let trailers = |decoder: BodyDecoder| {
        let mut decoder = decoder;
        let mut bytes = b"0\r\nX-Hop: a\r\nX-End: b\r\nX_Own: c\r\n\r\n".to_vec();
        decoder.decode(&mut bytes).expect("good trailers");
        String::from_utf8_lossy(decoder.trailers()).into_owned()
    };
    let new = || BodyDecoder::new(BodyKind::Chunked);
    assert_eq!(trailers(new()), "X-Hop: a\r\nX-End: b\r\nX_Own: c\r\n");
    assert_eq!(trailers(new().dropping(b"close, x-hop".to_vec())), "X-End: b\r\nX_Own: c\r\n");
    assert_eq!(trailers(new().dropping_underscores()), "X-Hop: a\r\nX-End: b\r\n");
}

#[test]
fn what_connection_nominates_is_told_to_whoever_reads_the_trailers() {
    let head = b"POST / HTTP/1.1\r\nHost: a.test\r\nConnection: TE, close\r\nConnection: X-Hop\r\n\r\n";
    let mut parsed = RequestHead::default();
    assert_eq!(parsed.parse(head, &HeadLimits::default()), Ok(true));
    assert!(parsed.nominates);
    assert_eq!(parsed.nominated(head), b"TE, close,X-Hop");
    let head = b"POST / HTTP/1.1\r\nHost: a.test\r\nConnection: TE, keep-alive, Upgrade,\r\n\r\n";
    parsed.clear();
    assert_eq!(parsed.parse(head, &HeadLimits::default()), Ok(true));
    assert!(!parsed.nominates);
}

#[test]
fn a_malformed_trailer_is_refused() {
    for trailer in [
        "A",
        ":",
        ": b",
        "A : b",
        " A: b",
        "A: b\r\n c",
        "A: b\0",
        "A: \u{7f}",
        "A: b\rc",
        "A: b\nC: d",
        "\n",
        "A b: c",
        "\u{e4}: b",
        "\rA: b",
    ] {
        let outcome = chunked(format!("0\r\n{trailer}\r\n\r\n"));
        assert_eq!(outcome, Err(BadBody::BadTrailer), "{trailer:?}");
    }
}

#[test]
fn trailers_are_bounded_even_if_dropped() {
    let trailers = |line: &str, count: usize| chunked(format!("0\r\n{}\r\n", line.repeat(count)));
    assert!(trailers("A: b\r\n", 100).is_ok());
    assert_eq!(trailers("A: b\r\n", 101), Err(BadBody::TrailersTooLarge));
    assert_eq!(trailers("Host: b\r\n", 101), Err(BadBody::TrailersTooLarge));
    let long = format!("A: {}\r\n", "b".repeat(1019));
    assert!(trailers(&long, 16).is_ok());
    assert_eq!(trailers(&long, 17), Err(BadBody::TrailersTooLarge));
    assert_eq!(chunked("0\r\n".to_owned() + &"a".repeat(16 * 1024 + 1)), Err(BadBody::TrailersTooLarge));
}

#[test]
fn a_length_is_counted_down() {
    let mut decoder = BodyDecoder::new(BodyKind::Length(5));
    assert_eq!(decoder.remaining(), Some(5));
    assert_eq!(decoder.decode(&mut b"hel".to_vec()), Ok(Decoded { consumed: 3, produced: 3 }));
    assert_eq!((decoder.remaining(), decoder.is_done()), (Some(2), false));
    let mut rest = b"loGET".to_vec();
    assert_eq!(decoder.decode(&mut rest), Ok(Decoded { consumed: 2, produced: 2 }));
    assert_eq!(rest, b"loGET");
    assert!(decoder.is_done());
    assert_eq!(decoder.end(), Ok(()));
}

#[test]
fn nothing_to_read_is_done_at_once() {
    for kind in [BodyKind::None, BodyKind::Length(0)] {
        let mut decoder = BodyDecoder::new(kind);
        assert!(decoder.is_done());
        assert_eq!(decoder.decode(&mut b"GET".to_vec()), Ok(Decoded::default()));
        assert_eq!((decoder.remaining(), decoder.end()), (Some(0), Ok(())));
    }
}

#[test]
fn only_a_body_until_close_ends_with_the_connection() {
    let mut open = BodyDecoder::new(BodyKind::UntilClose);
    assert_eq!(open.decode(&mut b"hello".to_vec()), Ok(Decoded { consumed: 5, produced: 5 }));
    assert!(!open.is_done());
    assert_eq!(open.end(), Ok(()));
    assert!(open.is_done());

    for (kind, bytes) in [
        (BodyKind::Length(5), "hell"),
        (BodyKind::Chunked, ""),
        (BodyKind::Chunked, "5\r\nhel"),
        (BodyKind::Chunked, "5\r\nhello\r\n"),
        (BodyKind::Chunked, "5\r\nhello\r\n0\r\n"),
        (BodyKind::Chunked, "5\r\nhello\r\n0\r\nA: b\r\n"),
        (BodyKind::Chunked, "0\r\n\r"),
    ] {
        let mut decoder = BodyDecoder::new(kind);
        decoder.decode(&mut bytes.as_bytes().to_vec()).expect("good so far");
        assert_eq!(decoder.end(), Err(BadBody::Truncated), "{bytes:?}");
        assert!(!decoder.is_done());
        assert_eq!(decoder.decode(&mut b"more".to_vec()), Err(BadBody::Truncated), "it stays so");
    }
}

#[test]
fn an_error_is_final() {
    let mut decoder = BodyDecoder::new(BodyKind::Chunked);
    assert_eq!(decoder.decode(&mut b"x".to_vec()), Err(BadBody::BadChunkSize));
    assert_eq!(decoder.decode(&mut b"0\r\n\r\n".to_vec()), Err(BadBody::BadChunkSize));
    assert_eq!(decoder.end(), Err(BadBody::BadChunkSize));
}
