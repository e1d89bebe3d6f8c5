//! A handshake, in steps: bytes are moved here, and whoever drives it says when it may compute.

use std::future::{Future, poll_fn};
use std::io;
use std::task::{Context, Poll};

use evenkeel_tls::{Error, Session, Step};

use super::opening::{First, Opening};
use super::{Tls, flush};
use crate::Socket;

/// A handshake in progress, on either side.
#[derive(Debug)]
pub struct Handshake {
    below: Socket,
    session: Session,
    first: First,
}

/// Why a handshake came to nothing.
#[derive(Debug)]
pub enum Broken {
    /// The peer closed the connection.
    Closed,
    /// The network failed.
    Io(io::Error),
    /// TLS failed.
    Tls(Error),
}

impl From<Error> for Broken {
    fn from(error: Error) -> Self {
        Broken::Tls(error)
    }
}

impl Handshake {
    /// Over a new connection.
    pub fn new(below: Socket, session: Session) -> Self {
        Handshake { below, session, first: First::default() }
    }

    /// Waits for bytes, and takes them in.
    ///
    /// # Errors
    /// The end of the connection, too, and a peer that sends more than any message may hold.
    pub fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        let room = self.session.room();
        if room.is_empty() {
            return Poll::Ready(Err(Broken::Tls(Error::PeerSentOversizedRecord)));
        }
        match self.below.poll_read(cx, room) {
            Poll::Ready(Ok(0)) => Poll::Ready(Err(Broken::Closed)),
            Poll::Ready(Ok(count)) => {
                self.first.note(&room[..count]);
                self.session.received(count);
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(Broken::Io(error))),
            Poll::Pending => {
                self.session.settle();
                Poll::Pending
            }
        }
    }

    /// Computes what can be computed now; up to a millisecond. What came of it has to be sent, also after an error.
    ///
    /// # Errors
    /// Whatever ends the handshake.
    pub fn step(&mut self) -> Result<Step, Error> {
        self.session.step()
    }

    /// Sends what there is to say.
    ///
    /// # Errors
    /// Of the network.
    pub fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        flush(&mut self.below, &mut self.session, cx)
    }

    /// What is known so far.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// The connection, once a step said that it is done.
    pub fn finish(self) -> Socket {
        Socket::Tls(Box::new(Tls::new(self.below, self.session)))
    }

    /// The connection below, with what came over it, for who wants to answer in cleartext.
    pub fn give_up(self) -> (Socket, Vec<u8>) {
        let unread = self.session.unread().to_vec();
        (self.below, unread)
    }

    /// Runs it until it is done, without a deadline: the caller drops it. Each step is computed once `turn` says so, and while
    /// what that gave is held.
    ///
    /// # Errors
    /// Whatever ends it; the peer has been told then, as far as that needs no wait.
    pub async fn run<F: Future>(&mut self, turn: impl Fn() -> F) -> Result<(), Broken> {
        loop {
            let turn = turn().await;
            let step = self.step();
            drop(turn);
            let sent = poll_fn(|cx| match (self.poll_send(cx), &step) {
                (Poll::Ready(sent), _) => Poll::Ready(sent),
                (Poll::Pending, Ok(_)) => Poll::Pending,
                // An alert is worth no wait.
                (Poll::Pending, Err(_)) => Poll::Ready(Ok(())),
            })
            .await;
            match step {
                Err(error) => return Err(Broken::Tls(error)),
                Ok(Step::Done) => return sent.map_err(Broken::Io),
                // A peer that closes while it is written to may have said why.
                Ok(Step::Blocked) => {}
            }
            poll_fn(|cx| self.poll_receive(cx)).await?;
        }
    }

    pub(super) fn opening(&self) -> Opening {
        self.first.opening()
    }
}
