//! Making one connection, and naming what went wrong.

mod race;

use std::io::{self, ErrorKind};
use std::time::Instant;

use evenkeel_model::{Cause, Endpoint};
use rustix::io::Errno;
use socket2::SockRef;
use tokio::net::{TcpStream, UnixStream};

use crate::Socket;

/// How much of what has not been sent yet the kernel keeps of one connection, bytes. It takes megabytes by itself, and a few
/// hundred peers that read nothing use up what it has for TCP; then it drops segments of everybody's. What has been sent and is
/// on its way does not count, so no distance is too long for it (`TCP_NOTSENT_LOWAT`, tcp(7)).
pub const MOST_UNSENT: u32 = 256 << 10;

/// A connection to a backend, between two requests or in one.
#[derive(Debug)]
pub struct Connection {
    /// The socket.
    pub socket: Socket,
    /// When it was made.
    pub opened: Instant,
    /// How many requests it has carried to their end.
    pub requests: u64,
}

/// Why a connection was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectError {
    /// By the table of failures.
    pub cause: Cause,
    /// Another backend's address may do where this one failed for want of a local port.
    pub is_port_shortage: bool,
    /// What ran out on this machine, as errno(3) calls it.
    pub shortage: Option<&'static str>,
}

/// Connects to an endpoint: of several, to the one that answers first, by happy eyeballs (RFC 8305). Has no deadline of
/// its own: the caller drops it.
///
/// # Errors
/// Where all fail, the error that says most about the backend; [`Cause::DnsFailed`] where there is no endpoint.
pub async fn connect(endpoints: &[Endpoint], now: Instant) -> Result<Connection, ConnectError> {
    let connected = match endpoints {
        [] => {
            let (cause, is_port_shortage, shortage) = (Cause::DnsFailed, false, None);
            return Err(ConnectError { cause, is_port_shortage, shortage });
        }
        [one] => open(one).await.map_err(|error| cause_of_connect_error(&error)),
        // Boxed, so that those with one endpoint need no room for it.
        many => Box::pin(race::connect(many)).await,
    };
    connected.map(|socket| Connection { socket, opened: now, requests: 0 })
}

async fn open(endpoint: &Endpoint) -> io::Result<Socket> {
    match endpoint {
        Endpoint::Tcp(address) => {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            SockRef::from(&stream).set_tcp_notsent_lowat(MOST_UNSENT)?;
            Ok(Socket::Tcp(stream))
        }
        Endpoint::Unix(path) => Ok(Socket::Unix(UnixStream::connect(path).await?)),
    }
}

/// The row of the table of failures for an error of `connect(2)` or `socket(2)`.
pub fn cause_of_connect_error(error: &io::Error) -> ConnectError {
    let errno = Errno::from_io_error(error);
    let cause = match errno {
        Some(Errno::CONNREFUSED | Errno::NOENT) => Cause::ConnectRefused,
        Some(Errno::CONNRESET | Errno::CONNABORTED | Errno::PIPE | Errno::NOTCONN | Errno::INVAL) => {
            Cause::ConnectReset
        }
        Some(Errno::HOSTUNREACH | Errno::NETUNREACH | Errno::HOSTDOWN | Errno::NETDOWN) => Cause::Unroutable,
        Some(Errno::TIMEDOUT) => Cause::ConnectTimeout,
        Some(Errno::ACCESS | Errno::PERM) => Cause::LocalPermission,
        // A Unix socket whose backlog is full says so with EAGAIN.
        Some(Errno::AGAIN) => Cause::ConnectRefused,
        _ if error.kind() == ErrorKind::TimedOut => Cause::ConnectTimeout,
        _ => Cause::LocalResource,
    };
    let shortage = match cause {
        Cause::LocalResource => Some(errno.map_or("unknown", name_of_shortage)),
        _ => None,
    };
    ConnectError { cause, is_port_shortage: errno == Some(Errno::ADDRNOTAVAIL), shortage }
}

fn name_of_shortage(errno: Errno) -> &'static str {
    match errno {
        Errno::MFILE => "EMFILE",
        Errno::NFILE => "ENFILE",
        Errno::NOBUFS => "ENOBUFS",
        Errno::NOMEM => "ENOMEM",
        Errno::ADDRNOTAVAIL => "EADDRNOTAVAIL",
        _ => "other",
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::net::SocketAddr;
    use std::time::Duration;

    use tokio::net::{TcpListener, TcpSocket};

    use super::*;

    /// A listener whose queue is full: who connects is not heard.
    pub(crate) struct Deaf {
        listener: TcpListener,
        _queue: Vec<TcpStream>,
    }

    impl Deaf {
        pub(crate) fn endpoint(&self) -> Endpoint {
            Endpoint::Tcp(self.listener.local_addr().unwrap())
        }
    }

    /// A port that nobody listens on, nor ever will while this is held.
    pub(crate) struct Closed(TcpSocket);

    impl Closed {
        pub(crate) fn endpoint(&self) -> Endpoint {
            Endpoint::Tcp(self.0.local_addr().unwrap())
        }
    }

    pub(crate) fn closed(address: &str) -> Closed {
        let address: SocketAddr = address.parse().unwrap();
        let socket = if address.is_ipv6() { TcpSocket::new_v6() } else { TcpSocket::new_v4() }.unwrap();
        socket.bind(address).unwrap();
        Closed(socket)
    }

    #[allow(clippy::disallowed_methods)]
    pub(crate) async fn deaf() -> Deaf {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(0).unwrap();
        let address = listener.local_addr().unwrap();
        let mut queue = Vec::new();
        let connect = || tokio::time::timeout(Duration::from_millis(100), TcpStream::connect(address));
        while let Ok(connected) = connect().await {
            queue.push(connected.unwrap());
            assert!(queue.len() < 64, "the queue has no end");
        }
        Deaf { listener, _queue: queue }
    }

    #[test]
    fn each_errno_has_its_cause() {
        for (errno, cause) in [
            (Errno::CONNREFUSED, Cause::ConnectRefused),
            (Errno::NOENT, Cause::ConnectRefused),
            (Errno::CONNRESET, Cause::ConnectReset),
            (Errno::NETUNREACH, Cause::Unroutable),
            (Errno::TIMEDOUT, Cause::ConnectTimeout),
            (Errno::ACCESS, Cause::LocalPermission),
            (Errno::MFILE, Cause::LocalResource),
            (Errno::ADDRNOTAVAIL, Cause::LocalResource),
        ] {
            assert_eq!(cause_of_connect_error(&errno.into()).cause, cause, "{errno:?}");
        }
        assert!(cause_of_connect_error(&Errno::ADDRNOTAVAIL.into()).is_port_shortage);
        for (errno, name) in [(Errno::MFILE, "EMFILE"), (Errno::NOBUFS, "ENOBUFS"), (Errno::NXIO, "other")] {
            assert_eq!(cause_of_connect_error(&errno.into()).shortage, Some(name));
        }
        assert_eq!(cause_of_connect_error(&Errno::CONNREFUSED.into()).shortage, None);
    }

    #[tokio::test]
    async fn nothing_to_connect_to_is_a_failed_name() {
        let failed = connect(&[], Instant::now()).await.expect_err("there is no endpoint");
        assert_eq!(failed.cause, Cause::DnsFailed);
    }
}
