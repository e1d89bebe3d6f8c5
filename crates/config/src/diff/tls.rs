//! TLS written out as settings, and each certificate as a subject of its own. Never a key.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::sync::Arc;

use evenkeel_routing::ListenerTls;
use evenkeel_tls::{
    CertificateDer, Client, ClientAuth, ClientCertificates, ClientParts, Identity, KeyKind, Policy, Roots,
    ServerParts, UnknownName, Verify,
};

use super::health::{summarised, where_it_holds};
use super::settings::{Setting, Subject, setting};
use crate::document::{show_duration, show_pin};
use crate::files::{ListenerFiles, Origin, Pair, PoolFiles};
use crate::moment::{show_date, show_moment};

/// Bytes of a fingerprint that are told.
const SHOWN_BYTES: usize = 8;

/// The TLS of a listener, without its certificates.
pub(super) fn listener_settings(tls: Option<&ListenerTls>, files: Option<&ListenerFiles>) -> Vec<Setting> {
    let word = if tls.is_some() { "on" } else { "off" };
    let mut settings = vec![setting("tls", word.into())];
    let keys = ["tls.certificates", "tls.default", "tls.policy", "tls.unknown_name", "tls.client"];
    let (Some(tls), Some(files)) = (tls, files) else {
        let rest = ["tls.client.ca", "tls.client.crl", "tls.handshake_timeout", "tls.handshakes"];
        settings.extend(
            keys.into_iter().chain(rest).map(|key| Setting { value: None, ..setting(key, word.into()) }),
        );
        return settings;
    };
    let ListenerTls { server, handshake_timeout, handshakes } = tls;
    let ServerParts { identities: _, default, policy, unknown_name, client, protocols: _ } = server.parts();
    let default = files.sources.iter().flat_map(|source| &source.pairs).nth(*default);
    let default = show_path(default.map(|pair| pair.certificate.as_path()));
    let sources: Vec<String> = files.sources.iter().map(|source| show_origin(&source.origin)).collect();
    let client_files = files.client.as_ref();
    let values = [
        format!("[{}]", sources.join(", ")),
        // Files come and go in a folder, and another one may be the first.
        format!("{} ({default})", files.default.as_deref().unwrap_or("the first")),
        policy_word(*policy).into(),
        unknown_name_word(*unknown_name).into(),
        client.as_ref().map_or("off", client_word).into(),
    ];
    settings.extend(keys.into_iter().zip(values).map(|(key, value)| setting(key, value)));
    let ca = client_files.map(|files| files.ca.as_path());
    let crl = client_files.and_then(|files| files.crl.as_deref());
    let (cas, crls) = match client {
        None => (String::new(), String::new()),
        Some(ClientAuth { ca, crls, certificates: _ }) => (show_all(ca), format!("{crls:?}")),
    };
    let handshakes = if *handshakes == 0 { "off".into() } else { handshakes.to_string() };
    settings.extend([
        summarised("tls.client.ca", &format!("{} {cas}", show_path(ca)), Some(show_path(ca))),
        summarised("tls.client.crl", &format!("{} {crls}", show_path(crl)), Some(show_path(crl))),
        setting("tls.handshake_timeout", show_duration(*handshake_timeout)),
        setting("tls.handshakes", handshakes),
    ]);
    settings
}

/// The certificates of a listener, each by the name that it is for first.
pub(super) fn certificates(
    tls: Option<&ListenerTls>,
    files: Option<&ListenerFiles>,
    listener: &str,
) -> Vec<Subject> {
    let pairs = files.into_iter().flat_map(|files| &files.sources).flat_map(|source| &source.pairs);
    let identities = tls.into_iter().flat_map(|tls| &tls.server.parts().identities);
    let mut seen: HashMap<String, usize> = HashMap::new();
    let mut subjects = Vec::new();
    for (identity, pair) in identities.zip(pairs) {
        let name = name_of(identity);
        let count = seen.entry(name.clone()).or_default();
        *count += 1;
        let again = if *count > 1 { format!(" ({count})") } else { String::new() };
        subjects.push(certificate(
            identity,
            pair,
            format!("{listener}: certificate of {name}{again}"),
            listener,
        ));
    }
    subjects
}

