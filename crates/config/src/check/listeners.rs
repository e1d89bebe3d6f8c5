//! Listeners: names and addresses that do not stand in each other's way.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use evenkeel_routing::{ClientLimits, ClientTimeouts, ListenerRule};

use super::{Material, hsts, require, tls};
use crate::document::{
    ClientLimitsDocument, ClientTimeoutsDocument, Count, ListenerDocument, Switch, Text, UpgradeName,
};
use crate::problem::{Code, Problems};
use crate::tree::Place;
use crate::words::quoted;

/// Checks every listener, against the others and the operator's door.
pub(super) fn check(
    documents: Vec<ListenerDocument>,
    root: &Place<'_>,
    admin: Option<SocketAddr>,
    material: &mut Material,
    problems: &mut Problems,
) -> Vec<ListenerRule> {
    let list = root.key("listeners");
    require(&list, "listener", "write one, like `listeners: [{ address: \"127.0.0.1:8080\" }]`", problems);
    let places = list.items();
    let trusted = root.key("trusted_networks");
    let believes_some = trusted.is_written() && !trusted.is_empty();
    let admin_is_good = !root.key("admin").is_broken();
    let mut rules: Vec<ListenerRule> = Vec::new();
    for (mut document, place) in documents.into_iter().zip(&places) {
        check_lists(&document, place, problems);
        check_limits(document.limits.as_ref(), &place.key("limits"), problems);
        let tls_document = document.tls.take().and_then(Switch::on);
        let has_tls = tls_document.is_some() || place.key("tls").is_broken();
        let hsts = hsts::hsts(document.hsts.take(), has_tls, place, problems);
        let port = document.address.0.0.port();
        let redirect_to_https =
            hsts::redirect(document.redirect_to_https, has_tls, port, believes_some, place, problems);
        let mut rule = ListenerRule { hsts, redirect_to_https, ..rule(document) };
        rule.tls =
            tls_document.and_then(|it| tls::check(it, &rule.name, &place.key("tls"), material, problems));
        check_name(&rule, &rules, place, problems);
        if !check_address(&rule, &rules, place, problems)
            && admin_is_good
            && let Some(admin) = admin.filter(|admin| overlap(*admin, rule.address))
        {
            let message = format!("{} is the operator's door, too (`admin.address` {admin})", rule.address);
            let help = "give one of them another port; the admin API belongs on a private address";
            problems.at(&place.key("address"), Code::Conflict, message, help);
        }
        rules.push(rule);
    }
    rules
}

fn check_name(rule: &ListenerRule, earlier: &[ListenerRule], place: &Place<'_>, problems: &mut Problems) {
    let name = place.key("name");
    // Without a name it is the address, and that conflict is reported by itself.
    let is_fault = name.is_written() || rule.address.port() == 0;
    if is_fault && earlier.iter().any(|other| other.name == rule.name) {
        let message = format!("a second listener with the name {}", quoted(&rule.name));
        problems.at(
            &name,
            Code::Conflict,
            message,
            "names are how metrics and logs tell listeners apart; set `name`",
        );
    }
}

/// Reports an address that another listener has; whether it did.
fn check_address(
    rule: &ListenerRule,
    earlier: &[ListenerRule],
    place: &Place<'_>,
    problems: &mut Problems,
) -> bool {
    let Some(other) = earlier.iter().find(|other| overlap(other.address, rule.address)) else { return false };
    let message = match other.address == rule.address {
        true => format!("a second listener on {}", rule.address),
        false => format!("{} is part of {}, where another listener is", rule.address, other.address),
    };
    let message = match other.address.ip().is_unspecified() || !rule.address.ip().is_unspecified() {
        true => message,
        false => format!("{} holds {}, where another listener is", rule.address, other.address),
    };
    problems.at(
        &place.key("address"),
        Code::Conflict,
        message,
        "give one of them another port, or remove it",
    );
    true
}

/// Whether the kernel would refuse the second of the two: the same port, and an address in common. `[::]` takes
/// IPv6 only, so that it stands beside `0.0.0.0`. Port 0 is another port each time.
pub(crate) fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let covers = |wide: SocketAddr, narrow: SocketAddr| match (wide.ip(), narrow.ip()) {
        (IpAddr::V6(ip), IpAddr::V6(_)) => ip.is_unspecified(),
        (IpAddr::V4(ip), IpAddr::V4(_)) => ip.is_unspecified(),
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
    };
    one.port() == other.port()
        && one.port() != 0
        && (one.ip() == other.ip() || covers(one, other) || covers(other, one))
}

fn check_lists(document: &ListenerDocument, place: &Place<'_>, problems: &mut Problems) {
    if document.protocols.as_ref().is_some_and(Vec::is_empty) && place.key("protocols").is_empty() {
        problems.at(
            &place.key("protocols"),
            Code::Empty,
            "there is no protocol",
            "write `[http/1.1]`, or remove it",
        );
    }
}

