//! A connection of the load generator that never blocks, in cleartext or over TLS.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};

use evenkeel_tests::nonblocking::{self, is_not_yet};
use evenkeel_tests::tls_client::TlsClient;
use rustls::{ClientConnection, HandshakeKind};

/// Most that is read from a socket at once.
const PIECE: usize = 64 * 1024;

/// One connection.
pub(crate) struct Line {
    pub(crate) stream: TcpStream,
    tls: Option<Box<ClientConnection>>,
}

/// Where what was received is put before it is decrypted; one for all connections of a thread.
pub(crate) struct Scratch(Vec<u8>);

impl Default for Scratch {
    fn default() -> Self {
        Scratch(vec![0; PIECE])
    }
}

impl Line {
    /// Begins a connection, and with `tls` its handshake.
    pub(crate) fn connect(address: SocketAddr, tls: Option<&TlsClient>) -> io::Result<Line> {
        let stream = nonblocking::connect(address)?;
        Ok(Line { stream, tls: tls.map(|tls| Box::new(tls.connection())) })
    }

    /// Whether the handshake, if there is one, is not done yet.
    pub(crate) fn is_handshaking(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.is_handshaking())
    }

    /// Whether an earlier session went on.
    pub(crate) fn is_resumed(&self) -> bool {
        let kind = self.tls.as_ref().and_then(|tls| tls.handshake_kind());
        kind == Some(HandshakeKind::Resumed)
    }

    /// Writes plaintext; over TLS all of it is taken, and sent as soon as that is possible.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else {
            return self.stream.write(bytes);
        };
        let written = tls.writer().write(bytes)?;
        self.flush()?;
        Ok(written)
    }

    /// Sends what TLS has to send, as far as the socket takes it.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        let Some(tls) = &mut self.tls else {
            return Ok(());
        };
        while tls.wants_write() {
            match tls.write_tls(&mut self.stream) {
                Ok(_) => {}
                Err(error) if is_not_yet(&error) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads plaintext; 0 at the end. `buffer` is larger than any piece that is read at once.
    pub(crate) fn read(&mut self, scratch: &mut Scratch, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let Some(tls) = &mut self.tls else {
                return self.stream.read(buffer);
            };
            let read = self.stream.read(&mut scratch.0)?;
            if read == 0 {
                return Ok(0);
            }
            let mut received = &scratch.0[..read];
            let mut filled = 0;
            while !received.is_empty() && tls.read_tls(&mut received)? > 0 {
                let state = tls.process_new_packets().map_err(io::Error::other)?;
                let more = state.plaintext_bytes_to_read();
                if more > 0 {
                    tls.reader().read_exact(&mut buffer[filled..filled + more])?;
                    filled += more;
                }
            }
            self.flush()?;
            if filled > 0 {
                return Ok(filled);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use evenkeel_tests::backend::{Backend, Script};
    use evenkeel_tests::certificates::Authority;
    use evenkeel_tests::tls_backend::{TlsBackend, TlsServer};
    use evenkeel_tests::wait;

    use super::*;
    use crate::clients::{Clients, NAME};

    #[test]
    fn a_line_carries_what_is_larger_than_a_record_and_sessions_go_on() {
        let backend = Backend::start("a", Script::Echo);
        let server = TlsServer::new(&Authority::new("authority").server(&[NAME]));
        let tls = TlsBackend::before(&backend.address(), &server);
        let clients = Clients::default();
        let (mut scratch, mut buffer) = (Scratch::default(), vec![0; 256 * 1024]);
        let mut resumed = Vec::new();
        for client in [&clients.full, &clients.resuming, &clients.resuming, &clients.full] {
            let mut line = Line::connect(tls.address().parse().unwrap(), Some(client)).unwrap();
            line.write(b"GET /pattern/100000 HTTP/1.1\r\n\r\n").unwrap();
            let mut received = 0;
            wait::until_true(Duration::from_secs(10), "the answer", || {
                line.flush().unwrap();
                match line.read(&mut scratch, &mut buffer) {
                    Ok(read) => received += read,
                    Err(error) => assert!(is_not_yet(&error), "{error}"),
                }
                received > 100_000
            });
            resumed.push(line.is_resumed());
        }
        assert_eq!(resumed, [false, false, true, false]);
    }
}
