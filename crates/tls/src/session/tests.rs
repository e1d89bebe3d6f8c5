//! What shows only inside: keys that are used up, what others left behind, and how much is held.

use std::io::IoSlice;
use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair};
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::{TLS12, TLS13};
use rustls::{
    CipherSuiteCommon, ServerConfig, SupportedCipherSuite, SupportedProtocolVersion, Tls12CipherSuite,
};

use super::write::{MOST, RECORD};
use super::*;
use crate::{Client, ClientParts, Roots, Verify};

/// A cipher of TLS 1.2 whose keys are good for so many records.
fn short_lived(records: u64) -> SupportedCipherSuite {
    let SupportedCipherSuite::Tls12(whole) = TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 else {
        panic!("it is one of TLS 1.2")
    };
    let Tls12CipherSuite { ref common, prf_provider, kx, sign, aead_alg } = *whole;
    let common = CipherSuiteCommon {
        suite: common.suite,
        hash_provider: common.hash_provider,
        confidentiality_limit: records,
    };
    let short = Tls12CipherSuite { common, prf_provider, kx, sign, aead_alg };
    SupportedCipherSuite::Tls12(Box::leak(Box::new(short)))
}

/// Somebody else's server of one version, with a certificate that it signed itself.
pub(crate) fn server(
    provider: CryptoProvider,
    version: &'static SupportedProtocolVersion,
    change: impl FnOnce(&mut CertificateParams),
) -> (Arc<ServerConfig>, CertificateDer<'static>) {
    let (mut params, key) =
        (CertificateParams::new(["a.test".to_owned()]).unwrap(), KeyPair::generate().unwrap());
    change(&mut params);
    let certificate = params.self_signed(&key).unwrap().der().clone();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    (Arc::new(config), certificate)
}

/// Its side of a new connection.
pub(crate) fn accept(server: &Arc<ServerConfig>) -> Session {
    let connection = UnbufferedServerConnection::new(server.clone()).unwrap();
    Session::new(Connection::Server(Box::new(connection)))
}

/// A client, and a server of TLS 1.3, or of TLS 1.2 with this cipher.
fn strangers(cipher: Option<SupportedCipherSuite>) -> (Session, Session) {
    let (mut provider, version) = (default_provider(), if cipher.is_some() { &TLS12 } else { &TLS13 });
    if let Some(cipher) = cipher {
        provider.cipher_suites = vec![cipher];
    }
    let (server, _) = server(provider, version, |_| {});
    let roots = Roots::Given(Vec::new());
    let parts = ClientParts { roots, verify: Verify::Off, pins: Vec::new(), identity: None };
    let dial = Dial::new(Client::new(parts).unwrap(), "a.test".try_into().unwrap());
    (Session::connect(&dial).unwrap(), accept(&server))
}

fn give(to: &mut Session, bytes: &[u8]) {
    to.room()[..bytes.len()].copy_from_slice(bytes);
    to.received(bytes.len());
}

fn take(from: &mut Session) -> Vec<u8> {
    let bytes = from.outgoing().to_vec();
    from.sent(bytes.len());
    bytes
}

/// Runs both handshakes, unless the client ends its own.
pub(crate) fn shake(client: &mut Session, server: &mut Session) -> Result<(), Error> {
    client.step()?;
    loop {
        give(server, &take(client));
        let step = server.step().unwrap();
        give(client, &take(server));
        if (step, client.step()?) == (Step::Done, Step::Done) {
            break;
        }
    }
    assert_eq!(client.read(&mut [0]), Ok(Read::NeedsMore));
    Ok(())
}

#[test]
fn nothing_leaves_of_a_write_that_fails_in_its_midst() {
    // One is for the handshake.
    let (mut client, mut server) = strangers(Some(short_lived(3)));
    shake(&mut client, &mut server).unwrap();
    let body = vec![0; MOST];
    for _ in 0..2 {
        assert!(server.write(&[IoSlice::new(&body)]).is_err());
        assert_eq!(server.outgoing(), b"");
    }
    assert!(server.read(&mut [0]).is_err());
    server.close();
    assert_eq!(server.outgoing(), b"", "there is a gap before whatever would follow");
}

#[test]
fn the_end_is_said_where_the_keys_are_used_up_between_two_writes() {
    let (mut client, mut server) = strangers(Some(short_lived(2)));
    shake(&mut client, &mut server).unwrap();
    assert_eq!(server.write(&[IoSlice::new(b"last")]), Ok(4));
    assert!(server.write(&[IoSlice::new(b"late")]).is_err());
    give(&mut client, &take(&mut server));
    let mut room = [0; 16];
    assert_eq!(client.read(&mut room), Ok(Read::Bytes(4)));
    assert_eq!(client.read(&mut room), Ok(Read::Ended));
}

#[test]
fn what_another_session_left_behind_is_nobodys() {
    // As a panic does between the choice of a certificate and its end.
    let panic = || hello::leave(Hello { name: Some("other.test".into()), identity: None });
    let (mut client, mut server) = strangers(None);
    client.step().unwrap();
    let hello = take(&mut client);
    let (begun, rest) = hello.split_at(hello.len() / 2);
    give(&mut server, begun);
    panic();
    assert_eq!((server.step(), server.has_hello()), (Ok(Step::Blocked), false));
    give(&mut server, rest);
    shake(&mut client, &mut server).unwrap();
    assert!(!server.has_hello(), "whoever chose its certificate told nobody");
    panic();
    assert_eq!(client.write(&[IoSlice::new(b"request")]), Ok(7));
    give(&mut server, &take(&mut client));
    assert_eq!(server.read(&mut [0; 16]), Ok(Read::Bytes(7)));
    assert!(!server.has_hello());
}

#[test]
fn what_a_reader_leaves_does_not_hold_a_whole_buffer() {
    let (mut client, mut server) = strangers(None);
    shake(&mut client, &mut server).unwrap();
    client.write(&[IoSlice::new(&[0; RECORD])]).unwrap();
    client.write(&[IoSlice::new(&[0; 100])]).unwrap();
    give(&mut server, &take(&mut client));
    assert_eq!(server.read(&mut [0; 100]), Ok(Read::Bytes(100)));
    assert!(!server.plain.is_empty() && !server.incoming.is_empty());
    server.settle();
    assert!(server.plain.capacity() <= 32 << 10, "{}", server.plain.capacity());
    assert!(server.incoming.capacity() <= 1 << 10, "{}", server.incoming.capacity());
    let mut room = vec![0; RECORD + 100];
    assert_eq!(server.read(&mut room), Ok(Read::Bytes(RECORD - 100)));
    assert_eq!(server.read(&mut room), Ok(Read::Bytes(100)));
}
