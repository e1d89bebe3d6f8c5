//! Clients that do not come to a connection, and what they, the operator and everybody else learn of it.

use std::io::ErrorKind;

use super::*;

/// Sends bytes, and reads what comes until the end.
fn say(proxy: &Proxy, bytes: &[u8]) -> Vec<u8> {
    let mut stream = connect(proxy.address());
    stream.write_all(bytes).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    answer
}

/// Why the client's side of a handshake, or its first request, came to nothing.
fn refusal(proxy: &Proxy, config: &Arc<ClientConfig>, name: &'static str) -> String {
    let mut client = dial(proxy, config, name);
    let written = client.write_all(get(name).as_bytes());
    written.and_then(|()| client.read(&mut [0; 100])).unwrap_err().to_string()
}

#[test]
fn plain_http_is_told_what_this_port_speaks() {
    let ca = Ca::new();
    let proxy = proxy_before(secured(tls(parts(&ca))), OK);
    for request in [&get("a.test")[..], "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET nothing at all\r\n\r\n"] {
        let answer = String::from_utf8(say(&proxy, request.as_bytes())).unwrap();
        assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{answer}");
        assert!(answer.contains("plain_http_on_tls_port") && answer.contains("https://"), "{answer}");
        assert!(answer.contains("Connection: close\r\n"), "{answer}");
    }
    wait_for_failure(&proxy, HandshakeFailure::PlainHttp);
    assert_eq!(count(&proxy, |core| core.bad_requests.read()), 3);
    assert_eq!(count(&proxy, |core| core.responses[3].read()), 3);
}

