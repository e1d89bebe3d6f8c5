//! Versions, application protocols and key exchange, with the clients that Debian has and with rustls.

use std::process::Output;

use evenkeel_tests::client::Client;
use evenkeel_tests::tls_client::{TlsClient, alert, curl, openssl};
use rustls::crypto::SupportedKxGroup;
use rustls::crypto::aws_lc_rs::{ALL_CIPHER_SUITES, kx_group};
use rustls::version::TLS12;
use rustls::{AlertDescription, NamedGroup};

use super::rig::Front;

/// Closes behind its answer, so that a client that reads to the end has everything.
const LAST: &str = "GET /x HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n";

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()
}

fn s_client(front: &Front, arguments: &[&str]) -> String {
    let common = ["-CAfile", front.place.root(), "-servername", "a.test", "-verify_return_error", "-ign_eof"];
    text(&openssl(front.address(), &[&common, arguments].concat(), LAST))
}

fn ask_with_curl(front: &Front, arguments: &[&str]) -> Output {
    let port = front.address().port();
    let (resolve, url) = (format!("a.test:{port}:127.0.0.1"), format!("https://a.test:{port}/x"));
    let common = ["-v", "--cacert", front.place.root(), "--resolve", &resolve, &url];
    curl(&[&common, arguments].concat())
}

#[test]
fn openssl_speaks_1_2_and_1_3_and_agrees_on_http_1_1() {
    let front = Front::start("");
    let alpn = ["-alpn", "h2,http/1.1"];
    for (version, name) in [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")] {
        let said = s_client(&front, &[&alpn[..], &[version]].concat());
        assert!(said.contains(&format!("New, {name}, ")), "{said}");
        assert!(said.contains("ALPN protocol: http/1.1"), "{said}");
        assert!(said.contains("Verify return code: 0 (ok)") && said.contains("200 OK"), "{said}");
        assert!(said.contains("GET /x HTTP/1.1"), "{said}");
    }
    // The best that both have, by itself.
    assert!(s_client(&front, &[]).contains("New, TLSv1.3, "));
    assert_eq!(front.handshakes("full"), 3.0);
}

#[test]
fn in_1_2_there_are_aead_ciphers_with_forward_secrecy_alone() {
    let front = Front::start("");
    for cipher in ["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305"] {
        let said = s_client(&front, &["-tls1_2", "-cipher", cipher]);
        assert!(said.contains(&format!("New, TLSv1.2, Cipher is {cipher}")), "{said}");
    }
    for cipher in ["ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA384", "DHE-RSA-AES128-GCM-SHA256"] {
        let said = s_client(&front, &["-tls1_2", "-cipher", cipher]);
        assert!(said.contains("alert handshake failure"), "{cipher}: {said}");
    }
    front.expect_failures("nothing_in_common", 3);
}

#[test]
fn curl_speaks_1_2_and_1_3() {
    let front = Front::start("");
    for (version, name) in [("1.2", "TLSv1.2"), ("1.3", "TLSv1.3")] {
        let said = ask_with_curl(&front, &[&format!("--tlsv{version}"), "--tls-max", version]);
        assert!(said.status.success() && said.stdout.starts_with(b"GET /x HTTP/1.1\r\n"), "{said:?}");
        let said = text(&said);
        assert!(said.contains(&format!("SSL connection using {name} / ")), "{said}");
        assert!(said.contains("server accepted http/1.1"), "{said}");
        assert!(said.contains("SSL certificate verify ok."), "{said}");
    }
}

#[test]
fn nobody_gets_older_versions() {
    let front = Front::start("");
    for version in ["-tls1_1", "-tls1"] {
        let said = s_client(&front, &[version, "-cipher", "DEFAULT@SECLEVEL=0"]);
        // The library misses signature algorithms before it minds the version.
        assert!(said.contains(":SSL alert number ") && said.contains("New, (NONE)"), "{said}");
    }
    front.expect_failures("nothing_in_common", 2);
    let event = front.event("TLS handshakes with clients failed");
    assert_eq!(event["last_error"], "the client speaks TLS 1.1 or older", "{event}");
}

#[test]
fn policy_modern_is_1_3_alone() {
    let front = Front::start("policy: modern");
    assert!(s_client(&front, &["-tls1_2"]).contains("alert protocol version"));
    assert!(!ask_with_curl(&front, &["--tlsv1.2", "--tls-max", "1.2"]).status.success());
    let error = Client::try_secure(front.address(), &front.client().version(&TLS12)).map(drop).unwrap_err();
    assert_eq!(alert(&error), Some(AlertDescription::ProtocolVersion));
    front.expect_failures("nothing_in_common", 3);
    assert!(s_client(&front, &[]).contains("New, TLSv1.3, "));
}

#[test]
fn who_offers_the_hybrid_key_exchange_gets_it_and_the_others_are_served() {
    let front = Front::start("");
    let agreed = |groups: &[&'static dyn SupportedKxGroup], change: fn(TlsClient) -> TlsClient| {
        let client = change(front.client().crypto(ALL_CIPHER_SUITES, groups));
        let mut client = Client::secure(front.address(), &client);
        assert_eq!(client.get("/").status, 200);
        client.tls().negotiated_key_exchange_group().unwrap().name()
    };
    let as_it_is = |client| client;
    let (hybrid, x25519) = (kx_group::X25519MLKEM768, kx_group::X25519);
    assert_eq!(agreed(&[hybrid, x25519], as_it_is), NamedGroup::X25519MLKEM768);
    for group in [hybrid, x25519, kx_group::SECP256R1, kx_group::SECP384R1] {
        assert_eq!(agreed(&[group], as_it_is), group.name());
    }
    for group in [x25519, kx_group::SECP256R1, kx_group::SECP384R1] {
        assert_eq!(agreed(&[group], |client| client.version(&TLS12)), group.name());
    }
}

#[test]
fn another_protocol_than_http_1_is_refused_and_none_is_fine() {
    let front = Front::start("");
    let error = Client::try_secure(front.address(), &front.client().alpn(&["h2"])).map(drop).unwrap_err();
    assert_eq!(alert(&error), Some(AlertDescription::NoApplicationProtocol));
    front.expect_failures("nothing_in_common", 1);
    let mut client = Client::secure(front.address(), &front.client().alpn(&["http/1.0"]));
    assert_eq!(client.tls().alpn_protocol(), Some(&b"http/1.0"[..]));
    assert_eq!(client.get("/").status, 200);
    assert_eq!(front.connect().tls().alpn_protocol(), None);
}
