//! One port on several addresses of this machine, so that the address behind a name can change.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};

use evenkeel_tests::backend::{Backend, Script};
use evenkeel_tests::balancer::SOON;
use evenkeel_tests::wait;
use socket2::{Domain, Socket, Type};

/// A port that is this test's own on several addresses; where no backend listens, connections are refused.
pub(super) struct Port {
    number: u16,
    /// Bound, never listening.
    _held: Vec<Socket>,
}

impl Port {
    /// On these addresses of loopback.
    #[track_caller]
    pub(super) fn on(addresses: &[&str]) -> Port {
        let addresses: Vec<IpAddr> = addresses.iter().map(|address| address.parse().unwrap()).collect();
        wait::until(SOON, &format!("a port that is free on {addresses:?}"), || Port::try_on(&addresses))
    }

    fn try_on(addresses: &[IpAddr]) -> Option<Port> {
        let mut number = 0;
        let mut held = Vec::new();
        for address in addresses {
            let socket = bound((*address, number).into())?;
            number = socket.local_addr().unwrap().as_socket().unwrap().port();
            held.push(socket);
        }
        Some(Port { number, _held: held })
    }

    /// `host:port`.
    pub(super) fn of(&self, host: &str) -> String {
        match host.contains(':') {
            true => format!("[{host}]:{}", self.number),
            false => format!("{host}:{}", self.number),
        }
    }

    /// A backend that is called as its address.
    pub(super) fn backend(&self, address: &str, script: Script) -> Backend {
        Backend::start_at(address, self.of(address).parse().unwrap(), script)
    }

    /// As a configuration needs it.
    pub(super) fn number(&self) -> u16 {
        self.number
    }
}

/// None if another has the port.
fn bound(address: SocketAddr) -> Option<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap_or_else(|error| {
        panic!("the tests of names need {}, which this machine does not have: {error}", address.ip())
    });
    socket.set_reuse_address(true).unwrap();
    match socket.bind(&address.into()) {
        Ok(()) => Some(socket),
        Err(error) if error.kind() == ErrorKind::AddrInUse => None,
        Err(error) => {
            panic!("the tests of names need {}, which this machine does not have: {error}", address.ip())
        }
    }
}
