//! TCP probes, and connections that do not come to be.

use evenkeel_health::TcpProbe;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::connect::tests::{closed, deaf};

fn of_tcp(send: &str, expect: &str) -> Probe {
    let tcp = TcpProbe { send: send.as_bytes().into(), expect: expect.as_bytes().into() };
    Probe { kind: ProbeKind::Tcp(tcp), timeout: LONG, ..Probe::default() }
}

/// Reads `asked`, says `pieces`, and stays or goes.
async fn result(probe: &Probe, asked: &str, pieces: &'static [&'static str], stays: bool) -> ProbeResult {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = Endpoint::Tcp(listener.local_addr().unwrap());
    let mut request = vec![0; asked.len()];
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        stream.read_exact(&mut request).await.unwrap();
        for piece in pieces {
            // The probe may have heard enough.
            let _ = stream.write_all(piece.as_bytes()).await;
            tokio::task::yield_now().await;
        }
        if stays {
            let _ = stream.read_to_end(&mut Vec::new()).await;
        }
        request
    });
    let verdict = ask(&Prober::new(), &[endpoint], probe, false).await;
    assert_eq!(server.await.unwrap(), asked.as_bytes());
    assert_eq!(verdict.drain, None);
    verdict.result
}

#[tokio::test]
async fn a_connection_is_enough_where_no_reply_is_expected() {
    assert_eq!(result(&of_tcp("", ""), "", &[], true).await, ProbeResult::Passed);
    assert_eq!(result(&of_tcp("PING\r\n", ""), "PING\r\n", &[], true).await, ProbeResult::Passed);
}

#[tokio::test]
async fn a_reply_has_to_begin_as_expected() {
    let (probe, unexpected) = (of_tcp("PING\r\n", "+PONG"), ProbeResult::Failed(ProbeFailure::Reply));
    for (pieces, stays, expected) in [
        (&["+PONG\r\n"][..], true, ProbeResult::Passed),
        (&["+P", "ON", "G"], true, ProbeResult::Passed),
        (&["+P", "ON", "G and more"], false, ProbeResult::Passed),
        (&["+PO", "LO"], true, unexpected),
        (&["-"], true, unexpected),
        (&["+PO"], false, unexpected),
        (&[], false, failed(Cause::ClosedBeforeResponse)),
    ] {
        assert_eq!(result(&probe, "PING\r\n", pieces, stays).await, expected, "{pieces:?}");
    }
    assert_eq!(result(&of_tcp("", "220 "), "", &["220 mail"], true).await, ProbeResult::Passed);
    let silent = Probe { timeout: SHORT, ..of_tcp("", "220 ") };
    assert_eq!(result(&silent, "", &["2"], true).await, failed(Cause::HeadTimeout));
}

#[tokio::test]
async fn a_closed_port_is_refused() {
    let closed = closed("127.0.0.1:0");
    for probe in [get(), of_tcp("", "")] {
        let verdict = ask(&Prober::new(), &[closed.endpoint()], &probe, false).await;
        assert_eq!(verdict.result, failed(Cause::ConnectRefused));
    }
}

#[tokio::test]
async fn a_connection_that_does_not_come_is_a_connect_timeout() {
    let deaf = deaf().await;
    for probe in [get(), of_tcp("", "x")] {
        let probe = Probe { timeout: SHORT, ..probe };
        let verdict = ask(&Prober::new(), &[deaf.endpoint()], &probe, false).await;
        assert_eq!(verdict.result, failed(Cause::ConnectTimeout));
    }
}

#[tokio::test]
async fn the_first_endpoint_that_connects_is_asked() {
    let open = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = closed("127.0.0.1:0");
    let endpoints = [closed.endpoint(), Endpoint::Tcp(open.local_addr().unwrap())];
    let verdict = ask(&Prober::new(), &endpoints, &of_tcp("", ""), false).await;
    assert_eq!(verdict.result, ProbeResult::Passed);
}
