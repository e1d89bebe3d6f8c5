//! What operators call a certificate, in logs, metrics and status.

use crate::{Facts, KeyKind};

impl Facts {
    /// Its first name or address, else its subject.
    pub fn label(&self) -> String {
        match (self.names.first(), self.addresses.first()) {
            (Some(name), _) => name.to_string(),
            (None, Some(address)) => address.to_string(),
            (None, None) => self.subject.clone(),
        }
    }
}

impl KeyKind {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            KeyKind::Ecdsa => "ecdsa",
            KeyKind::Ed25519 => "ed25519",
            KeyKind::Rsa => "rsa",
        }
    }
}
