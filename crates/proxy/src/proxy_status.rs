//! `Proxy-Status` (RFC 9209): what became of a request here, for the machines on the client's side.
//!
//! The next hop is told by pool and name, and never by address unless the pool says so.

use std::fmt::Write;

use evenkeel_model::{Cause, TlsDetail};
use evenkeel_routing::Snapshot;

use crate::request::Request;

/// How evenkeel calls itself where `via` is off.
const NAME: &str = "evenkeel";

/// For an answer of evenkeel's own; without a cause it is no failure.
pub(crate) fn of_answer(request: &Request) -> String {
    let view = request.core.view();
    let mut member = begin(&view.snapshot);
    let Some(cause) = request.cause else { return member };
    // Writing to a string does not fail, here and below.
    let _ = write!(member, "; error={}", error(cause, request.detail));
    if let (Cause::DnsFailed, Some(rcode)) = (cause, request.detail) {
        let _ = write!(member, "; rcode=\"{rcode}\"");
    }
    if let (Cause::TlsAlert, Some((number, name))) = (cause, request.tls.and_then(TlsDetail::alert)) {
        let _ = write!(member, "; alert-id={number}; alert-message={name}");
    }
    next_hop(&mut member, request, &view.snapshot);
    let _ = write!(member, "; details=\"{}\"", details(cause, request));
    member
}

/// For a backend's own answer that is relayed.
pub(crate) fn of_relayed(request: &Request, status: u16) -> String {
    let view = request.core.view();
    let mut member = begin(&view.snapshot);
    next_hop(&mut member, request, &view.snapshot);
    let _ = write!(member, "; received-status={status}");
    if let Some(denial) = request.shown_denial() {
        let _ = write!(member, "; details=\"{denial}\"");
    }
    member
}

/// The cause, more about it, and whether it might have been hidden.
fn details(cause: Cause, request: &Request) -> String {
    let mut details = match (cause, request.detail, &request.attempt) {
        // The cause says no more than that the client was wrong.
        (Cause::ClientError | Cause::SlowClient, Some(detail), _) => detail.to_owned(),
        (Cause::StaleReuse, None, Some(attempt)) => {
            format!("{}: reused idle={:.3}", cause.token(), attempt.idle.as_secs_f64())
        }
        // It has a parameter of its own (RFC 9209, section 2.3.2).
        (Cause::DnsFailed, Some(_), _) => cause.token().to_owned(),
        (cause, Some(detail), _) => format!("{}: {detail}", cause.token()),
        (cause, None, _) => cause.token().to_owned(),
    };
    if let Some(denial) = request.shown_denial() {
        details.push_str("; ");
        details.push_str(denial);
    }
    details
}

/// The name of this proxy: a token of structured fields, else a string (RFC 8941, section 3.3).
fn begin(snapshot: &Snapshot) -> String {
    let name = snapshot.forwarding.via.as_deref().unwrap_or(NAME);
    match name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '*') {
        true => name.to_owned(),
        false => format!("\"{name}\""),
    }
}

/// The registered type of the error (RFC 9209, section 2.3).
fn error(cause: Cause, detail: Option<&str>) -> &'static str {
    match (cause, detail) {
        (Cause::LocalResource, Some("connection_limit" | "client_connection_limit")) => {
            "connection_limit_reached"
        }
        (Cause::UpgradeFailed, Some("unsolicited_101")) => "http_protocol_error",
        _ => cause.facts().proxy_status,
    }
}

fn next_hop(member: &mut String, request: &Request, snapshot: &Snapshot) {
    let Some(route) = &request.route else { return };
    let tried = request.tries.last().map(|failed| &failed.backend);
    let Some(backend) = request.attempt.as_ref().map(|attempt| attempt.backend()).or(tried) else { return };
    let pool = &route.rule.pool;
    let shows_addresses =
        snapshot.pools.iter().any(|known| known.name == *pool && known.rule.proxy_status_addresses);
    let address = backend.id.address.to_string();
    let _ = match () {
        () if shows_addresses => write!(member, "; next-hop=\"{address}\""),
        () if *backend.label == *address => write!(member, "; next-hop=\"{}\"", pool.as_str()),
        () => write!(member, "; next-hop=\"{}/{}\"", pool.as_str(), backend.label),
    };
}
