//! One connection's TLS over byte buffers: ciphertext in and out on one side, plaintext on the other.
//!
//! rustls is used without buffers of its own, so that a connection that waits holds none.

mod deal;
mod facts;
#[cfg(test)]
pub(crate) mod tests;
mod write;

use std::fmt;

use rustls::client::UnbufferedClientConnection;
use rustls::server::UnbufferedServerConnection;
use rustls::{CommonState, Error};

use self::deal::{Connection, Job, Sink, Turn};
use crate::buffer::Buffer;
use crate::hello::{self, Hello};
use crate::{Dial, Server};

/// The alert `unrecognized_name` (RFC 6066, section 3), as it is sent before there are keys.
const UNRECOGNIZED_NAME: [u8; 7] = [0x15, 3, 3, 0, 2, 2, 112];

/// One connection's TLS.
pub struct Session {
    connection: Connection,
    /// Received, not yet decrypted.
    incoming: Buffer,
    /// Decrypted, not yet taken.
    plain: Buffer,
    /// Encrypted, not yet sent.
    outgoing: Buffer,
    hello: Option<Hello>,
    /// The peer has said that it sends no more.
    has_ended: bool,
    failure: Option<Error>,
}

/// How far a handshake is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The peer has to say more.
    Blocked,
    /// It is done.
    Done,
}

/// What a look for plaintext found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// So many bytes; at least one.
    Bytes(usize),
    /// The peer has ended its side, and said so.
    Ended,
    /// More has to be received first.
    NeedsMore,
}

impl Session {
    /// The server's side of a new connection.
    ///
    /// # Errors
    /// Only for a configuration that rustls refuses.
    pub fn accept(server: &Server) -> Result<Session, Error> {
        let connection = UnbufferedServerConnection::new(server.config().clone())?;
        Ok(Session::new(Connection::Server(Box::new(connection))))
    }

    /// The client's side of a new connection.
    ///
    /// # Errors
    /// Only for a configuration that rustls refuses.
    pub fn connect(dial: &Dial) -> Result<Session, Error> {
        let connection = UnbufferedClientConnection::new(dial.config(), dial.name().clone())?;
        Ok(Session::new(Connection::Client(Box::new(connection))))
    }

    fn new(connection: Connection) -> Self {
        Session {
            connection,
            incoming: Buffer::default(),
            plain: Buffer::default(),
            outgoing: Buffer::default(),
            hello: None,
            has_ended: false,
            failure: None,
        }
    }

    /// Room for bytes from the network; empty if the peer sent more than any message may hold.
    pub fn room(&mut self) -> &mut [u8] {
        self.incoming.room()
    }

    /// Counts bytes that were put into the [`room`](Session::room).
    pub fn received(&mut self, count: usize) {
        self.incoming.grow(count);
    }

    /// What has been received and not understood yet.
    pub fn unread(&self) -> &[u8] {
        self.incoming.filled()
    }

    /// Gives back what room it can, for a wait.
    pub fn settle(&mut self) {
        self.incoming.settle();
        self.plain.settle();
    }

    /// Bytes for the network.
    #[inline]
    pub fn outgoing(&self) -> &[u8] {
        self.outgoing.filled()
    }

    /// Forgets what was sent of the [`outgoing`](Session::outgoing) bytes.
    pub fn sent(&mut self, count: usize) {
        self.outgoing.consume(count);
    }

    /// Goes on with the handshake as far as what was received allows. There may be something to send afterwards, also after
    /// an error.
    ///
    /// # Errors
    /// Whatever ends the connection; the same again when asked again.
    pub fn step(&mut self) -> Result<Step, Error> {
        loop {
            match self.turn(Job::Read, &mut [])?.0 {
                Turn::Again => {}
                Turn::Blocked => return Ok(Step::Blocked),
                _ if self.state().is_handshaking() => return Ok(Step::Blocked),
                Turn::Data | Turn::Done | Turn::Ended | Turn::Closed => return Ok(Step::Done),
            }
        }
    }

