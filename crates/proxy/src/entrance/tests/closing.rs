//! How TLS connections end: who may take what it has for the whole, and who must not.

use std::io::ErrorKind;

use super::*;

/// Whether the end of the connection comes unannounced.
fn is_cut(client: &mut Client) -> bool {
    match client.read_to_end(&mut Vec::new()) {
        Ok(_) => false,
        Err(error) => matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset),
    }
}

#[test]
fn a_close_that_was_asked_for_is_announced() {
    let ca = Ca::new();
    let proxy = proxy_before(secured(tls(parts(&ca))), OK);
    let mut client = dial(&proxy, &ca.client(None), "a.test");
    client.write_all(b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n").unwrap();
    assert!(read_to_end(&mut client).ends_with("ok"));
    // An answer of our own to something that is no request.
    let mut client = dial(&proxy, &ca.client(None), "a.test");
    client.write_all(b"nonsense\r\n\r\n").unwrap();
    assert!(read_to_end(&mut client).starts_with("HTTP/1.1 400 "));
}

#[test]
fn a_body_that_only_the_close_ends_is_announced_as_whole_if_it_is() {
    let ca = Ca::new();
    let whole = server(|_, stream| {
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nwhole\r\n0\r\n\r\n")
            .is_ok()
    });
    let proxy = Proxy::start_on(secured(tls(parts(&ca))), pool(PoolRule::default(), members(&[whole])));
    let mut client = dial(&proxy, &ca.client(None), "a.test");
    client.write_all(b"GET / HTTP/1.0\r\nHost: a.test\r\n\r\n").unwrap();
    assert!(read_to_end(&mut client).ends_with("\r\n\r\nwhole"));
}

#[test]
fn a_body_that_the_backend_cuts_is_cut_for_the_client_too() {
    let ca = Ca::new();
    let cut = server(|_, stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nwhole\r\n").unwrap();
        // The client has to have the head by now, or it is told of a failure instead.
        stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let _ = stream.read(&mut [0]);
        false
    });
    let proxy = Proxy::start_on(secured(tls(parts(&ca))), pool(PoolRule::default(), members(&[cut])));
    for version in ["1.0", "1.1"] {
        let mut client = dial(&proxy, &ca.client(None), "a.test");
        write!(client, "GET / HTTP/{version}\r\nHost: a.test\r\n\r\n").unwrap();
        assert!(is_cut(&mut client), "HTTP/{version}");
    }
}

#[test]
fn a_connection_that_is_idle_for_too_long_is_closed_with_notice() {
    let ca = Ca::new();
    let mut rule = secured(tls(parts(&ca)));
    rule.timeouts.keep_alive = Duration::from_millis(50);
    let proxy = proxy_before(rule, OK);
    let mut client = dial(&proxy, &ca.client(None), "a.test");
    assert!(ask(&mut client, &get("a.test")).ends_with("ok"));
    assert_eq!(read_to_end(&mut client), "");
}

#[test]
fn at_the_end_of_a_drain_idle_connections_get_notice_and_busy_ones_are_cut() {
    let ca = Ca::new();
    let slow = server(|head, stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok").unwrap();
        match head.starts_with("GET /slow") {
            true => stream.read(&mut [0]).is_ok(),
            false => stream.write_all(b"!").is_ok(),
        }
    });
    let mut proxy = Proxy::start_on(secured(tls(parts(&ca))), pool(PoolRule::default(), members(&[slow])));
    let mut idle = dial(&proxy, &ca.client(None), "a.test");
    assert!(ask(&mut idle, &get("a.test")).ends_with("ok!"));
    let mut busy = dial(&proxy, &ca.client(None), "a.test");
    busy.write_all(b"GET /slow HTTP/1.1\r\nHost: a.test\r\n\r\n").unwrap();
    busy.read_exact(&mut [0; 15]).unwrap();
    proxy.drain(Duration::from_millis(50));
    assert_eq!(read_to_end(&mut idle), "");
    assert!(is_cut(&mut busy));
}

#[test]
fn a_client_that_goes_without_notice_is_gone_even_where_half_a_close_is_none() {
    let ca = Ca::new();
    let (told, tell) = std::sync::mpsc::channel();
    let slow = server(move |_, stream| {
        told.send(1).unwrap();
        // Ends when the proxy gives the request up.
        told.send(stream.read(&mut [0]).unwrap()).is_ok()
    });
    let rule = ListenerRule { half_close: true, ..secured(tls(parts(&ca))) };
    let proxy = Proxy::start_on(rule, pool(PoolRule::default(), members(&[slow])));
    let mut client = dial(&proxy, &ca.client(None), "a.test");
    client.write_all(get("a.test").as_bytes()).unwrap();
    assert_eq!(tell.recv_timeout(DEADLINE).unwrap(), 1);
    client.sock.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(tell.recv_timeout(DEADLINE).unwrap(), 0);
    wait_until("it is told", || count(&proxy, |core| core.aborted.read()) == 1);
}

#[test]
fn a_client_that_announces_its_end_still_gets_its_answer_where_half_a_close_is_none() {
    let ca = Ca::new();
    let slow = server(|_, stream| {
        stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        assert!(stream.read(&mut [0]).is_err(), "the request is not given up");
        stream.write_all(OK.as_bytes()).is_ok()
    });
    let rule = ListenerRule { half_close: true, ..secured(tls(parts(&ca))) };
    let proxy = Proxy::start_on(rule, pool(PoolRule::default(), members(&[slow])));
    let mut client = dial(&proxy, &ca.client(None), "a.test");
    client.write_all(get("a.test").as_bytes()).unwrap();
    client.conn.send_close_notify();
    client.conn.complete_io(&mut client.sock).unwrap();
    assert!(read_answer(&mut client).ends_with("ok"));
}
