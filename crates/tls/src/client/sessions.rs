//! For how long sessions with a backend go on before it is verified again.
//!
//! A resumed session is believed without a look at the certificate, and brings the ticket for the next one. So sessions are
//! given up together with the configuration that they belong to: a handshake that began with it brings its tickets to where
//! nobody looks for them any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustls::ClientConfig;
use rustls::client::{ClientSessionMemoryCache, Resumption};
use rustls::pki_types::UnixTime;

use super::verifier::Verifier;

/// The longest, seconds: a day. RFC 8446, section 4.6.1, asks for a bound.
const LONGEST: u64 = 24 * 60 * 60;

/// For how many names sessions are kept: a dial has one.
const NAMES: usize = 1;

/// Sessions that all go back to a look at a certificate within the same time; in seconds since 1970.
pub(super) struct Sessions {
    config: Arc<ClientConfig>,
    from: u64,
    /// The verifier brings it forward, to the end of the certificates that it has seen.
    until: Arc<AtomicU64>,
}

impl Sessions {
    /// None yet, for a client that is configured and verifies like this. Without a clock none is of use, and no handshake
    /// comes to its end.
    pub(super) fn new(config: &ClientConfig, verifier: &Verifier) -> Self {
        let from = config.time_provider.current_time().map_or(u64::MAX, |now| now.as_secs());
        let until = Arc::new(AtomicU64::new(from.saturating_add(LONGEST)));
        let mut config = config.clone();
        config.dangerous().set_certificate_verifier(Arc::new(verifier.noting(until.clone())));
        config.resumption = Resumption::store(Arc::new(ClientSessionMemoryCache::new(NAMES)));
        Sessions { config: Arc::new(config), from, until }
    }

    /// The configuration that they belong to.
    pub(super) fn config(&self) -> &Arc<ClientConfig> {
        &self.config
    }

    /// Whether what they go back to still counts. A clock that was set back says nothing about that.
    pub(super) fn are_good(&self) -> bool {
        let now = self.config.time_provider.current_time().as_ref().map(UnixTime::as_secs);
        now.is_some_and(|now| (self.from..self.until.load(Ordering::Relaxed)).contains(&now))
    }
}