    /// Decrypts into `room`, which must not be empty. There may be something to send afterwards.
    ///
    /// # Errors
    /// Whatever ends the connection; the same again when asked again.
    #[inline]
    pub fn read(&mut self, room: &mut [u8]) -> Result<Read, Error> {
        if !self.plain.is_empty() {
            let count = self.plain.filled().len().min(room.len());
            room[..count].copy_from_slice(&self.plain.filled()[..count]);
            self.plain.consume(count);
            return Ok(Read::Bytes(count));
        }
        let (mut filled, mut may_say_more) = (0, self.state().wants_write());
        // Also without anything new: the end may stand behind something that it wants to send.
        while !self.has_ended && (may_say_more || !self.incoming.is_empty()) {
            let (turn, count) = match self.turn(Job::Read, &mut room[filled..]) {
                Ok(turned) => turned,
                // What came before the failure is good.
                Err(_) if filled > 0 => break,
                Err(error) => return Err(error),
            };
            filled += count;
            may_say_more = matches!(turn, Turn::Again) || self.state().wants_write();
            match turn {
                Turn::Again => {}
                Turn::Data if filled == room.len() => break,
                Turn::Data => {}
                Turn::Done | Turn::Blocked | Turn::Ended | Turn::Closed => break,
            }
        }
        Ok(match filled {
            0 if self.failure.is_some() => return Err(self.failure.clone().unwrap_or(Error::DecryptError)),
            0 if self.has_ended => Read::Ended,
            0 => Read::NeedsMore,
            count => Read::Bytes(count),
        })
    }

    /// Says to the peer that nothing more will be sent (close_notify).
    pub fn close(&mut self) {
        // A connection that has failed has said more than that.
        let _ = self.drive(Job::Close);
    }

    fn state(&self) -> &CommonState {
        match &self.connection {
            Connection::Server(connection) => connection,
            Connection::Client(connection) => connection,
        }
    }

    /// Does a job that needs an open connection. What is decrypted on the way is kept.
    #[inline]
    fn drive(&mut self, job: Job<'_>) -> Result<(), Error> {
        loop {
            match self.turn(job, &mut [])?.0 {
                Turn::Again | Turn::Data | Turn::Ended => {}
                Turn::Done => return Ok(()),
                // Nobody is there to take it.
                Turn::Blocked | Turn::Closed => return Err(Error::HandshakeNotComplete),
            }
        }
    }

    /// Brings the connection to its next state, and deals with that. Returns how much plaintext went into `room`.
    //
    // rustls keeps places in what it was shown, so it is always shown all that is there.
    #[inline]
    fn turn(&mut self, job: Job<'_>, room: &mut [u8]) -> Result<(Turn, usize), Error> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        let may_greet = self.state().is_handshaking();
        if may_greet {
            // Of one whose turn ended in a panic.
            drop(hello::take());
        }
        let Session { connection, incoming, plain, outgoing, .. } = self;
        let mut sink = Sink { room, filled: 0, rest: plain };
        let (discard, result) = connection.deal(incoming.filled_mut(), job, &mut sink, outgoing);
        let filled = sink.filled;
        self.incoming.consume(discard);
        if may_greet && let Some(hello) = hello::take() {
            self.hello = Some(hello);
        }
        match result {
            Ok(turn) => {
                if matches!(turn, Turn::Ended | Turn::Closed) {
                    self.has_ended = true;
                    // Nobody looks at what comes behind the end.
                    self.incoming.clear();
                }
                Ok((turn, filled))
            }
            Err(error) => Err(self.fail(error)),
        }
    }

    /// Ends the connection; what rustls says to the peer about it stands among the outgoing bytes.
    #[cold]
    fn fail(&mut self, error: Error) -> Error {
        if self.hello.as_ref().is_some_and(Hello::is_refused) {
            // rustls says `access_denied`, which tells a client nothing.
            self.outgoing.extend(&UNRECOGNIZED_NAME);
        } else {
            // An alert may stand behind the messages without which the peer cannot decrypt it.
            while self.state().wants_write() {
                let Session { connection, incoming, plain, outgoing, .. } = self;
                let mut sink = Sink { room: &mut [], filled: 0, rest: plain };
                let (discard, _) = connection.deal(incoming.filled_mut(), Job::Read, &mut sink, outgoing);
                incoming.consume(discard);
            }
        }
        self.incoming.clear();
        self.failure = Some(error.clone());
        error
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = match &self.connection {
            Connection::Server(_) => "Server",
            Connection::Client(_) => "Client",
        };
        out.debug_struct("Session")
            .field("side", &side)
            .field("failure", &self.failure)
            .finish_non_exhaustive()
    }
}
