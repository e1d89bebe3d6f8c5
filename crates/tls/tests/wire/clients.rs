//! Clients that show certificates.

use std::sync::Arc;

use evenkeel_tls::{
    AlertDescription, CertificateError, Client, ClientCertificates, Error, Identity, Server, Session,
    UnknownName, forwarded_client_cert,
};
use rcgen::{SerialNumber, date_time_ymd};
use rustls::CertRevocationListError;

use crate::authority::{
    Authority, ECDSA, client, client_auth, client_parts, dial, params, self_signed, server_parts,
};
use crate::ends::{Ends, meet, read};

struct Scene {
    ca: Authority,
    clients: Authority,
}

impl Scene {
    fn new() -> Self {
        Scene { ca: Authority::new("ca"), clients: Authority::new("clients") }
    }

    fn server(&self, certificates: ClientCertificates, crls: Vec<Vec<u8>>) -> Arc<Server> {
        let mut parts = server_parts(vec![self.ca.issue(&["a.test"])]);
        parts.client = Some(evenkeel_tls::ClientAuth { certificates, crls, ..client_auth(&self.clients) });
        Server::new(parts).unwrap()
    }

    /// What becomes of a client with this certificate, on both sides, after the client has heard all.
    fn try_with(&self, server: &Server, identity: Option<Arc<Identity>>) -> (Session, Ends) {
        let parts = evenkeel_tls::ClientParts { identity, ..client_parts(&self.ca) };
        let (mut client, ours, mut ends) = meet(&dial(&Client::new(parts).unwrap(), "a.test"), server);
        // In TLS 1.3 the client learns it after its own handshake is done.
        if let Err(error) = client.read(&mut [0; 100]) {
            ends.client = Err(error);
        }
        (ours, ends)
    }
}

#[test]
fn a_good_certificate_is_known_afterwards() {
    let scene = Scene::new();
    let middle = scene.clients.below("middle");
    let identity = middle.sign(&params("me", &["me.test"]), ECDSA).identity(&[&middle]);
    for certificates in [ClientCertificates::Required, ClientCertificates::Optional] {
        let server = scene.server(certificates, Vec::new());
        let (ours, ends) = scene.try_with(&server, Some(identity.clone()));
        ends.unwrap();
        assert_eq!(ours.peer_certificate(), Some(&identity.chain()[0]));
        let field = forwarded_client_cert(ours.peer_certificate().unwrap());
        assert!(field.ends_with(";Subject=\"CN=me\";DNS=me.test"), "{field}");
    }
}

#[test]
fn a_missing_certificate_matters_only_where_one_is_required() {
    let scene = Scene::new();
    let (ours, ends) = scene.try_with(&scene.server(ClientCertificates::Optional, Vec::new()), None);
    ends.unwrap();
    assert!(ours.peer_certificate().is_none());
    let (_, ends) = scene.try_with(&scene.server(ClientCertificates::Required, Vec::new()), None);
    assert_eq!(ends.server, Err(Error::NoCertificatesPresented));
    assert_eq!(ends.client_error(), Error::AlertReceived(AlertDescription::CertificateRequired));
}

#[test]
fn a_bad_certificate_is_refused_even_where_none_is_required() {
    let scene = Scene::new();
    let mut old = params("old", &["me.test"]);
    old.not_after = date_time_ymd(2020, 1, 1);
    let mut young = params("young", &["me.test"]);
    young.not_before = date_time_ymd(3000, 1, 1);
    young.not_after = date_time_ymd(3001, 1, 1);
    for certificates in [ClientCertificates::Required, ClientCertificates::Optional] {
        let server = scene.server(certificates, Vec::new());
        for (identity, expected) in [
            (scene.ca.issue(&["me.test"]), AlertDescription::UnknownCA),
            (self_signed(&params("me", &[])).identity(&[]), AlertDescription::UnknownCA),
            (scene.clients.sign(&old, ECDSA).identity(&[]), AlertDescription::CertificateExpired),
            (scene.clients.sign(&young, ECDSA).identity(&[]), AlertDescription::CertificateExpired),
        ] {
            let (ours, ends) = scene.try_with(&server, Some(identity.clone()));
            assert!(matches!(&ends.server, Err(Error::InvalidCertificate(_))), "{:?}", ends.server);
            assert_eq!(ends.client_error(), Error::AlertReceived(expected), "{identity:?}");
            assert!(ours.peer_certificate().is_none(), "what is not verified is nobody's");
        }
    }
}