fn certificate(identity: &Identity, pair: &Pair, title: String, listener: &str) -> Subject {
    let facts = identity.facts();
    let addresses = facts.addresses.iter().map(ToString::to_string);
    let names: Vec<String> = facts.names.iter().map(ToString::to_string).chain(addresses).collect();
    let Pair { certificate, key } = pair;
    // Two chains may have the same leaf.
    let chain = show_all(identity.chain());
    Subject {
        title,
        parent: Some(listener.into()),
        details: format!(" (expires {})", show_date(facts.not_after)),
        settings: vec![
            setting("expires", show_moment(facts.not_after)),
            setting("names", format!("[{}]", names.join(", "))),
            setting("key", key_word(facts.key).into()),
            setting("issuer", facts.issuer.clone()),
            summarised("fingerprint", &chain, Some(show_fingerprint(identity))),
            setting("certificate", certificate.display().to_string()),
            setting("key file", show_path(key.as_deref())),
        ],
    }
}

/// The TLS of a pool; of no meaning where it has none.
pub(super) fn pool_settings(
    client: Option<&Arc<Client>>,
    host: Option<&str>,
    files: Option<&PoolFiles>,
) -> Vec<Setting> {
    let parts = client.map(|client| client.parts());
    let none = ClientParts {
        roots: Roots::System(Arc::default()),
        verify: Verify::On,
        pins: Vec::new(),
        identity: None,
    };
    let ClientParts { roots, verify, pins, identity } = parts.unwrap_or(&none);
    let path = files.and_then(|files| files.ca.as_deref());
    let pair = files.and_then(|files| files.identity.as_ref());
    let (ca, shown) = match roots {
        Roots::System(certificates) => (hash_all(certificates), "the system's".into()),
        Roots::Given(certificates) => (show_all(certificates), show_path(path)),
    };
    let pins: Vec<String> = pins.iter().map(show_pin).collect();
    let key = show_path(pair.and_then(|pair| pair.key.as_deref()));
    let (own, shown_own) = match identity {
        None => (String::new(), "none".into()),
        Some(identity) => {
            let path = show_path(pair.map(|pair| pair.certificate.as_path()));
            let until = show_date(identity.facts().not_after);
            (show_all(identity.chain()), format!("{path} (expires {until})"))
        }
    };
    let word = if parts.is_some() { "on" } else { "off" };
    let mut settings = vec![setting("tls", word.into())];
    let below = [
        summarised("tls.ca", &format!("{shown} {ca}"), Some(shown.clone())),
        setting("tls.host", host.unwrap_or("the client's").into()),
        summarised("tls.certificate", &format!("{shown_own} {own}"), Some(shown_own.clone())),
        setting("tls.key", key),
        setting("tls.pins", format!("[{}]", pins.join(", "))),
        setting("tls.verify", if *verify == Verify::On { "on".into() } else { "off".into() }),
    ];
    settings.extend(where_it_holds(parts.is_some(), below));
    settings
}

/// The first name that it is for.
fn name_of(identity: &Identity) -> String {
    let facts = identity.facts();
    let address = facts.addresses.first().map(ToString::to_string);
    facts.names.first().map(ToString::to_string).or(address).unwrap_or_else(|| facts.subject.clone())
}

fn show_origin(origin: &Origin) -> String {
    match origin {
        Origin::Files(pair) => pair.certificate.display().to_string(),
        Origin::Folder(path) => format!("{}/", path.display()),
    }
}

fn show_path(path: Option<&Path>) -> String {
    path.map_or("none".into(), |path| path.display().to_string())
}

/// All bytes of all certificates, to compare.
fn show_all(certificates: &[CertificateDer<'static>]) -> String {
    format!("{certificates:?}")
}

/// The same in short, for there are many.
fn hash_all(certificates: &[CertificateDer<'static>]) -> String {
    let mut hasher = DefaultHasher::new();
    certificates.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

fn show_fingerprint(identity: &Identity) -> String {
    let bytes = identity.facts().fingerprint;
    let shown: Vec<String> = bytes.iter().take(SHOWN_BYTES).map(|byte| format!("{byte:02x}")).collect();
    format!("{}..", shown.concat())
}

fn client_word(client: &ClientAuth) -> &'static str {
    match client.certificates {
        ClientCertificates::Required => "required",
        ClientCertificates::Optional => "optional",
    }
}

/// The word of the configuration.
fn policy_word(policy: Policy) -> &'static str {
    match policy {
        Policy::Modern => "modern",
        Policy::Intermediate => "intermediate",
    }
}

fn unknown_name_word(rule: UnknownName) -> &'static str {
    match rule {
        UnknownName::Default => "default",
        UnknownName::Refuse => "refuse",
    }
}

fn key_word(kind: KeyKind) -> &'static str {
    match kind {
        KeyKind::Ecdsa => "ECDSA",
        KeyKind::Ed25519 => "Ed25519",
        KeyKind::Rsa => "RSA",
    }
}
