//! A folder of certificates: which of its files belong together.
//!
//! `NAME.crt` or `NAME.pem` goes with `NAME.key`; `fullchain.pem` with `privkey.pem`; a `NAME.pem` may hold both.
//! Folders in it are looked at, too, but none below those. Hidden names, such as Kubernetes' `..data`, are passed over.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::form::{Form, has_certificate, has_key, is_pem};
use super::pair::Pair;
use super::read::{self, Fault, leads_nowhere};
use crate::problem::Code;

/// Most certificates of a folder.
const MOST: usize = 1000;

/// Most names in a folder, with those in its folders: so many are no certificates.
const MOST_NAMES: usize = 20_000;

/// Certificates that lie beside a pair without a key of their own: CAs, and what certbot keeps for old servers.
const COMPANIONS: [&str; 6] = ["ca", "chain", "ca-bundle", "ca-chain", "cacert", "cert"];

/// What a folder holds.
#[derive(Debug, Default)]
pub(crate) struct Folder {
    /// By path.
    pub(crate) pairs: Vec<Pair>,
    /// What lacks its other half, or is no half of anything; folders in it that cannot be looked into.
    pub(crate) warnings: Vec<Fault>,
}

/// Looks into a folder.
pub(crate) fn look(path: &Path) -> Result<Folder, Fault> {
    let Listing { folders, closed } = listing(path)?;
    let mut folder = Folder { warnings: closed, ..Folder::default() };
    for (_, files) in &folders {
        folder.pair(files);
    }
    folder.pairs.sort();
    let count = folder.pairs.len();
    if count > MOST {
        let message = format!("`{}` holds more than {MOST} certificates", path.display());
        return Err(Fault::new("directory", Code::TooLarge, message, "write several folders"));
    }
    if count == 0 {
        let message = format!("`{}` holds no certificate with its key", path.display());
        let help = "put in `NAME.crt` or `NAME.pem` with `NAME.key`, `fullchain.pem` with `privkey.pem`, or \
                    a `NAME.pem` with both";
        return Err(Fault::new("directory", Code::Empty, message, help));
    }
    Ok(folder)
}

/// Every folder and file of it that may matter: the folder itself, those in it, and files with a name like one of a pair.
pub(crate) fn watched(path: &Path) -> Vec<PathBuf> {
    let mut paths = vec![path.to_owned()];
    for (folder, files) in listing(path).unwrap_or_default().folders {
        if folder != path {
            paths.push(folder);
        }
        paths.extend(files);
    }
    paths
}

/// What is in a folder and in those in it.
#[derive(Debug, Default)]
struct Listing {
    /// Files by folder; only those with the ending of a certificate or a key.
    folders: Vec<(PathBuf, BTreeSet<PathBuf>)>,
    /// Folders that cannot be looked into.
    closed: Vec<Fault>,
}

fn listing(path: &Path) -> Result<Listing, Fault> {
    let mut listing = Listing::default();
    let mut left = MOST_NAMES;
    let (files, folders) = names(path, &mut left)?;
    listing.folders.push((path.to_owned(), files));
    // A folder may lead back to itself, or be there under several names.
    let identity = |path: &Path| std::fs::metadata(path).map(|it| (it.dev(), it.ino())).ok();
    let mut seen = BTreeSet::from([identity(path)]);
    for folder in folders {
        let who = identity(&folder);
        if who.is_some() && !seen.insert(who) {
            continue;
        }
        // One that was always closed, like a volume's `lost+found`, must not keep the rest from service.
        let files = match names(&folder, &mut left) {
            Ok((files, _)) => files,
            Err(fault) if fault.code == Code::Unreadable => {
                listing.closed.push(Fault { code: Code::PassedOver, ..fault });
                BTreeSet::new()
            }
            Err(fault) => return Err(fault),
        };
        listing.folders.push((folder, files));
    }
    Ok(listing)
}

