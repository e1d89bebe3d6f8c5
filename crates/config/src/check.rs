//! From the document to the plan: defaults, and what concerns several values at once.
//!
//! What was pruned is not held against the rest: a pool whose only backend is misspelt is not reported as empty, too.

mod backend_tls;
mod dns;
mod health;
mod hsts;
mod listeners;
mod material;
mod pools;
mod probe;
mod routes;
mod tls;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use evenkeel_routing::ForwardingRule;

use crate::document::{AdminDocument, Document, Switch, Workers};
use crate::plan::{AccessLogRule, AdminRule, AdminSocket, Plan, Warnings};
use crate::problem::{Code, Problems};
use crate::tree::{Node, Place};

pub(crate) use self::backend_tls::dial;
pub(crate) use self::listeners::overlap;
pub(crate) use self::material::Material;
use self::pools::CheckedPool;

/// Where the operator's door is, unless the file says otherwise.
pub(crate) const ADMIN_ADDRESS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9180);

/// How long what is in flight may go on, unless the file says otherwise.
pub(crate) const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);

/// Makes a plan; it is worth something only if no problem was reported.
pub(crate) fn check(
    document: Document,
    root: &Node,
    material: &mut Material,
    problems: &mut Problems,
) -> Plan {
    let root = Place::root(root);
    let workers = match document.workers {
        None | Some(Workers::Auto) => None,
        Some(Workers::Fixed(count)) => Some(count),
    };
    let admin = admin(document.admin);
    let listeners = document.listeners.unwrap_or_default();
    let listeners = listeners::check(listeners, &root, admin.address, material, problems);
    let pools = document.pools.map(|table| table.0).unwrap_or_default();
    let pools = pools::check(pools, &root, material, problems);
    let routes = routes::check(document.routes, &pools, &root, problems);
    Plan {
        admin,
        workers,
        access_log: match document.access_log {
            None => Some(AccessLogRule::Stdout),
            Some(Switch::Off) => None,
            Some(Switch::On(log)) => Some(log.path.map_or(AccessLogRule::Stdout, |path| path.0.0)),
        },
        drain_timeout: document.drain_timeout.map_or(DRAIN_TIMEOUT, |wait| wait.0),
        dns: dns::check(document.dns, &root.key("dns"), problems),
        forwarding: ForwardingRule {
            trusted_networks: document
                .trusted_networks
                .unwrap_or_default()
                .into_iter()
                .map(|it| it.0.0)
                .collect(),
            via: match document.via {
                None => ForwardingRule::default().via,
                Some(via) => via.on().map(|name| name.0.0.into()),
            },
        },
        listeners,
        routes,
        pools: pools.into_iter().map(|pool| pool.plan).collect(),
        files: std::mem::take(&mut material.files),
        warnings: Warnings(material.take_warnings()),
    }
}

fn admin(document: Option<AdminDocument>) -> AdminRule {
    let (address, socket) = document.map_or((None, None), |admin| (admin.address, admin.socket));
    AdminRule {
        address: match address {
            None => Some(ADMIN_ADDRESS),
            Some(address) => address.on().map(|address| address.0.0),
        },
        socket: match socket {
            None => AdminSocket::default(),
            Some(Switch::Off) => AdminSocket::Off,
            Some(Switch::On(path)) => AdminSocket::At(path.0.0),
        },
    }
}

/// Reports a list or map that needs at least one element and has none.
fn require(place: &Place<'_>, what: &str, help: &str, problems: &mut Problems) {
    if !place.is_written() {
        let message = format!("the key `{}` is missing", place.path);
        let start = place.span.start;
        problems.add(Code::MissingKey, String::new(), start..start, message, help);
    } else if place.is_empty() {
        problems.at(&place.clone().at_key(), Code::Empty, format!("there is no {what}"), help);
    }
}
