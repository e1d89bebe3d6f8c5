//! What serves does not give way to something worse: to a certificate that is not valid now, or to what is left of a pair.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use evenkeel_tls::Identity;

use super::ListenerFiles;
use super::carry::client;
use super::pair::Pair;
use super::read::{Fault, leads_nowhere};
use super::source::Source;
use crate::Plan;
use crate::moment::show_moment;
use crate::problem::Code;

impl Plan {
    /// What serves in `before` and would give way to something worse here, each with where it is configured and how to mend it.
    pub fn losses(&self, before: &Plan) -> Vec<String> {
        self.losses_at(before, SystemTime::now())
    }

    /// The same, at another time.
    pub fn losses_at(&self, before: &Plan, now: SystemTime) -> Vec<String> {
        // One file may serve twice, and have been renewed in one place alone.
        let valid = before.held().filter(|held| held.identity.facts().is_valid(now));
        let serving =
            Places::new(valid.map(|held| (held.pair, held.identity)), self.held().map(|held| held.pair));
        let worse = self.held().filter_map(|Held { at, key, pair, identity }| {
            Some(worse(pair, key, identity, serving.of(pair)?, now)?.text(at))
        });
        let mut losses: Vec<String> = worse.collect();
        for (files, source) in self.sources() {
            let identities = self.identities(files);
            let pairs: Vec<&Pair> = source.pairs.iter().collect();
            for (_, same) in before.sources().filter(|(_, other)| other.origin == source.origin) {
                let faults =
                    remains(&same.pairs, &pairs).into_iter().filter_map(|pair| match read_again(pair) {
                        Ok(identity) if is_succeeded(&identity, identities, now) => None,
                        Ok(_) => Some(not_found(pair)),
                        Err(fault) => Some(fault),
                    });
                losses.extend(faults.map(|fault| fault.text(&source.at)));
            }
        }
        // Two listeners may have the same folder.
        let mut seen = HashSet::new();
        losses.retain(|text| seen.insert(text.clone()));
        losses
    }

    fn sources(&self) -> impl Iterator<Item = (&ListenerFiles, &Source)> {
        let listeners = self.files.listeners.iter();
        listeners.flat_map(|files| files.sources.iter().map(move |source| (files, source)))
    }

    /// Those of a listener, in the order of its pairs.
    fn identities(&self, files: &ListenerFiles) -> &[Arc<Identity>] {
        let listener = self.listeners.iter().find(|listener| listener.name == files.name);
        let tls = listener.and_then(|listener| listener.tls.as_ref());
        tls.map_or(&[], |tls| &tls.server.parts().identities)
    }

    /// Every certificate, with its files.
    fn held(&self) -> impl Iterator<Item = Held<'_>> {
        let of_listeners = self.files.listeners.iter().flat_map(|files| {
            let pairs =
                files.sources.iter().flat_map(|source| source.pairs.iter().map(move |pair| (source, pair)));
            pairs.zip(self.identities(files)).map(|((source, pair), identity)| Held {
                at: &source.at,
                key: source.origin.key("certificate"),
                pair,
                identity,
            })
        });
        let of_pools = self.files.pools.iter().filter_map(|files| {
            let pool = self.pools.iter().find(|pool| pool.name == files.name)?;
            let identity = client(pool)?.parts().identity.as_deref()?;
            Some(Held { at: &files.at, key: "certificate", pair: files.identity.as_ref()?, identity })
        });
        of_listeners.chain(of_pools)
    }
}

/// A certificate of a plan.
struct Held<'a> {
    /// Where it is configured, and the key there.
    at: &'a str,
    key: &'static str,
    pair: &'a Pair,
    identity: &'a Identity,
}

/// What serves in whose place a pair comes: what is of the same certificate file, else what shares a file with it and has
/// gone from its own. So `NAME.crt` takes the key from `NAME.pem`.
#[derive(Debug)]
pub(crate) struct Places<'a, T> {
    by_certificate: HashMap<&'a Path, T>,
    /// Those that have gone, by each of their files.
    gone: HashMap<&'a Path, T>,
}

impl<'a, T: Copy> Places<'a, T> {
    pub(crate) fn new<'b>(
        before: impl Iterator<Item = (&'a Pair, T)>,
        now: impl Iterator<Item = &'b Pair>,
    ) -> Self {
        let now: HashSet<&Path> = now.map(|pair| &*pair.certificate).collect();
        let mut places = Places { by_certificate: HashMap::new(), gone: HashMap::new() };
        for (pair, serving) in before {
            places.by_certificate.insert(&pair.certificate, serving);
            if !now.contains(&*pair.certificate) {
                places.gone.extend(pair.paths().map(|path| (&**path, serving)));
            }
        }
        places
    }

    pub(crate) fn of(&self, pair: &Pair) -> Option<T> {
        let same = self.by_certificate.get(&*pair.certificate);
        same.or_else(|| pair.paths().find_map(|path| self.gone.get(&**path))).copied()
    }
}

/// Why a certificate does not take the place of another one: it is not valid now, and the other is.
pub(crate) fn worse(
    pair: &Pair,
    key: &'static str,
    new: &Identity,
    serving: &Identity,
    now: SystemTime,
) -> Option<Fault> {
    if new.facts().is_valid(now) || !serving.facts().is_valid(now) {
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

/// Those of a folder's pairs that are none any more, though something is left of them: a file that was emptied, one half, or
/// all of it in a folder that cannot be looked into. Whoever wants a pair to go removes all of it.
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

/// Whether others serve in its place: the same under another name, or valid ones for each of its names.
fn is_succeeded(identity: &Arc<Identity>, others: &[Arc<Identity>], now: SystemTime) -> bool {
    let names = &identity.facts().names;
    let has =
        |name| others.iter().any(|other| other.facts().is_valid(now) && other.facts().names.contains(name));
    others.contains(identity) || (!names.is_empty() && names.iter().all(has))
}

/// Why a pair of a folder is lost that can be read.
fn not_found(pair: &Pair) -> Fault {
    let path = &pair.certificate;
    let folder = path.parent().unwrap_or(path).display();
    let files: Vec<String> = pair.paths().map(|path| format!("`{}`", path.display())).collect();
    let message = format!("`{}` serves, but was not found in its folder", path.display());
    let help = format!(
        "see that `ls {folder}` lists it for the user of the service, and reload again; or remove {}",
        files.join(" and ")
    );
    Fault::new("directory", Code::PassedOver, message, help)
}

/// Takes out what is left of a folder's pairs if another one serves the same: it has only got another name, as by a link.
pub(crate) fn drop_doubles(now: &mut Vec<(Pair, Arc<Identity>)>, left: &[Pair]) {
    let found = now.iter().filter(|(pair, _)| !left.contains(pair));
    let found: Vec<Arc<Identity>> = found.map(|(_, identity)| identity.clone()).collect();
    now.retain(|(pair, identity)| !left.contains(pair) || !found.contains(identity));
}

fn is_gone(path: &Path) -> bool {
    fs::symlink_metadata(path).is_err_and(|error| leads_nowhere(&error))
}
