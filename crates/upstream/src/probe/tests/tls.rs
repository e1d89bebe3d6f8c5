//! Probes over TLS.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use evenkeel_health::TcpProbe;
use evenkeel_model::TlsDetail;
use rcgen::date_time_ymd;

use super::*;
use crate::examples::{Ca, listening, secure_server};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

async fn ask(prober: &Prober, address: SocketAddr, probe: &Probe, dial: &Arc<Dial>) -> ProbeResult {
    let (backend, endpoints) = (backend(), [Endpoint::Tcp(address)]);
    let tls = Some(dial);
    let asked =
        Asked { backend: &backend, endpoints: &endpoints, probe, host: "app.test", tls, wants_fresh: false };
    prober.probe(&asked).await.result
}

fn tls_failed(detail: TlsDetail) -> ProbeResult {
    let cause = match detail {
        TlsDetail::Alert(_) => Cause::TlsAlert,
        TlsDetail::PlaintextPeer => Cause::TlsProtocol,
        _ => Cause::TlsCertificate,
    };
    ProbeResult::Failed(ProbeFailure::Tls(cause, detail))
}

fn tcp(send: &str, expect: &str) -> Probe {
    let tcp = TcpProbe { send: send.as_bytes().into(), expect: expect.as_bytes().into() };
    Probe { kind: ProbeKind::Tcp(tcp), timeout: LONG, ..Probe::default() }
}

#[tokio::test]
async fn a_connection_serves_many_probes_of_the_same_tls() {
    let (ca, heads) = (Ca::new(), Arc::<AtomicUsize>::default());
    let leaf = ca.leaf();
    let count = heads.clone();
    let address = listening(move |stream: TcpStream| {
        count.fetch_add(1, SeqCst);
        let session = rustls::ServerConnection::new(Arc::new(leaf.server())).unwrap();
        let mut stream = rustls::StreamOwned::new(session, stream);
        while crate::examples::read_head(&mut stream).is_some() && stream.write_all(OK).is_ok() {}
    });
    let (prober, dial) = (Prober::new(), ca.dial());
    for (dial, connections) in [(&dial, 1), (&dial, 1), (&ca.dial(), 2), (&dial, 3)] {
        assert_eq!(ask(&prober, address, &get(), dial).await, ProbeResult::Passed);
        assert_eq!(heads.load(SeqCst), connections);
    }
}

#[tokio::test]
async fn a_probe_that_fails_by_tls_says_how() {
    let ca = Ca::new();
    let expired = ca.leaf_with(|params| params.not_after = date_time_ymd(2021, 1, 1));
    let expired = secure_server(expired.server(), |_, stream| stream.write_all(OK).is_ok());
    let strict = secure_server(ca.leaf().server_for(Some(&ca)), |_, stream| stream.write_all(OK).is_ok());
    let plain = listening(|mut stream: TcpStream| {
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        let _ = std::io::Read::read_to_end(&mut stream, &mut Vec::new());
    });
    let (prober, dial) = (Prober::new(), ca.dial());
    for (address, detail) in
        [(expired, TlsDetail::Expired), (strict, TlsDetail::Alert(116)), (plain, TlsDetail::PlaintextPeer)]
    {
        assert_eq!(ask(&prober, address, &get(), &dial).await, tls_failed(detail));
        let spoken = ask(&prober, address, &tcp("PING\r\n\r\n", "+PONG"), &dial).await;
        assert_eq!(spoken, tls_failed(detail));
    }
    let silent =
        listening(|stream: TcpStream| drop(std::io::Read::read_to_end(&mut &stream, &mut Vec::new())));
    let hasty = Probe { timeout: SHORT, ..get() };
    assert_eq!(ask(&prober, silent, &hasty, &dial).await, failed(Cause::TlsTimeout));
}

#[tokio::test]
async fn a_tcp_probe_speaks_through_tls() {
    let ca = Ca::new();
    let address = secure_server(ca.leaf().server(), |head, stream| {
        assert_eq!(head, "PING\r\n\r\n");
        stream.write_all(b"+PONG\r\n").is_ok()
    });
    let (prober, dial) = (Prober::new(), ca.dial());
    assert_eq!(ask(&prober, address, &tcp("", ""), &dial).await, ProbeResult::Passed);
    assert_eq!(ask(&prober, address, &tcp("PING\r\n\r\n", "+PONG"), &dial).await, ProbeResult::Passed);
    let unexpected = ProbeResult::Failed(ProbeFailure::Reply);
    assert_eq!(ask(&prober, address, &tcp("PING\r\n\r\n", "-"), &dial).await, unexpected);
}

#[tokio::test]
async fn a_body_that_only_the_end_shows_needs_no_word_for_it() {
    let ca = Ca::new();
    let address = secure_server(ca.leaf().server(), |_, stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nall is well").unwrap();
        false
    });
    let http = HttpProbe { body: Some("well".into()), ..HttpProbe::get("/") };
    assert_eq!(ask(&Prober::new(), address, &of_http(http), &ca.dial()).await, ProbeResult::Passed);
}

#[tokio::test]
async fn a_trial_by_connection_shakes_hands() {
    let (ca, prober) = (Ca::new(), Prober::new());
    let address = secure_server(ca.leaf().server(), |_, _| false);
    let endpoints = [Endpoint::Tcp(address)];
    assert_eq!(prober.try_connection(&endpoints, Some(&ca.dial()), LONG).await, Ok(()));
    let other = prober.try_connection(&endpoints, Some(&Ca::named("other").dial()), LONG).await;
    assert_eq!(other, Err(ProbeFailure::Tls(Cause::TlsCertificate, TlsDetail::UnknownCa)));
    let silent =
        listening(|stream: TcpStream| drop(std::io::Read::read_to_end(&mut &stream, &mut Vec::new())));
    let waited = prober.try_connection(&[Endpoint::Tcp(silent)], Some(&ca.dial()), SHORT).await;
    assert_eq!(waited, Err(ProbeFailure::Failed(Cause::TlsTimeout)));
    assert_eq!(prober.try_connection(&endpoints, None, LONG).await, Ok(()));
    assert_eq!(prober.try_connection(&[], None, LONG).await, Err(ProbeFailure::Failed(Cause::DnsFailed)));
}

#[tokio::test]
async fn no_two_probes_compute_without_a_look_at_the_others_between() {
    let ca = Ca::new();
    let address = secure_server(ca.leaf().server(), |_, stream| stream.write_all(OK).is_ok());
    let (prober, dial) = (Prober::new(), ca.dial());
    let turn = prober.turnstile.turn().await;
    let hasty = Probe { timeout: SHORT, ..get() };
    assert_eq!(ask(&prober.clone(), address, &hasty, &dial).await, failed(Cause::TlsTimeout));
    let waited = prober.try_connection(&[Endpoint::Tcp(address)], Some(&dial), SHORT).await;
    assert_eq!(waited, Err(ProbeFailure::Failed(Cause::TlsTimeout)));
    drop(turn);
    assert_eq!(ask(&prober, address, &get(), &dial).await, ProbeResult::Passed);
}
