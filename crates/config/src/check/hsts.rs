//! How clients are brought to HTTPS, and kept there.

use std::time::Duration;

use crate::document::{HstsDocument, HttpsPort, Switch};
use crate::problem::{Code, Problems};
use crate::tree::Place;

/// How long browsers remember, unless the file says otherwise: a year.
const MAX_AGE: Duration = Duration::from_secs(365 * 86_400);

/// The value of `Strict-Transport-Security`.
pub(super) fn hsts(
    document: Option<Switch<HstsDocument>>,
    has_tls: bool,
    place: &Place<'_>,
    problems: &mut Problems,
) -> Option<Box<str>> {
    let document = document.and_then(Switch::on)?;
    let place = place.key("hsts");
    if !has_tls {
        let message = "browsers heed it over TLS alone, and this listener has none";
        let help = "write it where `tls` is; here `redirect_to_https: true` may be meant";
        problems.at(&place.clone().at_key(), Code::Conflict, message, help);
    }
    let max_age = document.max_age.map_or(MAX_AGE, |age| age.0);
    let is_on = |written: Option<Switch<bool>>| written.and_then(Switch::on).unwrap_or(false);
    let (has_subdomains, is_preloaded) = (is_on(document.include_subdomains), is_on(document.preload));
    if is_preloaded && !(has_subdomains && max_age >= MAX_AGE) && !place.is_broken() {
        let message =
            "browsers' lists take nobody without `include_subdomains: true` and at least `max_age: 365d`";
        let help = "write both, or remove it";
        problems.at(&place.key("preload"), Code::Conflict, message, help);
    }
    let subdomains = if has_subdomains { "; includeSubDomains" } else { "" };
    let preload = if is_preloaded { "; preload" } else { "" };
    Some(format!("max-age={}{subdomains}{preload}", max_age.as_secs()).into())
}

/// The port that requests are redirected to; `own` is the listener's, and `believes_some` whether a proxy before it may say that
/// a request came over HTTPS.
pub(super) fn redirect(
    document: Option<Switch<HttpsPort>>,
    has_tls: bool,
    own: u16,
    believes_some: bool,
    place: &Place<'_>,
    problems: &mut Problems,
) -> Option<u16> {
    let port = document.and_then(Switch::on)?;
    if has_tls {
        let message = "requests that come here have come over HTTPS";
        let help = "write it on a listener without `tls`, like one on port 80";
        problems.at(&place.key("redirect_to_https").at_key(), Code::Conflict, message, help);
    } else if port.0 == own && !believes_some {
        let message = "requests are sent back to this very port, which speaks no HTTPS";
        let help = "write the port of the listener with `tls`; or, if a proxy before evenkeel speaks HTTPS on this port, its \
                    network into `trusted_networks`";
        problems.at(&place.key("redirect_to_https"), Code::Conflict, message, help);
    }
    Some(port.0)
}
