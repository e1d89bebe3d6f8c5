//! What serves does not give way to something worse: to what is left of a pair.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use evenkeel_tls::Identity;

use super::pair::Pair;
use super::read::{Fault, leads_nowhere};

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
