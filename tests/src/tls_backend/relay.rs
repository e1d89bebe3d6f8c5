//! What is said in one TLS connection, passed on to a backend and back, with the ends that both sides make.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustls::ServerConnection;

use super::Drip;
use crate::backend;
use crate::client::Ending;
use crate::nonblocking::is_not_yet;

/// Most that is kept for a backend that does not read.
const MOST: usize = 64 * 1024;

/// Longest silence: a test is over by then.
const IDLE: Timespec = Timespec { tv_sec: 120, tv_nsec: 0 };

/// Two connections, and what is on its way from one to the other.
struct Relay<'a> {
    tls: ServerConnection,
    client: Drip<'a>,
    backend: TcpStream,
    to_backend: Vec<u8>,
    /// How the client ended its side, once it has.
    ending: Option<Ending>,
    has_backend_ended: bool,
    /// Whether each side was told that nothing more comes.
    has_told: [bool; 2],
}

/// Passes on until both sides have ended, or one has failed. Returns how the client ended its side, if
/// it did. `is_announced` says, when the backend ends, whether the client is told so (close_notify).
pub(super) fn run(
    tls: ServerConnection,
    client: Drip<'_>,
    backend: SocketAddr,
    is_announced: impl Fn() -> bool,
) -> io::Result<Option<Ending>> {
    let backend = TcpStream::connect(backend)?;
    backend.set_nodelay(true)?;
    backend.set_nonblocking(true)?;
    client.socket.set_nonblocking(true)?;
    let mut relay = Relay {
        tls,
        client,
        backend,
        to_backend: Vec::new(),
        ending: None,
        has_backend_ended: false,
        has_told: [false; 2],
    };
    // The first step is for what came with the end of the handshake. What fails was told to both sides.
    let mut step = relay.decrypt();
    while step.is_ok() && !relay.is_over() {
        step = relay.advance(&is_announced).and_then(|()| relay.wait());
    }
    Ok(relay.ending)
}

impl Relay<'_> {
    fn is_over(&self) -> bool {
        self.has_backend_ended && self.ending.is_some() || self.ending == Some(Ending::Reset)
    }

    fn wait(&self) -> io::Result<()> {
        if self.is_over() {
            return Ok(());
        }
        let want = |reads: bool, writes: bool| {
            let mut flags = PollFlags::empty();
            flags.set(PollFlags::IN, reads);
            flags.set(PollFlags::OUT, writes);
            flags
        };
        let of_client = want(self.reads_client(), self.tls.wants_write());
        let of_backend = want(self.reads_backend(), !self.to_backend.is_empty());
        let mut both = [PollFd::new(self.client.socket, of_client), PollFd::new(&self.backend, of_backend)];
        match poll(&mut both, Some(&IDLE))? {
            0 => Err(ErrorKind::TimedOut.into()),
            _ => Ok(()),
        }
    }

    fn reads_client(&self) -> bool {
        self.ending.is_none() && self.to_backend.len() < MOST
    }

    fn reads_backend(&self) -> bool {
        !self.has_backend_ended && !self.tls.wants_write()
    }

    /// What the backend says in one segment, its end included, goes out in one.
    fn advance(&mut self, is_announced: &impl Fn() -> bool) -> io::Result<()> {
        self.hear_client()?;
        self.tell_backend()?;
        self.client.socket.set_tcp_cork(self.client.most == usize::MAX)?;
        self.hear_backend(is_announced)?;
        self.tell_client()?;
        self.client.socket.set_tcp_cork(false)
    }

    fn hear_client(&mut self) -> io::Result<()> {
        while self.reads_client() {
            let mut client = self.client;
            match self.tls.read_tls(&mut client) {
                Ok(0) => self.ending = Some(Ending::Truncated),
                Ok(_) => self.decrypt()?,
                Err(error) if is_not_yet(&error) => return Ok(()),
                Err(_) => {
                    self.ending = Some(Ending::Reset);
                    backend::reset(&socket2::SockRef::from(&self.backend))?;
                }
            }
        }
        Ok(())
    }

    fn decrypt(&mut self) -> io::Result<()> {
        let state = match self.tls.process_new_packets() {
            Ok(state) => state,
            Err(error) => {
                // The alert; whoever is gone does not need it.
                let _ = self.tell_client();
                return Err(io::Error::other(error));
            }
        };
        let start = self.to_backend.len();
        self.to_backend.resize(start + state.plaintext_bytes_to_read(), 0);
        if self.to_backend.len() > start {
            self.tls.reader().read_exact(&mut self.to_backend[start..])?;
        }
        if state.peer_has_closed() {
            self.ending = Some(Ending::Clean);
        }
        Ok(())
    }

    fn tell_backend(&mut self) -> io::Result<()> {
        while !self.to_backend.is_empty() {
            match self.backend.write(&self.to_backend) {
                Ok(written) => drop(self.to_backend.drain(..written)),
                Err(error) if is_not_yet(&error) => return Ok(()),
                Err(error) => return Err(self.reset(error)),
            }
        }
        if self.ending.is_some() && !self.has_told[1] {
            self.has_told[1] = true;
            // One that has reset the connection needs no word.
            let _ = self.backend.shutdown(Shutdown::Write);
        }
        Ok(())
    }

    fn hear_backend(&mut self, is_announced: &impl Fn() -> bool) -> io::Result<()> {
        let mut buffer = [0; 16 * 1024];
        while self.reads_backend() {
            match self.backend.read(&mut buffer) {
                Ok(0) => {
                    self.has_backend_ended = true;
                    if is_announced() {
                        self.tls.send_close_notify();
                    }
                }
                Ok(read) => {
                    self.tls.writer().write_all(&buffer[..read])?;
                    self.tell_client()?;
                }
                Err(error) if is_not_yet(&error) => return Ok(()),
                Err(error) => return Err(self.reset(error)),
            }
        }
        Ok(())
    }

    fn tell_client(&mut self) -> io::Result<()> {
        while self.tls.wants_write() {
            let mut client = self.client;
            match self.tls.write_tls(&mut client) {
                Ok(_) => {}
                Err(error) if is_not_yet(&error) => return Ok(()),
                Err(error) => {
                    self.ending = self.ending.or(Some(Ending::Reset));
                    return Err(error);
                }
            }
        }
        if self.has_backend_ended && !self.has_told[0] {
            self.has_told[0] = true;
            // As above.
            let _ = self.client.socket.shutdown(Shutdown::Write);
        }
        Ok(())
    }

    /// The backend has failed: so does the connection with the client.
    fn reset(&self, error: io::Error) -> io::Error {
        // One that is gone cannot be reset.
        let _ = backend::reset(self.client.socket);
        error
    }
}
