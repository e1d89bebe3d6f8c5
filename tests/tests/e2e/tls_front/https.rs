//! What HTTP becomes over TLS: HSTS, redirects, misdirected requests, and HTTP where TLS is spoken.

use evenkeel_tests::backend::Script;
use evenkeel_tests::client::Client;
use evenkeel_tests::response::Response;
use evenkeel_tests::tls_client::{curl, openssl};

use super::rig::{Front, Place, Words};

const HSTS: &str = "strict-transport-security";

fn ask(client: &mut Client, host: &str) -> Response {
    client.send(format!("GET /x HTTP/1.1\r\nHost: {host}\r\n\r\n")).response("GET")
}

#[test]
fn backends_see_that_it_was_https_and_no_stranger_can_say_otherwise() {
    let listeners = "  - { name: plain, address: \"127.0.0.1:0\" }\n";
    let front = Front::with(Words { listeners, ..Words::default() });
    let mut plain = Client::connect(front.evenkeel.listener("plain"));
    for (client, scheme) in [(&mut front.connect(), "https"), (&mut plain, "http")] {
        for forged in ["http", "https", "ftp"] {
            client.send(format!("GET / HTTP/1.1\r\nHost: a.test\r\nX-Forwarded-Proto: {forged}\r\n\r\n"));
            assert_eq!(client.response("GET").status, 200);
            assert_eq!(front.backend.requests().pop().unwrap().fields("x-forwarded-proto"), [scheme]);
        }
    }
}

#[test]
fn hsts_is_in_every_answer_instead_of_the_backends_own() {
    let words = |listener| Words { listener, ..Words::default() };
    let own = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nStrict-Transport-Security: max-age=1\r\n\
               strict-transport-security: max-age=2\r\n\r\n";
    let front = Front::before(Script::Reply(own.into()), words("hsts: true"));
    let mut client = front.connect();
    assert_eq!(client.get("/").fields(HSTS), ["max-age=31536000"]);
    // Also where evenkeel answers by itself: malformed, misdirected, and nobody there.
    assert_eq!(ask(&mut client, "other.test").fields(HSTS), ["max-age=31536000"]);
    front.backend.set(Script::CloseOnRequest);
    let failed = client.get("/");
    assert_eq!((failed.status, failed.fields(HSTS)), (502, vec!["max-age=31536000"]));
    let malformed = client.send("GET / HTTP/1.1\r\nHost: a b\r\n\r\n").response("GET");
    assert_eq!((malformed.status, malformed.fields(HSTS)), (400, vec!["max-age=31536000"]));

    let listener = "hsts: { max_age: 8760h, include_subdomains: true, preload: true }";
    let front = Front::before(Script::Reply(own.into()), words(listener));
    let answer = front.connect().get("/");
    assert_eq!(answer.fields(HSTS), ["max-age=31536000; includeSubDomains; preload"]);
    let front = Front::before(Script::Reply(own.into()), words(""));
    assert_eq!(front.connect().get("/").fields(HSTS), ["max-age=1", "max-age=2"], "off: the backend's own");
}

