//! Which certificate a client gets: by the name that it asks for, and by what it can verify.

use std::path::Path;

use evenkeel_tests::backend::Script;
use evenkeel_tests::balancer::SOON;
use evenkeel_tests::certificates::{Certificate, Kind, Wish};
use evenkeel_tests::client::Client;
use evenkeel_tests::tls_client::{TlsClient, alert, curl, openssl};
use evenkeel_tests::wait;
use rustls::AlertDescription;
use rustls::pki_types::CertificateDer;
use rustls::version::{TLS12, TLS13};

use super::rig::{self, Front, Place, Words};

/// `site` first; then one for `exact.wild.test` alone, and one for `last.test`.
struct Names {
    front: Front,
    certificates: [Certificate; 3],
}

fn names(more: &str) -> Names {
    let place = Place::new();
    let sign = |names: &[&str], file: &str| {
        let certificate = place.authority.server(names);
        certificate.write(place.path(), file);
        certificate
    };
    let site = sign(&rig::NAMES, "site");
    let certificates = [site, sign(&["exact.wild.test"], "exact"), sign(&["last.test"], "last")];
    let tls = format!(
        "certificates: [{}], {more}",
        ["site", "exact", "last"].map(|name| place.entry(name)).join(", ")
    );
    Names { front: of(place, &tls), certificates }
}

/// With these words as the whole `tls`.
fn of(place: Place, tls: &str) -> Front {
    let listeners = format!("  - {{ name: named, address: \"127.0.0.1:0\", tls: {{ {tls} }} }}");
    Front::at(place, Script::Echo, Words { listeners: &listeners, ..Words::default() })
}

/// The certificate that a client gets, whose name is right: rustls looks.
#[track_caller]
fn got(front: &Front, client: &TlsClient) -> CertificateDer<'static> {
    let mut client = Client::secure(front.evenkeel.listener("named"), client);
    assert_eq!(client.get("/").status, 200);
    client.tls().peer_certificates().unwrap()[0].clone().into_owned()
}

#[test]
fn the_exact_name_goes_before_the_wildcard_and_that_before_the_default() {
    let Names { front, certificates: [site, exact, last] } = names("");
    for version in [&TLS12, &TLS13] {
        let client = front.client().version(version);
        for (name, expected) in [
            ("a.test", &site),
            ("B.TEST", &site),
            ("exact.wild.test", &exact),
            ("other.wild.test", &site),
            ("last.test", &last),
        ] {
            assert_eq!(got(&front, &client.clone().name(name)), expected.leaf(), "{name}");
        }
    }
    // A wildcard is one label, and nothing but labels.
    let anybody = |name| Client::secure(front.evenkeel.listener("named"), &TlsClient::trusting_anybody(name));
    for name in ["a.b.wild.test", "wild.test", "unknown.test"] {
        let client = anybody(name);
        assert_eq!(client.tls().peer_certificates().unwrap()[0], site.leaf(), "{name}: the default");
    }
    let address = TlsClient::trusting_anybody("127.0.0.1");
    let client = Client::secure(front.evenkeel.listener("named"), &address);
    assert_eq!(client.tls().peer_certificates().unwrap()[0], site.leaf(), "no name: the default");
}

#[test]
fn the_default_is_whose_name_is_written() {
    let Names { front, certificates: [site, _, last] } = names("default: last.test");
    assert_eq!(got(&front, &front.client().name("last.test").nameless()), last.leaf());
    assert_eq!(got(&front, &TlsClient::trusting_anybody("unknown.test")), last.leaf());
    assert_eq!(got(&front, &front.client()), site.leaf());
}

#[test]
fn an_unknown_name_is_refused_if_that_is_wanted_and_no_name_is_not() {
    let Names { front, certificates: [site, ..] } = names("unknown_name: refuse");
    let address = front.evenkeel.listener("named");
    for version in [&TLS12, &TLS13] {
        let client = front.client().name("unknown.test").version(version);
        let error = Client::try_secure(address, &client).map(drop).unwrap_err();
        assert_eq!(alert(&error), Some(AlertDescription::UnrecognisedName), "{version:?}");
    }
    let metrics = || front.evenkeel.metrics();
    let name = "evenkeel_listener_tls_handshake_failures_total";
    let labels = [("listener", "named"), ("reason", "unknown_name")];
    wait::until_true(SOON, "two refusals", || metrics().sum(name, &labels) == 2.0);
    assert_eq!(metrics().sum(name, &[]), 2.0);
    let event = front.event("TLS handshakes with clients failed");
    assert!(event["last_error"].as_str().unwrap().contains("unknown.test"), "{event}");
    assert_eq!(got(&front, &front.client().nameless()), site.leaf());
    assert_eq!(got(&front, &front.client()), site.leaf());
}

