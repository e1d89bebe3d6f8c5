//! What a scripted backend does with a connection and with a request.

use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use socket2::Socket;

use super::{Logged, Shared};
use crate::pattern::Pattern;
use crate::request::{Reader, Request};
use crate::wait;

/// Whether a connection goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The next request may come.
    Continue,
    /// It is closed.
    Close,
}

/// A custom answer: the request, and the socket to write to.
pub type Answer = dyn Fn(&Request, &mut Socket) -> io::Result<Next> + Send + Sync;

/// What a backend does.
#[derive(Clone)]
pub enum Script {
    /// 200 with the request head as body, the backend's name in `X-Backend`, the request body's length and checksum in
    /// `X-Body-Bytes` and `X-Body-Checksum`. `/pattern/N` answers N bytes of pattern instead, and an `Upgrade` a tunnel that echoes.
    Echo,
    /// These bytes, then the next request.
    Reply(Vec<u8>),
    /// These bytes, then a close.
    ReplyThenClose(Vec<u8>),
    /// These bytes in pieces of this size with a pause before each, then the next request.
    ReplySlowly(Vec<u8>, usize, Duration),
    /// A status without a body.
    Status(u16),
    /// Closes each connection as soon as it is accepted.
    CloseOnAccept,
    /// Closes after reading a request.
    CloseOnRequest,
    /// Resets after reading a request.
    ResetOnRequest,
    /// Reads requests and never answers.
    Hang,
    /// Whatever the test says.
    Custom(Arc<Answer>),
}

impl Script {
    /// A custom script.
    pub fn custom(
        answer: impl Fn(&Request, &mut Socket) -> io::Result<Next> + Send + Sync + 'static,
    ) -> Script {
        Script::Custom(Arc::new(answer))
    }

    pub(super) fn on_accept(&self, _connection: &Socket) -> Next {
        match self {
            Script::CloseOnAccept => Next::Close,
            _ => Next::Continue,
        }
    }

    pub(super) fn on_request(
        &self,
        shared: &Shared,
        request: &Request,
        reader: &mut Reader<Logged>,
    ) -> io::Result<Next> {
        let socket = &mut reader.stream.socket;
        match self {
            Script::Echo => return echo(shared, request, reader),
            Script::Reply(bytes) => socket.write_all(bytes)?,
            Script::ReplySlowly(bytes, size, before) => slowly(socket, bytes, *size, *before)?,
            Script::Status(status) => socket.write_all(bare(*status).as_bytes())?,
            Script::Custom(answer) => return answer(request, socket),
            Script::ReplyThenClose(bytes) => {
                socket.write_all(bytes)?;
                return Ok(Next::Close);
            }
            Script::ResetOnRequest => {
                reset(socket)?;
                return Ok(Next::Close);
            }
            Script::CloseOnAccept | Script::CloseOnRequest => return Ok(Next::Close),
            Script::Hang => hang(socket)?,
        }
        Ok(Next::Continue)
    }
}

/// Makes the coming close a reset.
pub fn reset(socket: &Socket) -> io::Result<()> {
    socket.set_linger(Some(Duration::ZERO))
}

fn bare(status: u16) -> String {
    format!("HTTP/1.1 {status} Scripted\r\nContent-Length: 0\r\n\r\n")
}

fn slowly(socket: &mut Socket, bytes: &[u8], size: usize, before: Duration) -> io::Result<()> {
    for piece in bytes.chunks(size) {
        wait::pause(before);
        socket.write_all(piece)?;
    }
    Ok(())
}

/// Reads on and answers nothing, until the peer or the test closes.
fn hang(socket: &mut Socket) -> io::Result<()> {
    let mut buffer = [0; 4096];
    while socket.read(&mut buffer)? > 0 {}
    Err(io::ErrorKind::UnexpectedEof.into())
}

fn echo(shared: &Shared, request: &Request, reader: &mut Reader<Logged>) -> io::Result<Next> {
    if request.field("upgrade").is_some() {
        return tunnel(reader);
    }
    let socket = &mut reader.stream.socket;
    if let Some(length) = request.target.strip_prefix("/pattern/") {
        return pattern(shared, socket, length.parse().unwrap_or(0));
    }
    let mut head = String::from("HTTP/1.1 200 OK\r\n");
    let _ = write!(head, "X-Backend: {}\r\n", shared.name);
    let _ = write!(head, "X-Body-Bytes: {}\r\n", request.body_bytes);
    let _ = write!(head, "X-Body-Checksum: {}\r\n", request.checksum.text());
    let _ = write!(head, "Content-Length: {}\r\n\r\n", request.head.len());
    if request.method != "HEAD" {
        head.push_str(&request.head);
    }
    socket.write_all(head.as_bytes())?;
    Ok(Next::Continue)
}

fn pattern(shared: &Shared, socket: &mut Socket, length: u64) -> io::Result<Next> {
    let pattern = Pattern::default();
    socket.write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n").as_bytes())?;
    let mut sent = 0;
    while sent < length {
        let piece = pattern.piece(sent, length - sent);
        socket.write_all(piece)?;
        sent += piece.len() as u64;
        shared.pattern_bytes.fetch_add(piece.len() as u64, Ordering::AcqRel);
    }
    Ok(Next::Continue)
}

fn tunnel(reader: &mut Reader<Logged>) -> io::Result<Next> {
    reader.stream.socket.write_all(
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    )?;
    let early = reader.rest();
    reader.stream.socket.write_all(&early)?;
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = reader.stream.read(&mut buffer)?;
        if read == 0 {
            return Ok(Next::Close);
        }
        reader.stream.socket.write_all(&buffer[..read])?;
    }
}
