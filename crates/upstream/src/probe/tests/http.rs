//! HTTP probes: what is asked, and how the answer is judged.

use super::script::Server;
use super::script::Step::{self, *};
use super::*;

async fn verdict(probe: &Probe, step: Step) -> Verdict {
    let steps: &'static [Step] = Box::leak(Box::new([step]));
    let server = Server::following(&[steps]).await;
    ask(&Prober::new(), server.endpoints(), probe, false).await
}

async fn result(answer: &'static str) -> ProbeResult {
    verdict(&get(), Part(answer)).await.result
}

#[tokio::test]
async fn a_status_below_400_passes() {
    for answer in [
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.0 200 OK\r\n\r\nuntil the end",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nA: b\r\n\r\n",
        "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
    ] {
        assert_eq!(result(answer).await, ProbeResult::Passed, "{answer}");
    }
}

#[tokio::test]
async fn each_failure_is_named() {
    for (answer, cause) in [
        ("", Cause::ClosedBeforeResponse),
        ("HTTP/1.1 200 OK\r\nContent-", Cause::EofInHead),
        ("HTTP/1.1 103 Early Hints\r\n\r\n", Cause::EofInHead),
        ("SSH-2.0-OpenSSH\r\n\r\n", Cause::BadHead),
        ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", Cause::BodyTruncated),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", Cause::BadChunk),
        (
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
            Cause::UpgradeFailed,
        ),
    ] {
        assert_eq!(result(answer).await, failed(cause), "{answer}");
    }
    let unwell = result("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 9\r\n\r\nhalf").await;
    assert_eq!(unwell, ProbeResult::Failed(ProbeFailure::Status(503)));
}

#[tokio::test]
async fn a_head_has_its_bounds() {
    let large = format!("HTTP/1.1 200 OK\r\nA: {}\r\n\r\n", "a".repeat(70_000));
    assert_eq!(result(large.leak()).await, failed(Cause::HeadTooLarge));
    let fits = format!("HTTP/1.1 200 OK\r\nA: {}\r\nContent-Length: 0\r\n\r\n", "a".repeat(60_000));
    assert_eq!(result(fits.leak()).await, ProbeResult::Passed);
    let endless = "HTTP/1.1 102 Processing\r\n\r\n".repeat(17);
    assert_eq!(result(endless.leak()).await, failed(Cause::BadHead));
}

#[tokio::test]
async fn the_request_is_as_configured() {
    const ANSWER: Step = Say("HTTP/1.1 204 No Content\r\n\r\n");
    let server = Server::following(&[&[ANSWER, ANSWER]]).await;
    let prober = Prober::new();
    ask(&prober, server.endpoints(), &get(), false).await;
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        server.request(),
        format!(
            "GET /healthz HTTP/1.1\r\nHost: app.test:80\r\nUser-Agent: evenkeel/{version} (probe)\r\n\r\n"
        )
    );
    let probe = of_http(HttpProbe {
        method: "POST".into(),
        host: Some("inner.test".into()),
        headers: [("X-Probe".into(), "1".into()), ("user-agent".into(), "mine".into())].into(),
        ..HttpProbe::get("/a?b")
    });
    ask(&prober, server.endpoints(), &probe, false).await;
    assert_eq!(
        server.request(),
        "POST /a?b HTTP/1.1\r\nHost: inner.test\r\nX-Probe: 1\r\nuser-agent: mine\r\nContent-Length: 0\r\n\r\n"
    );
}

