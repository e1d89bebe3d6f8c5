//! TLS to backends: whom they have to be, and who evenkeel is to them.

use std::sync::Arc;

use evenkeel_model::{Address, PoolName};
use evenkeel_tls::{Client, ClientParts, Dial, Roots, ServerName, Verify};

use super::Material;
use super::material::report;
use crate::document::{PoolTlsDocument, Switch, peer_name};
use crate::files::{Pair, PoolFiles, certificates, client_fault, judge_client};
use crate::problem::{Code, Problems};
use crate::tree::Place;
use crate::words::quoted;

/// How a pool's backends are spoken to over TLS.
#[derive(Debug, Default)]
pub(super) struct PoolTls {
    /// `None` if there are none, or if a problem has been reported.
    client: Option<Arc<Client>>,
    /// What all of them have to prove; `None`: each its own host.
    server_name: Option<ServerName<'static>>,
    /// The `Host` that they see.
    pub(super) host: Option<Box<str>>,
}

/// Checks the TLS of a pool; `pool` is where it stands.
pub(super) fn check(
    document: Option<Switch<PoolTlsDocument>>,
    has_tls: bool,
    name: &PoolName,
    pool: &Place<'_>,
    material: &mut Material,
    problems: &mut Problems,
) -> PoolTls {
    let place = pool.key("tls");
    let is_off = matches!(document, Some(Switch::Off));
    let document = document.and_then(Switch::on);
    if is_off && has_tls {
        let message = "a backend of this pool has an address with `https://`";
        problems.at(&place, Code::Conflict, message, "remove it, or the `https://`");
    }
    if !has_tls {
        if document.is_some() && !pool.is_any_broken(&["backends"]) {
            let message = "no backend of this pool is spoken to over TLS";
            let help = "write `https://` before a backend's address, or remove it";
            problems.at(&place.at_key(), Code::Conflict, message, help);
        }
        return PoolTls::default();
    }
    let before = problems.len();
    let document = document.unwrap_or_default();
    let server_name = document.server_name.as_ref().map(|name| name.0.0.clone());
    let host = document.host.as_ref().map(|host| host.0.0.as_str().into());
    let (parts, files) = parts(document, name, &place, material, problems);
    if problems.len() > before || place.is_broken() {
        return PoolTls { client: None, server_name, host };
    }
    let client = Client::new(parts);
    let client = client.map_err(|error| report(&place, client_fault(&error, &files), problems)).ok();
    material.files.pools.push(files);
    PoolTls { client, server_name, host }
}

fn parts(
    document: PoolTlsDocument,
    name: &PoolName,
    place: &Place<'_>,
    material: &mut Material,
    problems: &mut Problems,
) -> (ClientParts, PoolFiles) {
    let PoolTlsDocument { ca, server_name: _, host: _, certificate, key, pins, verify } = document;
    let is_key_alone = key.is_some() && certificate.is_none();
    let key = key.map(|path| path.0.0);
    let files = PoolFiles {
        name: name.clone(),
        at: place.path.clone(),
        ca: ca.map(|path| path.0.0),
        identity: certificate.map(|path| Pair { certificate: path.0.0, key }),
    };
    let verify = match verify {
        None | Some(Switch::On(true)) => Verify::On,
        Some(Switch::Off | Switch::On(false)) => Verify::Off,
    };
    if verify == Verify::Off && files.ca.is_some() {
        let message = "nobody is asked who signed, since `verify` is off";
        problems.at(&place.key("ca"), Code::Conflict, message, "remove it, or remove `verify: off`");
    }
    let roots = match (&files.ca, verify) {
        (Some(path), Verify::On) => certificates(path, "ca").map(Roots::Given),
        (None, Verify::On) => material.system.read().map_err(|error| client_fault(&error, &files)),
        (_, Verify::Off) => Ok(Roots::System(Arc::default())),
    };
    let roots = roots.unwrap_or_else(|fault| {
        report(place, fault, problems);
        Roots::System(Arc::default())
    });
    if is_key_alone && !place.key("certificate").is_broken() {
        let help = "write `certificate` with the path of its PEM file";
        problems.at(&place.key("key"), Code::MissingKey, "there is a key without a certificate", help);
    }
    let identity = files.identity.as_ref().and_then(|pair| {
        let identity = pair.load().map_err(|fault| report(place, fault, problems)).ok()?;
        let path = pair.certificate.display().to_string();
        let judged = judge_client(&identity, &path, "certificate", material.now);
        judged.into_iter().chain(pair.open_to_all()).for_each(|warning| material.warn(place, warning));
        Some(identity)
    });
    let pins: Vec<_> = pins.unwrap_or_default().into_iter().map(|pin| pin.0.0).collect();
    if verify == Verify::Off {
        warn_unverified(!pins.is_empty(), &place.key("verify"), material);
    }
    (ClientParts { roots, verify, pins, identity }, files)
}

fn warn_unverified(has_pins: bool, place: &Place<'_>, material: &mut Material) {
    let (message, help) = match has_pins {
        true => (
            "backends are believed for their pinned key alone: chain, names and validity are not verified",
            "that is as good as the pin is kept; with `ca` and without this the rest is verified, too",
        ),
        false => (
            "whoever answers at a backend's address is believed, and reads and answers every request",
            "remove it, and write `ca` with the CA of the backends, or `pins` with their keys",
        ),
    };
    material.warn_at(place, Code::Unverified, message, help);
}

impl PoolTls {
    /// How one backend is spoken to; `None` if there is a problem.
    pub(super) fn dial(
        &self,
        address: &Address,
        place: &Place<'_>,
        problems: &mut Problems,
    ) -> Option<Arc<Dial>> {
        let client = self.client.as_ref()?;
        let dial = dial(client, self.server_name.as_ref(), address);
        if dial.is_none() {
            let (message, help) = match address {
                Address::Unix(_) => (
                    "a Unix socket has no host that its certificate could be for".into(),
                    "write the name that it has to prove into the pool's `tls`: `tls: { server_name: app.internal }`",
                ),
                Address::Ip(_) | Address::Name { .. } => (
                    format!("no certificate can be for the host of {}", quoted(&address.to_string())),
                    "write `server_name` into the pool's `tls`, with the name that it has to prove",
                ),
            };
            problems.at(place, Code::MissingKey, message, help);
        }
        dial
    }
}

/// How a backend is spoken to: as the name that is given, else as the host of its address.
pub(crate) fn dial(
    client: &Arc<Client>,
    name: Option<&ServerName<'static>>,
    address: &Address,
) -> Option<Arc<Dial>> {
    let name = name.cloned().or_else(|| match address {
        Address::Ip(address) => Some(ServerName::IpAddress(address.ip().into())),
        Address::Name { host, .. } => peer_name(host),
        Address::Unix(_) => None,
    })?;
    Some(Arc::new(Dial::new(client.clone(), name)))
}
