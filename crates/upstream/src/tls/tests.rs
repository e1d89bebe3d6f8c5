//! TLS to backends that follow a script.

mod idle;
mod refusals;

use std::future::{poll_fn, ready};
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Instant;

use evenkeel_model::Endpoint;

use super::*;
use crate::examples::{Ca, secure_server};
use crate::{Connection, connect};

/// Connects and speaks TLS.
async fn secured(address: SocketAddr, dial: &Dial) -> Result<Connection, TlsFailure> {
    let connection = connect(&[Endpoint::Tcp(address)], Instant::now()).await.unwrap();
    let Connection { socket, opened, requests } = connection;
    Ok(Connection { socket: secure(socket, dial, || ready(())).await?, opened, requests })
}

/// Sends a request and reads what comes, until it is whole.
async fn exchange(socket: &mut Socket, request: &str, answer: &str) {
    let mut sent = 0;
    while sent < request.len() {
        let rest = &request.as_bytes()[sent..];
        sent += poll_fn(|cx| socket.poll_write(cx, &[IoSlice::new(rest)])).await.unwrap();
    }
    let mut came = vec![0; answer.len()];
    let mut count = 0;
    while count < came.len() {
        match poll_fn(|cx| socket.poll_read(cx, &mut came[count..])).await.unwrap() {
            0 => panic!("it ended early"),
            more => count += more,
        }
    }
    assert_eq!(came, answer.as_bytes());
}

#[tokio::test]
async fn a_session_is_resumed_and_only_with_the_client_that_has_it() {
    let ca = Ca::new();
    let address = secure_server(ca.leaf().server(), |_, stream| stream.write_all(b"ok").is_ok());
    let (one, other) = (ca.dial(), ca.dial());
    for (dial, is_resumed) in [(&one, false), (&one, true), (&other, false), (&one, true)] {
        let mut connection = secured(address, dial).await.unwrap();
        assert_eq!(connection.socket.tls().unwrap().session().is_resumed(), is_resumed);
        // The ticket comes with the answer.
        exchange(&mut connection.socket, "GET\r\n\r\n", "ok").await;
    }
}

#[tokio::test]
async fn large_writes_arrive_whole_and_are_counted_as_records() {
    let ca = Ca::new();
    let address = secure_server(ca.leaf().server(), |_, stream| {
        let mut body = vec![0; 1_000_000];
        stream.read_exact(&mut body).unwrap();
        assert!(body.iter().enumerate().all(|(index, byte)| *byte == index as u8));
        stream.write_all(b"ok").is_ok()
    });
    let Connection { mut socket, .. } = secured(address, &ca.dial()).await.unwrap();
    let body: Vec<u8> = (0..1_000_000u32).map(|index| index as u8).collect();
    let head = "POST\r\n\r\n";
    let mut sent = 0;
    while sent < head.len() + body.len() {
        let parts = match sent < head.len() {
            true => [&head.as_bytes()[sent..], &body[..]],
            false => [&body[sent - head.len()..], &[][..]],
        };
        let parts = parts.map(IoSlice::new);
        sent += poll_fn(|cx| socket.poll_write(cx, &parts)).await.unwrap();
        assert!(!socket.is_within_write());
    }
    exchange(&mut socket, "", "ok").await;
}

/// TLS over a pair of sockets that hold little, and the other end below its TLS, whose handshake is done.
async fn narrow() -> (Socket, UnixStream) {
    let ca = Ca::new();
    let (ours, theirs) = UnixStream::pair().unwrap();
    let config = Arc::new(ca.leaf().server());
    let server = std::thread::spawn(move || {
        let mut session = rustls::ServerConnection::new(config).unwrap();
        session.complete_io(&mut &theirs).unwrap();
        theirs
    });
    // Less than one write holds, however it is counted.
    rustix::net::sockopt::set_socket_send_buffer_size(&ours, 4096).unwrap();
    ours.set_nonblocking(true).unwrap();
    let below = Socket::Unix(tokio::net::UnixStream::from_std(ours).unwrap());
    let socket = secure(below, &ca.dial(), || ready(())).await.unwrap();
    (socket, server.join().unwrap())
}

#[tokio::test]
async fn what_is_with_the_kernel_in_part_is_told_before_it_is_counted() {
    let (mut socket, _theirs) = narrow().await;
    let body = vec![0; 64 * 1024];
    assert!(!socket.is_within_write());
    let written = poll_fn(|cx| Poll::Ready(socket.poll_write(cx, &[IoSlice::new(&body)]))).await;
    assert!(written.is_pending() && socket.is_within_write());
}

#[tokio::test]
async fn a_peer_that_takes_a_write_slowly_is_seen_to_take_it() {
    let (mut socket, mut theirs) = narrow().await;
    let body = vec![0; 64 * 1024];
    let (mut taken, mut steps, before) = (0, 0, socket.flushed());
    loop {
        let flushed = socket.flushed();
        let written = poll_fn(|cx| Poll::Ready(socket.poll_write(cx, &[IoSlice::new(&body)]))).await;
        if written.is_ready() {
            break;
        }
        // Each look finds progress if the peer has made room, although the write has counted nothing yet.
        steps += usize::from(socket.flushed() > flushed);
        while socket.flushed() - before > taken {
            taken += theirs.read(&mut [0; 1024]).unwrap() as u64;
        }
        // The reactor learns of the room.
        tokio::task::yield_now().await;
    }
    assert!(steps > 2, "{steps}");
    assert!(socket.flushed() - before > body.len() as u64);
}
