//! What each peer that is no good is told to be.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;

use evenkeel_model::{Cause, TlsDetail};
use evenkeel_tls::{ClientParts, Pin, Roots, Verify};
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, KeyPair, date_time_ymd};
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::PrivateKeyDer;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::{TLS12, TLS13};

use super::*;
use crate::examples::{Ca, Leaf, dial, listening, secure_server};

/// Why TLS with a peer came to nothing that says `bytes` once it has heard of its client, and then goes.
async fn failure_with(bytes: &'static [u8]) -> TlsFailure {
    let address = listening(move |mut stream: TcpStream| {
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let _ = stream.read_to_end(&mut Vec::new());
    });
    secured(address, &Ca::new().dial()).await.expect_err("it is no TLS")
}

/// What became of TLS with a backend that has this certificate.
async fn result(leaf: &Leaf, parts: ClientParts) -> Result<(), TlsDetail> {
    let address = secure_server(leaf.server(), |_, stream| stream.write_all(b"ok").is_ok());
    let Err(failure) = secured(address, &dial(parts)).await.map(drop) else { return Ok(()) };
    assert_eq!(failure.cause, Cause::TlsCertificate);
    Err(failure.detail.unwrap())
}

#[tokio::test]
async fn a_peer_that_does_not_speak_tls_is_told_by_what_it_says() {
    // TLS 1.1, with a cipher of that time.
    const OLD: &[u8] = &[
        22, 3, 2, 0, 42, 2, 0, 0, 38, 3, 2, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
        7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 0, 0, 0x2f, 0,
    ];
    for (bytes, detail) in [
        (&b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"[..], TlsDetail::PlaintextPeer),
        (b"-ER", TlsDetail::PlaintextPeer),
        (b"\x00\x00\x12\x04\x00\x00\x00\x00\x00", TlsDetail::NotTls),
        (b"\xff", TlsDetail::NotTls),
        (b"", TlsDetail::ClosedInHandshake),
        (b"\x16\x03\x03", TlsDetail::ClosedInHandshake),
        (b"\x17\x03\x03\x00\x01x", TlsDetail::Malformed),
        (OLD, TlsDetail::Version),
    ] {
        let failure = failure_with(bytes).await;
        assert_eq!(failure, TlsFailure { cause: Cause::TlsProtocol, detail: Some(detail) }, "{bytes:?}");
    }
}

#[tokio::test]
async fn a_reset_is_a_close() {
    let address = listening(|stream: TcpStream| {
        // Closed with bytes that were not read.
        while stream.peek(&mut [0; 8]).is_ok_and(|count| count < 8) {
            thread::yield_now();
        }
    });
    let failure = secured(address, &Ca::new().dial()).await.expect_err("it closed");
    assert_eq!(failure, TlsDetail::ClosedInHandshake.into());
}

#[tokio::test]
async fn an_alert_is_told_by_its_number() {
    for (bytes, number) in [
        (b"\x15\x03\x03\x00\x02\x02\x28", 40),
        (b"\x15\x03\x03\x00\x02\x02\x46", 70),
        (b"\x15\x03\x01\x00\x02\x02\x70", 112),
        (b"\x15\x03\x03\x00\x02\x02\x78", 120),
    ] {
        let detail = Some(TlsDetail::Alert(number));
        assert_eq!(failure_with(bytes).await, TlsFailure { cause: Cause::TlsAlert, detail });
    }
}

#[tokio::test]
async fn a_certificate_that_is_no_good_is_told_by_what_is_wrong_with_it() {
    fn expired(params: &mut CertificateParams) {
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2021, 1, 1);
    }
    fn not_yet(params: &mut CertificateParams) {
        params.not_before = date_time_ymd(2090, 1, 1);
    }
    fn another(params: &mut CertificateParams) {
        params.subject_alt_names =
            CertificateParams::new(["other.test".to_owned()]).unwrap().subject_alt_names;
    }
    fn of_clients(params: &mut CertificateParams) {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    }
    type Change = fn(&mut CertificateParams);
    let ca = Ca::new();
    for (change, detail) in [
        (expired as Change, TlsDetail::Expired),
        (not_yet, TlsDetail::NotYetValid),
        (another, TlsDetail::WrongName),
        (of_clients, TlsDetail::WrongPurpose),
    ] {
        assert_eq!(result(&ca.leaf_with(change), ca.parts()).await, Err(detail));
    }
    assert_eq!(result(&ca.leaf(), ca.parts()).await, Ok(()));
    for other in [Ca::named("another CA"), Ca::new()] {
        assert_eq!(result(&ca.leaf(), other.parts()).await, Err(TlsDetail::UnknownCa));
    }
    let own = Leaf::self_signed();
    assert_eq!(result(&own, ca.parts()).await, Err(TlsDetail::SelfSigned));
    let given = ClientParts { roots: Roots::Given(vec![own.certificate()]), ..ca.parts() };
    assert_eq!(result(&own, given).await, Ok(()));
}