fn check_limits(limits: Option<&ClientLimitsDocument>, place: &Place<'_>, problems: &mut Problems) {
    let defaults = ClientLimits::default();
    let Some(limits) = limits else { return };
    let Some(uri) = limits.uri_bytes else { return };
    let head = limits.head_bytes.map_or(defaults.head_bytes as u64, |head| head.0);
    if uri.0 > head && !place.is_any_broken(&["head_bytes", "uri_bytes"]) {
        let message = "a request target cannot be longer than the head that it is part of";
        problems.at(
            &place.key("uri_bytes"),
            Code::BadValue,
            message,
            "make it smaller, or `head_bytes` larger",
        );
    }
}

fn rule(document: ListenerDocument) -> ListenerRule {
    let address = document.address.0.0;
    let name = document.name.map_or_else(|| address.to_string(), |name| name.0.0);
    let defaults = ListenerRule::new(name.into(), address);
    ListenerRule {
        timeouts: document.timeouts.map_or(defaults.timeouts, timeouts),
        limits: document.limits.map_or(defaults.limits, limits),
        underscores: document.underscores.map_or(defaults.underscores, |word| word.0),
        upgrades: document.upgrades.map_or(defaults.upgrades, upgrades),
        half_close: document.half_close.map_or(defaults.half_close, is_on),
        refuse_ambiguous_paths: document
            .refuse_ambiguous_paths
            .map_or(defaults.refuse_ambiguous_paths, is_on),
        ..defaults
    }
}

fn upgrades(written: Switch<Vec<Text<UpgradeName>>>) -> Arc<[Box<str>]> {
    written.on().into_iter().flatten().map(|name| name.0.0.into()).collect()
}

fn is_on(written: Switch<bool>) -> bool {
    written.on().unwrap_or(false)
}

fn timeouts(document: ClientTimeoutsDocument) -> ClientTimeouts {
    let defaults = ClientTimeouts::default();
    ClientTimeouts {
        head: document.head.map_or(defaults.head, |wait| wait.0),
        body_idle: document.body_idle.map_or(defaults.body_idle, |wait| wait.0),
        keep_alive: document.keep_alive.map_or(defaults.keep_alive, |wait| wait.0),
        tunnel_idle: document.tunnel_idle.map_or(defaults.tunnel_idle, |wait| wait.0),
        r#continue: document.r#continue.map_or(defaults.r#continue, |wait| wait.0),
    }
}

/// `off` is 0, which is no limit.
fn limits(document: ClientLimitsDocument) -> ClientLimits {
    let defaults = ClientLimits::default();
    let head_bytes = document.head_bytes.map_or(defaults.head_bytes, |bytes| bytes.0 as usize);
    let count = |written: Option<Switch<Count>>, default| {
        written.map_or(default, |count| count.on().map_or(0, |count| count.0))
    };
    ClientLimits {
        head_bytes,
        fields: document.fields.map_or(defaults.fields, |count| count.0 as usize),
        uri_bytes: document.uri_bytes.map_or(defaults.uri_bytes.min(head_bytes), |bytes| bytes.0 as usize),
        body_bytes: document.body_bytes.map_or(defaults.body_bytes, |it| it.on().map_or(0, |bytes| bytes.0)),
        body_rate: document.body_rate.map_or(defaults.body_rate, |it| it.on().map_or(0, |bytes| bytes.0)),
        connections: count(document.connections, defaults.connections as u64) as usize,
        connections_per_client: count(document.connections_per_client, defaults.connections_per_client as u64)
            as usize,
        requests: count(document.requests, defaults.requests),
        age: document.age.map_or(defaults.age, |it| it.on().map_or_else(Default::default, |time| time.0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_overlap_as_the_kernel_sees_it() {
        for (one, other, expected) in [
            ("0.0.0.0:80", "127.0.0.1:80", true),
            ("127.0.0.1:80", "127.0.0.1:80", true),
            ("127.0.0.1:80", "127.0.0.2:80", false),
            ("127.0.0.1:80", "127.0.0.1:81", false),
            ("127.0.0.1:0", "127.0.0.1:0", false),
            ("[::]:80", "[::1]:80", true),
            ("[::]:80", "0.0.0.0:80", false),
            ("[::]:80", "127.0.0.1:80", false),
            ("0.0.0.0:80", "[::1]:80", false),
        ] {
            let (one, other) = (one.parse().unwrap(), other.parse().unwrap());
            assert_eq!(overlap(one, other), expected, "{one} {other}");
            assert_eq!(overlap(other, one), expected, "{other} {one}");
        }
    }
}
