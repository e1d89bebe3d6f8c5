//! Versions, ciphers, signatures and protocols.

use evenkeel_tls::{AlertDescription, Error, Policy, Server, Session};
use rustls::crypto::aws_lc_rs::{cipher_suite, kx_group};
use rustls::version::{TLS12, TLS13};
use rustls::{NamedGroup, SignatureScheme};

use crate::authority::{Authority, ECDSA, ED25519, RSA, client, dial, server, server_parts};
use crate::ends::{Strange, join, shake};

#[test]
fn the_newest_version_with_the_safest_exchange_is_spoken() {
    let ca = Authority::new("ca");
    let server = server(&ca.issue(&["a.test"]));
    let (client, ours) = join(&dial(&client(&ca), "a.test"), &server);
    assert_eq!((client.version(), ours.version()), (Some("TLSv1.3"), Some("TLSv1.3")));
    assert_eq!(ours.server_name(), Some("a.test"));
    assert!(!ours.is_resumed() && !client.is_resumed());

    let (mut strange, mut ours) = (Strange::new().connect(&ca, "a.test"), Session::accept(&server).unwrap());
    shake(&mut strange, &mut ours).unwrap();
    let group = strange.negotiated_key_exchange_group().unwrap().name();
    assert_eq!(group, NamedGroup::X25519MLKEM768);
}

#[test]
fn the_policy_says_which_versions_there_are() {
    let ca = Authority::new("ca");
    let identity = ca.issue(&["a.test"]);
    let mut parts = server_parts(vec![identity]);
    for (policy, versions, expected) in [
        (Policy::Intermediate, vec![&TLS12], Some("TLSv1.2")),
        (Policy::Intermediate, vec![&TLS13], Some("TLSv1.3")),
        (Policy::Intermediate, vec![&TLS12, &TLS13], Some("TLSv1.3")),
        (Policy::Modern, vec![&TLS13], Some("TLSv1.3")),
        (Policy::Modern, vec![&TLS12], None),
    ] {
        parts.policy = policy;
        let server = Server::new(parts.clone()).unwrap();
        let mut ours = Session::accept(&server).unwrap();
        let mut strange = Strange { versions, ..Strange::new() }.connect(&ca, "a.test");
        let ends = shake(&mut strange, &mut ours);
        match expected {
            Some(version) => {
                ends.unwrap();
                assert_eq!(ours.version(), Some(version));
            }
            None => {
                assert!(matches!(&ends.server, Err(Error::PeerIncompatible(_))), "{:?}", ends.server);
                assert_eq!(ends.client_error(), Error::AlertReceived(AlertDescription::ProtocolVersion));
            }
        }
    }
}

