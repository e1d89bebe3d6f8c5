//! What requests over TLS are answered, and what backends hear of them.

use super::*;

#[test]
fn a_connection_serves_requests_and_the_next_one_resumes_its_session() {
    let ca = Ca::new();
    let proxy = proxy_before(secured(tls(parts(&ca))), OK);
    let config = ca.client(None);
    let mut client = dial(&proxy, &config, "a.test");
    for _ in 0..3 {
        assert!(ask(&mut client, &get("a.test")).ends_with("ok"));
    }
    drop(client);
    assert!(ask(&mut dial(&proxy, &config, "a.test"), &get("a.test")).ends_with("ok"));
    assert_eq!(count(&proxy, |core| core.handshakes.read()), 1);
    assert_eq!(count(&proxy, |core| core.resumptions.read()), 1);
    assert_eq!(count(&proxy, |core| core.handshakes_open.read()), 0);
    assert_eq!(count(&proxy, |core| core.responses[1].read()), 4);
}

#[test]
fn a_first_message_that_comes_byte_by_byte_is_understood() {
    let ca = Ca::new();
    let proxy = proxy_before(secured(tls(parts(&ca))), OK);
    let mut session = session(&ca.client(None), "a.test");
    let mut hello = Vec::new();
    session.write_tls(&mut hello).unwrap();
    let mut stream = connect(proxy.address());
    stream.set_nodelay(true).unwrap();
    for byte in hello {
        stream.write_all(&[byte]).unwrap();
    }
    assert!(ask(&mut StreamOwned::new(session, stream), &get("a.test")).ends_with("ok"));
}

#[test]
fn large_bodies_pass_both_ways() {
    const SIZE: usize = 3_000_000;
    let ca = Ca::new();
    let backend = server(|head, stream| {
        let mut body = vec![0; SIZE];
        assert!(head.contains("Content-Length: 3000000"));
        stream.read_exact(&mut body).unwrap();
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n").unwrap();
        stream.write_all(&body).is_ok()
    });
    let pool = pool(PoolRule::default(), members(&[backend]));
    let proxy = Proxy::start_on(secured(tls(parts(&ca))), pool);
    let mut client = dial(&proxy, &ca.client(None), "a.test");
    let body: String = (0..SIZE).map(|place| char::from(b'a' + (place % 23) as u8)).collect();
    for _ in 0..2 {
        let request = format!("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: {SIZE}\r\n\r\n{body}");
        let answer = ask(&mut client, &request);
        assert!(answer.ends_with(&body), "{}", answer.len());
    }
}

#[test]
fn requests_for_a_host_that_the_certificate_is_not_for_are_sent_elsewhere() {
    let ca = Ca::new();
    let mut proxy = proxy_before(secured(tls(parts(&ca))), OK);
    let config = ca.client(None);
    let mut client = dial(&proxy, &config, "a.test");
    for good in ["a.test", "A.Test:8443", "a.test.", "b.wild.test", "b.wild.test:443", "c.wild.test"] {
        assert!(ask(&mut client, &get(good)).ends_with("ok"), "{good}");
    }
    // It would be kept with the connection, and no host has so long a name.
    let endless = format!("{}.wild.test", "a".repeat(3000));
    for bad in ["b.test", "wild.test", "x.b.wild.test", "127.0.0.1", "[::1]:443", &endless] {
        let answer = ask(&mut client, &get(bad));
        assert!(answer.starts_with("HTTP/1.1 421 Misdirected Request\r\n"), "{bad}: {answer}");
        assert!(answer.contains("no_route: misdirected"), "{answer}");
        assert!(answer.contains("not for this host"), "{answer}");
    }
    assert!(ask(&mut client, &get("a.test")).ends_with("ok"), "the connection goes on");
    // Whoever names nobody is not held to it.
    proxy.trust_all();
    assert!(ask(&mut client, &get("b.test")).ends_with("ok"), "a trusted proxy knows what it does");
}

