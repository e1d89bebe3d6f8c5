//! The sockets of one listener: one a worker, all on one address, so that the kernel spreads connections.
//!
//! The first is bound alone, so that a second process on the port fails; only then is the port opened to the
//! others of this process. (Tried: any other order either refuses the workers or lets a second process in.)

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use evenkeel_routing::ListenerRule;
use evenkeel_upstream::MOST_UNSENT;
use socket2::{Domain, Socket, Type};

/// Longest queue of connections that nobody has accepted; the kernel's `somaxconn` may make it shorter.
const BACKLOG: i32 = 4096;

/// An open listener: its sockets are bound and queue connections, but nobody accepts yet.
#[derive(Debug)]
pub struct ListenerGroup {
    name: Arc<str>,
    local: SocketAddr,
    pub(crate) sockets: Vec<TcpListener>,
}

impl ListenerGroup {
    /// Binds one socket for each of `workers` workers.
    ///
    /// # Errors
    /// What the kernel said: `AddrInUse` for a busy port, `PermissionDenied` for one below 1024.
    pub fn open(rule: &ListenerRule, workers: usize) -> io::Result<ListenerGroup> {
        let first = socket(rule.address)?;
        first.bind(&rule.address.into())?;
        first.listen(BACKLOG)?;
        let local = first.local_addr()?.as_socket().unwrap_or(rule.address);
        first.set_reuse_port(true)?;
        let mut sockets = vec![first.into()];
        for _ in 1..workers {
            let another = socket(local)?;
            another.set_reuse_port(true)?;
            another.bind(&local.into())?;
            another.listen(BACKLOG)?;
            sockets.push(another.into());
        }
        Ok(ListenerGroup { name: rule.name.clone(), local, sockets })
    }

    /// The listener's name.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The address that was bound: the port is the kernel's choice where the rule says 0.
    pub fn local_address(&self) -> SocketAddr {
        self.local
    }
}

fn socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        // `[::]` and `0.0.0.0` may stand side by side, as an operator expects.
        socket.set_only_v6(true)?;
    }
    // Accepted sockets inherit both, which saves system calls for each.
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_notsent_lowat(MOST_UNSENT)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use super::*;

    fn rule(address: SocketAddr) -> ListenerRule {
        ListenerRule::new("edge".into(), address)
    }

    #[test]
    fn every_worker_has_a_socket_and_a_second_group_is_refused() {
        let group = ListenerGroup::open(&rule("127.0.0.1:0".parse().unwrap()), 3).unwrap();
        assert_eq!(group.sockets.len(), 3);
        let again = ListenerGroup::open(&rule(group.local_address()), 3);
        assert_eq!(again.unwrap_err().kind(), ErrorKind::AddrInUse);
    }
}
