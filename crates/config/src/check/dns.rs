//! How names are looked up: servers that are there once, and not too many of them.

use std::net::SocketAddr;

use crate::document::DnsDocument;
use crate::plan::DnsRule;
use crate::problem::{Code, Problems};
use crate::tree::Place;

/// Most servers: whoever has asked so many in vain asks no more.
const MOST_SERVERS: usize = 8;

/// Checks the servers.
pub(super) fn check(document: Option<DnsDocument>, place: &Place<'_>, problems: &mut Problems) -> DnsRule {
    let defaults = DnsRule::default();
    let Some(document) = document else { return defaults };
    let list = place.key("servers");
    let mut servers: Vec<SocketAddr> = Vec::new();
    for (server, place) in document.servers.unwrap_or_default().into_iter().zip(list.items()) {
        let address = server.0.0;
        if servers.contains(&address) {
            let message = format!("`{address}` is in the list already");
            problems.at(&place, Code::Conflict, message, "asking it again says nothing new; remove it");
        } else {
            servers.push(address);
        }
    }
    if servers.len() > MOST_SERVERS {
        let message = format!("{} servers are too many", servers.len());
        let help = format!("write at most {MOST_SERVERS}");
        problems.at(&list.at_key(), Code::BadValue, message, help);
    }
    DnsRule { servers, timeout: document.timeout.map_or(defaults.timeout, |timeout| timeout.0) }
}
