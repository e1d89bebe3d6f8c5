//! How a request's body ends: what is ambiguous must be refused, each case with its status.

use evenkeel_http1::{BodyKind, Refusal};

use crate::delivery::request;

fn post(version: &str, fields: &str) -> Result<BodyKind, Refusal> {
    let text = format!("POST / HTTP/{version}\r\nHost: a.test\r\n{fields}\r\n");
    request(text).map(|head| head.expect("a whole head").body)
}

#[test]
fn a_body_is_framed_by_one_length_or_by_chunks() {
    for (fields, body) in [
        ("", BodyKind::None),
        ("Content-Length: 0\r\n", BodyKind::Length(0)),
        ("content-length:\t5 \t\r\n", BodyKind::Length(5)),
        ("Content-Length: 18446744073709551615\r\n", BodyKind::Length(u64::MAX)),
        ("Transfer-Encoding: chunked\r\n", BodyKind::Chunked),
        ("transfer-encoding:CHUNKED\r\n", BodyKind::Chunked),
    ] {
        assert_eq!(post("1.1", fields), Ok(body), "{fields:?}");
    }
}

#[test]
fn a_length_that_is_not_a_plain_number_is_refused() {
    for value in [
        "",
        "+5",
        "-5",
        "5 5",
        "0x5",
        "5a",
        "a",
        "5,5",
        "5, 5",
        "5, 6",
        ",5",
        "5.0",
        "1e1",
        "\"5\"",
        "18446744073709551616",
    ] {
        let outcome = post("1.1", &format!("Content-Length: {value}\r\n"));
        assert_eq!(outcome, Err(Refusal::BadContentLength), "{value:?}");
    }
}

#[test]
fn a_length_given_twice_is_refused_even_if_equal() {
    for (one, other) in [("5", "5"), ("5", "6"), ("", "5")] {
        let outcome = post("1.1", &format!("Content-Length: {one}\r\ncontent-length: {other}\r\n"));
        assert_eq!(outcome, Err(Refusal::RepeatedContentLength));
    }
}

#[test]
fn a_length_beside_chunks_is_refused_in_any_order_and_version() {
    for fields in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Transfer-Encoding: identity\r\nContent-Length: 5\r\n",
        "Transfer-Encoding:\r\nContent-Length: 5\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\nContent-Length: 5\r\n",
    ] {
        assert_eq!(post("1.1", fields), Err(Refusal::ConflictingFraming), "{fields:?}");
        assert_eq!(post("1.0", fields), Err(Refusal::ConflictingFraming), "{fields:?}");
    }
}

#[test]
fn a_transfer_coding_that_leaves_the_length_unknown_is_refused() {
    for value in [
        "",
        "gzip",
        "identity",
        "xchunked",
        "chunke",
        "chunked,",
        ",chunked",
        "chunked, chunked",
        "chunked, gzip",
        "chunked;q=1",
        "chunked ;a",
        "gzip, chunked, chunked",
        "gzip,,chunked",
        "g zip, chunked",
        "\"chunked\"",
        "chunked\u{a0}",
        "\u{b}chunked",
    ] {
        let outcome = post("1.1", &format!("Transfer-Encoding: {value}\r\n"));
        let bad_octet = value.contains('\u{b}');
        let expected = if bad_octet { Refusal::BadField } else { Refusal::BadTransferCoding };
        assert_eq!(outcome, Err(expected), "{value:?}");
    }
    let twice = "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n";
    assert_eq!(post("1.1", twice), Err(Refusal::BadTransferCoding));
    let disguised = "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n";
    assert_eq!(post("1.1", disguised), Err(Refusal::BadTransferCoding));
}

#[test]
fn a_good_coding_that_we_do_not_have_is_not_implemented() {
    for value in ["gzip, chunked", "gzip;level=9 , deflate,Chunked", "x-own,chunked"] {
        let outcome = post("1.1", &format!("Transfer-Encoding: {value}\r\n"));
        assert_eq!(outcome, Err(Refusal::UnsupportedTransferCoding), "{value:?}");
        assert_eq!(Refusal::UnsupportedTransferCoding.status(), 501);
    }
}

#[test]
fn http_1_0_has_no_transfer_codings() {
    for value in ["chunked", "gzip, chunked", "identity"] {
        let outcome = post("1.0", &format!("Transfer-Encoding: {value}\r\n"));
        assert_eq!(outcome, Err(Refusal::BadTransferCoding), "{value:?}");
    }
}

#[test]
fn a_disguised_framing_field_is_refused() {
    for (field, refusal) in [
        ("Transfer-Encoding : chunked", Refusal::BadField),
        ("Transfer-Encoding\t: chunked", Refusal::BadField),
        (" Transfer-Encoding: chunked", Refusal::BadField),
        ("Transfer-Encoding\r\n: chunked", Refusal::BadField),
        ("X: y\r\n Transfer-Encoding: chunked", Refusal::BadField),
        ("X: y\rTransfer-Encoding: chunked", Refusal::BadField),
        ("X: y\nTransfer-Encoding: chunked", Refusal::BareLineFeed),
        ("Transfer\0-Encoding: chunked", Refusal::BadField),
        ("Transfer_Encoding: chunked", Refusal::AmbiguousFieldName),
        ("Content_Length: 5", Refusal::AmbiguousFieldName),
        ("content-_length: 5", Refusal::BadField),
    ] {
        let outcome = post("1.1", &format!("{field}\r\n"));
        if field.starts_with("content-_") {
            // Folds to `content--length`, which is no name of ours.
            assert_eq!(outcome, Ok(BodyKind::None));
        } else {
            assert_eq!(outcome, Err(refusal), "{field:?}");
        }
    }
}
