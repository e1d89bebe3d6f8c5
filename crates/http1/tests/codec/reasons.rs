//! Every reason to refuse a message has a file in the corpus, and the manual explains what clients are told.

use std::collections::BTreeSet;

use evenkeel_http1::{BadBody, BadResponse, BodyDecoder, BodyKind, Method, Refusal};
use evenkeel_tests::mutate::corpus;

use crate::delivery::{request_in, response_in};
use crate::fuzz::LIMITS;

/// Lists the variants of an enum, all of them: a new one does not compile until it stands here.
macro_rules! every {
    ($list:ident of $reason:ident: $($variant:ident),+) => {
        const $list: &[$reason] = &[$($reason::$variant),+];
        const _: fn($reason) = |reason| match reason { $($reason::$variant => (),)+ };
    };
}

every!(REFUSALS of Refusal: NotHttp, BadRequestLine, BadTarget, UriTooLong, UnsupportedVersion, MethodNotAllowed,
    BareLineFeed, BadField, HeadTooLarge, TooManyFields, ConflictingFraming, RepeatedContentLength, BadContentLength,
    BadTransferCoding, UnsupportedTransferCoding, MissingHost, RepeatedHost, BadHost, HostMismatch,
    AmbiguousFieldName, TooManyConnectionOptions, ExpectationFailed);

every!(BAD_RESPONSES of BadResponse: NotHttp, BadStatusLine, BadField, BareLineFeed, BadContentLength,
    ConflictingLength, BadTransferCoding, TooLarge, TooManyFields);

every!(BAD_BODIES of BadBody: Truncated, BadChunkSize, BadChunkExtension, BadChunkEnd, ChunkTooLarge, BadTrailer,
    TrailersTooLarge);

#[test]
fn the_corpus_has_every_refusal() {
    let seen: Vec<_> =
        corpus("requests").iter().filter_map(|bytes| request_in(bytes, &[], &LIMITS).err()).collect();
    for refusal in REFUSALS {
        assert!(seen.contains(refusal), "no file in the corpus is refused for {refusal}");
    }
}

#[test]
fn the_corpus_has_every_bad_response() {
    let read = |bytes: &Vec<u8>| response_in(bytes, &[], Method::Get, &LIMITS);
    let seen: Vec<_> = corpus("responses").iter().filter_map(|bytes| read(bytes).err()).collect();
    for bad in BAD_RESPONSES {
        assert!(seen.contains(bad), "no file in the corpus is {bad}");
    }
}

#[test]
fn the_corpus_has_every_bad_body() {
    let read = |bytes: &mut Vec<u8>| {
        let mut decoder = BodyDecoder::new(BodyKind::Chunked);
        decoder.decode(bytes).and_then(|_| decoder.end())
    };
    let seen: Vec<_> = corpus("chunked").iter_mut().filter_map(|bytes| read(bytes).err()).collect();
    for bad in BAD_BODIES {
        assert!(seen.contains(bad), "no file in the corpus is {bad}");
    }
}

#[test]
fn the_manual_explains_every_refusal_and_no_other() {
    /// What the corridor refuses by its own rules.
    const OF_THE_CORRIDOR: [&str; 12] = [
        "underscored_field_name",
        "bad_max_forwards",
        "ambiguous_path",
        "misdirected",
        "host_missing_for_redirect",
        "plain_http_on_tls_port",
        "body_too_large",
        "head_timeout",
        "body_timeout",
        "connection_limit",
        "client_connection_limit",
        "out_of_descriptors",
    ];
    let manual = include_str!("../../../../docs/refusals.md");
    let rows = manual.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    let explained: BTreeSet<(&str, &str)> =
        rows.filter_map(|(token, rest)| Some((token, rest.split_once(" |")?.0))).collect();
    for refusal in REFUSALS {
        let row = (refusal.token(), &*refusal.status().to_string());
        assert!(explained.contains(&row), "{row:?}");
    }
    // A body that was cut is no answer to anybody.
    let bodies = BAD_BODIES.iter().filter(|bad| **bad != BadBody::Truncated).map(|bad| bad.token());
    let known: BTreeSet<&str> =
        REFUSALS.iter().map(|refusal| refusal.token()).chain(bodies).chain(OF_THE_CORRIDOR).collect();
    assert_eq!(explained.iter().map(|(token, _)| *token).collect::<BTreeSet<_>>(), known);
}
