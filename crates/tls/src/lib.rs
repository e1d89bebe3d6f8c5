//! TLS without I/O: certificates and their keys, who is believed, and sessions over byte buffers.
//!
//! What is configured stands in profiles ([`Server`], [`Dial`]) that are compared by content, so that a reload changes
//! nothing that did not change. Whoever owns a socket moves the bytes.

mod buffer;
mod client;
mod hello;
mod identity;
mod label;
mod server;
mod session;

pub use client::{Client, ClientError, ClientParts, Dial, Pin, Roots, Verify};
pub use identity::{Facts, Identity, IdentityError, KeyKind};
pub use rustls::pki_types::{CertificateDer, ServerName};
pub use rustls::{AlertDescription, CertificateError, Error};
pub use server::{ClientAuth, ClientCertificates, Policy, Server, ServerError, ServerParts, UnknownName};
pub use session::{Read, Session, Step};
