//! nginx and HAProxy as backends: whom they are believed to be, and who evenkeel is to them.

use evenkeel_tests::certificates::{Authority, Kind, Wish};
use evenkeel_tests::client::Client;
use evenkeel_tests::nginx::Nginx;

use super::site::{Site, ask, evidence_of_ejection, expect_failure, one, start, start_with};
use crate::named::sum;

#[test]
fn both_are_verified_by_the_ca_that_is_given() {
    let site = Site::new();
    let below = site.authority.intermediate("below");
    let nginx = site.nginx("nginx", &below.server(&["127.0.0.1"]), "");
    let haproxy = site.haproxy(&site.authority.sign(&Wish::new(&["127.0.0.1"]).kind(Kind::Rsa)));
    let backends = [("nginx", nginx.address()), ("haproxy", haproxy.address.to_string())];
    let evenkeel = start(&backends, &site.believes(), &[]);
    let mut client = Client::connect(evenkeel.address());
    let mut met = Vec::new();
    for number in 0..10 {
        let get = client.get(&format!("/{number}"));
        assert_eq!(get.status, 200, "{}", get.text());
        let post = client.post("/order", b"order");
        assert_eq!(post.status, 200);
        met.extend([get.text(), post.text()]);
    }
    assert!(met.iter().any(|text| text.starts_with("nginx ")), "{met:?}");
    assert!(met.iter().any(|text| text == "haproxy"), "{met:?}");
    assert_eq!(sum(&evenkeel, "backend_failures_total", &[]), 0.0);
    let tls = evenkeel.backend(&nginx.address())["tls"].clone();
    assert_eq!((&tls["verify"], &tls["ca"]), (&"on".into(), &"given".into()), "{tls}");
    assert_eq!(tls["server_name"], "127.0.0.1");
}

#[test]
fn without_a_ca_the_systems_are_believed() {
    let site = Site::new();
    let nginx = site.nginx("nginx", &site.local(), "");
    let ca = site.ca();
    let evenkeel = start_with(&[("a", nginx.address())], "", &[], |command| {
        command.env("SSL_CERT_FILE", &ca).env_remove("SSL_CERT_DIR");
    });
    let (status, text) = ask(&evenkeel, "/");
    assert_eq!(status, 200, "{text}");
    assert_eq!(evenkeel.backend(&nginx.address())["tls"]["ca"], "system");
    let other = Authority::new("another").write(site.folder.path(), "other");
    let evenkeel = start_with(&[("a", nginx.address())], "", &[], |command| {
        command.env("SSL_CERT_FILE", &other).env_remove("SSL_CERT_DIR");
    });
    expect_failure(&evenkeel, "tls_certificate", "unknown_ca");
}

/// Two servers that are told apart by the name that they are asked for; nobody else is served.
fn two_names(site: &Site) -> Nginx {
    let servers = ["a.test", "b.test"].map(|name| site.server(name, &site.authority.server(&[name]), ""));
    let refusing = "server { listen ADDRESS ssl default_server; ssl_reject_handshake on; }\n";
    let servers = format!("{refusing}{}", servers.concat());
    Nginx::start_with("two", |address, _| servers.replace("ADDRESS", &address.to_string()))
}

#[test]
fn a_server_that_wants_a_name_gets_the_one_that_is_given() {
    let site = Site::new();
    let nginx = two_names(&site);
    for name in ["a.test", "b.test"] {
        let evenkeel =
            one(&nginx.address(), &format!("{}, server_name: {name}, host: {name}", site.believes()));
        let (status, text) = ask(&evenkeel, "/");
        assert_eq!(status, 200, "{text}");
        assert!(text.starts_with(&format!("{name} {name} ")), "{text}");
    }
}

