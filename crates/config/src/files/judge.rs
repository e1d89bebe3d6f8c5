//! What is worth a look in a certificate that can be used.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use evenkeel_tls::{Facts, Identity, KeyKind};

use super::read::Fault;
use crate::moment::{show_date, show_days, show_moment};
use crate::problem::Code;
use crate::words::{listed, quoted};

/// How long before its end a certificate is worth a look.
const SOON: Duration = Duration::from_secs(14 * 86_400);

/// Most names that a warning repeats.
const MOST_NAMES: usize = 3;

/// Who has which names, by the kind of key.
pub(crate) type Taken = HashMap<(Box<str>, KeyKind), String>;

/// Judges a certificate that clients see; `path` is its file, `taken` the names of those before it.
pub(crate) fn judge_server(
    identity: &Identity,
    path: &str,
    key: &'static str,
    now: SystemTime,
    taken: &mut Taken,
) -> Vec<Fault> {
    let facts = identity.facts();
    let mut faults = Vec::from_iter(validity(facts, path, key, now));
    if !facts.is_for_servers {
        faults.push(for_others("clients", "serverAuth", path, key));
    }
    // Many that signed themselves are CAs by the way, and what is to be said of them is below.
    if facts.is_ca && !facts.is_self_signed {
        let message = format!("the certificate in `{path}` is a CA's: many clients refuse it as a server's");
        let help = "the server's own comes first in its file; or have it issued again without `CA:TRUE`";
        faults.push(Fault::new(key, Code::Purpose, message, help));
    }
    if facts.is_self_signed {
        let message =
            format!("the certificate in `{path}` signed itself: clients refuse it unless they know it");
        faults.push(Fault::new(key, Code::SelfSigned, message, "have a CA sign it"));
    }
    if facts.names.is_empty() && facts.addresses.is_empty() {
        let message = format!("the certificate in `{path}` is for no name: it has no subjectAltName");
        let help = "clients read names nowhere else; have it issued again with `DNS:` names in it";
        faults.push(Fault::new(key, Code::NoName, message, help));
    }
    faults.extend(duplicates(facts, path, key, taken));
    faults
}

/// Judges a certificate that backends see, which read other things in it than names.
pub(crate) fn judge_client(
    identity: &Identity,
    path: &str,
    key: &'static str,
    now: SystemTime,
) -> impl Iterator<Item = Fault> {
    let facts = identity.facts();
    let purpose = (!facts.is_for_clients).then(|| for_others("backends", "clientAuth", path, key));
    validity(facts, path, key, now).chain(purpose)
}

/// It is meant for another use than to be seen by these.
fn for_others(who: &str, usage: &str, path: &str, key: &'static str) -> Fault {
    let message = format!("the certificate in `{path}` is for other uses: {who} refuse it");
    let help = format!("its extended key usage lacks `{usage}`; have it issued again with that");
    Fault::new(key, Code::Purpose, message, help)
}

/// Of the certificate itself, and of the issuer that ends first: whoever renews one may not see to the other.
fn validity(facts: &Facts, path: &str, key: &'static str, now: SystemTime) -> impl Iterator<Item = Fault> {
    let own = match now < facts.not_before {
        true => {
            let message =
                format!("the certificate in `{path}` is not valid before {}", show_moment(facts.not_before));
            Some((Code::NotYetValid, message, "look at the clock of this machine, or wait"))
        }
        false => end(&format!("the certificate in `{path}`"), facts.not_after, now)
            .map(|(code, message)| (code, message, "renew it; its file is read again when it changes")),
    };
    let issuers = facts.first_issuer_to_end.as_ref().and_then(|issuer| {
        let what = format!("{} in the chain of `{path}`", quoted(&issuer.subject));
        let help = "put the chain there that its CA hands out now; the file is read again when it changes";
        end(&what, issuer.not_after, now).map(|(code, message)| (code, message, help))
    });
    let found = own.into_iter().chain(issuers);
    found.map(move |(code, message, help)| Fault::new(key, code, message, help))
}

fn end(what: &str, not_after: SystemTime, now: SystemTime) -> Option<(Code, String)> {
    if now > not_after {
        return Some((Code::Expired, format!("{what} expired on {}", show_moment(not_after))));
    }
    let left = not_after.duration_since(now).unwrap_or_default();
    let date = show_date(not_after);
    (left < SOON).then(|| (Code::ExpiresSoon, format!("{what} expires in {}, on {date}", show_days(left))))
}

/// Enters the names; what others have already is told at once.
fn duplicates(facts: &Facts, path: &str, key: &'static str, taken: &mut Taken) -> Option<Fault> {
    let mut again: Vec<&str> = Vec::new();
    let mut first = None;
    for name in &facts.names {
        match taken.get(&(name.clone(), facts.key)) {
            None => drop(taken.insert((name.clone(), facts.key), path.into())),
            // One certificate may say a name twice.
            Some(other) if other == path => {}
            Some(other) => {
                first.get_or_insert_with(|| other.clone());
                again.push(name);
            }
        }
    }
    let first = first?;
    let more = again.len().saturating_sub(MOST_NAMES);
    let names = listed(again.into_iter().take(MOST_NAMES));
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let message =
        format!("the certificate in `{path}` is for {names}{more}, like the one in {}", quoted(&first));
    let help = "the first of them that is valid is shown; remove one of the two";
    Some(Fault::new(key, Code::DuplicateName, message, help))
}
