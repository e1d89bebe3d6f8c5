//! One element of a list of certificates: a pair of files, or a folder of pairs.

use std::path::PathBuf;
use std::sync::Arc;

use evenkeel_tls::Identity;

use super::folder;
use super::pair::Pair;
use super::read::Fault;

/// Where certificates come from, and which there were when they were read last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    /// Where it is configured, like `listeners[0].tls.certificates[1]`.
    pub(crate) at: String,
    pub(crate) origin: Origin,
    /// In the order of their identities.
    pub(crate) pairs: Vec<Pair>,
}

/// What is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    Files(Pair),
    Folder(PathBuf),
}

/// What a source gave.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    /// In the order of their paths.
    pub(crate) found: Vec<(Pair, Result<Arc<Identity>, Fault>)>,
    /// Why nothing was found at all.
    pub(crate) fault: Option<Fault>,
    pub(crate) warnings: Vec<Fault>,
}

impl Origin {
    /// Reads all of it.
    pub(crate) fn load(&self) -> Loaded {
        let mut loaded = match self {
            Origin::Files(pair) => Loaded { found: vec![(pair.clone(), pair.load())], ..Loaded::default() },
            Origin::Folder(path) => from_folder(path),
        };
        for (pair, result) in &loaded.found {
            if let Some(warning) = pair.open_to_all().filter(|_| result.is_ok()) {
                loaded.warnings.push(Fault { key: self.key(warning.key), ..warning });
            }
        }
        loaded
    }

    /// The key of the configuration that stands for this one of a pair.
    pub(crate) fn key(&self, key: &'static str) -> &'static str {
        match self {
            Origin::Files(_) => key,
            Origin::Folder(_) => "directory",
        }
    }
}

fn from_folder(path: &std::path::Path) -> Loaded {
    match folder::look(path) {
        Err(fault) => Loaded { fault: Some(fault), ..Loaded::default() },
        Ok(folder) => {
            let load = |pair: Pair| {
                let result = pair.load().map_err(|fault| Fault { key: "directory", ..fault });
                (pair, result)
            };
            Loaded {
                found: folder.pairs.into_iter().map(load).collect(),
                fault: None,
                warnings: folder.warnings,
            }
        }
    }
}

impl Source {
    pub(super) fn watched(&self) -> Vec<PathBuf> {
        match &self.origin {
            Origin::Files(pair) => pair.paths().cloned().collect(),
            Origin::Folder(path) => folder::watched(path),
        }
    }
}
