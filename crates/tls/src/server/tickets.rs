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
