//! The TLS of a listener, as written.

use evenkeel_tls::{Policy, UnknownName};
use schemars::JsonSchema;
use serde::Deserialize;

use super::choice::{Switch, Word, Words};
use super::name::Text;
use super::tls_text::{CertificateName, FilePath};
use super::{Count, Wait};

/// The TLS of a listener.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a map with `certificates`")]
pub(crate) struct TlsDocument {
    /// Certificates with their keys, as files or folders of them; at least one. Files are read again when they change. Required.
    pub(crate) certificates: Vec<CertificateDocument>,
    /// A name of one of them, whose certificate those get who name no host. Default: the first certificate's.
    pub(crate) default: Option<Text<CertificateName>>,
    /// Which versions are spoken: `intermediate` is TLS 1.2 and 1.3, `modern` 1.3 alone. Default: intermediate.
    pub(crate) policy: Option<Word<Policy>>,
    /// What happens to clients that ask for a name which no certificate is for: `default` shows them the default one, `refuse` ends the handshake. Default: default.
    pub(crate) unknown_name: Option<Word<UnknownName>>,
    /// Certificates of clients; or `off`, the default.
    pub(crate) client: Option<Switch<ClientDocument>>,
    /// Longest handshake, from the connect. Default: 5s.
    pub(crate) handshake_timeout: Option<Wait>,
    /// Most handshakes at once; beyond, the oldest of those that wait for their client is cut. 0 or `off`: no limit. Default: 1000.
    pub(crate) handshakes: Option<Switch<Count>>,
}

/// A certificate with its key, or a folder of them.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a map with `certificate` and `key`, or with `directory`")]
pub(crate) struct CertificateDocument {
    /// Absolute path of a PEM file with the chain, the server's own certificate first. Either this or `directory` is required.
    pub(crate) certificate: Option<Text<FilePath>>,
    /// Absolute path of a PEM file with the private key. Default: it is in the certificate's file.
    pub(crate) key: Option<Text<FilePath>>,
    /// Absolute path of a folder with pairs: `NAME.crt` or `NAME.pem` with `NAME.key`, `NAME.pem` with both, `fullchain.pem` with `privkey.pem`; one level of folders in it, too.
    pub(crate) directory: Option<Text<FilePath>>,
}

/// Certificates of clients.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a map with `ca`")]
pub(crate) struct ClientDocument {
    /// Absolute path of a PEM file with the CAs whose certificates are accepted. Required.
    pub(crate) ca: Text<FilePath>,
    /// Absolute path of a file with revocation lists, PEM or DER. Default: none.
    pub(crate) crl: Option<Text<FilePath>>,
    /// Whether a client without a certificate is refused. Default: true.
    pub(crate) required: Option<Switch<bool>>,
}

impl Words for Policy {
    const KNOWN: &'static [(&'static str, Self)] =
        &[("intermediate", Policy::Intermediate), ("modern", Policy::Modern)];
    const LATER: &'static [&'static str] = &[];
}

impl Words for UnknownName {
    const KNOWN: &'static [(&'static str, Self)] =
        &[("default", UnknownName::Default), ("refuse", UnknownName::Refuse)];
    const LATER: &'static [&'static str] = &[];
}
