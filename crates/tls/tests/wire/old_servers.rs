//! Our client before other people's servers.

use std::sync::Arc;

use evenkeel_tls::{AlertDescription, Client, ClientParts, Error, Identity, Read, Session};
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use rustls::version::{TLS12, TLS13};
use rustls::{RootCertStore, ServerConfig, ServerConnection, SupportedProtocolVersion};

use crate::authority::{Authority, ECDSA, Issued, client, client_parts, dial, params};
use crate::ends::{End as _, read, shake, write};

fn strange(
    leaf: &Issued,
    version: &'static SupportedProtocolVersion,
    protocols: &[&str],
    clients: Option<&Authority>,
) -> Arc<ServerConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder =
        ServerConfig::builder_with_provider(provider.clone()).with_protocol_versions(&[version]).unwrap();
    let builder = match clients {
        Some(clients) => {
            let mut roots = RootCertStore::empty();
            roots.add(clients.der()).unwrap();
            let verifier =
                WebPkiClientVerifier::builder_with_provider(roots.into(), provider).build().unwrap();
            builder.with_client_cert_verifier(verifier)
        }
        None => builder.with_no_client_auth(),
    };
    let key = PrivateKeyDer::try_from(leaf.key.serialize_der()).unwrap();
    let mut config = builder.with_single_cert(vec![leaf.certificate.der().clone()], key).unwrap();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    Arc::new(config)
}

#[test]
fn whatever_they_speak_is_spoken_and_gone_on_with() {
    let ca = Authority::new("ca");
    let leaf = ca.sign(&params("leaf", &["a.test"]), ECDSA);
    for (version, expected) in [(&TLS12, "TLSv1.2"), (&TLS13, "TLSv1.3")] {
        for protocols in [&[][..], &["h2", "http/1.1"], &["http/1.1"]] {
            let dial = dial(&client(&ca), "a.test");
            let config = strange(&leaf, version, protocols, None);
            for resumed in [false, true] {
                let mut ours = Session::connect(&dial).unwrap();
                let mut server = ServerConnection::new(config.clone()).unwrap();
                shake(&mut ours, &mut server).unwrap();
                assert_eq!(ours.version(), Some(expected));
                assert_eq!(server.alpn_protocol(), protocols.last().map(|name| name.as_bytes()));
                assert_eq!(read(&mut ours), b"");
                assert_eq!(ours.is_resumed(), resumed);
                write(&mut ours, b"up");
                server.give(&ours.take());
                server.step().unwrap();
                server.send_close_notify();
                ours.give(&server.take());
                assert_eq!(ours.read(&mut [0; 10]).unwrap(), Read::Ended);
            }
        }
    }
}

#[test]
fn one_that_speaks_only_another_protocol_says_so() {
    let ca = Authority::new("ca");
    let leaf = ca.sign(&params("leaf", &["a.test"]), ECDSA);
    let config = strange(&leaf, &TLS13, &["h2"], None);
    let mut ours = Session::connect(&dial(&client(&ca), "a.test")).unwrap();
    let ends = shake(&mut ours, &mut ServerConnection::new(config).unwrap());
    assert_eq!(ends.client_error(), Error::AlertReceived(AlertDescription::NoApplicationProtocol));
}

#[test]
fn who_asks_for_a_certificate_gets_it() {
    let (ca, clients) = (Authority::new("ca"), Authority::new("clients"));
    let leaf = ca.sign(&params("leaf", &["a.test"]), ECDSA);
    let me: Arc<Identity> = clients.issue(&["me.test"]);
    for version in [&TLS12, &TLS13] {
        let config = strange(&leaf, version, &[], Some(&clients));
        for identity in [Some(me.clone()), None] {
            let parts = ClientParts { identity: identity.clone(), ..client_parts(&ca) };
            let mut ours = Session::connect(&dial(&Client::new(parts).unwrap(), "a.test")).unwrap();
            let mut server = ServerConnection::new(config.clone()).unwrap();
            let ends = shake(&mut ours, &mut server);
            match identity {
                Some(_) => {
                    ends.unwrap();
                    assert_eq!(server.peer_certificates().unwrap(), me.chain());
                }
                None => {
                    assert_eq!(ends.server, Err(Error::NoCertificatesPresented));
                    let alert = ours.read(&mut [0; 10]).unwrap_err();
                    assert!(matches!(alert, Error::AlertReceived(_)), "{alert}");
                }
            }
        }
    }
}
