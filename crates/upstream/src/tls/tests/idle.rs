//! What an idle connection may hear, and what its peer hears at its end.

use std::io::{Read, Write};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use evenkeel_model::Count;
use evenkeel_routing::IdleLimit;
use rustls::version::{TLS12, TLS13};

use super::*;
use crate::examples::{Ca, Stream, secure_server, take_leave};
use crate::socket::Idleness;
use crate::{Idle, Keeping};

/// Nothing takes so long unless it hangs.
const LONG: Duration = Duration::from_secs(20);

/// A backend that does something more after each answer once it is told to, and says what it read at the end.
fn server(then: fn(&mut Stream)) -> (Ca, SocketAddr, Sender<()>, Receiver<Option<usize>>) {
    let (ca, (go, wait), (tell, told)) = (Ca::new(), channel(), channel());
    let (wait, tell) = (Mutex::new(wait), Mutex::new(tell));
    let address = secure_server(ca.leaf().server(), move |_, stream| {
        stream.write_all(b"ok").unwrap();
        if wait.lock().unwrap().recv().is_ok() {
            then(stream);
            tell.lock().unwrap().send(None).unwrap();
        }
        let end = stream.read(&mut [0; 16]).ok();
        let _ = tell.lock().unwrap().send(end);
        false
    });
    (ca, address, go, told)
}

/// As far as the kernel knows.
fn until_something_came(socket: &Socket) {
    let since = Instant::now();
    while rustix::net::recv(socket, &mut [0], RecvFlags::PEEK | RecvFlags::DONTWAIT).is_err() {
        assert!(since.elapsed() < LONG, "something comes");
        std::thread::yield_now();
    }
}

#[tokio::test]
async fn a_record_that_has_come_in_part_spoils_an_idle_connection() {
    let (ca, address, go, told) = server(|stream| {
        // The header of a record, and nothing behind it yet.
        stream.sock.write_all(b"\x17\x03\x03\x00\x40").unwrap();
    });
    let Connection { mut socket, .. } = secured(address, &ca.dial()).await.unwrap();
    exchange(&mut socket, "GET\r\n\r\n", "ok").await;
    assert!(socket.is_quiet() && socket.look() == Idleness::Quiet);
    go.send(()).unwrap();
    assert_eq!(told.recv_timeout(LONG), Ok(None));
    until_something_came(&socket);
    let since = Instant::now();
    while socket.look() == Idleness::Quiet {
        assert!(since.elapsed() < LONG, "it is noticed");
        // The reactor may not know of it yet.
        tokio::task::yield_now().await;
    }
    assert!(!socket.is_quiet());
    assert_eq!(socket.look(), Idleness::Spoilt, "and it stays so");
}

#[tokio::test]
async fn what_tls_itself_says_late_does_not_spoil_an_idle_connection() {
    let (ca, address, go, told) = server(|stream| {
        // As a ticket would, it comes behind the answer; and this one asks for a reply.
        stream.conn.refresh_traffic_keys().unwrap();
        stream.flush().unwrap();
    });
    let Connection { mut socket, .. } = secured(address, &ca.dial()).await.unwrap();
    exchange(&mut socket, "GET\r\n\r\n", "ok").await;
    assert!(socket.is_quiet() && socket.look() == Idleness::Quiet);
    go.send(()).unwrap();
    assert_eq!(told.recv_timeout(LONG), Ok(None));
    until_something_came(&socket);
    // The reactor may not know of it yet.
    assert!(socket.is_quiet() && socket.look() == Idleness::Quiet);
    tokio::task::yield_now().await;
    assert!(socket.is_quiet() && socket.look() == Idleness::Quiet);
    socket.take_leave();
    drop(socket);
    assert_eq!(told.recv_timeout(LONG), Ok(Some(0)), "the end was announced");
}

#[tokio::test]
async fn an_idle_connection_that_ends_or_speaks_is_spoilt() {
    let thens: [fn(&mut Stream); 3] = [
        |stream| _ = stream.write_all(b"HTTP/1.1 408 Request Timeout\r\n\r\n"),
        |stream| _ = stream.sock.shutdown(std::net::Shutdown::Both),
        take_leave,
    ];
    for then in thens {
        let (ca, address, go, told) = server(then);
        let Connection { mut socket, .. } = secured(address, &ca.dial()).await.unwrap();
        exchange(&mut socket, "GET\r\n\r\n", "ok").await;
        go.send(()).unwrap();
        assert_eq!(told.recv_timeout(LONG), Ok(None));
        until_something_came(&socket);
        assert!(!socket.is_quiet());
        let since = Instant::now();
        while socket.look() == Idleness::Quiet {
            assert!(since.elapsed() < LONG, "it is noticed");
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn an_end_that_is_not_announced_is_told_apart() {
    for (then, is_announced) in [(take_leave as fn(&mut Stream), true), (|_| {}, false)] {
        let (ca, address, go, _told) = server(then);
        let Connection { mut socket, .. } = secured(address, &ca.dial()).await.unwrap();
        exchange(&mut socket, "GET\r\n\r\n", "ok").await;
        if is_announced {
            go.send(()).unwrap();
        }
        drop(go);
        poll_fn(|cx| socket.poll_shutdown(cx)).await.unwrap();
        let end = poll_fn(|cx| socket.poll_read(cx, &mut [0; 16])).await;
        match is_announced {
            true => assert_eq!(end.unwrap(), 0),
            false => assert_eq!(end.unwrap_err().kind(), ErrorKind::UnexpectedEof),
        }
    }
}

#[tokio::test]
async fn connections_that_are_closed_by_this_side_say_so() {
    type Close = fn(&Idle, Keeping<'_>, Instant);
    let closes: [Option<Close>; 3] = [
        Some(|idle, keeping, _| idle.clear(keeping.gauge)),
        Some(|idle, keeping, now| idle.sweep(keeping, now + 2 * LONG)),
        // Dropped, as at the end of a core.
        None,
    ];
    for close in closes {
        let (ca, address, go, told) = server(|_| {});
        let mut connection = secured(address, &ca.dial()).await.unwrap();
        exchange(&mut connection.socket, "GET\r\n\r\n", "ok").await;
        drop(go);
        let (idle, limit, gauge, now) =
            (Idle::default(), IdleLimit::default(), Count::default(), Instant::now());
        let keeping = Keeping { longest: LONG, limit: &limit, gauge: &gauge };
        idle.park(connection, false, 8, now, &gauge);
        if let Some(close) = close {
            close(&idle, keeping, now);
            assert!(idle.is_empty());
        }
        drop(idle);
        assert_eq!(told.recv_timeout(LONG), Ok(Some(0)), "the end was announced");
    }
}

#[tokio::test]
async fn a_connection_of_tls_1_2_is_not_kept_until_its_keys_are_used_up() {
    for (version, sent, is_kept) in [(&TLS12, WORN - 1, true), (&TLS12, WORN, false), (&TLS13, WORN, true)] {
        let ca = Ca::new();
        let address = secure_server(ca.leaf().server_with(None, &[version]), |_, _| false);
        let mut connection = secured(address, &ca.dial()).await.unwrap();
        let Socket::Tls(tls) = &mut connection.socket else { panic!("it is TLS") };
        tls.flushed = sent;
        let (idle, gauge) = (Idle::default(), Count::default());
        idle.park(connection, false, 8, Instant::now(), &gauge);
        assert_eq!((idle.is_empty(), gauge.read() == 1), (!is_kept, is_kept), "{version:?} {sent}");
    }
}
