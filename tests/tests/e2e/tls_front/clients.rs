//! Certificates of clients: who is let in, and what backends are told of them.

use std::fs;

use evenkeel_tests::backend::Script;
use evenkeel_tests::certificates::{Authority, Certificate, Wish};
use evenkeel_tests::client::Client;
use evenkeel_tests::tls_client::{TlsClient, alert, curl, openssl};
use rcgen::DnType;
use rustls::AlertDescription;
use rustls::version::{TLS12, TLS13};

use super::rig::{Front, Place, Words};

const FIELD: &str = "x-forwarded-client-cert";

/// A listener that asks for certificates of an authority of its own.
struct Club {
    front: Front,
    members: Authority,
}

fn club(more: &str) -> Club {
    let place = Place::new();
    let members = Authority::new("members");
    let ca = members.write(place.path(), "members");
    let tls = format!("client: {{ ca: \"{}\"{more} }}", ca.display());
    let front = Front::at(place, Script::Echo, Words { tls: &tls, ..Words::default() });
    Club { front, members }
}

impl Club {
    fn showing(&self, certificate: &Certificate) -> TlsClient {
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
    use evenkeel_tests::certificates::Validity;
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

#[test]
fn backends_are_told_who_a_client_is_and_no_stranger_can_say_so() {
    let club = club("");
    let wish = Wish::client("");
    let subject = [(DnType::OrganizationName, "Evenkeel, Inc."), (DnType::CommonName, "a \"member\"")];
    let wish = wish.subject(&subject).uri("spiffe://test/member").name("member.test");
    let member = club.members.sign(&wish);
    let client = club.showing(&member).resuming();
    let file = club.front.place.file("leaf.der");
    fs::write(&file, member.leaf()).unwrap();
    let mut command = std::process::Command::new("sha256sum");
    command.arg(&file);
    let output = evenkeel_tests::tools::run_within(evenkeel_tests::client::PATIENCE, command, "");
    let hash = String::from_utf8(output.stdout[..64].to_vec()).unwrap();
    // As Envoy writes it: quotes within are escaped, and the subject is RFC 4514.
    let expected = format!(
        "Hash={hash};Subject=\"CN=a \\\\\"member\\\\\",O=Evenkeel\\, Inc.\";URI=spiffe://test/member;DNS=member.test"
    );
    for round in 1..=2 {
        let mut client = Client::secure(club.front.address(), &client);
        let forged = "X-Forwarded-Client-Cert: Hash=forged\r\nx-forwarded-client-cert:Hash=forged\r\n\
                      X-FORWARDED-CLIENT-CERT: Hash=forged\r\n";
        client.send(format!("GET /{round} HTTP/1.1\r\nHost: a.test\r\n{forged}\r\n"));
        let answer = client.response("GET");
        assert_eq!(answer.status, 200, "{}", answer.text());
        // Looked at each time: a session that went on would outlive what its certificate is worth.
        assert_eq!(
            (club.front.handshakes("full"), club.front.handshakes("resumed")),
            (f64::from(round), 0.0)
        );
        let request = club.front.backend.requests().pop().unwrap();
        assert_eq!(request.fields(FIELD), [&expected]);
        assert!(!request.head.contains("forged"), "{}", request.head);
    }
}

#[test]
fn what_a_stranger_says_of_a_certificate_reaches_no_backend_in_cleartext_either() {
    for underscores in ["underscores: drop", "underscores: pass"] {
        let listeners = format!("  - {{ name: plain, address: \"127.0.0.1:0\", {underscores} }}\n");
        let words = Words { listeners: &listeners, listener: underscores, ..Words::default() };
        let front = Front::with(words);
        let mut plain = Client::connect(front.evenkeel.listener("plain"));
        for client in [&mut plain, &mut front.connect()] {
            for (name, status) in [
                ("X-Forwarded-Client-Cert", 200),
                // Servers take these for the same, so that they are refused.
                ("X-Forwarded_Client_Cert", 400),
                ("X_Forwarded_Client_Cert", 400),
                ("x-forwarded-client_cert", 400),
            ] {
                client.send(format!("GET / HTTP/1.1\r\nHost: a.test\r\n{name}: Hash=forged\r\n\r\n"));
                assert_eq!(client.response("GET").status, status, "{name}, {underscores}");
                if status == 400 {
                    client.expect_close();
                    break;
                }
            }
        }
        let received = String::from_utf8(front.backend.received()).unwrap();
        assert!(!received.contains("forged"), "{underscores}: {received}");
    }
}

#[test]
fn what_a_trusted_network_says_is_kept_with_ours_behind_it() {
    let place = Place::new();
    let members = Authority::new("members");
    let ca = members.write(place.path(), "members");
    let tls = format!("client: {{ ca: \"{}\", required: false }}", ca.display());
    let top = "trusted_networks: [\"127.0.0.0/8\"]";
    let front = Front::at(place, Script::Echo, Words { tls: &tls, top, ..Words::default() });
    let member = front.client().certificate(&members.sign(&Wish::client("proxy")));
    for (client, has_own) in [(front.client(), false), (member, true)] {
        let mut client = Client::secure(front.address(), &client);
        client.send(format!("GET / HTTP/1.1\r\nHost: a.test\r\n{FIELD}: Hash=theirs\r\n\r\n"));
        let answer = client.response("GET");
        assert_eq!(answer.status, 200, "{}", answer.text());
        let request = front.backend.requests().pop().unwrap();
        let told = request.fields(FIELD);
        assert_eq!(told.len(), 1, "{told:?}");
        match has_own {
            true => assert!(told[0].starts_with("Hash=theirs,Hash="), "{told:?}"),
            false => assert_eq!(told, ["Hash=theirs"]),
        }
    }
}
