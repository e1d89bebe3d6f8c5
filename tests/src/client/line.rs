//! A client's connection, in cleartext or over TLS, whose reads and writes all end by one deadline.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustls::{ClientConnection, StreamOwned};

use super::duplex::Pending;

/// One connection.
pub(super) enum Line {
    Plain(Timed),
    Secure(Box<StreamOwned<ClientConnection, Timed>>),
}

/// A stream with a deadline.
pub(super) struct Timed {
    stream: TcpStream,
    deadline: Instant,
    pending: Option<Pending>,
}

impl Line {
    pub(super) fn plain(stream: TcpStream, patience: Duration) -> Line {
        Line::Plain(Timed { stream, deadline: Instant::now() + patience, pending: None })
    }

    /// Begins TLS and ends the handshake.
    pub(super) fn upgrade(self, connection: ClientConnection, patience: Duration) -> io::Result<Line> {
        let mut stream = match self {
            Line::Plain(timed) => StreamOwned::new(connection, timed),
            Line::Secure(_) => return Err(io::Error::other("TLS within TLS")),
        };
        stream.sock.deadline = Instant::now() + patience;
        while stream.conn.is_handshaking() {
            if let Err(error) = stream.conn.complete_io(&mut stream.sock) {
                // All of what says why, or the server sees one that just leaves.
                while stream.conn.wants_write() && stream.conn.write_tls(&mut stream.sock).is_ok() {}
                return Err(error);
            }
        }
        stream.flush()?;
        Ok(Line::Secure(Box::new(stream)))
    }

    /// Everything from now on has to end within `patience`.
    pub(super) fn end_within(&mut self, patience: Duration) {
        self.timed().deadline = Instant::now() + patience;
    }

    /// Sends these while it reads, as far as the peer takes them.
    pub(super) fn send_beside(&mut self, bytes: Vec<u8>) {
        self.timed().pending = Some(Pending::new(bytes));
    }

    fn timed(&mut self) -> &mut Timed {
        match self {
            Line::Plain(timed) => timed,
            Line::Secure(stream) => &mut stream.sock,
        }
    }

    /// Says over TLS that nothing more will be sent.
    pub(super) fn notify(&mut self) -> io::Result<()> {
        match self {
            Line::Plain(_) => Ok(()),
            Line::Secure(stream) => {
                stream.conn.send_close_notify();
                stream.flush()
            }
        }
    }

    pub(super) fn socket(&self) -> &TcpStream {
        match self {
            Line::Plain(timed) => &timed.stream,
            Line::Secure(stream) => &stream.sock.stream,
        }
    }

    pub(super) fn tls(&self) -> Option<&ClientConnection> {
        match self {
            Line::Plain(_) => None,
            Line::Secure(stream) => Some(&stream.conn),
        }
    }
}

impl Read for Line {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Line::Plain(timed) => timed.read(buffer),
            Line::Secure(stream) => {
                let StreamOwned { conn, sock } = &mut **stream;
                match &mut sock.pending {
                    Some(pending) => pending.read(&mut sock.stream, Some(conn), buffer, sock.deadline),
                    None => stream.read(buffer),
                }
            }
        }
    }
}

impl Write for Line {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match self {
            Line::Plain(timed) => timed.write(buffer),
            Line::Secure(stream) => stream.write(buffer),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Line::Plain(timed) => timed.flush(),
            Line::Secure(stream) => stream.flush(),
        }
    }
}

impl Timed {
    fn left(&self) -> io::Result<Duration> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        match left.is_zero() {
            true => Err(io::Error::new(io::ErrorKind::TimedOut, "out of patience")),
            false => Ok(left),
        }
    }
}

impl Read for Timed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(pending) = &mut self.pending {
            return pending.read(&mut self.stream, None, buffer, self.deadline);
        }
        self.stream.set_read_timeout(Some(self.left()?))?;
        self.stream.read(buffer).map_err(patience)
    }
}

impl Write for Timed {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(Some(self.left()?))?;
        self.stream.write(buffer).map_err(patience)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// `EAGAIN` of a socket with a timeout reads as what it is.
fn patience(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::WouldBlock => io::Error::new(io::ErrorKind::TimedOut, "out of patience"),
        _ => error,
    }
}
