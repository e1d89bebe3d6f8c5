//! Whom a client believes.

use std::sync::Arc;

use evenkeel_tls::{
    CertificateError, Client, ClientError, ClientParts, Error, Identity, Pin, Roots, Verify,
    certificates_from_pem, is_pin_mismatch, is_self_signed, is_self_signed_peer,
};
use rcgen::{PublicKeyData as _, date_time_ymd};

use crate::authority::{
    Authority, ECDSA, Issued, RSA, ca_params, client, client_parts, dial, params, self_signed, server,
};
use crate::ends::{Ends, join, meet};

fn pin(key: &rcgen::KeyPair) -> Pin {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &key.subject_public_key_info());
    Pin(digest.as_ref().try_into().unwrap())
}

fn try_with(parts: ClientParts, name: &str, identity: &Arc<Identity>) -> Ends {
    meet(&dial(&Client::new(parts).unwrap(), name), &server(identity)).2
}

fn refusal(parts: ClientParts, name: &str, identity: &Arc<Identity>) -> CertificateError {
    match try_with(parts, name, identity).client_error() {
        Error::InvalidCertificate(error) => error,
        error => panic!("{error}"),
    }
}

#[test]
fn a_good_certificate_is_believed_for_its_names_and_addresses() {
    let ca = Authority::new("ca");
    let middle = ca.below("middle");
    let names = ["a.test", "*.b.test", "192.0.2.1", "2001:db8::1"];
    for kind in [ECDSA, RSA] {
        let identity = middle.sign(&params("leaf", &names), kind).identity(&[&middle]);
        for name in ["a.test", "A.TEST", "x.b.test", "192.0.2.1", "2001:db8::1"] {
            try_with(client_parts(&ca), name, &identity).unwrap();
        }
        for name in ["b.test", "x.x.b.test", "192.0.2.2", "leaf"] {
            let error = refusal(client_parts(&ca), name, &identity);
            assert!(matches!(error, CertificateError::NotValidForNameContext { .. }), "{name}: {error:?}");
        }
    }
}

#[test]
fn an_address_is_verified_and_not_sent() {
    let ca = Authority::new("ca");
    let identity = ca.issue(&["192.0.2.1", "a.test"]);
    let client = client(&ca);
    assert_eq!(join(&dial(&client, "192.0.2.1"), &server(&identity)).1.server_name(), None);
    assert_eq!(join(&dial(&client, "a.test"), &server(&identity)).1.server_name(), Some("a.test"));
}

#[test]
fn a_certificate_counts_in_its_time() {
    let ca = Authority::new("ca");
    let mut old = params("leaf", &["a.test"]);
    old.not_after = date_time_ymd(2020, 1, 1);
    let error = refusal(client_parts(&ca), "a.test", &ca.sign(&old, ECDSA).identity(&[]));
    assert!(matches!(error, CertificateError::ExpiredContext { .. }), "{error:?}");
    let mut young = params("leaf", &["a.test"]);
    (young.not_before, young.not_after) = (date_time_ymd(3000, 1, 1), date_time_ymd(3001, 1, 1));
    let error = refusal(client_parts(&ca), "a.test", &ca.sign(&young, ECDSA).identity(&[]));
    assert!(matches!(error, CertificateError::NotValidYetContext { .. }), "{error:?}");
}

#[test]
fn strangers_and_those_who_vouch_for_themselves_are_told_apart() {
    let ca = Authority::new("ca");
    let stranger = Authority::new("stranger").issue(&["a.test"]);
    assert_eq!(refusal(client_parts(&ca), "a.test", &stranger), CertificateError::UnknownIssuer);
    assert!(!stranger.facts().is_self_signed);
    // That it is called as its CA is does not make it so.
    let namesake = Authority::new("leaf").issue(&["a.test"]);
    assert_eq!(refusal(client_parts(&ca), "a.test", &namesake), CertificateError::UnknownIssuer);
    assert!(!is_self_signed(&namesake.chain()[0]));

    let own = self_signed(&params("leaf", &["a.test"])).identity(&[]);
    let error = try_with(client_parts(&ca), "a.test", &own).client_error();
    assert!(is_self_signed_peer(&error) && !is_pin_mismatch(&error), "{error:?}");
    assert!(own.facts().is_self_signed && is_self_signed(&own.chain()[0]));
}

#[test]
fn one_who_vouches_for_himself_can_be_believed_by_name() {
    // As `openssl req -x509` makes them, which marks them as CAs, and others without that mark.
    let mut marked = ca_params("own");
    marked.subject_alt_names = params("", &["a.test"]).subject_alt_names;
    for params in [marked, params("own", &["a.test"])] {
        let own = self_signed(&params).identity(&[]);
        let believes = |own: &Arc<Identity>| ClientParts {
            roots: Roots::Given(vec![own.chain()[0].clone()]),
            ..client_parts(&Authority::new("ca"))
        };
        try_with(believes(&own), "a.test", &own).unwrap();
        let error = refusal(believes(&own), "b.test", &own);
        assert!(matches!(error, CertificateError::NotValidForNameContext { .. }), "{error:?}");
        let mut old = params.clone();
        old.not_after = date_time_ymd(2020, 1, 1);
        let old = self_signed(&old).identity(&[]);
        let error = refusal(believes(&old), "a.test", &old);
        let is_expired = matches!(error, CertificateError::Expired | CertificateError::ExpiredContext { .. });
        assert!(is_expired, "{error:?}");
        // Another one of the same name is somebody else.
        assert!(try_with(believes(&own), "a.test", &self_signed(&params).identity(&[])).client.is_err());
    }
}