#[test]
fn of_one_name_the_client_gets_the_kind_that_it_can_verify() {
    let place = Place::new();
    let wish = Wish::new(&["both.test"]);
    // RSA stands first, and ECDSA is taken all the same.
    let [rsa, ecdsa] = [Kind::Rsa, Kind::Ecdsa].map(|kind| place.authority.sign(&wish.clone().kind(kind)));
    rsa.write(place.path(), "rsa");
    ecdsa.write(place.path(), "ecdsa");
    let tls = format!("certificates: [{}, {}]", place.entry("rsa"), place.entry("ecdsa"));
    let front = of(place, &tls);
    assert_eq!(got(&front, &front.client().name("both.test")), ecdsa.leaf());
    let address = front.evenkeel.listener("named");
    for version in ["-tls1_2", "-tls1_3"] {
        for (schemes, expected) in [
            ("RSA-PSS+SHA256", "RSA-PSS"),
            ("ECDSA+SHA256", "ECDSA"),
            ("RSA-PSS+SHA256:ECDSA+SHA256", "ECDSA"),
        ] {
            let arguments =
                [version, "-CAfile", front.place.root(), "-servername", "both.test", "-sigalgs", schemes];
            let said = openssl(address, &arguments, "");
            let said = String::from_utf8_lossy(&said.stdout).into_owned();
            let line = format!("Peer signature type: {expected}\n");
            assert!(said.contains(&line), "{version} {schemes}: {said}");
            assert!(said.contains("Verify return code: 0 (ok)"), "{version} {schemes}: {said}");
        }
    }
}

/// Every name gets its own certificate, which `curl` believes.
#[track_caller]
fn expect_names(front: &Front, names: &[&str]) {
    let port = front.evenkeel.listener("named").port();
    for name in names {
        let (resolve, url) = (format!("{name}:{port}:127.0.0.1"), format!("https://{name}:{port}/"));
        let said = curl(&["--cacert", front.place.root(), "--resolve", &resolve, &url]);
        assert!(said.status.success() && said.stdout.starts_with(b"GET / HTTP/1.1\r\n"), "{name}: {said:?}");
    }
}

#[test]
fn pairs_combined_files_and_folders_are_served() {
    let place = Place::new();
    let sign = |name: &str| place.authority.intermediate("below").server(&[name]);
    sign("pair.test").write(place.path(), "pair");
    let combined = sign("combined.test").write(place.path(), "combined").both;
    let folder = place.path().join("certs");
    let write = |path: &Path, text: &str| {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let certbot = sign("certbot.test");
    write(&folder.join("certbot.test/fullchain.pem"), &certbot.chain);
    write(&folder.join("certbot.test/privkey.pem"), &certbot.key);
    // certbot leaves these beside them.
    write(&folder.join("certbot.test/cert.pem"), &certbot.chain);
    write(&folder.join("certbot.test/README"), "This directory contains your keys and certificates.");
    let kubernetes = sign("kubernetes.test");
    write(&folder.join("secret/..data_1/tls.crt"), &kubernetes.chain);
    write(&folder.join("secret/..data_1/tls.key"), &kubernetes.key);
    std::os::unix::fs::symlink("..data_1", folder.join("secret/..data")).unwrap();
    for name in ["tls.crt", "tls.key"] {
        let link = folder.join("secret").join(name);
        std::os::unix::fs::symlink(format!("..data/{name}"), link).unwrap();
    }
    let haproxy = sign("haproxy.test");
    write(&folder.join("haproxy.pem"), &haproxy.both());
    let pair = sign("named.test");
    write(&folder.join("named.crt"), &pair.chain);
    write(&folder.join("named.key"), &pair.key);
    let tls = format!(
        "certificates: [{}, {{ certificate: \"{}\" }}, {{ directory: \"{}\" }}]",
        place.entry("pair"),
        combined.display(),
        folder.display()
    );
    let front = of(place, &tls);
    let names = ["pair", "combined", "certbot", "kubernetes", "haproxy", "named"];
    expect_names(&front, &names.map(|name| format!("{name}.test")).each_ref().map(String::as_str));
}
