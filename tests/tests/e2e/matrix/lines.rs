//! How a row is played: in cleartext, or with TLS on both sides.

use std::net::SocketAddr;
use std::path::PathBuf;

use evenkeel_tests::certificates::{Authority, Certificate, Files};
use evenkeel_tests::client::Client;
use evenkeel_tests::raw::RawBackend;
use evenkeel_tests::tls_backend::{Manner, TlsBackend, TlsServer};
use evenkeel_tests::tls_client::TlsClient;
use tempfile::TempDir;

use super::fakes::Fake;

/// The name that clients ask for, and that backends have to prove.
pub(super) const NAME: &str = "test.example";

/// What clients, proxy and backends speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lines {
    Cleartext,
    /// Ends are announced (close_notify).
    Tls,
    /// Bad backends end their connections without a word before.
    Abrupt,
}

/// Who is believed, and what that takes in a configuration.
pub(super) struct Papers {
    lines: Lines,
    pub(super) authority: Authority,
    /// Of good backends, and of those that are bad in another way.
    pub(super) backend: Certificate,
    ca: PathBuf,
    edge: Files,
    _folder: TempDir,
}

/// A backend, with TLS before it or not.
pub(super) struct Seat {
    pub(super) address: String,
    _backend: RawBackend,
    _tls: Option<TlsBackend>,
}

impl Papers {
    pub(super) fn new(lines: Lines) -> Papers {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new("the one that is believed");
        let backend = authority.server(&[NAME, "127.0.0.1"]);
        let edge = authority.server(&[NAME]).write(folder.path(), "edge");
        let ca = authority.write(folder.path(), "ca");
        Papers { lines, authority, backend, ca, edge, _folder: folder }
    }

    pub(super) fn is_secure(&self) -> bool {
        self.lines != Lines::Cleartext
    }

    /// A key of the listener, or nothing.
    pub(super) fn of_listener(&self) -> String {
        let Files { certificate, key, .. } = &self.edge;
        match self.is_secure() {
            false => String::new(),
            true => format!(
                ", tls: {{ certificates: [{{ certificate: {}, key: {} }}] }}",
                certificate.display(),
                key.display()
            ),
        }
    }

    /// A line of a pool, with more keys of its `tls`, or nothing.
    pub(super) fn of_pool(&self, more: &str) -> String {
        match self.is_secure() {
            false => String::new(),
            true => format!("tls: {{ ca: {}{more} }}", self.ca.display()),
        }
    }

    /// An address as this configuration names it.
    pub(super) fn url(&self, address: &str) -> String {
        format!("{}{address}", if self.is_secure() { "https://" } else { "" })
    }

    /// A backend as these lines want it.
    pub(super) fn seat(&self, backend: RawBackend, is_bad: bool) -> Seat {
        let server = TlsServer::new(&self.backend);
        let is_abrupt = is_bad && self.lines == Lines::Abrupt;
        let manner = if is_abrupt { Manner::Truncating } else { Manner::Proper };
        self.seat_with(backend, self.is_secure().then_some((server, manner)))
    }

    /// A backend whose TLS is no good.
    pub(super) fn fake(&self, backend: RawBackend, fake: Fake) -> Seat {
        self.seat_with(backend, Some(fake.served(self)))
    }

    fn seat_with(&self, backend: RawBackend, tls: Option<(TlsServer, Manner)>) -> Seat {
        let tls = tls.map(|(server, manner)| {
            let tls = TlsBackend::before(&backend.address(), &server);
            tls.set(manner);
            tls
        });
        let address = tls.as_ref().map_or_else(|| backend.address(), TlsBackend::address);
        Seat { address: self.url(&address), _backend: backend, _tls: tls }
    }

    /// A client of the listener.
    pub(super) fn connect(&self, address: SocketAddr) -> Client {
        match self.is_secure() {
            false => Client::connect(address),
            true => Client::secure(address, &TlsClient::new(&self.authority, NAME)),
        }
    }
}
