//! Mutations of a corpus, for a while, against a reader that follows the grammar and nothing else.
//!
//! What the codec accepts, the strict reader accepts, with the same boundaries; however the bytes are cut, the outcome
//! is the same. `EVENKEEL_FUZZ_SECONDS` says how long, `EVENKEEL_SEED` repeats one case; `--nocapture` shows how often
//! each outcome came.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use evenkeel_tests::mutate::{Dice, corpus, cuts, first_seed, mutate, time};
use evenkeel_tests::strict::{self, Framing};

use evenkeel_http1::{
    BadBody, BadResponse, BodyKind, CHUNK_END, ChunkHeader, HeadLimits, HeadWriter, LAST_CHUNK, Method,
    Refusal, Version,
};

use crate::delivery::{Request, Response, body_in, request_in, response_in};

pub(crate) const LIMITS: HeadLimits = HeadLimits { head_bytes: 4096, fields: 100, uri_bytes: 1024 };

/// So small that many messages touch them.
const TIGHT: HeadLimits = HeadLimits { head_bytes: 120, fields: 4, uri_bytes: 24 };

/// Each test goes on for so long.
const SECONDS: u64 = 7;

/// Every file of the corpus as it is, then mutations of them until the time is over. The check returns what came of
/// the message.
fn fuzz(kind: &str, check: impl Fn(&mut Dice, &[u8]) -> &'static str) {
    let corpus = corpus(kind);
    for bytes in &corpus {
        check(&mut Dice::new(0), bytes);
    }
    let (first, is_replay) = first_seed();
    let (begun, time, mut seed) = (Instant::now(), time(SECONDS), first);
    let mut outcomes: BTreeMap<&str, u32> = BTreeMap::new();
    while begun.elapsed() < time {
        let mut dice = Dice::new(seed);
        let mut bytes = dice.pick(&corpus).clone();
        mutate(&mut dice, &mut bytes, &corpus);
        match catch_unwind(AssertUnwindSafe(|| check(&mut dice, &bytes))) {
            Ok(outcome) => *outcomes.entry(outcome).or_default() += 1,
            Err(_) => panic!("{kind}: EVENKEEL_SEED={seed} repeats it: \"{}\"", bytes.escape_ascii()),
        }
        if is_replay {
            break;
        }
        seed = seed.wrapping_add(1);
    }
    println!("{kind}: {} messages from seed {first}: {outcomes:?}", outcomes.values().sum::<u32>());
}

