//! One stream socket, TCP or Unix, in cleartext or TLS, polled directly: a corridor reads and writes both its sides in one task.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use evenkeel_model::Endpoint;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use crate::Tls;

/// A connected stream socket.
#[derive(Debug)]
pub enum Socket {
    /// TCP.
    Tcp(TcpStream),
    /// A Unix stream socket.
    Unix(UnixStream),
    /// TLS over one of the others.
    Tls(Box<Tls>),
}

/// What a look at an idle socket shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Idleness {
    /// Open, and nothing was said.
    Quiet,
    /// Closed, or the peer spoke out of turn.
    Spoilt,
}

impl Socket {
    /// Reads into `buffer`; `Ok(0)` is the end. Of TLS, an end that the peer has not announced is
    /// [`UnexpectedEof`](io::ErrorKind::UnexpectedEof). Makes no system call while the reactor knows of nothing to read.
    #[inline]
    pub fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut into = ReadBuf::new(buffer);
        let polled = match self {
            Socket::Tcp(stream) => Pin::new(stream).poll_read(cx, &mut into),
            Socket::Unix(stream) => Pin::new(stream).poll_read(cx, &mut into),
            Socket::Tls(tls) => return tls.poll_read(cx, buffer),
        };
        polled.map_ok(|()| into.filled().len())
    }

    /// Writes what fits of `slices`. A write that is pending has to be repeated with the same bytes, more may follow them.
    #[inline]
    pub fn poll_write(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        match (self, slices) {
            (Socket::Tcp(stream), [one]) => Pin::new(stream).poll_write(cx, one),
            (Socket::Tcp(stream), many) => Pin::new(stream).poll_write_vectored(cx, many),
            (Socket::Unix(stream), many) => Pin::new(stream).poll_write_vectored(cx, many),
            (Socket::Tls(tls), many) => tls.poll_write(cx, many),
        }
    }

    /// Says that nothing more will be written.
    pub fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Socket::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Socket::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Socket::Tls(tls) => tls.poll_shutdown(cx),
        }
    }

    /// Where the peer connected to, as an authority; a Unix socket is `localhost`.
    #[cold]
    pub fn local_authority(&self) -> String {
        match self {
            Socket::Tcp(stream) => {
                stream.local_addr().map_or_else(|_| "localhost".into(), |local| local.to_string())
            }
            Socket::Unix(_) => "localhost".into(),
            Socket::Tls(tls) => tls.below().local_authority(),
        }
    }

    /// What it is connected to, if it still is.
    pub(crate) fn peer(&self) -> Option<Endpoint> {
        match self {
            Socket::Tcp(stream) => stream.peer_addr().ok().map(Endpoint::Tcp),
            Socket::Unix(stream) => {
                stream.peer_addr().ok()?.as_pathname().map(|path| Endpoint::Unix(path.into()))
            }
            Socket::Tls(tls) => tls.below().peer(),
        }
    }

    /// Whether it is both ends of its connection: what comes of connecting to a port of this machine that nobody listens
    /// on, once the kernel happens to choose the same port for this side.
    pub(crate) fn is_to_itself(&self) -> bool {
        match self {
            Socket::Tcp(stream) => match (stream.local_addr(), stream.peer_addr()) {
                (Ok(local), Ok(peer)) => local == peer,
                (Err(_), _) | (_, Err(_)) => false,
            },
            Socket::Unix(_) => false,
            Socket::Tls(tls) => tls.below().is_to_itself(),
        }
    }

    /// Makes the close a reset, so that the peer cannot take what it has for the whole.
    pub fn reset_on_close(&self) {
        match self {
            Socket::Tcp(stream) => {
                // A socket that the peer has reset already refuses the option; its close cannot mislead anybody.
                let _ = stream.set_zero_linger();
            }
            Socket::Unix(_) => {}
            Socket::Tls(tls) => tls.below().reset_on_close(),
        }
    }

    /// Makes the close a clean one again.
    pub fn end_on_close(&self) {
        // As above.
        let _ = rustix::net::sockopt::set_socket_linger(self.as_fd(), None);
    }

    /// Its TLS, if it has any.
    pub fn tls(&self) -> Option<&Tls> {
        match self {
            Socket::Tcp(_) | Socket::Unix(_) => None,
            Socket::Tls(tls) => Some(tls),
        }
    }

    /// Bytes of TLS records that the kernel took: progress that a pending write has not counted yet. 0 in cleartext.
    #[inline]
    pub fn flushed(&self) -> u64 {
        self.tls().map_or(0, Tls::flushed)
    }

    /// Whether its keys may be used up soon, so that it had better carry no further message.
    #[inline]
    pub fn is_worn(&self) -> bool {
        self.tls().is_some_and(Tls::is_worn)
    }

    /// Gives back what memory it can, before a wait without a read; one that is pending does so by itself.
    pub fn settle(&mut self) {
        if let Socket::Tls(tls) = self {
            tls.settle();
        }
    }

    /// Tells the peer of a TLS connection that nothing more will come, as far as that needs no wait.
    pub fn take_leave(&mut self) {
        if let Socket::Tls(tls) = self {
            tls.take_leave();
        }
    }

    /// Whether a part of what a pending or failed write was given is with the kernel, although no write has counted it: TLS
    /// counts whole records.
    pub fn is_within_write(&self) -> bool {
        self.tls().is_some_and(Tls::is_within_write)
    }

    /// Whether an idle socket is still fit for a request, as far as the reactor knows.
    pub(crate) fn look(&mut self) -> Idleness {
        if !tokio::task::coop::has_budget_remaining() {
            // A task that has had its turn is shown nothing by the reactor.
            return if self.is_quiet() { Idleness::Quiet } else { Idleness::Spoilt };
        }
        let mut byte = [0];
        match self.poll_read(&mut Context::from_waker(Waker::noop()), &mut byte) {
            // The rest of a record that has come in part could be taken for the next answer.
            Poll::Pending if self.tls().is_some_and(Tls::is_within_record) => Idleness::Spoilt,
            Poll::Pending => Idleness::Quiet,
            Poll::Ready(_) => Idleness::Spoilt,
        }
    }

    /// Asks the kernel whether an idle socket is still fit for a request: one system call, and no more races
    /// than the network itself has.
    pub fn is_quiet(&mut self) -> bool {
        if let Socket::Tls(tls) = self {
            return tls.is_quiet();
        }
        let mut byte = [0u8];
        let flags = rustix::net::RecvFlags::PEEK | rustix::net::RecvFlags::DONTWAIT;
        match rustix::net::recv(self.as_fd(), &mut byte[..], flags) {
            Err(error) => error == rustix::io::Errno::AGAIN,
            Ok(_) => false,
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Socket::Tcp(stream) => stream.as_fd(),
            Socket::Unix(stream) => stream.as_fd(),
            Socket::Tls(tls) => tls.below().as_fd(),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::{TcpListener, TcpSocket};

    use super::*;

    #[tokio::test]
    async fn a_connection_from_a_port_to_itself_is_told_apart() {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let own = socket.local_addr().unwrap();
        assert!(Socket::Tcp(socket.connect(own).await.unwrap()).is_to_itself());

        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let socket = Socket::Tcp(TcpStream::connect(address).await.unwrap());
        assert!(!socket.is_to_itself());
        assert_eq!(socket.peer(), Some(Endpoint::Tcp(address)));
    }
}
