//! TLS over a socket: records go through pooled buffers, so that a connection that waits holds none.

mod failure;
mod handshake;
mod opening;

use std::future::Future;
use std::io::{self, ErrorKind, IoSlice};
use std::os::fd::AsFd;
use std::task::{Context, Poll, Waker, ready};

use evenkeel_tls::{Dial, Error, Read, Session};
use rustix::io::Errno;
use rustix::net::RecvFlags;

pub use self::failure::TlsFailure;
pub use self::handshake::{Broken, Handshake};

use self::opening::Opening;
use crate::Socket;

/// How many bytes of records a connection of TLS 1.2 sends before it is given no more messages: its keys are good for 2^24
/// records, so at least half of them are left for the message in hand. A record is at least 30 bytes long (RFC 5288, section 3).
/// TLS 1.3 changes its keys by itself.
const WORN: u64 = (1 << 23) * 30;

/// A connection whose handshake is done.
#[derive(Debug)]
pub struct Tls {
    below: Socket,
    session: Session,
    /// How much plaintext the records stand for that are being sent.
    sending: usize,
    /// Bytes of records that the kernel took, ever, and before the write that is under way.
    flushed: u64,
    flushed_before: u64,
    /// Whether the peer was told that nothing more will come.
    has_left: bool,
}

/// Speaks TLS over a new connection to a backend. Has no deadline of its own: the caller drops it. `turn`: as
/// [`Handshake::run`].
///
/// # Errors
/// Whatever is wrong with the peer; it has been told then, as far as that needs no wait.
pub async fn secure<F: Future>(
    below: Socket,
    dial: &Dial,
    turn: impl Fn() -> F,
) -> Result<Socket, TlsFailure> {
    let session =
        Session::connect(dial).map_err(|error| TlsFailure::of_handshake(&error.into(), Opening::None))?;
    let mut handshake = Handshake::new(below, session);
    match handshake.run(turn).await {
        Ok(()) => Ok(handshake.finish()),
        Err(broken) => Err(TlsFailure::of_handshake(&broken, handshake.opening())),
    }
}

impl Tls {
    fn new(below: Socket, session: Session) -> Self {
        Tls { below, session, sending: 0, flushed: 0, flushed_before: 0, has_left: false }
    }

    /// What was agreed on, and who the peer is.
    pub fn session(&self) -> &Session {
        &self.session
    }

    pub(crate) fn below(&self) -> &Socket {
        &self.below
    }

    #[inline]
    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        if room.is_empty() {
            return Poll::Ready(Ok(0));
        }
        loop {
            let read = self.session.read(room);
            // While a write is under way, that one sends what there is.
            if self.sending == 0 && !self.session.outgoing().is_empty() {
                // If it cannot be sent, the connection is broken, and reading shows it.
                let _ = self.poll_flush(cx);
            }
            match read {
                Ok(Read::Bytes(count)) => return Poll::Ready(Ok(count)),
                Ok(Read::Ended) => return Poll::Ready(Ok(0)),
                Ok(Read::NeedsMore) => {}
                Err(error) => return Poll::Ready(Err(broken(error))),
            }
            match self.below.poll_read(cx, self.session.room()) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(ErrorKind::UnexpectedEof.into())),
                Poll::Ready(Ok(count)) => self.session.received(count),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    self.session.settle();
                    return Poll::Pending;
                }
            }
        }
    }

    /// Ready once the records of all that it counts are with the kernel.
    #[inline]
    pub(crate) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.sending == 0 {
            self.sending = self.session.write(parts).map_err(broken)?;
            self.flushed_before = self.flushed;
        }
        ready!(self.poll_flush(cx))?;
        Poll::Ready(Ok(std::mem::take(&mut self.sending)))
    }

    /// Whether a part is with the kernel of what no write has counted yet.
    pub(crate) fn is_within_write(&self) -> bool {
        self.sending > 0 && self.flushed > self.flushed_before
    }

    /// Whether a record has come in part.
    pub(crate) fn is_within_record(&self) -> bool {
        !self.session.unread().is_empty()
    }

    pub(crate) fn flushed(&self) -> u64 {
        self.flushed
    }

    pub(crate) fn settle(&mut self) {
        self.session.settle();
    }

    #[inline]
    pub(crate) fn is_worn(&self) -> bool {
        self.flushed >= WORN && self.session.version() == Some("TLSv1.2")
    }

    pub(crate) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.leave();
        ready!(self.poll_flush(cx))?;
        self.below.poll_shutdown(cx)
    }

    pub(crate) fn take_leave(&mut self) {
        self.leave();
        // Whoever reads no more of it has nothing to lose.
        let _ = self.poll_flush(&mut Context::from_waker(Waker::noop()));
    }

    /// As [`Socket::is_quiet`]: what the kernel has may be a session ticket, which says nothing.
    pub(crate) fn is_quiet(&mut self) -> bool {
        loop {
            match self.session.read(&mut [0]) {
                Ok(Read::NeedsMore) => {}
                Ok(Read::Bytes(_) | Read::Ended) | Err(_) => return false,
            }
            // Past the reactor, which may not know of it yet.
            match rustix::net::recv(self.below.as_fd(), self.session.room(), RecvFlags::DONTWAIT) {
                Ok((0, _)) => return false,
                Ok((count, _)) => self.session.received(count),
                Err(error) => {
                    self.session.settle();
                    return error == Errno::AGAIN && !self.is_within_record();
                }
            }
        }
    }

    fn leave(&mut self) {
        if !self.has_left {
            self.has_left = true;
            self.session.close();
        }
    }

    #[inline]
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let before = self.session.outgoing().len();
        let flushed = flush(&mut self.below, &mut self.session, cx);
        self.flushed += (before - self.session.outgoing().len()) as u64;
        flushed
    }
}

/// Sends what a session has to say.
#[inline]
fn flush(below: &mut Socket, session: &mut Session, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
    while !session.outgoing().is_empty() {
        match ready!(below.poll_write(cx, &[IoSlice::new(session.outgoing())]))? {
            0 => return Poll::Ready(Err(ErrorKind::WriteZero.into())),
            count => session.sent(count),
        }
    }
    Poll::Ready(Ok(()))
}

/// Found again by [`io::Error::downcast`].
#[cold]
fn broken(error: Error) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, error)
}

#[cfg(test)]
mod tests;
