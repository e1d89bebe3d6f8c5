//! Certificates of clients: who is let in, and why others are not.

use std::fs;

use evenkeel_tests::backend::Script;
use evenkeel_tests::certificates::{Authority, Certificate, Validity, Wish};
use evenkeel_tests::client::Client;
use evenkeel_tests::tls_client::{TlsClient, alert, curl, openssl};
use rustls::AlertDescription;
use rustls::version::{TLS12, TLS13};

use super::rig::{Front, Place, Words};

/// Who a client is, as backends are told.
pub(super) const FIELD: &str = "x-forwarded-client-cert";

/// A listener that asks for certificates of an authority of its own.
pub(super) struct Club {
    pub(super) front: Front,
    pub(super) members: Authority,
}

pub(super) fn club(more: &str) -> Club {
    let place = Place::new();
    let members = Authority::new("members");
    let ca = members.write(place.path(), "members");
    let tls = format!("client: {{ ca: \"{}\"{more} }}", ca.display());
    let front = Front::at(place, Script::Echo, Words { tls: &tls, ..Words::default() });
    Club { front, members }
}

impl Club {
    pub(super) fn showing(&self, certificate: &Certificate) -> TlsClient {
        self.front.client().certificate(certificate)
    }

    fn member(&self) -> Certificate {
        self.members.sign(&Wish::client("a member"))
    }

    #[track_caller]
    fn lets_in(&self, client: &TlsClient) -> Client {
        let mut client = Client::secure(self.front.address(), client);
        assert_eq!(client.get("/").status, 200);
        client
    }

    /// What the client is told instead of an answer, in both versions; no backend hears of it.
    #[track_caller]
    fn keeps_out(&self, client: &TlsClient, expected: [AlertDescription; 2]) {
        let before = self.front.backend.requests().len();
        for (version, expected) in [&TLS12, &TLS13].into_iter().zip(expected) {
            let client = client.clone().version(version);
            let told = Client::try_secure(self.front.address(), &client)
                .and_then(|mut client| client.try_get("/"))
                .map(drop)
                .unwrap_err();
            assert_eq!(alert(&told), Some(expected), "{version:?}: {told}");
        }
        assert_eq!(self.front.backend.requests().len(), before);
    }
}

#[test]
fn without_a_certificate_nobody_is_let_in() {
    let club = club("");
    club.lets_in(&club.showing(&club.member()));
    club.keeps_out(&club.front.client(), [AlertDescription::CertificateRequired; 2]);
    club.front.expect_failures("no_certificate", 2);
    let openssl = openssl(club.front.address(), &["-ign_eof"], "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    let said = String::from_utf8_lossy(&[openssl.stdout, openssl.stderr].concat()).into_owned();
    assert!(said.contains("alert certificate required"), "{said}");
    assert!(said.contains("Acceptable client certificate CA names\nCN = members"), "{said}");
}

#[test]
fn curl_shows_its_certificate() {
    let club = club("");
    let files = club.member().write(club.front.place.path(), "member");
    let port = club.front.address().port();
    let (resolve, url) = (format!("a.test:{port}:127.0.0.1"), format!("https://a.test:{port}/"));
    let [certificate, key] = [&files.certificate, &files.key].map(|file| file.to_str().unwrap());
    let common = ["--cacert", club.front.place.root(), "--resolve", &resolve, &url];
    let said = curl(&[&common[..], &["--cert", certificate, "--key", key]].concat());
    assert!(said.status.success() && said.stdout.starts_with(b"GET / HTTP/1.1\r\n"), "{said:?}");
    assert!(!curl(&common).status.success());
}

#[test]
fn where_it_is_optional_a_bad_one_is_refused_all_the_same() {
    let club = club(", required: false");
    let mut stranger = club.lets_in(&club.front.client());
    stranger.send(format!("GET / HTTP/1.1\r\nHost: a.test\r\n{FIELD}: Hash=forged\r\n\r\n"));
    assert_eq!(stranger.response("GET").status, 200);
    assert_eq!(club.front.backend.requests().last().unwrap().fields(FIELD), [""; 0]);
    club.lets_in(&club.showing(&club.member()));
    assert_eq!(club.front.backend.requests().last().unwrap().fields(FIELD).len(), 1);
    let unknown = Authority::new("others").sign(&Wish::client("somebody"));
    club.keeps_out(&club.showing(&unknown), [AlertDescription::UnknownCA; 2]);
    club.front.expect_failures("bad_certificate", 2);
}

#[test]
fn an_unknown_authority_an_expired_certificate_and_one_for_servers_are_refused() {
    let club = club("");
    let unknown = Authority::new("others").sign(&Wish::client("somebody"));
    club.keeps_out(&club.showing(&unknown), [AlertDescription::UnknownCA; 2]);
    let expired = club.members.sign(&Wish::client("late").validity(Validity::Expired));
    club.keeps_out(&club.showing(&expired), [AlertDescription::CertificateExpired; 2]);
    let for_servers = club.members.server(&["somebody.test"]);
    for version in [&TLS12, &TLS13] {
        let client = club.showing(&for_servers).version(version);
        let answer = Client::try_secure(club.front.address(), &client).and_then(|mut it| it.try_get("/"));
        assert!(alert(&answer.unwrap_err()).is_some());
    }
    club.front.expect_failures("bad_certificate", 6);
    let event = club.front.event("TLS handshakes with clients failed");
    assert_eq!(event["reasons"], "bad_certificate=1", "{event}");
    // The name that the authority has does not matter, its key does.
    let namesake = Authority::new("members").sign(&Wish::client("a member"));
    let answer = Client::try_secure(club.front.address(), &club.showing(&namesake))
        .and_then(|mut client| client.try_get("/"));
    assert!(alert(&answer.unwrap_err()).is_some());
}

#[test]
fn a_revoked_certificate_is_refused() {
    let place = Place::new();
    let members = Authority::new("members");
    let [good, revoked] = ["good", "revoked"].map(|name| members.sign(&Wish::client(name)));
    let ca = members.write(place.path(), "members");
    let list = place.path().join("members.crl");
    fs::write(&list, members.revocations(&[&revoked])).unwrap();
    let tls = format!("client: {{ ca: \"{}\", crl: \"{}\" }}", ca.display(), list.display());
    let front = Front::at(place, Script::Echo, Words { tls: &tls, ..Words::default() });
    let club = Club { front, members };
    club.lets_in(&club.showing(&good));
    club.keeps_out(&club.showing(&revoked), [AlertDescription::CertificateRevoked; 2]);
    club.front.expect_failures("bad_certificate", 2);

    // A session that it had before does not help it, once the list has it.
    let client = club.showing(&good).resuming();
    club.lets_in(&client);
    fs::write(&list, club.members.revocations(&[&revoked, &good])).unwrap();
    let text = club.front.place.configuration(&club.front.backend, Words { tls: &tls, ..Words::default() });
    let metrics = club.front.evenkeel.reload(&text);
    assert_eq!(metrics.sum("evenkeel_config_last_reload_successful", &[]), 1.0);
    club.keeps_out(&client, [AlertDescription::CertificateRevoked; 2]);
}
