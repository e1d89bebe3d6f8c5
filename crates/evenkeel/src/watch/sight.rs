//! What can be seen of files and folders without reading them, to tell whether one changed.
//!
//! A file is who it is (where its links end, device, inode) and how it is (times, size): one that is written in place,
//! renamed over, or reached by another link is another sight.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Every file and folder that is watched, as they are at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sight(Vec<(PathBuf, Seen)>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    /// It is not there, or may not be looked at.
    Nothing(io::ErrorKind),
    /// Which names are in it is seen by what is watched.
    Folder(End),
    File {
        end: End,
        device: u64,
        inode: u64,
        /// Seconds and nanoseconds.
        modified: (i64, i64),
        /// Of its inode: also when its owner or mode changed.
        changed: (i64, i64),
        size: u64,
    },
}

/// Where the links of a path end.
#[derive(Clone, Debug, PartialEq, Eq)]
struct End {
    folder: PathBuf,
    name: Option<OsString>,
}

/// Where the links of folders end: following them for each file takes long where there are many.
#[derive(Default)]
struct Folders<'a>(HashMap<&'a Path, PathBuf>);

impl Sight {
    /// Looks at each; waits for as long as the file system does.
    pub(super) fn of(paths: Vec<PathBuf>) -> Sight {
        let mut folders = Folders::default();
        let seen: Vec<_> = paths.iter().map(|path| look(path, &mut folders)).collect();
        Sight(paths.into_iter().zip(seen).collect())
    }

    /// Whether there is nothing to look at.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn look<'a>(path: &'a Path, folders: &mut Folders<'a>) -> Seen {
    let seen = folders.end(path).and_then(|end| Ok((end, fs::metadata(path)?)));
    match seen {
        Ok((end, metadata)) if metadata.is_dir() => Seen::Folder(end),
        Ok((end, metadata)) => file(end, &metadata),
        Err(error) => Seen::Nothing(error.kind()),
    }
}

fn file(end: End, metadata: &Metadata) -> Seen {
    Seen::File {
        end,
        device: metadata.dev(),
        inode: metadata.ino(),
        modified: (metadata.mtime(), metadata.mtime_nsec()),
        changed: (metadata.ctime(), metadata.ctime_nsec()),
        size: metadata.size(),
    }
}

