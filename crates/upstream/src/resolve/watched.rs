//! A file of the system that may change at any time: read when it did.

use std::fs::{File, Metadata};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// A small file on a local disk, as what it says. One that cannot be read says nothing.
#[derive(Debug)]
pub(super) struct Watched<T> {
    path: PathBuf,
    parse: fn(&[u8]) -> T,
    last: Mutex<Option<(Stamp, Arc<T>)>>,
}

/// What changes with the file: device and inode, size, and both times to the nanosecond; `None` if there is no file.
type Stamp = Option<[i64; 7]>;

impl<T> Watched<T> {
    /// Not read yet.
    pub(super) fn new(path: &Path, parse: fn(&[u8]) -> T) -> Self {
        Watched { path: path.to_owned(), parse, last: Mutex::default() }
    }

    /// What it says now. One system call unless it changed.
    pub(super) fn read(&self) -> Arc<T> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = self.path.metadata().ok().as_ref().map(stamp);
        match &*last {
            Some((known, content)) if *known == stamp => content.clone(),
            Some(_) | None => {
                // Stamped from the open file, so that one that is replaced just now is read again.
                let (stamp, bytes) = self.load().unwrap_or_default();
                let content = Arc::new((self.parse)(&bytes));
                *last = Some((stamp, content.clone()));
                content
            }
        }
    }

    fn load(&self) -> std::io::Result<(Stamp, Vec<u8>)> {
        let mut file = File::open(&self.path)?;
        let stamp = stamp(&file.metadata()?);
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok((Some(stamp), bytes))
    }
}

fn stamp(file: &Metadata) -> [i64; 7] {
    [
        file.dev() as i64,
        file.ino() as i64,
        file.size() as i64,
        file.mtime(),
        file.mtime_nsec(),
        file.ctime(),
        file.ctime_nsec(),
    ]
}
