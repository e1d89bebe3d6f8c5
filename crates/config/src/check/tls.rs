//! The TLS of a listener: its certificates are read, and go together.

use std::sync::Arc;
use std::time::Duration;

use evenkeel_routing::ListenerTls;
use evenkeel_tls::{ClientAuth, ClientCertificates, Identity, Server, ServerParts};

use super::Material;
use super::material::report;
use crate::document::{CertificateDocument, ClientDocument, FilePath, Switch, Text, TlsDocument};
use crate::files::{
    ClientFiles, Fault, ListenerFiles, Origin, Pair, Source, Taken, certificates, is_for, judge_server,
    revocation_lists, server_fault,
};
use crate::problem::{Code, Problems};
use crate::tree::Place;
use crate::words::{listed, quoted};

/// Longest handshake, unless the file says otherwise.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// Most handshakes at once, unless the file says otherwise.
const HANDSHAKES: usize = 1000;

/// Most names that a problem repeats.
const MOST_NAMES: usize = 20;

/// What is offered, best first.
const PROTOCOLS: [&[u8]; 2] = [b"http/1.1", b"http/1.0"];

/// Checks the TLS of a listener; `None` if there is a problem with it.
pub(super) fn check(
    document: TlsDocument,
    listener: &Arc<str>,
    place: &Place<'_>,
    material: &mut Material,
    problems: &mut Problems,
) -> Option<ListenerTls> {
    let before = problems.len();
    let (sources, identities) = read(document.certificates, place, material, problems);
    let is_complete = problems.len() == before && !place.key("certificates").is_broken();
    let name = document.default.map(|name| Box::<str>::from(name.0.0));
    let default = match &name {
        Some(name) if is_complete => default_of(name, &identities, &place.key("default"), problems),
        Some(_) | None => 0,
    };
    let client = document.client.and_then(Switch::on);
    let (client, client_files) = client.map(|it| client_auth(it, &place.key("client"), problems)).unzip();
    if problems.len() > before || place.is_broken() {
        return None;
    }
    let parts = ServerParts {
        identities,
        default,
        policy: document.policy.map_or_else(Default::default, |word| word.0),
        unknown_name: document.unknown_name.map_or_else(Default::default, |word| word.0),
        client: client.flatten(),
        protocols: PROTOCOLS.map(Into::into).into(),
    };
    let blamed = client_files.as_ref();
    let server =
        Server::new(parts).map_err(|error| report(place, server_fault(&error, blamed), problems)).ok()?;
    material.files.listeners.push(ListenerFiles {
        name: listener.clone(),
        at: place.path.clone(),
        sources,
        default: name,
        client: client_files,
    });
    Some(ListenerTls {
        server,
        handshake_timeout: document.handshake_timeout.map_or(HANDSHAKE_TIMEOUT, |wait| wait.0),
        handshakes: document.handshakes.map_or(HANDSHAKES, |it| it.on().map_or(0, |count| count.0 as usize)),
    })
}

/// Reads every certificate, one element of the list after the other.
fn read(
    documents: Vec<CertificateDocument>,
    place: &Place<'_>,
    material: &mut Material,
    problems: &mut Problems,
) -> (Vec<Source>, Vec<Arc<Identity>>) {
    let list = place.key("certificates");
    if list.is_empty() {
        let help = "write one, like `certificates: [{ certificate: /etc/evenkeel/site.pem, key: /etc/evenkeel/site.key }]`";
        problems.at(&list.clone().at_key(), Code::Empty, "there is no certificate", help);
    }
    let (mut sources, mut identities, mut taken) = (Vec::new(), Vec::new(), Taken::new());
    for (document, place) in documents.into_iter().zip(list.items()) {
        let Some(origin) = origin(document, &place, problems) else { continue };
        let loaded = origin.load();
        loaded.fault.into_iter().for_each(|fault| report(&place, fault, problems));
        loaded.warnings.into_iter().for_each(|warning| material.warn(&place, warning));
        let mut pairs = Vec::new();
        for (pair, result) in loaded.found {
            match result {
                Err(fault) => report(&place, fault, problems),
                Ok(identity) => {
                    let (path, key) = (pair.certificate.display().to_string(), origin.key("certificate"));
                    for warning in judge_server(&identity, &path, key, material.now, &mut taken) {
                        material.warn(&place, warning);
                    }
                    pairs.push(pair);
                    identities.push(identity);
                }
            }
        }
        sources.push(Source { at: place.path.clone(), origin, pairs });
    }
    (sources, identities)
}

fn origin(document: CertificateDocument, place: &Place<'_>, problems: &mut Problems) -> Option<Origin> {
    let path = |written: Option<Text<FilePath>>| written.map(|path| path.0.0);
    let CertificateDocument { certificate, key, directory } = document;
    match (path(certificate), path(key), path(directory)) {
        (Some(certificate), key, None) => Some(Origin::Files(Pair { certificate, key })),
        (None, None, Some(directory)) => Some(Origin::Folder(directory)),
        (certificate, _, Some(_)) => {
            let key = if certificate.is_some() { "certificate" } else { "key" };
            let message = "a folder has both certificates and keys";
            let help = "write it as an element of its own, with `directory` alone";
            problems.at(&place.key(key).at_key(), Code::Conflict, message, help);
            None
        }
        (None, key, None) => {
            if !place.is_broken() {
                let message = match key {
                    Some(_) => "there is a key without a certificate",
                    None => "it does not say where the certificate is",
                };
                let help = "write `certificate` with the path of a PEM file, or `directory`";
                problems.at(&place.clone().at_key(), Code::MissingKey, message, help);
            }
            None
        }
    }
}

/// The place of the first certificate that is for `name`.
fn default_of(name: &str, identities: &[Arc<Identity>], place: &Place<'_>, problems: &mut Problems) -> usize {
    let found = identities.iter().position(|identity| is_for(identity, name));
    found.unwrap_or_else(|| {
        let addresses = identities.iter().flat_map(|it| &it.facts().addresses).map(ToString::to_string);
        let names = identities.iter().flat_map(|it| &it.facts().names).map(ToString::to_string);
        let mut names: Vec<String> = names.chain(addresses).collect();
        names.dedup();
        let more = names.len().saturating_sub(MOST_NAMES);
        names.truncate(MOST_NAMES);
        let end = if more > 0 { format!(", and {more} more") } else { String::new() };
        let help = format!("they are for {}{end}", listed(names.iter().map(String::as_str)));
        problems.at(place, Code::UnknownName, format!("no certificate is for {}", quoted(name)), help);
        0
    })
}

fn client_auth(
    document: ClientDocument,
    place: &Place<'_>,
    problems: &mut Problems,
) -> (Option<ClientAuth>, ClientFiles) {
    let files = ClientFiles { ca: document.ca.0.0, crl: document.crl.map(|path| path.0.0) };
    let mut read_or = |fault: Fault| report(place, fault, problems);
    let ca = certificates(&files.ca, "ca").map_err(&mut read_or).ok();
    let crls = files.crl.as_deref().map(|path| revocation_lists(path, "crl").map_err(&mut read_or).ok());
    let is_required = document.required.is_none_or(|it| it.on().unwrap_or(false));
    let certificates = if is_required { ClientCertificates::Required } else { ClientCertificates::Optional };
    let auth = match (ca, crls) {
        (Some(ca), None) => Some(ClientAuth { ca, crls: Vec::new(), certificates }),
        (Some(ca), Some(Some(crls))) => Some(ClientAuth { ca, crls, certificates }),
        (None, _) | (_, Some(None)) => None,
    };
    (auth, files)
}
