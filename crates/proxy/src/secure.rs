//! What stays the same about a client's TLS over its requests.

use std::cell::RefCell;
use std::sync::Arc;

use evenkeel_http1::authority;
use evenkeel_telemetry::ClientTls;
use evenkeel_tls::{Identity, Session, forwarded_client_cert};

/// Longest name of a host (RFC 1035, section 2.3.4), so that nobody has something else kept here.
const LONGEST_NAME: usize = 253;

/// The TLS of a client's connection.
pub(crate) struct Secure {
    version: &'static str,
    is_resumed: bool,
    /// Whom the client asked for (SNI).
    server_name: Option<Box<str>>,
    /// Whose certificate it got.
    identity: Option<Arc<Identity>>,
    /// Who the client is, as `X-Forwarded-Client-Cert` says it.
    pub(crate) certificate: Option<Box<[u8]>>,
    /// An authority that was found good, though it is not the server name itself.
    good: RefCell<Box<[u8]>>,
}

impl Secure {
    /// Of a session whose handshake is done.
    pub(crate) fn of(session: &Session) -> Box<Secure> {
        Box::new(Secure {
            version: session.version().unwrap_or("TLS"),
            is_resumed: session.is_resumed(),
            server_name: session.server_name().map(Box::from),
            identity: session.identity().cloned(),
            certificate: session
                .peer_certificate()
                .map(|leaf| forwarded_client_cert(leaf).into_bytes().into()),
            good: RefCell::default(),
        })
    }

    /// Whether this is the place for requests to `authority`: a browser uses one connection for every name that the
    /// certificate is for, and none that it was not shown to be ours (RFC 9110, section 15.5.20).
    #[inline]
    pub(crate) fn serves(&self, authority: &[u8]) -> bool {
        let Some(name) = &self.server_name else { return true };
        name.as_bytes() == authority || **self.good.borrow() == *authority || self.looks_up(name, authority)
    }

    #[cold]
    fn looks_up(&self, name: &str, asked: &[u8]) -> bool {
        // A request of HTTP/1.0 may name nobody.
        let Some((host, _)) = authority(asked) else { return asked.is_empty() };
        let host = host.strip_suffix(b".").unwrap_or(host);
        if host.len() > LONGEST_NAME {
            return false;
        }
        let bare = host.strip_prefix(b"[").and_then(|host| host.strip_suffix(b"]")).unwrap_or(host);
        let is_covered = || {
            let host = str::from_utf8(bare).ok();
            host.zip(self.identity.as_ref()).is_some_and(|(host, identity)| identity.covers(host))
        };
        let is_good = host.eq_ignore_ascii_case(name.as_bytes()) || is_covered();
        if is_good {
            self.good.replace(asked.into());
        }
        is_good
    }

    /// As the access log tells it.
    pub(crate) fn told(&self) -> ClientTls<'_> {
        ClientTls {
            version: self.version,
            resumed: self.is_resumed,
            server_name: self.server_name.as_deref(),
        }
    }
}