#[test]
fn a_cleartext_listener_redirects_to_https() {
    let listeners = "  - { name: plain, address: \"127.0.0.1:0\", redirect_to_https: true }\n  \
                     - { name: ported, address: \"127.0.0.1:0\", redirect_to_https: 8443 }\n";
    let front = Front::with(Words { listeners, listener: "hsts: true", ..Words::default() });
    for (name, port) in [("plain", ""), ("ported", ":8443")] {
        let mut client = Client::connect(front.evenkeel.listener(name));
        for (target, host, location) in [
            ("/x?y=z&a=%20b", "a.test", format!("https://a.test{port}/x?y=z&a=%20b")),
            ("/", "a.test:8080", format!("https://a.test{port}/")),
            ("/", "[::1]:8080", format!("https://[::1]{port}/")),
        ] {
            let answer =
                client.send(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n")).response("GET");
            assert_eq!((answer.status, answer.fields("location")), (308, vec![&*location]));
            assert_eq!(answer.field(HSTS), None, "in cleartext it says nothing (RFC 6797, section 7.2)");
        }
        let post = "POST /form HTTP/1.1\r\nHost: a.test\r\nContent-Length: 4\r\n\r\nbody";
        let answer = client.send(post).response("POST");
        assert_eq!(answer.fields("location"), [format!("https://a.test{port}/form")]);
        assert_eq!(answer.status, 308, "it stays a POST");
    }
    assert!(front.backend.requests().is_empty(), "nothing of it reaches a backend");
}

#[test]
fn curl_follows_the_redirect_to_https() {
    let listeners = "  - { name: plain, address: \"127.0.0.1:0\", redirect_to_https: 8443 }\n";
    let front = Front::with(Words { listeners, ..Words::default() });
    let [tls, plain] = ["edge", "plain"].map(|name| front.evenkeel.listener(name));
    let connect = format!("a.test:8443:{tls}");
    let resolve = format!("a.test:{}:127.0.0.1", plain.port());
    let url = format!("http://a.test:{}/x", plain.port());
    let common = ["-L", "--cacert", front.place.root(), "--resolve", &resolve, "--connect-to", &connect];
    let said = curl(&[&common[..], &[&url]].concat());
    assert!(said.status.success() && said.stdout.starts_with(b"GET /x HTTP/1.1\r\n"), "{said:?}");
}

#[test]
fn a_request_for_another_host_than_the_certificates_is_misdirected() {
    let place = Place::new();
    place.authority.server(&["other.test"]).write(place.path(), "other");
    let tls = format!("certificates: [{}, {}]", place.entry("site"), place.entry("other"));
    let listeners = format!("  - {{ name: two, address: \"127.0.0.1:0\", tls: {{ {tls} }} }}\n");
    let words = Words { listeners: &listeners, top: "access_log: { path: stdout }", ..Words::default() };
    let front = Front::at(place, Script::Echo, words);
    let address = front.evenkeel.listener("two");
    let mut client = Client::secure(address, &front.client());
    // The name itself, others of the same certificate, whatever their case and port.
    for host in ["a.test", "A.Test:443", "b.test", "b.test.", "x.wild.test", "X.WILD.TEST:8443"] {
        assert_eq!(ask(&mut client, host).status, 200, "{host}");
    }
    let before = front.backend.requests().len();
    for host in ["other.test", "unknown.test", "x.y.wild.test", "127.0.0.1", "[::1]"] {
        let answer = ask(&mut client, host);
        assert_eq!(answer.status, 421, "{host}: {}", answer.text());
        assert!(answer.text().starts_with("421 no_route: "), "{}", answer.text());
        assert!(!answer.closes(), "another request may be for us");
    }
    assert_eq!(front.backend.requests().len(), before, "no backend is asked");
    assert_eq!(ask(&mut client, "a.test").status, 200);
    let entry =
        evenkeel_tests::wait::until(evenkeel_tests::balancer::SOON, "a line in the access log", || {
            front.evenkeel.events().into_iter().find(|event| event["status"] == 421)
        });
    assert_eq!(entry["detail"], "misdirected", "{entry}");

    // Without SNI nobody has said whom the certificate is for; a proxy that we trust has its reasons.
    let mut nameless = Client::secure(address, &front.client().nameless());
    assert_eq!(ask(&mut nameless, "other.test").status, 200);
    let trusting = Words { top: "trusted_networks: [\"127.0.0.1\"]", ..words };
    let metrics = front.evenkeel.reload(&front.place.configuration(&front.backend, trusting));
    assert_eq!(metrics.sum("evenkeel_config_last_reload_successful", &[]), 1.0);
    let mut trusted = Client::secure(front.evenkeel.listener("two"), &front.client());
    assert_eq!(ask(&mut trusted, "other.test").status, 200);
}

#[test]
fn plain_http_where_tls_is_spoken_is_told_so_in_cleartext() {
    let front = Front::with(Words { top: "access_log: { path: stdout }", ..Words::default() });
    let mut client = Client::connect(front.address());
    let answer = client.get("/x");
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("plain_http_on_tls_port"), "{}", answer.text());
    assert!(answer.text().contains("https"), "it says what to do: {}", answer.text());
    assert!(answer.closes());
    client.expect_close();
    front.expect_failures("plain_http", 1);
    assert!(front.backend.received().is_empty());
    let url = format!("http://{}/", front.address());
    let said = curl(&["-w", "%{http_code}", &url]);
    assert!(said.stdout.ends_with(b"400"), "{said:?}");
    let said = openssl(front.address(), &["-servername", "a.test"], "");
    assert!(said.stdout.starts_with(b"CONNECTED"), "TLS is still served: {said:?}");
}
