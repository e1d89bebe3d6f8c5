//! TLS to backends, as written.

use schemars::JsonSchema;
use serde::Deserialize;

use super::choice::Switch;
use super::name::Text;
use super::probe_text::HostValue;
use super::tls_text::{FilePath, PeerName, PinText};

/// How `https://` backends are verified, and who evenkeel is to them.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a map with `ca` or `server_name`")]
pub(crate) struct PoolTlsDocument {
    /// Absolute path of a PEM file with the CAs that are believed. Default: those of the system.
    pub(crate) ca: Option<Text<FilePath>>,
    /// The name that a backend's certificate has to be for, and that it is asked for (SNI). Default: the host of its address.
    pub(crate) server_name: Option<Text<PeerName>>,
    /// The `Host` field that backends see. Default: as the client sent it.
    pub(crate) host: Option<Text<HostValue>>,
    /// Absolute path of a PEM file with a certificate for evenkeel itself, should a backend ask for one. Default: none.
    pub(crate) certificate: Option<Text<FilePath>>,
    /// Absolute path of a PEM file with its private key. Default: it is in the certificate's file.
    pub(crate) key: Option<Text<FilePath>>,
    /// Keys of which the chain that a backend shows has to hold one, each as `sha256/` and the base64 of the SHA-256 of a SubjectPublicKeyInfo; with `verify: off` the backend's own key alone counts. Default: any.
    pub(crate) pins: Option<Vec<Text<PinText>>>,
    /// Whether the chain, the names and the validity of a backend's certificate are verified. With `off` whoever answers is believed. Default: true.
    pub(crate) verify: Option<Switch<bool>>,
}
