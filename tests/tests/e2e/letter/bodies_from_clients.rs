//! A request body that turns bad: the client is told, and the backend can never take what it has for the whole.

use evenkeel_tests::backend::Script;
use evenkeel_tests::balancer::SOON;
use evenkeel_tests::client::Client;
use evenkeel_tests::wait;

use super::rig::{Delivery, good, rig, shared_out};

const HEAD: &str = "POST /bad HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n";

/// Chunked bodies, and the token of what is wrong.
fn cases() -> Vec<(String, &'static str)> {
    let sizes = [
        "", "g", "0x5", "+5", "-5", " 5", "5 ", "5\t", "5 5", "5.", "5,", "5:", "\u{ff15}", "\"5\"", "5h",
        "h5", "\0", "5\0", "5\r", "_5",
    ];
    let mut cases: Vec<_> =
        sizes.iter().map(|size| (format!("{size}\r\nhello\r\n0\r\n\r\n"), "bad_chunk_size")).collect();
    cases.push(("5\nhello\r\n0\r\n\r\n".into(), "bad_chunk_size"));
    cases.push(("5;a\rb\r\nhello\r\n0\r\n\r\n".into(), "bad_chunk_size"));
    cases.push(("5\r hello\r\n0\r\n\r\n".into(), "bad_chunk_size"));
    cases.push(("00000000000000005\r\nhello\r\n0\r\n\r\n".into(), "chunk_too_large"));
    cases.push(("fffffffffffffffff\r\nhello".into(), "chunk_too_large"));
    for extension in ["5;a\0b", "5;a\nb", "5;\u{1}", "5;a=\"\u{7f}\"", "5 ;\u{b}"] {
        cases.push((format!("{extension}\r\nhello\r\n0\r\n\r\n"), "bad_chunk_extension"));
    }
    let long = "x".repeat(5000);
    cases.push((format!("5;{long}\r\nhello\r\n0\r\n\r\n"), "bad_chunk_extension"));
    for end in [
        "5\r\nhello!\r\n0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "5\r\nhello\r0\r\n\r\n",
        "5\r\nhello0\r\n\r\n",
        "5\r\nhell\r\n0\r\n\r\n",
    ] {
        cases.push((end.into(), "bad_chunk_end"));
    }
    for trailer in [
        "no colon",
        ": no name",
        "X : y",
        " X: y",
        "X: y\0",
        "X: y\r\n folded",
        "X: y\nZ: z",
        "X Y: z",
        "\u{e4}: y",
        "X: y\rz",
        "\rX: y",
        "X: \u{7f}",
    ] {
        cases.push((format!("5\r\nhello\r\n0\r\n{trailer}\r\n\r\n"), "bad_trailer"));
    }
    cases.push(("5\r\nhello\r\n0\r\n\n".into(), "bad_trailer"));
    cases.push(("5\r\nhello\r\n0\r\n\rX".into(), "bad_trailer"));
    let many: String = (0..101).map(|number| format!("X-{number}: y\r\n")).collect();
    cases.push((format!("5\r\nhello\r\n0\r\n{many}\r\n"), "trailers_too_large"));
    cases.push((
        format!(
            "1000\r\n{}\r\n1000\r\n{}\r\n1000\r\n{}\r\n0\r\n\r\n",
            "x".repeat(4096),
            "y".repeat(4096),
            "z".repeat(4096)
        ),
        "body_too_large",
    ));
    cases
}

#[test]
fn a_bad_body_is_refused_and_never_complete_for_the_backend() {
    shared_out(&cases(), |cases| {
        let (backend, evenkeel) = rig(Script::Echo, ", connections: { idle: off }");
        for (case, delivery) in cases.iter().flat_map(|case| Delivery::ALL.map(|delivery| (case, delivery))) {
            let (body, token) = case;
            let what = format!("{delivery:?}: {body:?}");
            let mut client = delivery.send(evenkeel.address(), [HEAD, body].concat().as_bytes());
            expect_refusal(&mut client, token, &what);
            wait::until_true(SOON, &what, || backend.open() == 0);
            let deliveries = (backend.deliveries("/bad"), backend.deliveries("/behind"));
            assert_eq!(deliveries, (0, 0), "{what}");
        }
    });
}

#[test]
fn a_body_that_turns_bad_behind_a_good_chunk_is_cut() {
    shared_out(&cases(), |cases| {
        let (backend, evenkeel) = rig(Script::Echo, ", connections: { idle: off }");
        for (body, token) in cases {
            let (before, mut client) = (backend.received().len(), Client::connect(evenkeel.address()));
            client.send(HEAD).send("6\r\nbefore\r\n");
            wait::until_true(SOON, "the good chunk", || {
                backend.received()[before..].ends_with(b"before\r\n")
            });
            client.send([body, &*good("/behind")].concat());
            expect_refusal(&mut client, token, body);
            wait::until_true(SOON, body, || backend.open() == 0);
            let received = backend.received()[before..].to_vec();
            assert!(!received.windows(5).any(|bytes| bytes == b"0\r\n\r\n"), "{body:?}");
            assert_eq!(backend.requests().len(), 0, "{body:?}");
        }
    });
}

#[track_caller]
fn expect_refusal(client: &mut Client, token: &str, what: &str) {
    let response = client.try_response("POST").unwrap_or_else(|error| panic!("{error}: {what}"));
    let status = if token == "body_too_large" { 413 } else { 400 };
    assert_eq!((response.status, response.closes()), (status, true), "{what}: {}", response.text());
    assert!(response.text().contains(&format!(" {token}: ")), "{what}: {}", response.text());
    client.expect_close();
}

#[test]
fn a_client_that_leaves_in_the_middle_of_a_body_leaves_nothing_complete() {
    let (backend, evenkeel) = rig(Script::Echo, ", connections: { idle: off }");
    let chunked = |body: &str| [HEAD, body].concat();
    for half in [
        chunked("5\r\nhel"),
        chunked("5\r\nhello"),
        chunked("5\r\nhello\r\n"),
        chunked("5\r\nhello\r\n0"),
        chunked("5\r\nhello\r\n0\r\n"),
        chunked("5\r\nhello\r\n0\r\nX: y\r\n"),
        chunked(""),
        "POST /bad HTTP/1.1\r\nHost: a.test\r\nContent-Length: 6\r\n\r\nhello".into(),
    ] {
        let before = backend.connections();
        let mut client = Client::connect(evenkeel.address());
        client.send(&half);
        wait::until_true(SOON, "the backend to be asked", || backend.connections() > before);
        client.finish();
        let _ = client.rest();
        wait::until_true(SOON, "the backend to be left", || backend.open() == 0);
        assert_eq!(backend.requests().len(), 0, "{half:?}");
    }
}
