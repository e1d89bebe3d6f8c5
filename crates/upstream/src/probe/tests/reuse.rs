//! Which connection an HTTP probe goes over.

use super::script::Server;
use super::script::Step::{self, *};
use super::*;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[tokio::test]
async fn a_connection_serves_many_probes() {
    const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
    const SLOWER: &str = "HTTP/1.1 429 Slower\r\nContent-Length: 2\r\n\r\nno";
    let server = Server::following(&[&[Say(OK), Say(SLOWER), Spell(CHUNKED), Spell(OK)]]).await;
    let prober = Prober::new();
    for _ in 0..4 {
        ask(&prober, server.endpoints(), &get(), false).await;
    }
    assert_eq!(server.connections(), [0, 0, 0, 0]);
}

#[tokio::test]
async fn the_answer_to_a_head_has_no_body() {
    const ANSWER: &str = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n";
    let probe = of_http(HttpProbe { method: "HEAD".into(), ..HttpProbe::get("/") });
    let server = Server::following(&[&[Say(ANSWER), Spell(ANSWER)]]).await;
    let prober = Prober::new();
    for _ in 0..2 {
        assert_eq!(ask(&prober, server.endpoints(), &probe, false).await.result, ProbeResult::Passed);
    }
    assert_eq!(server.connections(), [0, 0]);
}

#[tokio::test]
async fn a_backend_in_doubt_is_asked_over_a_new_connection() {
    let server = Server::following(&[&[Say(OK)], &[Say(OK), Say(OK)]]).await;
    let prober = Prober::new();
    for wants_fresh in [true, true, false] {
        let verdict = ask(&prober, server.endpoints(), &get(), wants_fresh).await;
        assert_eq!(verdict.result, ProbeResult::Passed);
    }
    assert_eq!(server.connections(), [0, 1, 1]);
}

#[tokio::test]
async fn a_kept_connection_that_has_ended_is_replaced() {
    const IDLE: &str = "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    for ends in [&[Say(OK), Close][..], &[Part(OK)], &[Say(OK), Part(IDLE)]] {
        let server = Server::following(&[ends, &[Say(OK)]]).await;
        let prober = Prober::new();
        for _ in 0..2 {
            let verdict = ask(&prober, server.endpoints(), &get(), false).await;
            assert_eq!(verdict.result, ProbeResult::Passed);
        }
        assert_eq!(server.connections().last(), Some(&1));
    }
}

#[tokio::test]
async fn a_new_connection_that_ends_is_not_replaced() {
    let server = Server::following(&[&[Say(OK), Close], &[Close], &[Say(OK)]]).await;
    let prober = Prober::new();
    ask(&prober, server.endpoints(), &get(), false).await;
    let verdict = ask(&prober, server.endpoints(), &get(), false).await;
    assert_eq!(verdict.result, failed(Cause::ClosedBeforeResponse));
    let server = Server::following(&[&[Part("HTTP/1.1 408 Slow\r\nContent-Length: 0\r\n\r\n")]]).await;
    let verdict = ask(&prober, server.endpoints(), &get(), false).await;
    assert_eq!(verdict.result, ProbeResult::Failed(ProbeFailure::Status(408)));
}

#[tokio::test]
async fn a_connection_that_is_not_fit_is_not_kept() {
    let large = format!("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n{}", "-".repeat(100_000));
    for answer in [
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\n",
        "HTTP/1.1 503 Oh\r\nContent-Length: 1000\r\n\r\n",
        large.leak(),
    ] {
        let steps: &'static [Step] = Box::leak(Box::new([Say(answer)]));
        let server = Server::following(&[steps, &[Say(OK)]]).await;
        let prober = Prober::new();
        for _ in 0..2 {
            ask(&prober, server.endpoints(), &get(), false).await;
        }
        assert_eq!(server.connections(), [0, 1], "{}", &answer[..45]);
    }
}

#[tokio::test]
async fn backends_that_are_not_probed_any_more_are_let_go() {
    let server = Server::following(&[&[Say(OK), Say(OK)], &[Say(OK)]]).await;
    let prober = Prober::new();
    ask(&prober, server.endpoints(), &get(), false).await;
    prober.retain(|id| *id == backend());
    ask(&prober, server.endpoints(), &get(), false).await;
    prober.retain(|_| false);
    ask(&prober, server.endpoints(), &get(), false).await;
    assert_eq!(server.connections(), [0, 0, 1]);
}