/// What came of a message, in one word.
fn outcome<T, E>(whole: &Result<Option<T>, E>, token: impl Fn(&E) -> &'static str) -> &'static str {
    match whole {
        Ok(Some(_)) => "accepted",
        Ok(None) => "incomplete",
        Err(bad) => token(bad),
    }
}

fn framing(body: BodyKind) -> Framing {
    match body {
        BodyKind::Length(length) => Framing::Length(length),
        BodyKind::Chunked => Framing::Chunked,
        BodyKind::None | BodyKind::UntilClose => Framing::None,
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A value whose folds and runs of whitespace are one space each: what a repair may change.
fn squeezed(value: &str) -> String {
    value.split([' ', '\t']).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

#[test]
fn requests_are_read_as_the_grammar_says() {
    fuzz("requests", |dice, bytes| {
        let limits = dice.pick(&[LIMITS, TIGHT]);
        let whole = request_in(bytes, &[], limits);
        let pieces = request_in(bytes, &cuts(dice, bytes.len()), limits);
        match (&whole, &pieces) {
            // A head that comes in pieces is refused once its end is in sight, if not before.
            (Err(_), Ok(None)) => {}
            // Of several faults another one may be seen first.
            (Err(one), Err(other)) => assert_eq!(one.status(), other.status()),
            _ => assert_eq!(whole, pieces),
        }
        match &whole {
            Ok(Some(head)) => agrees_on_request(head, bytes),
            Ok(None) => assert!(!matches!(strict::request_head(bytes), Ok(Some(_))), "all of it has come"),
            Err(_) => {}
        }
        outcome(&whole, |refusal: &Refusal| refusal.token())
    });
}

fn agrees_on_request(head: &Request, bytes: &[u8]) {
    let strict = strict::request_head(bytes).expect("the grammar has it").expect("it is whole");
    assert_eq!((&head.method, &head.target), (&text(&strict.first[0]), &text(&strict.first[1])));
    assert_eq!((head.length, framing(head.body)), (strict.length, strict.framing().expect("one framing")));
    let ours: Vec<_> = head.fields.iter().map(|(name, value, _)| (name.clone(), value.clone())).collect();
    let theirs: Vec<_> = strict.fields.iter().map(|(name, value)| (text(name), text(value))).collect();
    assert_eq!(ours, theirs);
    if head.version == Version::Http11 {
        request_reads_back(&strict);
    }
}

/// What the writer writes of a head parses to the same again.
fn request_reads_back(head: &strict::Head) {
    let mut out = Vec::new();
    let mut writer = HeadWriter::request(&mut out, &head.first[0], &head.first[1]);
    head.fields.iter().for_each(|(name, value)| writer.field(name, value));
    writer.finish();
    let again = strict::request_head(&out).expect("good").expect("whole");
    assert_eq!((&again.first[..2], &again.fields), (&head.first[..2], &head.fields));
}

#[test]
fn responses_are_read_as_the_grammar_says() {
    fuzz("responses", |dice, bytes| {
        let bytes = &text(bytes).replace("LEN", "6").replace("HEX", "6").into_bytes();
        let to = *dice.pick(&[Method::Get, Method::Head, Method::Post]);
        let limits = dice.pick(&[LIMITS, TIGHT]);
        let whole = response_in(bytes, &[], to, limits);
        let pieces = response_in(bytes, &cuts(dice, bytes.len()), to, limits);
        match (&whole, &pieces) {
            (Err(_), Ok(None) | Err(_)) => {}
            _ => assert_eq!(whole, pieces),
        }
        match &whole {
            Ok(Some(head)) => agrees_on_response(head, to, bytes),
            Ok(None) => assert!(!matches!(strict::response_head(bytes), Ok(Some(_))), "all of it has come"),
            Err(_) => {}
        }
        outcome(&whole, |bad: &BadResponse| bad.token())
    });
}

fn agrees_on_response(head: &Response, to: Method, bytes: &[u8]) {
    let strict = strict::response_head(bytes).expect("the grammar has it").expect("it is whole");
    assert_eq!((head.status.to_string(), head.length), (text(&strict.first[1]), strict.length));
    assert_eq!(head.reason, text(strict.first[2].get(1..).unwrap_or_default()));
    let ours: Vec<_> = head.fields.iter().map(|(name, value, _)| (name.clone(), squeezed(value))).collect();
    let theirs: Vec<_> =
        strict.fields.iter().map(|(name, value)| (text(name), squeezed(&text(value)))).collect();
    assert_eq!(ours, theirs);
    let framing = strict.framing().expect("one framing, even where no body follows");
    let body = match framing {
        _ if to == Method::Head || matches!(head.status, 100..=199 | 204 | 304) => BodyKind::None,
        Framing::None => BodyKind::UntilClose,
        Framing::Length(length) => BodyKind::Length(length),
        Framing::Chunked => BodyKind::Chunked,
    };
    assert_eq!(head.body, body);
    response_reads_back(head, &strict);
}

fn response_reads_back(head: &Response, strict: &strict::Head) {
    let mut out = Vec::new();
    let mut writer =
        HeadWriter::response(&mut out, head.status, strict.first[2].get(1..).unwrap_or_default());
    strict.fields.iter().for_each(|(name, value)| writer.field(name, value));
    writer.finish();
    let again = strict::response_head(&out).expect("good").expect("whole");
    assert_eq!((&again.first[1], &again.fields, again.length), (&strict.first[1], &strict.fields, out.len()));
}

#[test]
fn chunked_bodies_are_read_as_the_grammar_says() {
    fuzz("chunked", |dice, bytes| {
        let whole = body_in(bytes, &[], BodyKind::Chunked);
        let pieces = body_in(bytes, &cuts(dice, bytes.len()), BodyKind::Chunked);
        assert_eq!(whole, pieces);
        let strict = strict::body(bytes, Framing::Chunked);
        match whole {
            Ok(body) if body.done => {
                let strict = strict.expect("the grammar has it").expect("it is whole");
                assert_eq!((&body.payload, body.rest.len()), (&strict.payload, bytes.len() - strict.length));
                trailers_were_sent(&body.trailers, &bytes[..strict.length]);
                chunks_read_back(dice, &body.payload);
                "accepted"
            }
            Ok(_) => {
                assert!(!matches!(strict, Ok(Some(_))), "all of it has come");
                "incomplete"
            }
            Err(bad) => BadBody::token(bad),
        }
    });
}

/// The trailers that pass are whole lines of those that came, in their order, and harmless.
fn trailers_were_sent(trailers: &str, sent: &[u8]) {
    let sent = text(sent);
    let mut sent = sent.split_inclusive("\r\n");
    for line in trailers.split_inclusive("\r\n") {
        assert!(sent.any(|other| other == line), "{line:?} was not sent there");
        let name = line.split(':').next().unwrap_or_default().to_ascii_lowercase();
        let is_harmful =
            ["host", "content-length", "transfer-encoding", "connection", "set-cookie"].contains(&&*name);
        assert!(!is_harmful, "{line:?} has no business in a trailer");
    }
}

/// A payload written as chunks of any size reads as the same payload.
fn chunks_read_back(dice: &mut Dice, payload: &[u8]) {
    let (mut out, mut rest) = (Vec::new(), payload);
    for length in cuts(dice, payload.len()) {
        let (chunk, behind) = rest.split_at(length);
        out.extend_from_slice(ChunkHeader::new(length).as_bytes());
        out.extend_from_slice(chunk);
        out.extend_from_slice(CHUNK_END);
        rest = behind;
    }
    out.extend_from_slice(LAST_CHUNK);
    let again = strict::body(&out, Framing::Chunked).expect("good").expect("whole");
    assert_eq!((&again.payload[..], again.length), (payload, out.len()));
}