#[test]
fn a_pin_is_asked_for_beside_the_chain() {
    let ca = Authority::new("ca");
    let middle = ca.below("middle");
    let leaf = middle.sign(&params("leaf", &["a.test"]), ECDSA);
    let identity = leaf.identity(&[&middle]);
    let strange = rcgen::KeyPair::generate().unwrap();
    let with = |pins: Vec<Pin>| ClientParts { pins, ..client_parts(&ca) };
    try_with(with(vec![pin(&leaf.key)]), "a.test", &identity).unwrap();
    try_with(with(vec![pin(&strange), pin(&middle.key)]), "a.test", &identity).unwrap();
    let error = try_with(with(vec![pin(&strange)]), "a.test", &identity).client_error();
    assert!(is_pin_mismatch(&error) && !is_self_signed_peer(&error), "{error:?}");
    // A pin does not replace what else is verified.
    let error = refusal(with(vec![pin(&leaf.key)]), "b.test", &identity);
    assert!(matches!(error, CertificateError::NotValidForNameContext { .. }));
    let other = ClientParts { pins: vec![pin(&leaf.key)], ..client_parts(&Authority::new("other")) };
    assert_eq!(refusal(other, "a.test", &identity), CertificateError::UnknownIssuer);
}

#[test]
fn a_pinned_certificate_that_is_only_shown_proves_nothing() {
    let (ca, pinned) = (Authority::new("ca"), Authority::new("pinned"));
    let leaf = ca.sign(&params("leaf", &["a.test"]), ECDSA);
    // The chain is good without the pinned certificate, which anybody can append.
    let identity = leaf.identity(&[&ca, &pinned]);
    let with = |verify, pins| ClientParts { verify, pins, ..client_parts(&ca) };
    for verify in [Verify::On, Verify::Off] {
        let error = try_with(with(verify, vec![pin(&pinned.key)]), "a.test", &identity).client_error();
        assert!(is_pin_mismatch(&error), "{error:?}");
    }
    // The CA that is shown does vouch for the leaf, but without verification nobody knows.
    try_with(with(Verify::On, vec![pin(&ca.key)]), "a.test", &identity).unwrap();
    let error = try_with(with(Verify::Off, vec![pin(&ca.key)]), "a.test", &identity).client_error();
    assert!(is_pin_mismatch(&error));
}

#[test]
fn without_verification_anybody_is_believed_but_for_pins() {
    let ca = Authority::new("ca");
    let mut old = params("leaf", &["b.test"]);
    old.not_after = date_time_ymd(2020, 1, 1);
    let Issued { certificate, key } = self_signed(&old);
    let leaf = Issued { certificate, key };
    let identity = leaf.identity(&[]);
    let with = |pins| ClientParts { verify: Verify::Off, pins, ..client_parts(&ca) };
    try_with(with(vec![]), "a.test", &identity).unwrap();
    try_with(with(vec![pin(&leaf.key)]), "a.test", &identity).unwrap();
    let error = try_with(with(vec![pin(&ca.key)]), "a.test", &identity).client_error();
    assert!(is_pin_mismatch(&error));
}

#[test]
fn roots_have_to_be_certificates() {
    let ca = Authority::new("ca");
    for roots in [vec![], vec![b"nothing".to_vec().into()], vec![ca.der(), vec![0x30, 0].into()]] {
        let parts = ClientParts { roots: Roots::Given(roots), ..client_parts(&ca) };
        assert!(matches!(Client::new(parts), Err(ClientError::BadCa(_))));
    }
    let pem = ca.certificate.pem();
    assert_eq!(certificates_from_pem(pem.as_bytes()).unwrap(), [ca.der()]);
}

#[test]
fn the_systems_roots_believe_no_stranger() {
    match Roots::system() {
        Ok(roots) if roots != Roots::System(Arc::default()) => {
            let parts = ClientParts { roots, ..client_parts(&Authority::new("ca")) };
            let stranger = Authority::new("stranger").issue(&["a.test"]);
            assert_eq!(refusal(parts, "a.test", &stranger), CertificateError::UnknownIssuer);
        }
        Ok(roots) => {
            let parts = ClientParts { roots, ..client_parts(&Authority::new("ca")) };
            assert!(matches!(Client::new(parts), Err(ClientError::NoSystemRoots(_))));
        }
        Err(error) => assert!(matches!(error, ClientError::NoSystemRoots(_)), "{error}"),
    }
}