#[tokio::test]
async fn the_statuses_decide_and_those_that_drain_come_first() {
    let probe = of_http(HttpProbe {
        statuses: [200..=204, 500..=599].into(),
        drain_statuses: [503..=503].into(),
        ..HttpProbe::get("/")
    });
    for (answer, result) in [
        ("HTTP/1.1 204 No Content\r\n\r\n", ProbeResult::Passed),
        ("HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n", ProbeResult::Failed(ProbeFailure::Status(302))),
        ("HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n", ProbeResult::Passed),
        ("HTTP/1.1 503 Bye\r\nContent-Length: 0\r\n\r\n", ProbeResult::Drains),
        ("HTTP/1.1 429 Slower\r\nContent-Length: 0\r\n\r\n", ProbeResult::TooOften),
    ] {
        assert_eq!(verdict(&probe, Say(answer)).await.result, result, "{answer}");
    }
    let patient = of_http(HttpProbe { statuses: [429..=429].into(), ..HttpProbe::get("/") });
    let answer = Say("HTTP/1.1 429 Slower\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(verdict(&patient, answer).await.result, ProbeResult::Passed);
}

#[tokio::test]
async fn a_backend_may_ask_to_be_drained() {
    let unwell = ProbeResult::Failed(ProbeFailure::Status(503));
    for (fields, seconds) in [
        ("", None),
        ("X-Evenkeel-Drain: 30\r\n", Some(30)),
        ("x-evenkeel-drain: 0\r\n", Some(0)),
        ("X-Evenkeel-Drain: 99999999999999999999999\r\n", Some(3600)),
        ("X-Evenkeel-Drain: -1\r\n", None),
        ("X-Evenkeel-Drain: 1.5\r\n", None),
        ("X-Evenkeel-Drain:\r\n", None),
        ("X-Evenkeel-Drain: 1\r\nX-Evenkeel-Drain: 2\r\n", None),
    ] {
        for (status, result) in [(200, ProbeResult::Passed), (503, unwell)] {
            let answer = format!("HTTP/1.1 {status} So\r\n{fields}Content-Length: 0\r\n\r\n");
            let drain = seconds.map(Duration::from_secs);
            assert_eq!(verdict(&get(), Say(answer.leak())).await, Verdict { result, drain }, "{fields}");
        }
    }
}

#[tokio::test]
async fn the_body_has_to_hold_the_text() {
    const PIECES: &str =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nall is\r\n5\r\n well\r\n0\r\n\r\n";
    let unexpected = ProbeResult::Failed(ProbeFailure::Body);
    let probe = of_http(HttpProbe { body: Some("all is well".into()), ..HttpProbe::get("/") });
    for (step, result) in [
        (Say("HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\nso: all is well!!"), ProbeResult::Passed),
        (Spell("HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\nso: all is well!!"), ProbeResult::Passed),
        (Say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"), unexpected),
        (Say("HTTP/1.1 204 No Content\r\n\r\n"), unexpected),
        (Say(PIECES), ProbeResult::Passed),
        (Spell(PIECES), ProbeResult::Passed),
        (Part("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nall is well"), ProbeResult::Passed),
    ] {
        assert_eq!(verdict(&probe, step).await.result, result, "{step:?}");
    }
}

#[tokio::test]
async fn the_text_has_to_stand_in_the_first_64_kib() {
    const TEXT: &str = "all is well";
    let probe = of_http(HttpProbe { body: Some(TEXT.into()), ..HttpProbe::get("/") });
    let last = 64 * 1024 - TEXT.len();
    for (before, result) in [(last, ProbeResult::Passed), (last + 1, ProbeResult::Failed(ProbeFailure::Body))]
    {
        // Never sent whole: the rest is nobody's business.
        let (length, padding) = (before + 1_000_000, "-".repeat(before));
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{padding}{TEXT}");
        assert_eq!(verdict(&probe, Say(answer.leak())).await.result, result, "{before}");
    }
}

#[tokio::test]
async fn silence_is_named_after_what_was_waited_for() {
    for (step, cause) in [
        (Hang, Cause::HeadTimeout),
        (Say("HTTP/1.1 200 OK\r\nContent-"), Cause::HeadTimeout),
        (Say("HTTP/1.1 103 Early Hints\r\n\r\n"), Cause::HeadTimeout),
        (Say("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"), Cause::BodyIdleTimeout),
    ] {
        let probe = Probe { timeout: SHORT, ..get() };
        assert_eq!(verdict(&probe, step).await.result, failed(cause), "{step:?}");
    }
}