#[test]
fn for_one_name_a_client_gets_what_it_can_verify() {
    let ca = Authority::new("ca");
    let [rsa, ecdsa, ed25519] = [RSA, ECDSA, ED25519].map(|kind| ca.issue_for(&["a.test"], kind));
    let server = Server::new(server_parts(vec![rsa.clone(), ed25519.clone(), ecdsa.clone()])).unwrap();
    let is_rsa = |scheme: &SignatureScheme| format!("{scheme:?}").starts_with("RSA");
    let is_ed = |scheme: &SignatureScheme| *scheme == SignatureScheme::ED25519;
    type Wanted<'a> = &'a dyn Fn(&SignatureScheme) -> bool;
    let tables: [(Wanted<'_>, _); 4] = [
        (&|_| true, &ecdsa),
        (&is_rsa, &rsa),
        (&|scheme| is_ed(scheme) || is_rsa(scheme), &ed25519),
        (&|scheme| !is_ed(scheme) && !is_rsa(scheme), &ecdsa),
    ];
    for version in [&TLS12, &TLS13] {
        for (wanted, expected) in &tables {
            let mut strange = Strange { versions: vec![version], ..Strange::new() };
            let verifies = &mut strange.provider.signature_verification_algorithms;
            let mapping: Vec<_> =
                verifies.mapping.iter().filter(|(scheme, _)| wanted(scheme)).copied().collect();
            verifies.mapping = mapping.leak();
            let mut ours = Session::accept(&server).unwrap();
            let ends = shake(&mut strange.connect(&ca, "a.test"), &mut ours);
            assert_eq!(ours.identity(), Some(*expected), "{ends:?}");
            ends.server.unwrap();
        }
    }
}

#[test]
fn a_client_that_can_verify_nothing_is_told_so() {
    let ca = Authority::new("ca");
    let server = server(&ca.issue_for(&["a.test"], ECDSA));
    for version in [&TLS12, &TLS13] {
        let mut strange = Strange { versions: vec![version], ..Strange::new() };
        let verifies = &mut strange.provider.signature_verification_algorithms;
        let is_rsa = |scheme: &SignatureScheme| format!("{scheme:?}").starts_with("RSA");
        let mapping: Vec<_> = verifies.mapping.iter().filter(|(scheme, _)| is_rsa(scheme)).copied().collect();
        verifies.mapping = mapping.leak();
        let mut ours = Session::accept(&server).unwrap();
        let ends = shake(&mut strange.connect(&ca, "a.test"), &mut ours);
        assert!(matches!(&ends.server, Err(Error::PeerIncompatible(_))), "{:?}", ends.server);
        assert_eq!(ends.client_error(), Error::AlertReceived(AlertDescription::HandshakeFailure));
    }
}

#[test]
fn a_client_without_the_first_exchange_is_asked_again() {
    let ca = Authority::new("ca");
    let server = server(&ca.issue(&["a.test"]));
    let mut strange = Strange::new();
    // Its first message carries a key for a group that the server does not have.
    strange.provider.kx_groups = vec![kx_group::SECP256R1MLKEM768, kx_group::SECP384R1];
    let (mut strange, mut ours) = (strange.connect(&ca, "a.test"), Session::accept(&server).unwrap());
    shake(&mut strange, &mut ours).unwrap();
    assert_eq!(ours.server_name(), Some("a.test"));
    assert_eq!(strange.negotiated_key_exchange_group().unwrap().name(), NamedGroup::secp384r1);
}

#[test]
fn the_cheapest_cipher_is_taken_that_the_client_has() {
    use cipher_suite::{TLS13_AES_128_GCM_SHA256, TLS13_AES_256_GCM_SHA384, TLS13_CHACHA20_POLY1305_SHA256};
    let ca = Authority::new("ca");
    let server = server(&ca.issue(&["a.test"]));
    let (cheap, strong) = (TLS13_AES_128_GCM_SHA256, TLS13_AES_256_GCM_SHA384);
    let chacha = TLS13_CHACHA20_POLY1305_SHA256;
    for (offered, expected) in
        [(vec![strong, chacha, cheap], cheap), (vec![chacha, strong], strong), (vec![chacha], chacha)]
    {
        let mut strange = Strange::new();
        strange.provider.cipher_suites = offered;
        let (mut strange, mut ours) = (strange.connect(&ca, "a.test"), Session::accept(&server).unwrap());
        shake(&mut strange, &mut ours).unwrap();
        assert_eq!(strange.negotiated_cipher_suite(), Some(expected));
    }
}

#[test]
fn a_protocol_is_agreed_on_or_none_is_spoken_of() {
    let ca = Authority::new("ca");
    let server = server(&ca.issue(&["a.test"]));
    for (offered, expected) in [
        (vec!["h2", "http/1.1"], Ok(Some("http/1.1"))),
        (vec!["http/1.0"], Ok(Some("http/1.0"))),
        (vec![], Ok(None)),
        (vec!["h2"], Err(AlertDescription::NoApplicationProtocol)),
    ] {
        let protocols = offered.iter().map(|name| name.as_bytes().to_vec()).collect();
        let mut strange = Strange { protocols, ..Strange::new() }.connect(&ca, "a.test");
        let ends = shake(&mut strange, &mut Session::accept(&server).unwrap());
        match expected {
            Ok(protocol) => {
                ends.unwrap();
                assert_eq!(strange.alpn_protocol(), protocol.map(str::as_bytes));
            }
            Err(alert) => {
                assert_eq!(ends.server, Err(Error::NoApplicationProtocol));
                assert_eq!(ends.client_error(), Error::AlertReceived(alert));
            }
        }
    }
}
