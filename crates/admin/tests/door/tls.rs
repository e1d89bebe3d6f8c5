//! What the status tells of TLS, on both sides.

use std::sync::Arc;
use std::time::Duration;

use evenkeel_admin::Warning;
use evenkeel_model::{HandshakeFailure, Phase};
use evenkeel_routing::{Listener, ListenerRule, ListenerTls, Snapshot};
use evenkeel_tls::{
    CertificateDer, Client, ClientAuth, ClientCertificates, ClientParts, Dial, Identity, Pin, Policy, Roots,
    Server, ServerName, ServerParts, UnknownName, Verify,
};
use serde_json::{Value, json};

use crate::pages::expect_explained;
use crate::support::{Door, member, pool_of, snapshot};

/// Self-signed, for these names, until 1 January 2050.
fn identity(names: &[&str]) -> (Arc<Identity>, CertificateDer<'static>) {
    let names: Vec<String> = names.iter().map(|name| (*name).to_string()).collect();
    let mut parameters = rcgen::CertificateParams::new(names).unwrap();
    parameters.not_after = rcgen::date_time_ymd(2050, 1, 1);
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = parameters.self_signed(&key).unwrap();
    let identity = Identity::from_pem(certificate.pem().as_bytes(), key.serialize_pem().as_bytes()).unwrap();
    (identity, certificate.der().clone())
}

fn with_listener(change: impl FnOnce(&mut ServerParts)) -> Snapshot {
    let mut parts = ServerParts {
        identities: vec![identity(&["b.test", "*.b.test"]).0, identity(&["a.test", "127.0.0.1"]).0],
        default: 1,
        policy: Policy::default(),
        unknown_name: UnknownName::default(),
        client: None,
        protocols: vec![b"http/1.1".to_vec()],
    };
    change(&mut parts);
    let server = Server::new(parts).unwrap();
    let mut snapshot = snapshot(Phase::Serving);
    let listener = &snapshot.listeners[0];
    let tls = ListenerTls { server, handshake_timeout: Duration::from_secs(5), handshakes: 1000 };
    let rule = ListenerRule { tls: Some(tls), ..listener.rule.clone() };
    snapshot.listeners = vec![Arc::new(Listener { rule, counters: listener.counters.clone() })];
    snapshot
}

fn with_backend(parts: ClientParts) -> Snapshot {
    let mut member = member("web", "blue", Phase::Serving);
    let name = ServerName::try_from("app.test").unwrap();
    member.tls = Some(Arc::new(Dial::new(Client::new(parts).unwrap(), name)));
    let mut snapshot = snapshot(Phase::Serving);
    snapshot.pools = vec![Arc::new(pool_of("web", vec![member], true))];
    snapshot
}

fn believing(verify: Verify, pins: Vec<Pin>) -> ClientParts {
    let (identity, ca) = identity(&["me.test"]);
    ClientParts { roots: Roots::Given(vec![ca]), verify, pins, identity: Some(identity) }
}

fn listener_tls(snapshot: Snapshot) -> Value {
    Door::open(snapshot).status()["listeners"][0]["tls"].clone()
}

fn backend_tls(snapshot: Snapshot) -> Value {
    Door::open(snapshot).status()["pools"][0]["backends"][0]["tls"].clone()
}

#[test]
fn who_speaks_cleartext_has_no_tls() {
    assert_eq!(listener_tls(snapshot(Phase::Serving)), Value::Null);
    assert_eq!(backend_tls(snapshot(Phase::Serving)), Value::Null);
}