#[test]
fn what_a_list_revokes_is_refused_even_if_the_list_is_old() {
    let scene = Scene::new();
    let numbered = |serial: u64| {
        let mut params = params("me", &["me.test"]);
        params.serial_number = Some(SerialNumber::from(serial));
        scene.clients.sign(&params, ECDSA).identity(&[])
    };
    for years in [(2020, 2021), (2020, 3000)] {
        let crl = scene.clients.revoke(&[7, 8], years);
        let server = scene.server(ClientCertificates::Required, vec![crl]);
        let (_, ends) = scene.try_with(&server, Some(numbered(7)));
        assert_eq!(ends.server, Err(Error::InvalidCertificate(CertificateError::Revoked)));
        assert_eq!(ends.client_error(), Error::AlertReceived(AlertDescription::CertificateRevoked));
        scene.try_with(&server, Some(numbered(9))).1.unwrap();
    }
}

#[test]
fn a_list_counts_for_its_own_ca_alone() {
    let scene = Scene::new();
    let middle = scene.clients.below("middle");
    let identity = middle.sign(&params("me", &["me.test"]), ECDSA).identity(&[&middle]);
    // The list of the CA above says nothing of whom the one in the middle has signed.
    let server = scene.server(ClientCertificates::Required, vec![scene.clients.revoke(&[7], (2020, 3000))]);
    scene.try_with(&server, Some(identity.clone())).1.unwrap();
    // A list by somebody else who calls himself the same is no list of that CA.
    let forged = Authority::new("clients").revoke(&[7], (2020, 3000));
    let server = scene.server(ClientCertificates::Required, vec![forged]);
    let (_, ends) = scene.try_with(&server, Some(scene.clients.issue(&["me.test"])));
    let expected = Error::InvalidCertRevocationList(CertRevocationListError::BadSignature);
    assert_eq!(ends.server, Err(expected));
}

#[test]
fn a_certificate_in_the_middle_can_be_revoked() {
    let scene = Scene::new();
    let mut middle = crate::authority::ca_params("middle");
    middle.serial_number = Some(SerialNumber::from(5));
    let signed = scene.clients.sign(&middle, ECDSA);
    let middle = Authority { params: middle, key: signed.key, certificate: signed.certificate };
    let identity = middle.sign(&params("me", &["me.test"]), ECDSA).identity(&[&middle]);
    let server = scene.server(ClientCertificates::Required, vec![scene.clients.revoke(&[5], (2020, 3000))]);
    let (_, ends) = scene.try_with(&server, Some(identity));
    assert_eq!(ends.server, Err(Error::InvalidCertificate(CertificateError::Revoked)));
}

#[test]
fn parts_that_cannot_be_used_are_refused_beforehand() {
    let scene = Scene::new();
    let mut parts = server_parts(vec![scene.ca.issue(&["a.test"])]);
    let mut auth = client_auth(&scene.clients);
    auth.crls = vec![b"no list".to_vec()];
    parts.client = Some(auth.clone());
    assert!(matches!(Server::new(parts.clone()), Err(evenkeel_tls::ServerError::BadCrl(_))));
    auth.crls.clear();
    for ca in [vec![], vec![vec![1, 2, 3].into()]] {
        auth.ca = ca;
        parts.client = Some(auth.clone());
        assert!(matches!(Server::new(parts.clone()), Err(evenkeel_tls::ServerError::BadCa(_))));
    }
}

#[test]
fn servers_are_compared_by_what_they_are_made_of() {
    let ca = Authority::new("ca");
    let mut parts = server_parts(vec![ca.issue(&["a.test"])]);
    let one = Server::new(parts.clone()).unwrap();
    assert_eq!(one, Server::new(parts.clone()).unwrap());
    parts.unknown_name = UnknownName::Refuse;
    assert_ne!(one, Server::new(parts).unwrap());
    assert_eq!(client(&ca), client(&ca));
    assert_ne!(client(&ca), client(&Authority::new("ca")));
    // A client without a certificate is nobody to a server that asks for none.
    let (mut client, _, ends) = meet(&dial(&client(&ca), "a.test"), &one);
    ends.unwrap();
    assert_eq!(read(&mut client), b"");
}
