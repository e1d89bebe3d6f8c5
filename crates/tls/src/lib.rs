//! TLS without I/O: certificates and their keys, who is believed, and sessions over byte buffers.
//!
//! What is configured stands in profiles ([`Server`], [`Dial`]) that are compared by content, so that a reload changes
//! nothing that did not change. Whoever owns a socket moves the bytes.

mod buffer;
mod client;
mod crypto;
mod forwarded;
mod hello;
mod identity;
mod label;
mod pem;
mod server;
mod session;

pub use client::{
    Client, ClientError, ClientParts, Dial, Pin, PinMismatch, Roots, SelfSigned, Verify, is_pin_mismatch,
    is_self_signed_peer,
};
pub use forwarded::forwarded_client_cert;
pub use identity::{Facts, Identity, IdentityError, IssuerEnd, KeyKind, is_self_signed};
pub use pem::{PemError, certificates_from_pem, crls_from_pem};
pub use rustls::pki_types::{CertificateDer, ServerName};
pub use rustls::{
    AlertDescription, CertificateError, Error, InvalidMessage, PeerIncompatible, PeerMisbehaved,
};
pub use server::{ClientAuth, ClientCertificates, Policy, Server, ServerError, ServerParts, UnknownName};
pub use session::{Read, Session, Step};