#[test]
fn a_listener_tells_what_it_presents() {
    let shown = listener_tls(with_listener(|_| {}));
    assert_eq!((&shown["policy"], &shown["unknown_name"]), (&json!("intermediate"), &json!("default")));
    assert_eq!(shown["client_certificates"], Value::Null);
    let [first, second] = &shown["certificates"].as_array().unwrap()[..] else { panic!("{shown}") };
    assert_eq!(first["names"], json!(["b.test", "*.b.test"]));
    assert_eq!((&first["default"], &second["default"]), (&json!(false), &json!(true)));
    assert_eq!((&second["names"], &second["addresses"]), (&json!(["a.test"]), &json!(["127.0.0.1"])));
    assert_eq!((&first["key"], &first["self_signed"]), (&json!("ecdsa"), &json!(true)));
    assert_eq!(first["not_after"], "2050-01-01T00:00:00.000Z");
    assert!(first["days_left"].as_i64().unwrap() > 365);
    assert_eq!(first["fingerprint"].as_str().unwrap().len(), 64);
}

#[test]
fn a_listener_tells_whom_it_asks_for_a_certificate() {
    for (certificates, word) in
        [(ClientCertificates::Required, "required"), (ClientCertificates::Optional, "optional")]
    {
        let shown = listener_tls(with_listener(|parts| {
            parts.policy = Policy::Modern;
            parts.unknown_name = UnknownName::Refuse;
            let ca = vec![identity(&["ca.test"]).1];
            parts.client = Some(ClientAuth { ca, crls: Vec::new(), certificates });
        }));
        assert_eq!(shown["client_certificates"], word);
        assert_eq!((&shown["policy"], &shown["unknown_name"]), (&json!("modern"), &json!("refuse")));
    }
}

#[test]
fn a_listener_tells_how_its_handshakes_went() {
    let door = Door::open(with_listener(|_| {}));
    let snapshot = door.handles.view.load_full();
    let counters = &snapshot.listeners[0].counters;
    counters[0].handshakes.add(2);
    counters[1].handshakes.add(1);
    counters[1].resumptions.add(5);
    counters[0].handshake_failures[HandshakeFailure::Alert as usize].add(4);
    let expected = json!({ "full": 3, "resumed": 5, "in_progress": 0, "failed": { "alert": 4 } });
    assert_eq!(door.status()["listeners"][0]["tls"]["handshakes"], expected);
}

#[test]
fn a_backend_tells_whether_it_is_verified() {
    let pin = || vec![Pin([7; 32])];
    for (parts, verify, pins) in [
        (believing(Verify::On, Vec::new()), "on", 0),
        (believing(Verify::On, pin()), "on", 1),
        (believing(Verify::Off, pin()), "pins", 1),
        (believing(Verify::Off, Vec::new()), "off", 0),
    ] {
        let shown = backend_tls(with_backend(parts));
        assert_eq!((&shown["verify"], &shown["pins"]), (&json!(verify), &json!(pins)));
        assert_eq!((&shown["server_name"], &shown["ca"]), (&json!("app.test"), &json!("given")));
        assert_eq!(shown["certificate"]["names"], json!(["me.test"]));
    }
}

#[test]
fn warnings_and_bad_files_are_told_at_the_top() {
    let door = Door::open(snapshot(Phase::Serving));
    let status = door.status();
    assert_eq!((&status["warnings"], &status["tls_files"]["successful"]), (&json!([]), &json!(true)));
    let warning = Warning {
        code: "unverified",
        path: "pools.web.tls.verify".into(),
        message: "whoever answers is believed".into(),
        help: None,
    };
    door.handles.warnings.lock().unwrap().push(warning);
    door.handles.files.rejected(vec!["/a.pem: there is no certificate in it".to_string()]);
    let status = door.status();
    let expected = json!([{
        "code": "unverified", "path": "pools.web.tls.verify", "message": "whoever answers is believed", "help": null
    }]);
    assert_eq!(status["warnings"], expected);
    assert_eq!(status["tls_files"]["successful"], false);
    assert_eq!(status["tls_files"]["problems"], json!(["/a.pem: there is no certificate in it"]));
    expect_explained(&status);
}

#[test]
fn the_manual_explains_every_field_about_tls() {
    expect_explained(&Door::open(with_listener(|_| {})).status());
    expect_explained(&Door::open(with_backend(believing(Verify::On, Vec::new()))).status());
}