/// Files and folders, each by name.
fn names(path: &Path, left: &mut usize) -> Result<(BTreeSet<PathBuf>, BTreeSet<PathBuf>), Fault> {
    let unreadable = |error| read::unreadable(path, "directory", &error);
    let (mut files, mut folders) = (BTreeSet::new(), BTreeSet::new());
    for entry in std::fs::read_dir(path).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        *left = left.checked_sub(1).ok_or_else(|| {
            let message = format!("`{}` holds more than {MOST_NAMES} files", path.display());
            Fault::new("directory", Code::TooLarge, message, "write a folder that holds certificates alone")
        })?;
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        let path = entry.path();
        // Links are followed.
        match std::fs::metadata(&path) {
            Ok(kind) if kind.is_dir() => drop(folders.insert(path)),
            Ok(kind) if kind.is_file() && ending(&path).is_some() => drop(files.insert(path)),
            Ok(_) => {}
            Err(error) if leads_nowhere(&error) => {}
            // What may not even be looked at is taken for what its name says; reading it tells why it cannot be.
            Err(_) if ending(&path).is_some() => drop(files.insert(path)),
            Err(_) => drop(folders.insert(path)),
        }
    }
    Ok((files, folders))
}

/// The kinds of files that matter.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    Certificate,
    Key,
}

fn ending(path: &Path) -> Option<Ending> {
    match path.extension()?.to_str()? {
        "crt" | "pem" => Some(Ending::Certificate),
        "key" => Some(Ending::Key),
        _ => None,
    }
}

impl Folder {
    /// Pairs the files of one folder.
    fn pair(&mut self, files: &BTreeSet<PathBuf>) {
        let mut used: BTreeSet<&PathBuf> = BTreeSet::new();
        let certificates = || files.iter().filter(|path| ending(path) == Some(Ending::Certificate));
        for certificate in certificates() {
            let names = [certificate.with_extension("key"), certificate.with_file_name("privkey.pem")];
            let [named, certbot] = names.map(|path| files.get(&path));
            let is_fullchain = certificate.file_name().is_some_and(|name| name == "fullchain.pem");
            let Some(key) = named.or(certbot.filter(|_| is_fullchain)) else { continue };
            // Of `NAME.crt` and `NAME.pem` the first has the key.
            if used.insert(key) {
                self.pairs.push(Pair { certificate: certificate.clone(), key: Some(key.clone()) });
            }
            used.insert(certificate);
        }
        for certificate in certificates().filter(|path| !used.contains(path)) {
            self.single(certificate);
        }
        let keys = files.iter().filter(|path| ending(path) == Some(Ending::Key));
        for key in keys.filter(|path| !used.contains(path)) {
            let message = format!("`{}` is a key without a certificate", key.display());
            let help = "put the certificate beside it, under the same name with `.crt`, or remove it";
            self.warnings.push(Fault::new("directory", Code::Unpaired, message, help));
        }
    }

    /// A file that no other goes with: it may hold both, one of the two, or something else.
    fn single(&mut self, path: &Path) {
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let is_companion = COMPANIONS.contains(&stem);
        let Ok(bytes) = read::bytes(path, "directory") else {
            // Reading it again says why.
            if !is_companion {
                self.pairs.push(Pair { certificate: path.to_owned(), key: None });
            }
            return;
        };
        match (has_certificate(&bytes), has_key(&bytes)) {
            (true, true) => self.pairs.push(Pair { certificate: path.to_owned(), key: None }),
            (true, false) if !is_companion => {
                let message = format!("`{}` is a certificate without a key", path.display());
                let help = "put the key beside it, under the same name with `.key`, or remove it";
                self.warnings.push(Fault::new("directory", Code::Unpaired, message, help));
            }
            (false, true) => {
                let message = format!("`{}` is a key without a certificate", path.display());
                let help = "name it like its certificate, with `.key`, or remove it";
                self.warnings.push(Fault::new("directory", Code::Unpaired, message, help));
            }
            // PEM of another kind, such as parameters, is no certificate that somebody spoilt. And a companion may be empty:
            // not everybody who issues a secret knows its CA.
            (false, false) if !is_companion && !is_pem(&bytes) => {
                let form = Form::of(&bytes);
                let message =
                    format!("`{}` holds neither a certificate nor a key: {}", path.display(), form.name());
                let help = match form {
                    Form::Empty | Form::Other => "put the certificate into it, or remove it".into(),
                    _ => format!("{}, or remove it", form.certificate_help(path)),
                };
                self.warnings.push(Fault::new("directory", Code::Unpaired, message, help));
            }
            (true, false) | (false, false) => {}
        }
    }
}
