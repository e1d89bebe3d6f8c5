//! One state of a connection after the other, as rustls shows them.

use rustls::Error;
use rustls::client::UnbufferedClientConnection;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus, WriteTraffic};

use crate::buffer::Buffer;

/// Most that a record is longer than its plaintext.
const OVERHEAD: usize = 64;

pub(super) enum Connection {
    Server(Box<UnbufferedServerConnection>),
    Client(Box<UnbufferedClientConnection>),
}

/// What is wanted of the connection once it can be written to.
#[derive(Clone, Copy)]
pub(super) enum Job<'a> {
    Read,
    Write(&'a [u8]),
    Close,
}

/// What one state of the connection came to.
pub(super) enum Turn {
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
pub(super) struct Sink<'a> {
    pub(super) room: &'a mut [u8],
    pub(super) filled: usize,
    pub(super) rest: &'a mut Buffer,
}

impl Connection {
    /// Brings it to its next state, and deals with that.
    #[inline]
    pub(super) fn deal(
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
