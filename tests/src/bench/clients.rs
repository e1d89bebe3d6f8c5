//! Who speaks TLS with the proxies: the same ciphers with all of them, so that all do the same work.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex};

use evenkeel_tests::tls_client::TlsClient;
use rustls::NamedGroup;
use rustls::client::{ClientSessionStore, Resumption, Tls12ClientSessionValue, Tls13ClientSessionValue};
use rustls::crypto::aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256;
use rustls::crypto::aws_lc_rs::kx_group::X25519;
use rustls::pki_types::ServerName;
use rustls::version::TLS13;

/// Whom the clients ask for.
pub(crate) const NAME: &str = "bench.example";

/// Most tickets that are remembered.
const TICKETS: usize = 1024;

/// The clients of one proxy. They offer TLS 1.3 with AES-128-GCM and X25519 alone, and look at no signature: what they
/// leave out is work of their own, not of the proxy.
#[derive(Clone, Debug)]
pub(crate) struct Clients {
    /// Each connection is a new session.
    pub(crate) full: TlsClient,
    /// Each connection goes on with an earlier one, if there is one.
    pub(crate) resuming: TlsClient,
}

impl Default for Clients {
    fn default() -> Self {
        let full = TlsClient::trusting_anybody(NAME)
            .version(&TLS13)
            .crypto(&[TLS13_AES_128_GCM_SHA256], &[X25519])
            .alpn(&["http/1.1"]);
        let tickets = Resumption::store(Arc::new(Tickets::default()));
        Clients { resuming: full.clone().sessions(tickets), full }
    }
}

/// Tickets of one server, of whatever name: the library's own store keeps fewer than there are connections at once.
#[derive(Default)]
struct Tickets(Mutex<VecDeque<Tls13ClientSessionValue>>);

impl ClientSessionStore for Tickets {
    fn set_kx_hint(&self, _: ServerName<'static>, _: NamedGroup) {}

    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        None
    }

    fn set_tls12_session(&self, _: ServerName<'static>, _: Tls12ClientSessionValue) {}

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        None
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {}

    fn insert_tls13_ticket(&self, _: ServerName<'static>, ticket: Tls13ClientSessionValue) {
        let mut tickets = self.0.lock().unwrap();
        if tickets.len() == TICKETS {
            tickets.pop_front();
        }
        tickets.push_back(ticket);
    }

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.0.lock().unwrap().pop_back()
    }
}

impl fmt::Debug for Tickets {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Tickets").finish_non_exhaustive()
    }
}
