//! What we write reads back as what was meant.

use evenkeel_http1::{
    BodyKind, CHUNK_END, ChunkHeader, HeadLimits, HeadWriter, LAST_CHUNK, LAST_CHUNK_START, Method,
    RequestHead, ResponseHead, reason,
};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::delivery::body_in;

#[test]
fn a_request_is_written_byte_for_byte() {
    let mut out = b"before ".to_vec();
    let mut head = HeadWriter::request(&mut out, b"POST", b"/a?b");
    head.field(b"Host", b"a.test");
    head.number(b"Content-Length", u64::MAX);
    head.finish();
    let written = "before POST /a?b HTTP/1.1\r\nHost: a.test\r\nContent-Length: 18446744073709551615\r\n\r\n";
    assert_eq!(String::from_utf8_lossy(&out), written);
}

#[test]
fn a_response_is_written_byte_for_byte() {
    let mut out = Vec::new();
    HeadWriter::response(&mut out, 502, reason(502).as_bytes()).finish();
    HeadWriter::response(&mut out, 299, reason(299).as_bytes()).finish();
    assert_eq!(String::from_utf8_lossy(&out), "HTTP/1.1 502 Bad Gateway\r\n\r\nHTTP/1.1 299 \r\n\r\n");
}

#[test]
fn a_chunk_header_has_no_leading_zeros() {
    for (length, bytes) in
        [(1, "1\r\n"), (15, "f\r\n"), (16, "10\r\n"), (500, "1f4\r\n"), (usize::MAX, "ffffffffffffffff\r\n")]
    {
        assert_eq!(ChunkHeader::new(length).as_bytes(), bytes.as_bytes());
    }
}

fn name() -> impl Strategy<Value = String> {
    // The prefix keeps it from being a field with a meaning.
    "[A-Za-z0-9!#$%&'*+.^`|~-]{0,20}".prop_map(|rest| format!("Own{rest}"))
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![Just(b' '), Just(b'\t'), b'!'..=b'~', 0x80..=0xff_u8];
    vec(byte, 0..40).prop_map(|bytes| bytes.trim_ascii().to_vec())
}

proptest! {
    #[test]
    fn any_request_reads_back(target in "/[!-\"$-~]{0,40}", fields in vec((name(), value()), 0..20)) {
        let mut out = Vec::new();
        let mut writer = HeadWriter::request(&mut out, b"PUT", target.as_bytes());
        writer.field(b"Host", b"a.test");
        fields.iter().for_each(|(name, value)| writer.field(name.as_bytes(), value));
        writer.finish();

        let mut head = RequestHead::default();
        prop_assert_eq!(head.parse(&out, &HeadLimits::default()), Ok(true));
        prop_assert_eq!(head.path.of(&out), target.as_bytes());
        prop_assert_eq!(head.length, out.len());
        let read: Vec<_> = head.fields[1..].iter().map(|field| (field.name.of(&out), field.value.of(&out))).collect();
        let meant: Vec<_> = fields.iter().map(|(name, value)| (name.as_bytes(), value.as_slice())).collect();
        prop_assert_eq!(read, meant);
    }

    #[test]
    fn any_response_reads_back(status in 100..600_u16, phrase in value(), fields in vec((name(), value()), 0..20)) {
        let mut out = Vec::new();
        let mut writer = HeadWriter::response(&mut out, status, &phrase);
        fields.iter().for_each(|(name, value)| writer.field(name.as_bytes(), value));
        writer.number(b"Content-Length", 7);
        writer.finish();

        let mut head = ResponseHead::default();
        prop_assert_eq!(head.parse(&mut out, Method::Get, &HeadLimits::default()), Ok(true));
        prop_assert_eq!(head.status, status);
        prop_assert_eq!(head.reason.of(&out), phrase);
        prop_assert_eq!(head.fields.len(), fields.len() + 1);
        for (read, (name, value)) in head.fields.iter().zip(&fields) {
            prop_assert_eq!((read.name.of(&out), read.value.of(&out)), (name.as_bytes(), value.as_slice()));
        }
    }

    #[test]
    fn any_chunks_read_back(chunks in vec(vec(any::<u8>(), 1..300), 0..10), trailers in any::<bool>(), cuts in vec(1..50_usize, 0..200)) {
        let mut out = Vec::new();
        for chunk in &chunks {
            out.extend_from_slice(ChunkHeader::new(chunk.len()).as_bytes());
            out.extend_from_slice(chunk);
            out.extend_from_slice(CHUNK_END);
        }
        let lines = if trailers { "A: b\r\nC: d\r\n" } else { "" };
        if trailers {
            out.extend_from_slice(LAST_CHUNK_START);
            out.extend_from_slice(lines.as_bytes());
            out.extend_from_slice(b"\r\n");
        } else {
            out.extend_from_slice(LAST_CHUNK);
        }
        out.extend_from_slice(b"next");

        let body = body_in(&out, &cuts, BodyKind::Chunked).expect("good chunks");
        prop_assert_eq!(body.payload, chunks.concat());
        prop_assert_eq!(body.trailers, lines);
        prop_assert_eq!(body.rest, b"next");
        prop_assert!(body.done);
    }
}
