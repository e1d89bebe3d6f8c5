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
) -> Option<Fault> {
    validity(identity.facts(), path, key, now)
}

fn validity(facts: &Facts, path: &str, key: &'static str, now: SystemTime) -> Option<Fault> {
    let Facts { not_before, not_after, .. } = *facts;
    let (code, message, help) = if now > not_after {
        let message = format!("the certificate in `{path}` expired on {}", show_moment(not_after));
        (Code::Expired, message, "renew it")
    } else if now < not_before {
        let message = format!("the certificate in `{path}` is not valid before {}", show_moment(not_before));
        (Code::NotYetValid, message, "look at the clock of this machine, or wait")
    } else if now + SOON > not_after {
        let left = show_days(not_after.duration_since(now).unwrap_or_default());
        let message = format!("the certificate in `{path}` expires in {left}, on {}", show_date(not_after));
        (Code::ExpiresSoon, message, "renew it; its file is read again when it changes")
    } else {
        return None;
    };
    Some(Fault::new(key, code, message, help))
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
    let help = "the first of them is shown; remove one of the two";
    Some(Fault::new(key, Code::DuplicateName, message, help))
}
