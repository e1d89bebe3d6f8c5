//! A plan in a few lines, for `evenkeel check`.

use evenkeel_routing::ListenerTls;
use evenkeel_tls::{Client, ClientCertificates, Identity, Roots, Verify};

use crate::files::client;
use crate::moment::show_date;
use crate::plan::{AccessLogRule, BackendPlan, Plan, PoolPlan};

/// Most backends of a pool that are named.
const MOST_BACKENDS: usize = 8;

/// Most certificates of a listener that are named.
const MOST_CERTIFICATES: usize = 8;

/// Most names of a certificate that are shown.
const MOST_NAMES: usize = 4;

/// Listeners, routes, pools and the operator's door, a line each, and one for each certificate; ends without a newline.
pub fn summary(plan: &Plan) -> String {
    let mut lines = Vec::new();
    for listener in &plan.listeners {
        let address = listener.address.to_string();
        let name = if *listener.name == *address { String::new() } else { format!("{} ", listener.name) };
        let redirect = listener.redirect_to_https.map_or(String::new(), |port| match port {
            443 => ", to HTTPS".into(),
            port => format!(", to HTTPS on port {port}"),
        });
        let over = listener.tls.as_ref().map_or(String::new(), tls);
        lines.push(format!("listener {name}{address}{over}{redirect}"));
        lines.extend(listener.tls.iter().flat_map(certificates));
    }
    for rule in &plan.routes {
        lines.push(format!("route {} -> {}", rule.label(), rule.pool));
    }
    for plan in &plan.pools {
        lines.push(pool(plan));
        lines.extend(client(plan).map(|client| verified(client)));
    }
    lines.push(match plan.admin.address {
        Some(address) => format!("admin {address}"),
        None => "admin off".into(),
    });
    lines.push(match &plan.access_log {
        Some(AccessLogRule::Stdout) => "access log stdout".into(),
        Some(AccessLogRule::File(path)) => format!("access log {}", path.display()),
        None => "access log off".into(),
    });
    lines.join("\n")
}

fn pool(pool: &PoolPlan) -> String {
    let mut backends: Vec<String> = pool.backends.iter().take(MOST_BACKENDS).map(backend).collect();
    if pool.backends.len() > MOST_BACKENDS {
        backends.push(format!("and {} more", pool.backends.len() - MOST_BACKENDS));
    }
    let noun = if pool.backends.len() == 1 { "backend" } else { "backends" };
    format!("pool {}: {} {noun}: {}", pool.name, pool.backends.len(), backends.join(", "))
}

fn backend(plan: &BackendPlan) -> String {
    let scheme = if plan.tls.is_some() { "https://" } else { "" };
    format!("{scheme}{}", plan.address)
}

fn tls(tls: &ListenerTls) -> String {
    let clients = match tls.server.parts().client.as_ref().map(|client| client.certificates) {
        None => "",
        Some(ClientCertificates::Required) => ", clients need a certificate",
        Some(ClientCertificates::Optional) => ", clients may show a certificate",
    };
    format!(", TLS{clients}")
}

fn certificates(tls: &ListenerTls) -> Vec<String> {
    let identities = &tls.server.parts().identities;
    let mut lines: Vec<String> =
        identities.iter().take(MOST_CERTIFICATES).map(|identity| certificate(identity)).collect();
    if identities.len() > MOST_CERTIFICATES {
        lines.push(format!("  and {} certificates more", identities.len() - MOST_CERTIFICATES));
    }
    lines
}

fn certificate(identity: &Identity) -> String {
    let facts = identity.facts();
    let addresses = facts.addresses.iter().map(ToString::to_string);
    let mut names: Vec<String> = facts.names.iter().map(ToString::to_string).chain(addresses).collect();
    let more = names.len().saturating_sub(MOST_NAMES);
    names.truncate(MOST_NAMES);
    if names.is_empty() {
        names.push("no name".into());
    }
    if more > 0 {
        names.push(format!("and {more} more"));
    }
    format!("  certificate {}: until {}", names.join(", "), show_date(facts.not_after))
}

fn verified(client: &Client) -> String {
    let parts = client.parts();
    let by = match (parts.verify, &parts.roots, parts.pins.is_empty()) {
        (Verify::On, Roots::System(_), true) => "verified by the system's CAs",
        (Verify::On, Roots::Given(_), true) => "verified by `ca`",
        (Verify::On, Roots::System(_), false) => "verified by the system's CAs and by pins",
        (Verify::On, Roots::Given(_), false) => "verified by `ca` and by pins",
        (Verify::Off, _, false) => "verified by pins alone",
        (Verify::Off, _, true) => "NOT VERIFIED",
    };
    let identity = if parts.identity.is_some() { ", with a certificate of its own" } else { "" };
    format!("  https backends: {by}{identity}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_names_what_is_there() {
        let text = r#"
listeners: [{ address: "127.0.0.1:8080" }, { name: inner, address: "127.0.0.1:8081" }]
routes: [{ match: { host: "*.example.com", path: /v1/ }, pool: web }]
pools: { web: { backends: ["127.0.0.1:3000", "unix:/run/app.sock"] } }
"#;
        let plan = crate::parse(text, "test.yaml", &|_| None).unwrap();
        let expected = "listener 127.0.0.1:8080\n\
                        listener inner 127.0.0.1:8081\n\
                        route *.example.com/v1/ -> web\n\
                        pool web: 2 backends: 127.0.0.1:3000, unix:/run/app.sock\n\
                        admin 127.0.0.1:9180\n\
                        access log stdout";
        assert_eq!(summary(&plan), expected);
    }
}
