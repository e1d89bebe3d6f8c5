//! Opening every socket of a plan before any of it is used, and saying what to do when one fails.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};

use evenkeel_proxy::ListenerGroup;
use evenkeel_routing::ListenerRule;
use socket2::{Domain, Protocol, Socket, Type};

use crate::source::Source;

/// Connections that may wait to be accepted by the admin listener.
const ADMIN_BACKLOG: i32 = 128;

/// A socket that could not be opened.
#[derive(Debug)]
pub(crate) struct ListenError {
    /// ``listener `edge` `` or `the admin listener`.
    what: String,
    address: SocketAddr,
    cause: io::Error,
    /// What an operator changes to listen elsewhere.
    setting: String,
}

impl ListenError {
    /// `what` could not listen there; `setting` chooses another address.
    pub(crate) fn new(what: String, address: SocketAddr, cause: io::Error, setting: String) -> Self {
        ListenError { what, address, cause, setting }
    }
}

/// Opens these listeners, or none: every failure is returned, and what did open is closed again.
pub(crate) fn open(
    rules: &[&ListenerRule],
    workers: usize,
    source: &Source,
) -> Result<Vec<ListenerGroup>, Vec<ListenError>> {
    let mut groups = Vec::with_capacity(rules.len());
    let mut errors = Vec::new();
    for rule in rules {
        match ListenerGroup::open(rule, workers) {
            Ok(group) => groups.push(group),
            Err(cause) => errors.push(ListenError {
                what: format!("listener `{}`", rule.name),
                address: rule.address,
                cause,
                setting: source.listen_setting(),
            }),
        }
    }
    if errors.is_empty() { Ok(groups) } else { Err(errors) }
}

/// Opens the admin listener. Not shared with another process, and free again at once after an exit.
pub(crate) fn open_admin(address: SocketAddr, source: &Source) -> Result<TcpListener, ListenError> {
    admin_socket(address).map_err(|cause| ListenError {
        what: "the admin listener".into(),
        address,
        cause,
        setting: source.admin_setting(),
    })
}

fn admin_socket(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(ADMIN_BACKLOG)?;
    Ok(socket.into())
}

impl fmt::Display for ListenError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ListenError { what, address, cause, setting } = self;
        write!(out, "{what} cannot listen on {address}: ")?;
        let port = address.port();
        match cause.kind() {
            io::ErrorKind::AddrInUse => write!(
                out,
                "the address is in use; `ss -ltnp 'sport = :{port}'` names who holds it, \
                 and {setting} chooses another"
            ),
            io::ErrorKind::PermissionDenied if port < 1024 => write!(
                out,
                "permission denied; a port below 1024 needs CAP_NET_BIND_SERVICE \
                 (`setcap cap_net_bind_service=+ep` on the program, or AmbientCapabilities= in its unit); \
                 {setting} chooses another"
            ),
            io::ErrorKind::AddrNotAvailable => write!(
                out,
                "no interface of this machine has that address; `ip address` lists them, \
                 and {setting} chooses another"
            ),
            _ => write!(out, "{cause}; {setting} chooses another address"),
        }
    }
}

impl std::error::Error for ListenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.cause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(kind: io::ErrorKind, address: &str) -> String {
        ListenError {
            what: "listener `edge`".into(),
            address: address.parse().unwrap(),
            cause: kind.into(),
            setting: "`--listen ADDR`".into(),
        }
        .to_string()
    }

    #[test]
    fn each_failure_says_what_to_do() {
        for (kind, address, wanted) in [
            (io::ErrorKind::AddrInUse, "127.0.0.1:8080", "`ss -ltnp 'sport = :8080'`"),
            (io::ErrorKind::PermissionDenied, "0.0.0.0:80", "CAP_NET_BIND_SERVICE"),
            (io::ErrorKind::AddrNotAvailable, "192.0.2.1:80", "`ip address`"),
            (io::ErrorKind::Other, "127.0.0.1:80", "`--listen ADDR`"),
        ] {
            let text = error(kind, address);
            assert!(text.starts_with(&format!("listener `edge` cannot listen on {address}: ")));
            assert!(text.contains(wanted) && text.contains("`--listen ADDR`"), "{text}");
        }
    }

    fn flags() -> Source {
        Source::Flags { listen: "127.0.0.1:0".into(), backends: Vec::new(), admin: None }
    }

    #[test]
    fn a_busy_admin_address_is_refused() {
        let first = open_admin("127.0.0.1:0".parse().unwrap(), &flags()).unwrap();
        let address = first.local_addr().unwrap();
        let error = open_admin(address, &flags()).unwrap_err();
        assert_eq!(error.cause.kind(), io::ErrorKind::AddrInUse);
        assert!(error.to_string().contains("`--admin ADDR`"));
    }
}
