//! What is known of a connection.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::{HandshakeKind, ProtocolVersion};

use super::Session;
use crate::Identity;
use crate::hello::Hello;

impl Session {
    /// Whom the client asked for (SNI), in lower case.
    pub fn server_name(&self) -> Option<&str> {
        self.hello.as_ref()?.name.as_deref()
    }

    /// Whose certificate the client got.
    pub fn identity(&self) -> Option<&Arc<Identity>> {
        self.hello.as_ref()?.identity.as_ref()
    }

    /// Whether the handshake failed because nobody has the name that the client asked for.
    pub fn is_unknown_name(&self) -> bool {
        self.failure.is_some() && self.hello.as_ref().is_some_and(Hello::is_refused)
    }

    /// Whether the client has said whom it wants.
    pub fn has_hello(&self) -> bool {
        self.hello.is_some()
    }

    /// The peer's own certificate, verified unless the profile says otherwise.
    pub fn peer_certificate(&self) -> Option<&CertificateDer<'static>> {
        self.state().peer_certificates()?.first()
    }

    /// Whether an earlier session went on.
    pub fn is_resumed(&self) -> bool {
        self.state().handshake_kind() == Some(HandshakeKind::Resumed)
    }

    /// `TLSv1.3` or `TLSv1.2`; `None` before it is agreed on.
    pub fn version(&self) -> Option<&'static str> {
        match self.state().protocol_version()? {
            ProtocolVersion::TLSv1_3 => Some("TLSv1.3"),
            ProtocolVersion::TLSv1_2 => Some("TLSv1.2"),
            _ => None,
        }
    }
}
