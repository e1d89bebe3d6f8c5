//! Mutations of a corpus, for a while, against a reader that follows the grammar and nothing else.
//!
//! What the codec accepts, the strict reader accepts, with the same boundaries; however the bytes are cut, the outcome
//! is the same. `EVENKEEL_FUZZ_SECONDS` says how long, `EVENKEEL_SEED` repeats one case.

use std::collections::BTreeSet;
use std::time::Instant;

use evenkeel_tests::mutate::{Dice, corpus, cuts, first_seed, mutate, time};
use evenkeel_tests::strict::{self, Framing};

use evenkeel_http1::{BadBody, BadResponse, BodyKind, HeadLimits, HeadWriter, Method, Refusal};

use crate::delivery::{body_in, request_in, response_in};

const LIMITS: HeadLimits = HeadLimits { head_bytes: 4096, fields: 100, uri_bytes: 1024 };

/// Each test goes on for so long.
const SECONDS: u64 = 7;

/// Every file of the corpus as it is, then mutations of them until the time is over. The check returns what it saw.
fn fuzz<T: Ord>(kind: &str, check: impl Fn(&mut Dice, &[u8]) -> T) -> BTreeSet<T> {
    let corpus = corpus(kind);
    let (first, is_replay) = first_seed();
    let mut seen: BTreeSet<T> = corpus.iter().map(|bytes| check(&mut Dice::new(0), bytes)).collect();
    let (begun, time, mut seed) = (Instant::now(), time(SECONDS), first);
    while begun.elapsed() < time {
        let mut dice = Dice::new(seed);
        let mut bytes = dice.pick(&corpus).clone();
        mutate(&mut dice, &mut bytes, &corpus);
        let checked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check(&mut dice, &bytes)));
        match checked {
            Ok(outcome) => drop(seen.insert(outcome)),
            Err(_) => {
                panic!("{kind}: EVENKEEL_SEED={seed} repeats it: {:?}", String::from_utf8_lossy(&bytes))
            }
        }
        if is_replay {
            break;
        }
        seed = seed.wrapping_add(1);
    }
    seen
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

#[test]
fn requests_are_read_as_the_grammar_says() {
    let seen = fuzz("requests", |dice, bytes| {
        let whole = request_in(bytes, &[], &LIMITS);
        let pieces = request_in(bytes, &cuts(dice, bytes.len()), &LIMITS);
        match (&whole, &pieces) {
            // A head that comes in pieces is refused once its end is in sight, if not before.
            (Err(_), Ok(None)) => {}
            // Of several faults another one may be seen first.
            (Err(one), Err(other)) => assert_eq!(one.status(), other.status()),
            _ => assert_eq!(whole, pieces),
        }
        if let Ok(Some(head)) = &whole {
            let strict = strict::request_head(bytes).expect("the grammar has it").expect("it is whole");
            assert_eq!((&head.method, &head.target), (&text(&strict.first[0]), &text(&strict.first[1])));
            assert_eq!(
                (head.length, framing(head.body)),
                (strict.length, strict.framing().expect("one framing"))
            );
            let fields: Vec<_> =
                strict.fields.iter().map(|(name, value)| (text(name), text(value))).collect();
            let ours: Vec<_> =
                head.fields.iter().map(|(name, value, _)| (name.clone(), value.clone())).collect();
            assert_eq!(ours, fields);
            if head.version == evenkeel_http1::Version::Http11 {
                reads_back(&strict);
            }
        }
        whole.err().map(Refusal::token)
    });
    // The corpus alone shows every reason to refuse.
    for refusal in REFUSALS {
        assert!(seen.contains(&Some(refusal.token())), "nothing in the corpus is refused for {refusal}");
    }
}

/// What the writer writes of a head parses to the same again.
fn reads_back(head: &strict::Head) {
    let mut out = Vec::new();
    let mut writer = HeadWriter::request(&mut out, &head.first[0], &head.first[1]);
    head.fields.iter().for_each(|(name, value)| writer.field(name, value));
    writer.finish();
    let again = strict::request_head(&out).expect("good").expect("whole");
    assert_eq!((&again.first[..2], &again.fields), (&head.first[..2], &head.fields));
}

#[test]
fn responses_are_read_as_the_grammar_says() {
    let seen = fuzz("responses", |dice, bytes| {
        let bytes = &text(bytes).replace("LEN", "6").replace("HEX", "6").into_bytes();
        let to = *dice.pick(&[Method::Get, Method::Head, Method::Post]);
        let whole = response_in(bytes, &[], to, &LIMITS);
        let pieces = response_in(bytes, &cuts(dice, bytes.len()), to, &LIMITS);
        match (&whole, &pieces) {
            (Err(_), Ok(None) | Err(_)) => {}
            _ => assert_eq!(whole, pieces),
        }
        if let Ok(Some(head)) = &whole {
            let strict = strict::response_head(bytes).expect("the grammar has it").expect("it is whole");
            assert_eq!((head.status.to_string(), head.length), (text(&strict.first[1]), strict.length));
            let values = |name: &str| strict.values(name).into_iter().map(text).collect::<Vec<_>>();
            let ours = |name: &str| -> Vec<String> {
                let fields = head.fields.iter().filter(|(field, ..)| field.eq_ignore_ascii_case(name));
                fields.map(|(_, value, _)| value.clone()).collect()
            };
            for name in ["content-length", "transfer-encoding", "connection"] {
                assert_eq!(ours(name).len(), values(name).len(), "{name}");
            }
            let has_body = to != Method::Head && !matches!(head.status, 100..=199 | 204 | 304);
            if has_body && head.body != BodyKind::UntilClose {
                assert_eq!(framing(head.body), strict.framing().expect("one framing"));
            }
            assert!(has_body || head.body == BodyKind::None);
        }
        whole.err().map(BadResponse::token)
    });
    for bad in [
        BadResponse::NotHttp,
        BadResponse::BadStatusLine,
        BadResponse::BadField,
        BadResponse::BareLineFeed,
        BadResponse::BadContentLength,
        BadResponse::ConflictingLength,
        BadResponse::BadTransferCoding,
        BadResponse::TooLarge,
        BadResponse::TooManyFields,
    ] {
        assert!(seen.contains(&Some(bad.token())), "nothing in the corpus is {}", bad.token());
    }
}

#[test]
fn chunked_bodies_are_read_as_the_grammar_says() {
    let seen = fuzz("chunked", |dice, bytes| {
        let whole = body_in(bytes, &[], BodyKind::Chunked);
        let pieces = body_in(bytes, &cuts(dice, bytes.len()), BodyKind::Chunked);
        assert_eq!(whole, pieces);
        let strict = strict::body(bytes, Framing::Chunked);
        if let Ok(body) = &whole
            && body.done
        {
            let strict = strict.expect("the grammar has it").expect("it is whole");
            assert_eq!((&body.payload, body.rest.len()), (&strict.payload, bytes.len() - strict.length));
        }
        whole.err().map(BadBody::token)
    });
    for bad in BAD_BODIES {
        assert!(seen.contains(&Some(bad.token())), "nothing in the corpus is {}", bad.token());
    }
}
