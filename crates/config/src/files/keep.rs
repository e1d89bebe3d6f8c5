//! What serves does not give way to something worse: to a certificate that is not valid now, or to what is left of a pair.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use evenkeel_tls::Identity;

use super::pair::Pair;
use super::read::{Fault, leads_nowhere};
use crate::moment::show_moment;
use crate::problem::Code;

/// Why a certificate does not take the place of one from the same file: it is not valid now, and the other is.
pub(crate) fn worse(
    pair: &Pair,
    key: &'static str,
    new: &Identity,
    serving: &Identity,
    now: SystemTime,
) -> Option<Fault> {
    let is_valid =
        |identity: &Identity| (identity.facts().not_before..=identity.facts().not_after).contains(&now);
    if is_valid(new) || !is_valid(serving) {
        return None;
    }
    let path = pair.certificate.display();
    let (code, what) = match new.facts().not_after < now {
        true => (Code::Expired, format!("expired on {}", show_moment(new.facts().not_after))),
        false => (Code::NotYetValid, format!("is not valid before {}", show_moment(new.facts().not_before))),
    };
    let message =
        format!("the new certificate in `{path}` {what}; the one that serves is valid, and goes on");
    let help = "put one there that is valid now; or wait, or look at the clock of this machine";
    Some(Fault::new(key, code, message, help))
}

/// Those of a folder's pairs that are none any more, though something is left of them: a file that was emptied, or one
/// half. Whoever wants a pair to go removes all of it.
pub(crate) fn remains<'a>(before: &'a [Pair], now: &[&Pair]) -> Vec<&'a Pair> {
    let used: HashSet<&PathBuf> = now.iter().flat_map(|pair| pair.paths()).collect();
    let is_left = |pair: &&Pair| {
        !pair.paths().any(|path| used.contains(path)) && pair.paths().any(|path| !is_gone(path))
    };
    before.iter().filter(is_left).collect()
}

/// Reads what is left of a pair of a folder: it may be whole again by now.
pub(crate) fn read_again(pair: &Pair) -> Result<Arc<Identity>, Fault> {
    pair.load().map_err(|fault| {
        let left: Vec<String> = pair
            .paths()
            .filter(|path| fs::symlink_metadata(path).is_ok())
            .map(|path| path.display().to_string())
            .collect();
        let help = match left.is_empty() {
            // It cannot even be looked at, and the fault says how to change that.
            true => fault.help,
            false => {
                let left = left.join("` and `");
                format!("put all of the pair there, or remove what is left of it: `{left}`")
            }
        };
        Fault { key: "directory", help, ..fault }
    })
}

fn is_gone(path: &Path) -> bool {
    fs::symlink_metadata(path).is_err_and(|error| leads_nowhere(&error))
}
