//! A port of the kernel's choice that stays a test's own while the server on it comes and goes.

use std::net::SocketAddr;

use socket2::{Domain, Socket, Type};

/// A socket that is bound and never listens: nobody else is given its port, and a server that reuses addresses may take it.
pub struct Reserved {
    /// On 127.0.0.1.
    pub address: SocketAddr,
    _socket: Socket,
}

impl Default for Reserved {
    fn default() -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.set_reuse_address(true).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("the kernel has a free port");
        Reserved { address: socket.local_addr().unwrap().as_socket().unwrap(), _socket: socket }
    }
}
