//! Addresses behind which nobody answers.

use std::net::SocketAddr;
use std::time::Duration;

use socket2::{Domain, Socket, Type};

/// An address that refuses connections for as long as this lives: bound, not listening.
pub struct Refusing {
    socket: Socket,
}

/// A listener that accepts nothing and whose queue is full: the kernel drops further attempts.
pub struct FullQueue {
    socket: Socket,
    _queued: Vec<Socket>,
}

impl Default for Refusing {
    fn default() -> Self {
        Refusing { socket: bound([127, 0, 0, 1]) }
    }
}

impl Refusing {
    /// As a configuration names it.
    pub fn address(&self) -> String {
        address(&self.socket).to_string()
    }
}

impl Default for FullQueue {
    fn default() -> Self {
        FullQueue::on([127, 0, 0, 1])
    }
}

impl FullQueue {
    /// On this address of loopback.
    pub fn on(host: [u8; 4]) -> FullQueue {
        let socket = bound(host);
        socket.listen(0).unwrap();
        let address = address(&socket);
        let queue = |_| {
            let client = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            // Those that find the queue full time out, which is what is wanted of them.
            let _ = client.connect_timeout(&address.into(), Duration::from_millis(100));
            client
        };
        let queued = (0..4).map(queue).collect();
        FullQueue { socket, _queued: queued }
    }

    /// As a configuration names it.
    pub fn address(&self) -> String {
        address(&self.socket).to_string()
    }
}

fn bound(host: [u8; 4]) -> Socket {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((host, 0)).into()).expect("the kernel has a free port");
    socket
}

fn address(socket: &Socket) -> SocketAddr {
    socket.local_addr().unwrap().as_socket().unwrap()
}
