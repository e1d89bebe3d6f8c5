//! One connection's TLS over byte buffers: ciphertext in and out on one side, plaintext on the other.
//!
//! rustls is used without buffers of its own, so that a connection that waits holds none.

use std::cell::RefCell;
use std::fmt;
use std::io::IoSlice;
use std::sync::Arc;

use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::CertificateDer;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus, WriteTraffic};
use rustls::{CommonState, Error, HandshakeKind, ProtocolVersion};

use crate::buffer::Buffer;
use crate::hello::{self, Hello};
use crate::{Dial, Identity, Server};

/// Most plaintext of one record (RFC 8446, section 5.1).
const RECORD: usize = 16 * 1024;

/// Most plaintext that is encrypted at once.
const MOST: usize = 4 * RECORD;

/// Most that a record is longer than its plaintext.
const OVERHEAD: usize = 64;

/// The alert `unrecognized_name` (RFC 6066, section 3), as it is sent before there are keys.
const UNRECOGNIZED_NAME: [u8; 7] = [0x15, 3, 3, 0, 2, 2, 112];

thread_local! {
    /// Where what stands in several places is gathered for one record.
    static GATHERED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

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

enum Connection {
    Server(Box<UnbufferedServerConnection>),
    Client(Box<UnbufferedClientConnection>),
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

/// What is wanted of the connection once it can be written to.
#[derive(Clone, Copy)]
enum Job<'a> {
    Read,
    Write(&'a [u8]),
    Close,
}

/// What one state of the connection came to.
enum Turn {
    /// There may be more to do.
    Again,
    /// Plaintext was decrypted.
    Data,
    /// What was wanted is done; only the peer can change anything.
    Done,
    /// The handshake waits for the peer.
    Blocked,
    /// The peer has just ended its side.
    Ended,
    /// Both sides have ended.
    Closed,
}

/// Where plaintext goes: into the reader's room, and what does not fit behind it.
struct Sink<'a> {
    room: &'a mut [u8],
    filled: usize,
    rest: &'a mut Buffer,
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

    /// Encrypts from the front of `parts`, and says how much of them: at most 64 KiB.
    ///
    /// # Errors
    /// Whatever ends the connection.
    pub fn write(&mut self, parts: &[IoSlice<'_>]) -> Result<usize, Error> {
        let (before, mut written) = (self.outgoing.filled().len(), 0);
        let Err(error) = self.encrypt_all(parts, &mut written) else { return Ok(written) };
        if written > 0 {
            // Nothing of it may leave: to whoever asked for it, nothing was sent. What comes behind it could not be read.
            self.outgoing.truncate(before);
            self.failure.get_or_insert_with(|| error.clone());
        }
        Err(error)
    }

    /// Says to the peer that nothing more will be sent (close_notify).
    pub fn close(&mut self) {
        // A connection that has failed has said more than that.
        let _ = self.drive(Job::Close);
    }

    /// Whom the client asked for (SNI), in lower case.
    pub fn server_name(&self) -> Option<&str> {
        self.hello.as_ref()?.name.as_deref()
    }

    /// Whose certificate the client got.
    pub fn identity(&self) -> Option<&Arc<Identity>> {
        self.hello.as_ref()?.identity.as_ref()
    }

    /// Whether the handshake failed because nobody has the name that the client asked for.
    pub fn is_unknown_name(&self) -> bool {
        self.failure.is_some() && self.hello.as_ref().is_some_and(Hello::is_refused)
    }

    /// Whether the client has said whom it wants.
    pub fn has_hello(&self) -> bool {
        self.hello.is_some()
    }

    /// The peer's own certificate, verified unless the profile says otherwise.
    pub fn peer_certificate(&self) -> Option<&CertificateDer<'static>> {
        self.state().peer_certificates()?.first()
    }

    /// Whether an earlier session went on.
    pub fn is_resumed(&self) -> bool {
        self.state().handshake_kind() == Some(HandshakeKind::Resumed)
    }

    /// `TLSv1.3` or `TLSv1.2`; `None` before it is agreed on.
    pub fn version(&self) -> Option<&'static str> {
        match self.state().protocol_version()? {
            ProtocolVersion::TLSv1_3 => Some("TLSv1.3"),
            ProtocolVersion::TLSv1_2 => Some("TLSv1.2"),
            _ => None,
        }
    }

    fn state(&self) -> &CommonState {
        match &self.connection {
            Connection::Server(connection) => connection,
            Connection::Client(connection) => connection,
        }
    }

    /// Encrypts at most [`MOST`] bytes, and counts in `written` those whose records are done.
    #[inline]
    fn encrypt_all(&mut self, parts: &[IoSlice<'_>], written: &mut usize) -> Result<(), Error> {
        let whole: usize = parts.iter().map(|part| part.len()).sum();
        let mut left = whole.min(MOST);
        GATHERED.with_borrow_mut(|gathered| {
            gathered.clear();
            for part in parts {
                let mut bytes = &part[..part.len().min(left)];
                left -= bytes.len();
                while !bytes.is_empty() {
                    let is_by_itself = gathered.is_empty() && (bytes.len() >= RECORD || left == 0);
                    let count = bytes.len().min(RECORD - gathered.len());
                    if is_by_itself {
                        self.encrypt(&bytes[..count], written)?;
                    } else {
                        gathered.extend_from_slice(&bytes[..count]);
                    }
                    if gathered.len() == RECORD {
                        self.encrypt(gathered, written)?;
                        gathered.clear();
                    }
                    bytes = &bytes[count..];
                }
            }
            if !gathered.is_empty() {
                self.encrypt(gathered, written)?;
            }
            Ok(())
        })
    }

    #[inline]
    fn encrypt(&mut self, bytes: &[u8], written: &mut usize) -> Result<(), Error> {
        self.drive(Job::Write(bytes))?;
        *written += bytes.len();
        Ok(())
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

impl Connection {
    /// Brings it to its next state, and deals with that.
    #[inline]
    fn deal(
        &mut self,
        incoming: &mut [u8],
        job: Job<'_>,
        sink: &mut Sink<'_>,
        outgoing: &mut Buffer,
    ) -> (usize, Result<Turn, Error>) {
        match self {
            Connection::Server(connection) => {
                deal(connection.process_tls_records(incoming), job, sink, outgoing)
            }
            Connection::Client(connection) => {
                deal(connection.process_tls_records(incoming), job, sink, outgoing)
            }
        }
    }
}

impl Sink<'_> {
    #[inline]
    fn take(&mut self, bytes: &[u8]) {
        let count = bytes.len().min(self.room.len() - self.filled);
        self.room[self.filled..self.filled + count].copy_from_slice(&bytes[..count]);
        self.filled += count;
        if count < bytes.len() {
            self.rest.extend(&bytes[count..]);
        }
    }
}

/// Deals with one state. Returns how many received bytes are done with.
#[inline]
fn deal<Data>(
    status: UnbufferedStatus<'_, '_, Data>,
    job: Job<'_>,
    sink: &mut Sink<'_>,
    outgoing: &mut Buffer,
) -> (usize, Result<Turn, Error>) {
    let UnbufferedStatus { mut discard, state } = status;
    let state = match state {
        Ok(state) => state,
        Err(error) => return (discard, Err(error)),
    };
    let turn = match state {
        ConnectionState::ReadTraffic(mut traffic) => {
            while let Some(record) = traffic.next_record() {
                match record {
                    Ok(record) => {
                        sink.take(record.payload);
                        discard += record.discard;
                    }
                    Err(error) => return (discard, Err(error)),
                }
            }
            Ok(Turn::Data)
        }
        ConnectionState::WriteTraffic(traffic) => work(traffic, job, outgoing).map(|()| Turn::Done),
        ConnectionState::EncodeTlsData(mut data) => {
            let size = match data.encode(&mut []) {
                Err(EncodeError::InsufficientSize(needed)) => needed.required_size,
                Ok(_) | Err(EncodeError::AlreadyEncoded) => 0,
            };
            match data.encode(outgoing.room_for(size)) {
                Ok(count) => outgoing.grow(count),
                Err(_) => return (discard, Err(Error::General("a handshake message is lost".into()))),
            }
            Ok(Turn::Again)
        }
        ConnectionState::TransmitTlsData(data) => {
            // What is outgoing is sent in its order, before anything that comes later.
            data.done();
            Ok(Turn::Again)
        }
        ConnectionState::BlockedHandshake => Ok(Turn::Blocked),
        ConnectionState::PeerClosed => Ok(Turn::Ended),
        ConnectionState::Closed => Ok(Turn::Closed),
        // Early data is never accepted.
        _ => Err(Error::General("a state that cannot be".into())),
    };
    (discard, turn)
}

#[inline]
fn work<Data>(mut traffic: WriteTraffic<'_, Data>, job: Job<'_>, outgoing: &mut Buffer) -> Result<(), Error> {
    let mut needed = match job {
        Job::Read => return Ok(()),
        Job::Write(bytes) => bytes.len() + OVERHEAD,
        Job::Close => OVERHEAD,
    };
    loop {
        let room = outgoing.room_for(needed);
        let written = match job {
            Job::Read => return Ok(()),
            Job::Write(bytes) => traffic.encrypt(bytes, room),
            Job::Close => traffic.queue_close_notify(room),
        };
        match written {
            Ok(count) => {
                outgoing.grow(count);
                return Ok(());
            }
            // Something that has to be sent first, like a key update, stands before it.
            Err(EncryptError::InsufficientSize(size)) if size.required_size > needed => {
                needed = size.required_size;
            }
            Err(EncryptError::InsufficientSize(_) | EncryptError::EncryptExhausted) => {
                return Err(Error::EncryptError);
            }
        }
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

#[cfg(test)]
pub(crate) mod tests;
