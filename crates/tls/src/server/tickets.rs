//! Session tickets: with what a client resumes a session without the server's remembering it.

use std::sync::Arc;

use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::server::NoServerSessionStorage;
use rustls::{Error, ServerConfig};

/// Tickets that a client gets with each handshake unless it asks for another number.
///
/// Each costs a few microseconds and 200 bytes. One keeps as many sessions alive as there are: whoever uses one up is
/// given the next.
const TICKETS: usize = 1;

/// Most that are given to a client that asks (RFC 9149), as browsers do that open several connections at once.
const MOST: usize = 4;

/// Keys of its own, which change every six hours; tickets are good for twice that. None if clients show certificates.
pub(super) fn set_up(config: &mut ServerConfig, has_client_certificates: bool) -> Result<(), Error> {
    config.session_storage = Arc::new(NoServerSessionStorage {});
    if has_client_certificates {
        config.send_tls13_tickets = 0;
    } else {
        config.ticketer = Ticketer::new()?;
        config.send_tls13_tickets = TICKETS;
        config.max_tls13_tickets = MOST;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use rustls::crypto::aws_lc_rs::default_provider;
    use rustls::server::ResolvesServerCertUsingSni;

    use super::*;

    fn config(has_client_certificates: bool) -> ServerConfig {
        let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(ResolvesServerCertUsingSni::new()));
        set_up(&mut config, has_client_certificates).unwrap();
        config
    }

    #[test]
    fn a_ticket_is_good_for_two_periods_of_keys_and_each_server_has_its_own() {
        let (one, other) = (config(false).ticketer, config(false).ticketer);
        // rustls changes the keys after half of this, and takes those of the period before.
        assert_eq!(one.lifetime(), 12 * 60 * 60);
        let ticket = one.encrypt(b"session").unwrap();
        assert_eq!(one.decrypt(&ticket).as_deref(), Some(&b"session"[..]));
        assert_eq!(other.decrypt(&ticket), None);
        assert!(!config(true).ticketer.enabled(), "whoever shows a certificate gets no ticket");
    }
}
