//! The port of a backend: open, closed so that connections are refused, or with a queue so full that nobody gets in.
//!
//! A second socket keeps the port while it is closed: bound, but not listening.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::{TcpListener, TcpStream};

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;

/// Connections that fill a queue for one; the kernel lets one more in than it was told.
const FILLING: usize = 4;

/// A port that is bound and listened on.
#[derive(Debug)]
pub(crate) struct Bound {
    pub(crate) address: SocketAddr,
    keeper: Socket,
    listener: Socket,
}

/// How a door stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stance {
    Open,
    Closed,
    Full,
}

/// The port, in a runtime.
#[derive(Debug)]
pub(crate) struct Door {
    address: SocketAddr,
    _keeper: Socket,
    /// None while it is closed.
    listener: Option<TcpListener>,
    /// What fills the queue.
    queue: Vec<Socket>,
}

impl Bound {
    /// Listens there. Port 0 asks the kernel.
    pub(crate) fn open(address: SocketAddr) -> io::Result<Bound> {
        let keeper = bound(address)?;
        let address = keeper.local_addr()?.as_socket().ok_or(io::ErrorKind::Unsupported)?;
        let listener = bound(address)?;
        listener.listen(BACKLOG)?;
        Ok(Bound { address, keeper, listener })
    }
}

impl Door {
    /// Takes a port into this runtime.
    pub(crate) fn new(bound: Bound) -> io::Result<Door> {
        let listener = TcpListener::from_std(bound.listener.into())?;
        Ok(Door {
            address: bound.address,
            _keeper: bound.keeper,
            listener: Some(listener),
            queue: Vec::new(),
        })
    }

    /// Stands so from now on. On an error it is closed.
    pub(crate) fn take(&mut self, stance: Stance) -> io::Result<()> {
        match stance {
            Stance::Closed => {
                self.listener = None;
                self.queue.clear();
            }
            Stance::Open => {
                let is_full = !self.queue.is_empty();
                self.queue.clear();
                let listener = self.listening()?;
                if is_full {
                    SockRef::from(listener).listen(BACKLOG)?;
                }
            }
            Stance::Full if self.queue.is_empty() => {
                SockRef::from(self.listening()?).listen(0)?;
                self.fill()?;
            }
            Stance::Full => {}
        }
        Ok(())
    }

    /// The next connection; never, unless it is open. Cancelling loses none.
    pub(crate) async fn accept(&self) -> io::Result<TcpStream> {
        match &self.listener {
            Some(listener) if self.queue.is_empty() => Ok(listener.accept().await?.0),
            Some(_) | None => std::future::pending().await,
        }
    }

    fn listening(&mut self) -> io::Result<&TcpListener> {
        let listener = match self.listener.take() {
            Some(listener) => listener,
            None => {
                let socket = bound(self.address)?;
                socket.listen(BACKLOG)?;
                TcpListener::from_std(socket.into())?
            }
        };
        Ok(self.listener.insert(listener))
    }

    fn fill(&mut self) -> io::Result<()> {
        let target = reachable(self.address);
        for _ in 0..FILLING {
            let socket =
                Socket::new(Domain::for_address(target), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
            // In progress, for good: nobody accepts it.
            let _ = socket.connect(&target.into());
            self.queue.push(socket);
        }
        Ok(())
    }
}

fn bound(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

/// Where this machine itself reaches a listener.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream as Client;
    use std::time::Duration;

    use super::*;

    const MOMENT: Duration = Duration::from_millis(200);

    fn connect(address: SocketAddr) -> io::ErrorKind {
        match Client::connect_timeout(&address, MOMENT) {
            Ok(_) => io::ErrorKind::Other,
            Err(error) => error.kind(),
        }
    }

    #[tokio::test]
    async fn a_door_closes_and_opens_on_the_same_port() {
        let bound = Bound::open("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = bound.address;
        let mut door = Door::new(bound).unwrap();
        for _ in 0..3 {
            door.take(Stance::Closed).unwrap();
            assert_eq!(connect(address), io::ErrorKind::ConnectionRefused);
            door.take(Stance::Full).unwrap();
            assert_eq!(connect(address), io::ErrorKind::TimedOut);
            door.take(Stance::Open).unwrap();
            let _client = Client::connect(address).unwrap();
            door.accept().await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_port_that_is_listened_on_is_busy() {
        let first = Bound::open("127.0.0.1:0".parse().unwrap()).unwrap();
        assert_eq!(Bound::open(first.address).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn a_listener_on_every_interface_is_reached_on_loopback() {
        for (bound, target) in
            [("0.0.0.0:7", "127.0.0.1:7"), ("[::]:7", "[::1]:7"), ("127.0.0.2:7", "127.0.0.2:7")]
        {
            assert_eq!(reachable(bound.parse().unwrap()).to_string(), target);
        }
    }
}