impl<'a> Folders<'a> {
    fn end(&mut self, path: &'a Path) -> io::Result<End> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Ok(End { folder: fs::canonicalize(path)?, name: None });
        };
        if fs::symlink_metadata(path)?.is_symlink() {
            return Ok(End { folder: fs::canonicalize(path)?, name: None });
        }
        let folder = match self.0.get(parent) {
            Some(folder) => folder.clone(),
            None => self.0.entry(parent).or_insert(fs::canonicalize(parent)?).clone(),
        };
        Ok(End { folder, name: Some(name.to_owned()) })
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, create_dir, remove_file, rename, write};
    use std::os::unix::fs::{PermissionsExt, symlink};

    use tempfile::TempDir;

    use super::*;

    /// A folder, and whether what is watched in it is another sight after a change.
    struct Scene(TempDir);

    impl Scene {
        fn new(prepare: impl FnOnce(&Path)) -> Scene {
            let scene = Scene(tempfile::tempdir().unwrap());
            prepare(scene.0.path());
            scene
        }

        fn sees(&self, watched: &[&str], change: impl FnOnce(&Path)) -> bool {
            let look = || Sight::of(watched.iter().map(|name| self.0.path().join(name)).collect());
            let before = look();
            assert_eq!(before, look(), "nothing happened");
            wait_for_the_next_tick();
            change(self.0.path());
            before != look()
        }
    }

    /// Times of files have its grain.
    fn wait_for_the_next_tick() {
        let time = || tempfile::tempfile().unwrap().metadata().unwrap().modified().unwrap();
        let now = time();
        while time() == now {
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_write_in_place_is_seen_even_if_the_size_stays() {
        let scene = Scene::new(|folder| write(folder.join("a.pem"), "one").unwrap());
        assert!(scene.sees(&["a.pem"], |folder| write(folder.join("a.pem"), "two").unwrap()));
    }

    #[test]
    fn a_file_that_is_renamed_over_another_is_seen() {
        let scene = Scene::new(|folder| {
            write(folder.join("a.pem"), "one").unwrap();
            write(folder.join("new"), "one").unwrap();
        });
        let renew = |folder: &Path| rename(folder.join("new"), folder.join("a.pem")).unwrap();
        assert!(scene.sees(&["a.pem"], renew), "as most clients of ACME do it");
    }

    #[test]
    fn a_folder_that_a_link_is_swapped_to_is_seen_as_kubernetes_does_it() {
        let scene = Scene::new(|folder| {
            for version in ["..2026_1", "..2026_2"] {
                create_dir(folder.join(version)).unwrap();
                write(folder.join(version).join("tls.crt"), "same size").unwrap();
            }
            symlink("..2026_1", folder.join("..data")).unwrap();
            symlink("..data/tls.crt", folder.join("tls.crt")).unwrap();
        });
        let swap = |folder: &Path| {
            symlink("..2026_2", folder.join("..data_tmp")).unwrap();
            rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
        };
        assert!(scene.sees(&["tls.crt"], swap));
    }

    #[test]
    fn a_link_to_another_file_is_seen_as_certbot_does_it() {
        let scene = Scene::new(|folder| {
            create_dir(folder.join("archive")).unwrap();
            create_dir(folder.join("live")).unwrap();
            for version in 1..=2 {
                write(folder.join(format!("archive/fullchain{version}.pem")), "same size").unwrap();
            }
            symlink("../archive/fullchain1.pem", folder.join("live/fullchain.pem")).unwrap();
        });
        let renew = |folder: &Path| {
            let link = folder.join("live/fullchain.pem");
            remove_file(&link).unwrap();
            symlink("../archive/fullchain2.pem", link).unwrap();
        };
        assert!(scene.sees(&["live", "live/fullchain.pem"], renew));
    }

    #[test]
    fn a_folder_above_that_becomes_a_link_is_seen() {
        let scene = Scene::new(|folder| {
            create_dir(folder.join("one")).unwrap();
            write(folder.join("one/a.pem"), "").unwrap();
            symlink("one", folder.join("now")).unwrap();
        });
        let swap = |folder: &Path| {
            create_dir(folder.join("two")).unwrap();
            fs::hard_link(folder.join("one/a.pem"), folder.join("two/a.pem")).unwrap();
            remove_file(folder.join("now")).unwrap();
            symlink("two", folder.join("now")).unwrap();
        };
        assert!(scene.sees(&["now/a.pem"], swap));
    }

    #[test]
    fn a_file_that_becomes_readable_or_is_there_at_last_is_seen() {
        let scene = Scene::new(|folder| write(folder.join("a.key"), "one").unwrap());
        let allow = |folder: &Path| {
            fs::set_permissions(folder.join("a.key"), Permissions::from_mode(0o640)).unwrap();
        };
        assert!(scene.sees(&["a.key"], allow));
        assert!(scene.sees(&["b.key"], |folder| write(folder.join("b.key"), "one").unwrap()));
        assert!(scene.sees(&["b.key"], |folder| remove_file(folder.join("b.key")).unwrap()));
    }

    #[test]
    fn a_name_more_is_another_sight() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let look = |count| Sight::of(vec![file.path().to_owned(); count]);
        assert_ne!(look(1), look(2));
        assert!(look(0).is_empty());
    }

    #[test]
    fn links_in_a_circle_files_as_folders_and_the_root_are_looked_at_calmly() {
        let scene = Scene::new(|folder| {
            symlink("b", folder.join("a")).unwrap();
            symlink("a", folder.join("b")).unwrap();
            write(folder.join("file"), "").unwrap();
        });
        assert!(!scene.sees(&["a", "file/x", ".", "/"], |_| {}));
    }
}