#[test]
fn what_is_neither_tls_nor_http_is_closed() {
    let ca = Ca::new();
    let proxy = proxy_before(secured(tls(parts(&ca))), OK);
    for bytes in [&b"\x80\x2e\x01\x03\x01\x00\x15\x00\x00\x00\x10"[..], b"SSH-2.0-x\r\n", b"\0\0\0\0\0\0\0\0"]
    {
        let answer = say(&proxy, bytes);
        // Nothing, or an alert.
        assert!(answer.is_empty() || answer[0] == 21, "{answer:?}");
    }
    wait_for_failure(&proxy, HandshakeFailure::NotTls);
    assert_eq!(count(&proxy, |core| core.handshake_failures[HandshakeFailure::NotTls as usize].read()), 3);
    // A record that is none inside.
    let answer = say(&proxy, b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\xff");
    assert_eq!(answer[0], 21, "{answer:?}");
    wait_for_failure(&proxy, HandshakeFailure::Malformed);
}

#[test]
fn a_client_of_tls_1_0_gets_the_alert_that_says_so() {
    let ca = Ca::new();
    let proxy = proxy_before(secured(tls(parts(&ca))), OK);
    let mut hello = vec![0x03, 0x01];
    hello.extend([7; 32]);
    // No session, one cipher, no compression, no extensions.
    hello.extend([0, 0, 2, 0x00, 0x2f, 1, 0]);
    let mut record = vec![0x16, 0x03, 0x01, 0, hello.len() as u8 + 4, 1, 0, 0, hello.len() as u8];
    record.extend(hello);
    let answer = say(&proxy, &record);
    assert_eq!((answer[0], answer[5]), (21, 2), "a fatal alert: {answer:?}");
    wait_for_failure(&proxy, HandshakeFailure::NothingInCommon);
}

#[test]
fn a_handshake_that_stalls_is_cut_at_its_deadline() {
    let ca = Ca::new();
    let timeout = Duration::from_millis(50);
    let rule = secured(ListenerTls { handshake_timeout: timeout, ..tls(parts(&ca)) });
    let proxy = proxy_before(rule, OK);
    assert_eq!(say(&proxy, b"\x16\x03\x01"), b"");
    assert_eq!(say(&proxy, b""), b"");
    wait_for_failure(&proxy, HandshakeFailure::Timeout);
    let reached = |core: &CoreListener| core.limited[evenkeel_model::Limit::Handshake as usize].read();
    assert_eq!(count(&proxy, reached), 2);
    wait_until("both are closed", || count(&proxy, |core| core.open.read()) == 0);
}

#[test]
fn a_handshake_that_waits_for_its_client_makes_room_for_a_new_one() {
    let ca = Ca::new();
    let proxy = proxy_before(secured(ListenerTls { handshakes: 2, ..tls(parts(&ca)) }), OK);
    let mut silent: Vec<TcpStream> = (0..2).map(|_| connect(proxy.address())).collect();
    wait_until("both wait", || count(&proxy, |core| core.handshakes_open.read()) == 2);
    assert!(ask(&mut dial(&proxy, &ca.client(None), "a.test"), &get("a.test")).ends_with("ok"));
    assert_eq!(silent[0].read(&mut [0]).unwrap(), 0, "the oldest is closed");
    silent[1].set_nonblocking(true).unwrap();
    assert_eq!(silent[1].read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
    let displaced = HandshakeFailure::Displaced as usize;
    assert_eq!(count(&proxy, |core| core.handshake_failures[displaced].read()), 1);
    let reached = |core: &CoreListener| core.limited[evenkeel_model::Limit::Handshakes as usize].read();
    assert_eq!(count(&proxy, reached), 1);
}

#[test]
fn a_handshake_that_was_computed_is_not_given_away_before_its_client_could_answer() {
    let ca = Ca::new();
    let proxy = proxy_before(secured(ListenerTls { handshakes: 2, ..tls(parts(&ca)) }), OK);
    let half_done = || {
        let mut client = dial(&proxy, &ca.client(None), "a.test");
        client.conn.write_tls(&mut client.sock).unwrap();
        assert_eq!(client.sock.peek(&mut [0]).unwrap(), 1, "evenkeel has said its part");
        client
    };
    let (first, second) = (half_done(), half_done());
    refusal(&proxy, &ca.client(None), "a.test");
    for mut client in [first, second] {
        assert!(ask(&mut client, &get("a.test")).ends_with("ok"));
    }
    assert!(ask(&mut dial(&proxy, &ca.client(None), "a.test"), &get("a.test")).ends_with("ok"));
}

#[test]
fn refused_clients_that_do_not_close_make_room_for_newer_ones() {
    let ca = Ca::new();
    let proxy = proxy_before(secured(ListenerTls { handshakes: 2, ..tls(parts(&ca)) }), OK);
    let refused = |bytes: &[u8]| {
        let mut stream = connect(proxy.address());
        stream.write_all(bytes).unwrap();
        // To the end of what evenkeel says; our side stays open.
        stream.read_to_end(&mut Vec::new()).unwrap();
        stream
    };
    let failures = |why: HandshakeFailure| count(&proxy, |core| core.handshake_failures[why as usize].read());
    let mut refused: Vec<TcpStream> = (0..5)
        .flat_map(|_| {
            [&b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\xff"[..], b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"]
        })
        .map(refused)
        .collect();
    // Two of ten linger, and are shaking hands still as far as the limit goes.
    let open = || (count(&proxy, |core| core.open.read()), count(&proxy, |core| core.handshakes_open.read()));
    wait_until("two linger", || open() == (2, 2));
    assert!(ask(&mut dial(&proxy, &ca.client(None), "a.test"), &get("a.test")).ends_with("ok"));
    assert_eq!(failures(HandshakeFailure::Malformed) + failures(HandshakeFailure::PlainHttp), 10);
    assert_eq!(failures(HandshakeFailure::Displaced), 0, "each is told once");
    refused.clear();
    wait_until("nobody shakes hands", || open().1 == 0);
}

#[test]
fn an_unknown_name_is_refused_where_the_listener_says_so() {
    let ca = Ca::new();
    let parts = ServerParts { unknown_name: UnknownName::Refuse, ..parts(&ca) };
    let proxy = proxy_before(secured(tls(parts)), OK);
    let told = refusal(&proxy, &ca.client(None), "other.test");
    assert!(told.contains("UnrecognisedName") || told.contains("UnrecognizedName"), "{told}");
    wait_for_failure(&proxy, HandshakeFailure::UnknownName);
    assert!(ask(&mut dial(&proxy, &ca.client(None), "x.wild.test"), &get("x.wild.test")).ends_with("ok"));
}

#[test]
fn a_client_without_the_certificate_that_it_needs_is_told_so() {
    let (ca, stranger) = (Ca::new(), Ca::new());
    let client = asks_for_certificates(&ca, ClientCertificates::Required);
    let proxy = proxy_before(secured(tls(ServerParts { client, ..parts(&ca) })), OK);
    let told = refusal(&proxy, &ca.client(None), "a.test");
    assert!(told.contains("CertificateRequired"), "{told}");
    wait_for_failure(&proxy, HandshakeFailure::NoCertificate);
    refusal(&proxy, &ca.client(Some(&stranger.sign(&["client.test"]))), "a.test");
    wait_for_failure(&proxy, HandshakeFailure::BadCertificate);
    let own = ca.sign(&["client.test"]);
    assert!(ask(&mut dial(&proxy, &ca.client(Some(&own)), "a.test"), &get("a.test")).ends_with("ok"));
}

#[test]
fn a_client_that_does_not_believe_us_or_leaves_is_counted() {
    let ca = Ca::new();
    let proxy = proxy_before(secured(tls(parts(&ca))), OK);
    refusal(&proxy, &Ca::new().client(None), "a.test");
    wait_for_failure(&proxy, HandshakeFailure::Alert);
    let mut hello = Vec::new();
    session(&ca.client(None), "a.test").write_tls(&mut hello).unwrap();
    connect(proxy.address()).write_all(&hello[..100]).unwrap();
    wait_for_failure(&proxy, HandshakeFailure::Closed);
}

#[test]
fn a_panic_in_a_handshake_ends_one_connection() {
    let ca = Ca::new();
    let proxy = proxy_before(secured(tls(parts(&ca))), OK);
    let mut bystander = dial(&proxy, &ca.client(None), "a.test");
    assert!(ask(&mut bystander, &get("a.test")).ends_with("ok"));
    refusal(&proxy, &ca.client(None), "panic.test");
    wait_until("it is counted", || count(&proxy, |core| core.panics.read()) == 1);
    assert!(ask(&mut bystander, &get("a.test")).ends_with("ok"));
    assert!(ask(&mut dial(&proxy, &ca.client(None), "a.test"), &get("a.test")).ends_with("ok"));
    assert_eq!(count(&proxy, |core| core.handshakes_open.read()), 0);
}

#[test]
fn a_connection_too_many_is_closed_without_a_word_in_cleartext() {
    let ca = Ca::new();
    let mut rule = secured(tls(parts(&ca)));
    rule.limits.connections = 1;
    let proxy = proxy_before(rule, OK);
    let mut first = dial(&proxy, &ca.client(None), "a.test");
    assert!(ask(&mut first, &get("a.test")).ends_with("ok"));
    let mut second = connect(proxy.address());
    assert_eq!(second.read(&mut [0; 100]).unwrap(), 0);
    assert_eq!(count(&proxy, |core| core.refused.read()), 1);
    assert!(ask(&mut first, &get("a.test")).ends_with("ok"));
}

#[test]
fn damaged_first_messages_are_refused_and_nothing_panics() {
    let ca = Ca::new();
    let timeout = Duration::from_millis(20);
    let proxy = proxy_before(secured(ListenerTls { handshake_timeout: timeout, ..tls(parts(&ca)) }), OK);
    let mut hello = Vec::new();
    session(&ca.client(None), "a.test").write_tls(&mut hello).unwrap();
    // Before the key shares, which are most of the message.
    for place in (0..hello.len().min(300)).step_by(3) {
        let mut damaged = hello.clone();
        damaged[place] ^= 1 << (place % 8);
        let mut stream = connect(proxy.address());
        stream.write_all(&damaged).unwrap();
        // An answer, an alert, or the deadline.
        let _ = stream.read_to_end(&mut Vec::new());
    }
    assert_eq!(count(&proxy, |core| core.panics.read()), 0);
    wait_until("all are closed", || count(&proxy, |core| core.open.read()) == 0);
    wait_until("nobody shakes hands", || count(&proxy, |core| core.handshakes_open.read()) == 0);
}