#[test]
fn backends_hear_of_https_and_of_the_clients_certificate_and_of_nobody_elses() {
    let ca = Ca::new();
    let own = ca.sign(&["client.test"]);
    let client = asks_for_certificates(&ca, ClientCertificates::Optional);
    let mut proxy = proxy_before_echo(secured(tls(ServerParts { client, ..parts(&ca) })));
    let forged = "GET / HTTP/1.1\r\nHost: a.test\r\nX-Forwarded-Client-Cert: Hash=forged\r\n\
                  Client-Cert: :Zm9yZ2Vk:\r\nClient-Cert-Chain: :Zm9yZ2Vk:\r\n\r\n";

    let heard = ask(&mut dial(&proxy, &ca.client(Some(&own)), "a.test"), forged);
    assert!(heard.contains("X-Forwarded-Proto: https\r\n"), "{heard}");
    assert!(heard.contains("X-Forwarded-Client-Cert: Hash="), "{heard}");
    assert!(heard.contains("DNS=client.test\r\n") && !heard.contains("forged"), "{heard}");
    assert!(!heard.contains("\r\nClient-Cert"), "another way to say it (RFC 9440): {heard}");

    let heard = ask(&mut dial(&proxy, &ca.client(None), "a.test"), forged);
    assert!(!heard.contains("Client-Cert"), "{heard}");

    proxy.trust_all();
    let heard = ask(&mut dial(&proxy, &ca.client(Some(&own)), "a.test"), forged);
    assert!(heard.contains("X-Forwarded-Client-Cert: Hash=forged,Hash="), "{heard}");
    assert!(heard.contains("\r\nClient-Cert: :Zm9yZ2Vk:\r\nClient-Cert-Chain: "), "{heard}");
    let heard = ask(&mut dial(&proxy, &ca.client(None), "a.test"), forged);
    assert!(heard.contains("X-Forwarded-Client-Cert: Hash=forged\r\n"), "{heard}");
}

#[test]
fn a_strangers_claim_of_a_certificate_is_dropped_in_cleartext_too() {
    let proxy = proxy_before_echo(listener());
    let mut client = connect(proxy.address());
    let heard = ask(&mut client, "GET / HTTP/1.1\r\nHost: a.test\r\nx-forwarded-client-cert: Hash=1\r\n\r\n");
    assert!(!heard.to_lowercase().contains("client-cert"), "{heard}");
    assert!(heard.contains("X-Forwarded-Proto: http\r\n"), "{heard}");
    client.write_all(b"GET / HTTP/1.1\r\nHost: a.test\r\nX_Forwarded_Client_Cert: Hash=1\r\n\r\n").unwrap();
    assert!(read_answer(&mut client).starts_with("HTTP/1.1 400 "));
}

#[test]
fn a_pool_can_have_backends_see_a_host_of_its_own() {
    let rule = PoolRule { host: Some("app.internal".into()), ..PoolRule::default() };
    let proxy = Proxy::start_on(listener(), pool(rule, members(&[echo()])));
    let heard = ask(&mut connect(proxy.address()), &get("a.test:81"));
    assert!(heard.contains("GET / HTTP/1.1\r\nHost: app.internal\r\n"), "{heard}");
    assert!(heard.contains("X-Forwarded-Host: a.test:81\r\n"), "{heard}");
}

#[test]
fn every_answer_over_tls_says_hsts_in_the_listeners_words() {
    let ca = Ca::new();
    let rule = ListenerRule { hsts: Some("max-age=1".into()), ..secured(tls(parts(&ca))) };
    let theirs = "HTTP/1.1 200 OK\r\nStrict-Transport-Security: max-age=9\r\nContent-Length: 2\r\n\r\nok";
    let mut proxy = proxy_before(rule, theirs);
    let mut client = dial(&proxy, &ca.client(None), "a.test");
    let options = "OPTIONS * HTTP/1.1\r\nHost: a.test\r\n\r\n";
    for request in [&get("a.test"), &get("b.test"), options, "BAD\r\n\r\n"] {
        let answer = ask(&mut client, request);
        assert!(answer.contains("Strict-Transport-Security: max-age=1\r\n"), "{answer}");
        assert_eq!(answer.matches("Strict-Transport-Security").count(), 1, "{answer}");
    }
    let mut plain = connect(proxy.address());
    let answer = ask(&mut plain, &get("a.test"));
    assert!(answer.starts_with("HTTP/1.1 400 ") && !answer.contains("Strict"), "{answer}");
    proxy.publish_listener(|rule| rule.hsts = None);
    let answer = ask(&mut dial(&proxy, &ca.client(None), "a.test"), &get("a.test"));
    assert!(answer.contains("Strict-Transport-Security: max-age=9\r\n"), "{answer}");
}

