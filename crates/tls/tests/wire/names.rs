//! Whose certificate a client gets, by the name that it asks for.

use std::sync::Arc;

use evenkeel_tls::{Identity, Server, Session, UnknownName};
use rcgen::date_time_ymd;

use crate::authority::{Authority, ECDSA, RSA, params, server_parts};
use crate::ends::{Ends, Strange, connect, shake};

/// Who answers a client that asks for this name, whatever that thinks of the certificate.
fn answer(ca: &Authority, server: &Server, name: Option<&str>) -> (Session, Ends) {
    let mut config = Strange::new().config(ca);
    config.enable_sni = name.is_some();
    let mut ours = Session::accept(server).unwrap();
    let ends = shake(&mut connect(&Arc::new(config), name.unwrap_or("default.test")), &mut ours);
    (ours, ends)
}

fn presented(ca: &Authority, server: &Server, name: Option<&str>) -> Arc<Identity> {
    answer(ca, server, name).0.identity().unwrap().clone()
}

#[test]
fn an_exact_name_comes_before_a_wildcard_and_that_before_the_default() {
    let ca = Authority::new("ca");
    let default = ca.issue(&["default.test"]);
    let exact = ca.issue(&["www.a.test", "A.test"]);
    let wildcard = ca.issue(&["*.a.test"]);
    let deep = ca.issue(&["*.deep.a.test"]);
    let all = vec![default.clone(), wildcard.clone(), deep.clone(), exact.clone()];
    let server = Server::new(server_parts(all)).unwrap();
    for (name, expected) in [
        ("www.a.test", &exact),
        ("WWW.A.Test", &exact),
        ("a.test", &exact),
        ("other.a.test", &wildcard),
        ("x.deep.a.test", &deep),
        ("x.other.a.test", &default),
        ("deep.a.test", &wildcard),
        ("test", &default),
        ("b.test", &default),
    ] {
        let (session, _) = answer(&ca, &server, Some(name));
        assert_eq!(session.identity(), Some(expected), "{name}");
        assert_eq!(session.server_name(), Some(&*name.to_ascii_lowercase()));
        assert!(session.has_hello() && !session.is_unknown_name());
    }
    let (session, ends) = answer(&ca, &server, None);
    ends.unwrap();
    assert_eq!((session.identity(), session.server_name()), (Some(&default), None));
}

#[test]
fn an_unknown_name_can_be_refused_and_the_client_is_told_why() {
    let ca = Authority::new("ca");
    let mut parts = server_parts(vec![ca.issue(&["first.test"]), ca.issue(&["default.test"])]);
    (parts.unknown_name, parts.default) = (UnknownName::Refuse, 1);
    let server = Server::new(parts.clone()).unwrap();
    let (session, ends) = answer(&ca, &server, Some("unknown.test"));
    assert!(session.is_unknown_name() && session.identity().is_none());
    assert_eq!(session.server_name(), Some("unknown.test"));
    assert!(ends.server.is_err());
    assert_eq!(format!("{:?}", ends.client_error()), "AlertReceived(UnrecognisedName)");

    assert_eq!(presented(&ca, &server, Some("first.test")), parts.identities[0]);
    // Who asks for nobody cannot be refused for it.
    assert_eq!(presented(&ca, &server, None), parts.identities[1]);
}

#[test]
fn the_alert_for_an_unknown_name_is_unrecognized_name() {
    let ca = Authority::new("ca");
    let mut parts = server_parts(vec![ca.issue(&["a.test"])]);
    parts.unknown_name = UnknownName::Refuse;
    let mut ours = Session::accept(&Server::new(parts).unwrap()).unwrap();
    let mut strange = Strange::new().connect(&ca, "b.test");
    use crate::ends::End as _;
    ours.give(&strange.take());
    let error = ours.step().unwrap_err();
    assert_eq!(ours.outgoing(), [21, 3, 3, 0, 2, 2, 112]);
    assert_eq!(ours.step().unwrap_err(), error);
    assert_eq!(ours.outgoing().len(), 7);
}

#[test]
fn without_a_name_the_default_or_one_beside_it_is_shown() {
    let ca = Authority::new("ca");
    let (ecdsa, rsa) = (ca.issue_for(&["a.test"], ECDSA), ca.issue_for(&["a.test"], RSA));
    let server = Server::new(server_parts(vec![ecdsa.clone(), rsa.clone()])).unwrap();
    assert_eq!(presented(&ca, &server, None), ecdsa);

    let mut strange = Strange::new();
    let verifies = &mut strange.provider.signature_verification_algorithms;
    let is_rsa = |scheme: &rustls::SignatureScheme| format!("{scheme:?}").starts_with("RSA");
    verifies.mapping =
        verifies.mapping.iter().filter(|(scheme, _)| is_rsa(scheme)).copied().collect::<Vec<_>>().leak();
    let mut config = strange.config(&ca);
    config.enable_sni = false;
    let mut ours = Session::accept(&server).unwrap();
    let _ = shake(&mut connect(&Arc::new(config), "a.test"), &mut ours);
    assert_eq!(ours.identity(), Some(&rsa));
}

#[test]
fn of_two_for_one_name_the_one_that_is_valid_is_shown() {
    let ca = Authority::new("ca");
    let of = |years: (i32, i32)| {
        let mut params = params("leaf", &["a.test"]);
        (params.not_before, params.not_after) = (date_time_ymd(years.0, 1, 1), date_time_ymd(years.1, 1, 1));
        ca.sign(&params, ECDSA).identity(&[])
    };
    let (old, young) = (of((2000, 2020)), of((3000, 3001)));
    let rsa = ca.issue_for(&["a.test"], RSA);
    let server = Server::new(server_parts(vec![old.clone(), young.clone(), rsa.clone()])).unwrap();
    for name in [Some("a.test"), None] {
        assert_eq!(presented(&ca, &server, name), rsa, "{name:?}");
    }
    let server = Server::new(server_parts(vec![old.clone(), young])).unwrap();
    assert_eq!(presented(&ca, &server, Some("a.test")), old, "none is, and the first is as good as any");
}

#[test]
fn a_server_needs_the_certificate_that_is_its_default() {
    let ca = Authority::new("ca");
    let mut parts = server_parts(vec![ca.issue(&["a.test"])]);
    parts.default = 1;
    assert!(Server::new(parts.clone()).is_err());
    (parts.default, parts.identities) = (0, Vec::new());
    assert!(Server::new(parts).is_err());
}
