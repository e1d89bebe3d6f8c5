//! The files that a plan was made of beside its YAML: certificates, keys, CAs, revocation lists.
//!
//! Where each came from is part of the plan, so that files can be read again without the YAML, and so that what is wrong
//! with one is told by the key that names it.

mod authorities;
mod blame;
mod carry;
mod folder;
mod form;
mod judge;
mod keep;
mod pair;
mod read;
mod reread;
mod source;
mod system;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use evenkeel_model::PoolName;

pub(crate) use self::authorities::{certificates, revocation_lists};
pub(crate) use self::blame::{client_fault, server_fault};
pub(crate) use self::carry::client;
pub(crate) use self::judge::{Taken, judge_client, judge_server};
pub(crate) use self::pair::Pair;
pub(crate) use self::read::Fault;
pub(crate) use self::reread::is_for;
pub(crate) use self::source::{Origin, Source};
pub(crate) use self::system::SystemRoots;
use crate::Plan;

/// Where the TLS of a plan comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    pub(crate) listeners: Vec<ListenerFiles>,
    pub(crate) pools: Vec<PoolFiles>,
}

/// Where the TLS of a listener comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ListenerFiles {
    /// Of the listener.
    pub(crate) name: Arc<str>,
    /// Where it is configured, like `listeners[0].tls`.
    pub(crate) at: String,
    /// Their pairs, one after the other, are the server's identities.
    pub(crate) sources: Vec<Source>,
    /// The name whose certificate is the default one; `None`: the first.
    pub(crate) default: Option<Box<str>>,
    pub(crate) client: Option<ClientFiles>,
}

/// Where a listener's knowledge of clients comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClientFiles {
    pub(crate) ca: PathBuf,
    pub(crate) crl: Option<PathBuf>,
}

/// Where the TLS of a pool comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PoolFiles {
    /// Of the pool.
    pub(crate) name: PoolName,
    /// Where it is configured, like `pools.app.tls`.
    pub(crate) at: String,
    pub(crate) ca: Option<PathBuf>,
    pub(crate) identity: Option<Pair>,
}

/// A plan whose files were read again.
#[derive(Debug)]
pub struct Reread {
    /// With what is good of the files as they are now; what is not is as it was.
    pub plan: Plan,
    /// What is wrong with the others, each with where it is configured and how to mend it.
    pub problems: Vec<String>,
}

impl Files {
    /// Those of a listener, if it has TLS.
    pub(crate) fn listener(&self, name: &str) -> Option<&ListenerFiles> {
        self.listeners.iter().find(|files| *files.name == *name)
    }

    /// Those of a pool, if it has any.
    pub(crate) fn pool(&self, name: &PoolName) -> Option<&PoolFiles> {
        self.pools.iter().find(|files| files.name == *name)
    }
}

impl ListenerFiles {
    /// Folders.
    fn configured(&self) -> impl Iterator<Item = &Path> {
        let folders = self.sources.iter().flat_map(|source| match &source.origin {
            Origin::Files(pair) => pair.paths().filter_map(|path| path.parent()).collect(),
            Origin::Folder(path) => vec![path.as_path()],
        });
        let client = self.client.iter().flat_map(|client| std::iter::once(&client.ca).chain(&client.crl));
        folders.chain(client.filter_map(|path| path.parent()))
    }

    fn watched(&self) -> Vec<PathBuf> {
        let mut paths: Vec<PathBuf> = self.sources.iter().flat_map(Source::watched).collect();
        if let Some(client) = &self.client {
            paths.push(client.ca.clone());
            paths.extend(client.crl.clone());
        }
        paths
    }
}

impl PoolFiles {
    /// Folders.
    fn configured(&self) -> impl Iterator<Item = &Path> {
        let files = self.ca.iter().chain(self.identity.iter().flat_map(Pair::paths));
        files.filter_map(|path| path.parent())
    }

    fn watched(&self) -> Vec<PathBuf> {
        let mut paths: Vec<PathBuf> = self.ca.iter().cloned().collect();
        paths.extend(self.identity.iter().flat_map(Pair::paths).cloned());
        paths
    }
}

impl Plan {
    /// The folders that its files are in, as they are configured, each once; nothing is looked at.
    pub fn folders(&self) -> Vec<&Path> {
        let listeners = self.files.listeners.iter().flat_map(ListenerFiles::configured);
        let pools = self.files.pools.iter().flat_map(PoolFiles::configured);
        let mut seen = HashSet::new();
        listeners.chain(pools).filter(|folder| seen.insert(*folder)).collect()
    }

    /// Every file and folder whose change may change the plan, in the order of the configuration, each once. Folders are
    /// looked into each time.
    pub fn watched(&self) -> Vec<PathBuf> {
        let listeners = self.files.listeners.iter().flat_map(ListenerFiles::watched);
        let pools = self.files.pools.iter().flat_map(PoolFiles::watched);
        let mut seen = HashSet::new();
        listeners.chain(pools).filter(|path| seen.insert(path.clone())).collect()
    }
}