#[test]
fn a_cleartext_listener_can_send_everybody_to_https() {
    let mut proxy = proxy_before(ListenerRule { redirect_to_https: Some(443), ..listener() }, OK);
    let to = |client: &mut TcpStream, target: &str, host: &str| {
        let answer = ask(client, &format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        assert!(answer.starts_with("HTTP/1.1 308 Permanent Redirect\r\n"), "{answer}");
        let location = answer.lines().find_map(|line| line.strip_prefix("Location: "));
        location.unwrap().to_owned()
    };
    let mut client = connect(proxy.address());
    for (target, host, location) in [
        ("/", "a.test", "https://a.test/"),
        ("/a/../b?c=%41&d", "a.test:80", "https://a.test/a/../b?c=%41&d"),
        ("//evil.test/", "a.test", "https://a.test//evil.test/"),
        ("http://b.test", "b.test", "https://b.test/"),
        ("http://b.test:80?q", "b.test", "https://b.test/?q"),
        ("/", "[::1]:80", "https://[::1]/"),
    ] {
        assert_eq!(to(&mut client, target, host), location);
    }
    proxy.publish_listener(|rule| rule.redirect_to_https = Some(8443));
    let mut client = connect(proxy.address());
    assert_eq!(to(&mut client, "/", "a.test:80"), "https://a.test:8443/");
    // With a body that nobody reads, the connection ends.
    let answer = ask(&mut client, "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\n\r\nabc");
    assert!(answer.starts_with("HTTP/1.1 308 ") && answer.contains("Connection: close\r\n"), "{answer}");
    let answer = ask(&mut connect(proxy.address()), "GET / HTTP/1.0\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(answer.contains("host_missing_for_redirect"), "{answer}");
    assert_eq!(count(&proxy, |core| core.responses[2].read()), 2);
}

#[test]
fn what_came_by_https_to_a_trusted_proxy_is_not_sent_there_again() {
    let mut proxy = proxy_before(ListenerRule { redirect_to_https: Some(443), ..listener() }, OK);
    let status = |proxy: &Proxy, fields: &str| {
        let request = format!("GET / HTTP/1.1\r\nHost: a.test\r\n{fields}\r\n");
        ask(&mut connect(proxy.address()), &request)["HTTP/1.1 ".len()..][..3].to_owned()
    };
    assert_eq!(status(&proxy, "X-Forwarded-Proto: https\r\n"), "308", "anybody can say so");
    proxy.trust_all();
    for (fields, expected) in [
        ("", "308"),
        ("X-Forwarded-Proto: http\r\n", "308"),
        ("X-Forwarded-Proto: http, https\r\n", "308"),
        ("X-Forwarded-Proto: https\r\n", "200"),
        ("x-forwarded-proto: HTTPS , http\r\n", "200"),
    ] {
        assert_eq!(status(&proxy, fields), expected, "{fields}");
    }
}

#[test]
fn a_listener_takes_up_tls_and_gives_it_up_with_new_connections() {
    let ca = Ca::new();
    let mut proxy = proxy_before(listener(), OK);
    let mut before = connect(proxy.address());
    assert!(ask(&mut before, &get("a.test")).ends_with("ok"));
    let secure = tls(parts(&ca));
    proxy.publish_listener(|rule| rule.tls = Some(secure));
    assert!(ask(&mut before, &get("a.test")).ends_with("ok"));
    let mut client = dial(&proxy, &ca.client(None), "a.test");
    assert!(ask(&mut client, &get("a.test")).ends_with("ok"));
    let other = ca.sign(&["new.test"]).identity();
    let renewed = tls(ServerParts { identities: vec![other], ..parts(&ca) });
    proxy.publish_listener(|rule| rule.tls = Some(renewed));
    assert!(ask(&mut dial(&proxy, &ca.client(None), "new.test"), &get("new.test")).ends_with("ok"));
    proxy.publish_listener(|rule| rule.tls = None);
    assert!(ask(&mut client, &get("a.test")).ends_with("ok"));
    assert!(ask(&mut connect(proxy.address()), &get("a.test")).ends_with("ok"));
}

#[test]
fn an_upgrade_works_over_tls() {
    let ca = Ca::new();
    let backend = server(|head, stream| {
        assert!(head.contains("Upgrade: websocket\r\n"), "{head}");
        stream
            .write_all(
                b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
            )
            .unwrap();
        let mut said = [0; 5];
        stream.read_exact(&mut said).unwrap();
        stream.write_all(&said).unwrap();
        false
    });
    let rule = ListenerRule { upgrades: Arc::new(["websocket".into()]), ..secured(tls(parts(&ca))) };
    let proxy = Proxy::start_on(rule, pool(PoolRule::default(), members(&[backend])));
    let mut client = dial(&proxy, &ca.client(None), "a.test");
    let request = "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    assert!(ask(&mut client, request).starts_with("HTTP/1.1 101 "));
    client.write_all(b"hello").unwrap();
    // The backend ends its side, and TLS says so to the client.
    assert_eq!(read_to_end(&mut client), "hello");
}