#[test]
fn a_server_that_is_told_no_name_refuses_and_the_evidence_says_what_mends_it() {
    let site = Site::new();
    let nginx = two_names(&site);
    // An address is no name that could be sent.
    let evenkeel = one(&nginx.address(), &site.believes());
    expect_failure(&evenkeel, "tls_alert", "unrecognized_name");
    for text in evidence_of_ejection(&site, &nginx.address()) {
        assert!(text.contains("tls_alert (unrecognized_name): "), "{text}");
        assert!(text.contains("set `tls.server_name`"), "{text}");
    }
}

#[test]
fn the_host_that_is_given_is_what_backends_see_and_nothing_else_is_the_clients() {
    let site = Site::new();
    let nginx = site.nginx("nginx", &site.local(), "");
    let evenkeel = one(&nginx.address(), &site.believes());
    assert!(ask(&evenkeel, "/").1.starts_with("nginx test.example "));
    let evenkeel = one(&nginx.address(), &format!("{}, host: app.internal", site.believes()));
    assert!(ask(&evenkeel, "/").1.starts_with("nginx app.internal "));
}

#[test]
fn a_client_certificate_is_shown_to_a_server_that_wants_one() {
    let site = Site::new();
    let clients = Authority::new("of clients");
    let believes = clients.write(site.folder.path(), "clients");
    let wants = format!("ssl_verify_client on; ssl_client_certificate {};", believes.display());
    let nginx = site.nginx("nginx", &site.local(), &wants);
    // nginx ends the handshake, and answers with an error of its own, which is relayed.
    let evenkeel = one(&nginx.address(), &site.believes());
    let (status, text) = ask(&evenkeel, "/");
    assert!(status == 400 && text.contains("No required SSL certificate was sent"), "{status} {text}");
    assert_eq!(sum(&evenkeel, "backend_failures_total", &[]), 0.0);

    let me = site.write("me", &clients.sign(&Wish::client("evenkeel")));
    for (certificate, key) in [(&me.certificate, Some(&me.key)), (&me.both, None)] {
        let key = key.map_or_else(String::new, |key| format!(", key: {}", key.display()));
        let tls = format!("{}, certificate: {}{key}", site.believes(), certificate.display());
        let evenkeel = one(&nginx.address(), &tls);
        let (status, text) = ask(&evenkeel, "/");
        assert!(status == 200 && text.ends_with("client=CN=evenkeel"), "{status} {text}");
    }
    let stranger = site.write("stranger", &site.authority.sign(&Wish::client("stranger")));
    let tls = format!("{}, certificate: {}", site.believes(), stranger.both.display());
    let (status, text) = ask(&one(&nginx.address(), &tls), "/");
    assert!(status == 400 && text.contains("SSL certificate error"), "{status} {text}");
}

#[test]
fn a_pin_is_asked_for_beside_verification_and_instead_of_it() {
    let site = Site::new();
    let (local, own) = (site.local(), Wish::new(&["whatever.test"]).self_signed());
    let (nginx, alone) = (site.nginx("nginx", &local, ""), site.nginx("alone", &own, ""));
    let other = site.local();
    let ca = site.believes();
    for (address, tls, failure) in [
        (nginx.address(), format!("{ca}, pins: [\"{}\"]", local.pin()), None),
        // Of several, one is enough.
        (nginx.address(), format!("{ca}, pins: [\"{}\", \"{}\"]", other.pin(), local.pin()), None),
        (nginx.address(), format!("{ca}, pins: [\"{}\"]", other.pin()), Some("pin_mismatch")),
        (alone.address(), format!("verify: off, pins: [\"{}\"]", own.pin()), None),
        (alone.address(), format!("verify: off, pins: [\"{}\"]", other.pin()), Some("pin_mismatch")),
        // A pin does not stand for the rest.
        (alone.address(), format!("{ca}, pins: [\"{}\"]", own.pin()), Some("self_signed")),
    ] {
        let evenkeel = one(&address, &tls);
        match failure {
            None => assert_eq!(ask(&evenkeel, "/").0, 200, "{tls}"),
            Some(detail) => expect_failure(&evenkeel, "tls_certificate", detail),
        }
    }
}
