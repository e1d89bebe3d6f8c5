//! A backend: a process of its own, so that it can be killed and stopped; a thread for each connection.
//!
//! Its orders come over a Unix socket, whose end is its own end, too. Each request that has arrived whole is told on standard
//! output before anything is done with it: what is written there outlives the process.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use evenkeel_tests::open_loop::id;
use evenkeel_tests::request::{Reader, Request};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::{Domain, SockRef, Socket, Type};

use crate::behaviour::{Behaviour, IDLE};

/// Connections that may wait to be accepted: a stopped backend collects them.
const BACKLOG: i32 = 4096;

/// Longest that a connection stays open unused.
const PATIENCE: Duration = Duration::from_secs(300);

const GARBAGE: &[u8] = b"\x16\x03\x01 these are not the bytes of a response\r\n\r\n";

/// Serves until the orders end.
pub(crate) fn serve(address: SocketAddr, orders: &Path) -> ExitCode {
    match listen(address).and_then(|listener| Ok((listener, UnixStream::connect(orders)?))) {
        Ok((listener, orders)) => {
            let behaviour = Arc::new(Mutex::new(Behaviour::Well));
            let obeyed = behaviour.clone();
            std::thread::spawn(move || accept(&listener, &behaviour));
            // The end of the orders is the end of whoever gave them.
            let _ = obey(orders, &obeyed);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("backend {address}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn listen(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket)
}

/// Takes orders, a word a line, and says when each holds. The first line says that the backend is ready.
fn obey(mut orders: UnixStream, behaviour: &Mutex<Behaviour>) -> io::Result<()> {
    orders.write_all(b"ready\n")?;
    for word in BufReader::new(orders.try_clone()?).lines() {
        let word = word?;
        let order = Behaviour::of(&word).ok_or_else(|| io::Error::other(word))?;
        *behaviour.lock().unwrap() = order;
        orders.write_all(b"done\n")?;
    }
    Ok(())
}

fn accept(listener: &Socket, behaviour: &Arc<Mutex<Behaviour>>) {
    loop {
        // A connection that was reset before it was accepted is nobody's loss.
        let Ok((connection, _)) = listener.accept() else { continue };
        let behaviour = behaviour.clone();
        std::thread::spawn(move || {
            // Whatever ends a connection here is the proxy's doing.
            let _ = converse(connection.into(), &behaviour);
        });
    }
}

fn converse(connection: TcpStream, behaviour: &Mutex<Behaviour>) -> io::Result<()> {
    connection.set_nodelay(true)?;
    connection.set_read_timeout(Some(PATIENCE))?;
    let mut reader = Reader::new(connection);
    loop {
        let now = *behaviour.lock().unwrap();
        if !is_spoken_to(&reader.stream, now)? {
            return Ok(());
        }
        let invite = |connection: &mut TcpStream| connection.write_all(b"HTTP/1.1 100 Continue\r\n\r\n");
        let Some(request) = Request::read(&mut reader, invite)? else {
            return Ok(());
        };
        tell(&request)?;
        let now = *behaviour.lock().unwrap();
        if !answer(now, &request, &mut reader.stream)? {
            return Ok(());
        }
    }
}

/// Waits for a byte; false if none came in time. The kernel's own receive timeout is tens of milliseconds coarse.
fn is_spoken_to(connection: &TcpStream, behaviour: Behaviour) -> io::Result<bool> {
    let longest = if behaviour == Behaviour::CloseIdle { IDLE } else { PATIENCE };
    let longest = Timespec::try_from(longest).expect("a few minutes at most");
    let mut polled = [PollFd::new(connection, PollFlags::IN)];
    Ok(poll(&mut polled, Some(&longest))? > 0)
}

/// One line for a request that is counted, written at once.
fn tell(request: &Request) -> io::Result<()> {
    match id(&request.target) {
        Some(id) => io::stdout().write_all(format!("{} {id}\n", request.method).as_bytes()),
        None => Ok(()),
    }
}

/// Does with a request what was ordered; whether the connection goes on.
fn answer(behaviour: Behaviour, request: &Request, connection: &mut TcpStream) -> io::Result<bool> {
    let mut goes_on = request.field("connection") != Some("close");
    let bytes = match behaviour {
        Behaviour::Well | Behaviour::CloseIdle => response("200 OK", &format!("{}\n", request.target)),
        Behaviour::Status502 => response("502 Bad Gateway", "bad\n"),
        Behaviour::Garbage => {
            goes_on = false;
            GARBAGE.to_vec()
        }
        Behaviour::Reset => {
            SockRef::from(&*connection).set_linger(Some(Duration::ZERO))?;
            return Ok(false);
        }
        Behaviour::Close => return Ok(false),
        Behaviour::Hang => {
            io::copy(connection, &mut io::sink())?;
            return Ok(false);
        }
    };
    connection.write_all(&bytes)?;
    Ok(goes_on)
}

fn response(status: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\r\n{body}")
        .into_bytes()
}
