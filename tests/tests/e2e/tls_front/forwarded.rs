//! `X-Forwarded-Client-Cert`: what backends are told of a client's certificate, and that nobody else can say it.

use std::fs;
use std::process::Command;

use evenkeel_tests::backend::Script;
use evenkeel_tests::certificates::{Authority, Wish};
use evenkeel_tests::client::{Client, PATIENCE};
use evenkeel_tests::tools::run_within;
use rcgen::DnType;

use super::clients::{FIELD, club};
use super::rig::{Front, Place, Words};

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
    let mut command = Command::new("sha256sum");
    command.arg(&file);
    let output = run_within(PATIENCE, command, "");
    let hash = String::from_utf8(output.stdout[..64].to_vec()).unwrap();
    // As Envoy writes it, and the subject by RFC 4514, with hex pairs for whatever could end an element.
    let expected = format!(
        "Hash={hash};Subject=\"CN=a \\22member\\22,O=Evenkeel\\2C Inc.\";URI=spiffe://test/member;DNS=member.test"
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