#[tokio::test]
async fn a_backend_that_has_another_key_than_its_certificate_is_not_taken_for_one_of_another_ca() {
    let ca = Ca::new();
    for version in [&TLS12, &TLS13] {
        let (leaf, other) = (ca.leaf(), KeyPair::generate().unwrap());
        let key = any_supported_type(&PrivateKeyDer::try_from(other.serialize_der()).unwrap()).unwrap();
        let mut config = leaf.server_with(None, &[version]);
        let shown = CertifiedKey::new(vec![leaf.certificate()], key);
        config.cert_resolver = Arc::new(SingleCertAndKey::from(shown));
        let address = secure_server(config, |_, stream| stream.write_all(b"ok").is_ok());
        let failure = secured(address, &ca.dial()).await.expect_err("it proves nothing");
        assert_eq!(failure, TlsDetail::BadCertificate.into(), "{version:?}");
    }
}

#[tokio::test]
async fn a_pin_is_asked_for_beside_verification_or_instead_of_it() {
    let (ca, own) = (Ca::new(), Leaf::self_signed());
    let leaf = ca.leaf();
    let other = Pin([0; 32]);
    for (leaf, verify, pins, expected) in [
        (&leaf, Verify::On, vec![other, leaf.pin()], Ok(())),
        (&leaf, Verify::On, vec![other], Err(TlsDetail::Pin)),
        (&own, Verify::On, vec![own.pin()], Err(TlsDetail::SelfSigned)),
        (&own, Verify::Off, vec![own.pin()], Ok(())),
        (&own, Verify::Off, vec![other], Err(TlsDetail::Pin)),
        (&own, Verify::Off, vec![], Ok(())),
    ] {
        let parts = ClientParts { verify, pins: pins.clone(), ..ca.parts() };
        assert_eq!(result(leaf, parts).await, expected, "{verify:?} {}", pins.len());
    }
}

#[tokio::test]
async fn who_has_to_show_a_certificate_shows_it() {
    let ca = Ca::new();
    let config = ca.leaf().server_for(Some(&ca));
    let address = secure_server(config, |_, stream| stream.write_all(b"ok").is_ok());
    let parts = ClientParts { identity: Some(ca.leaf().identity()), ..ca.parts() };
    let Connection { mut socket, .. } = secured(address, &dial(parts)).await.unwrap();
    exchange(&mut socket, "GET\r\n\r\n", "ok").await;
    // TLS 1.3 lets a client begin before it is refused.
    let Connection { mut socket, .. } = secured(address, &ca.dial()).await.unwrap();
    let error = poll_fn(|cx| socket.poll_read(cx, &mut [0; 16])).await.expect_err("it is refused");
    assert_eq!(TlsFailure::of(&error), Some(TlsDetail::Alert(116).into()));
}
