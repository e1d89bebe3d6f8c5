//! What can be seen of files and folders without reading them, to tell whether one changed.
//!
//! A file is who it is (where its links end, device, inode) and how it is (times, size): one that is written in place,
//! renamed over, or reached by another link is another sight.

use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Most entries of a folder that are looked at.
const MOST_ENTRIES: usize = 10_000;

/// Levels below a folder that are looked at: its entries, and those of its subfolders.
const LEVELS: u8 = 2;

/// Every file and folder that is watched, as they are at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sight(Vec<Seen>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    /// Neither there nor readable.
    Nothing(io::ErrorKind),
    File {
        /// Where its links end.
        path: PathBuf,
        device: u64,
        inode: u64,
        /// Seconds and nanoseconds.
        modified: (i64, i64),
        /// Of its inode: also when its owner or mode changed.
        changed: (i64, i64),
        size: u64,
    },
    Folder {
        /// Where its links end.
        path: PathBuf,
        /// By name, without those that are hidden.
        entries: Vec<(OsString, Seen)>,
    },
}

impl Sight {
    /// Looks at each; waits for as long as the file system does.
    pub(super) fn of(paths: &[PathBuf]) -> Sight {
        Sight(paths.iter().map(|path| look(path, LEVELS)).collect())
    }
}

fn look(path: &Path, levels: u8) -> Seen {
    match fs::canonicalize(path) {
        Ok(path) => look_at(path, levels),
        Err(error) => Seen::Nothing(error.kind()),
    }
}

/// At a path without links.
fn look_at(path: PathBuf, levels: u8) -> Seen {
    match fs::metadata(&path) {
        Ok(metadata) if metadata.is_dir() => folder(path, levels),
        Ok(metadata) => file(path, &metadata),
        Err(error) => Seen::Nothing(error.kind()),
    }
}

fn file(path: PathBuf, metadata: &Metadata) -> Seen {
    Seen::File {
        path,
        device: metadata.dev(),
        inode: metadata.ino(),
        modified: (metadata.mtime(), metadata.mtime_nsec()),
        changed: (metadata.ctime(), metadata.ctime_nsec()),
        size: metadata.size(),
    }
}

fn folder(path: PathBuf, levels: u8) -> Seen {
    if levels == 0 {
        return Seen::Folder { path, entries: Vec::new() };
    }
    let listed = match fs::read_dir(&path) {
        Ok(listed) => listed,
        Err(error) => return Seen::Nothing(error.kind()),
    };
    let visible = listed.flatten().filter(|entry| !entry.file_name().as_encoded_bytes().starts_with(b"."));
    let entries = visible.take(MOST_ENTRIES).map(|entry| {
        // Only a link has to be followed, which takes long where there are many.
        let is_link = entry.file_type().is_ok_and(|kind| kind.is_symlink());
        let seen = if is_link { look(&entry.path(), levels - 1) } else { look_at(entry.path(), levels - 1) };
        (entry.file_name(), seen)
    });
    let mut entries: Vec<_> = entries.collect();
    entries.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
    Seen::Folder { path, entries }
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
            let paths: Vec<_> = watched.iter().map(|name| self.0.path().join(name)).collect();
            let before = Sight::of(&paths);
            assert_eq!(before, Sight::of(&paths), "nothing happened");
            wait_for_the_next_tick();
            change(self.0.path());
            before != Sight::of(&paths)
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
        assert!(
            scene.sees(&["a.pem"], |folder| rename(folder.join("new"), folder.join("a.pem")).unwrap()),
            "as every client of ACME does it"
        );
    }

    #[test]
    fn a_folder_that_a_link_is_swapped_to_is_seen_as_kubernetes_does_it() {
        let scene = Scene::new(|folder| {
            for (version, text) in [("..2026_1", "one"), ("..2026_2", "two")] {
                create_dir(folder.join(version)).unwrap();
                write(folder.join(version).join("tls.crt"), text).unwrap();
                write(folder.join(version).join("tls.key"), text).unwrap();
            }
            symlink("..2026_1", folder.join("..data")).unwrap();
            symlink("..data/tls.crt", folder.join("tls.crt")).unwrap();
            symlink("..data/tls.key", folder.join("tls.key")).unwrap();
        });
        let swap = |to: &'static str| {
            move |folder: &Path| {
                symlink(to, folder.join("..data_tmp")).unwrap();
                rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
            }
        };
        assert!(scene.sees(&["tls.crt", "tls.key"], swap("..2026_2")), "by their paths");
        assert!(scene.sees(&["."], swap("..2026_1")), "by the folder");
    }

    #[test]
    fn a_link_to_another_file_is_seen_as_certbot_does_it() {
        let scene = Scene::new(|folder| {
            create_dir(folder.join("archive")).unwrap();
            create_dir(folder.join("live")).unwrap();
            create_dir(folder.join("live/site")).unwrap();
            for version in 1..=2 {
                write(folder.join(format!("archive/fullchain{version}.pem")), "same size").unwrap();
            }
            symlink("../../archive/fullchain1.pem", folder.join("live/site/fullchain.pem")).unwrap();
        });
        let renew = |to: &'static str| {
            move |folder: &Path| {
                let link = folder.join("live/site/fullchain.pem");
                remove_file(&link).unwrap();
                symlink(format!("../../archive/{to}"), link).unwrap();
            }
        };
        assert!(scene.sees(&["live/site/fullchain.pem"], renew("fullchain2.pem")), "by its path");
        assert!(scene.sees(&["live"], renew("fullchain1.pem")), "in a subfolder of what is watched");
    }

    #[test]
    fn what_comes_to_a_folder_and_what_leaves_it_is_seen() {
        let scene = Scene::new(|folder| create_dir(folder.join("certs")).unwrap());
        let file = |folder: &Path| folder.join("certs/a.pem");
        assert!(scene.sees(&["certs"], |folder| write(file(folder), "one").unwrap()));
        assert!(scene.sees(&["certs"], |folder| remove_file(file(folder)).unwrap()));
        assert!(scene.sees(&["certs"], |folder| create_dir(folder.join("certs/site")).unwrap()));
        assert!(scene.sees(&["certs"], |folder| write(folder.join("certs/site/a.pem"), "one").unwrap()));
    }

    #[test]
    fn what_is_hidden_is_not_looked_at() {
        let scene = Scene::new(|_| {});
        assert!(!scene.sees(&["."], |folder| write(folder.join(".a.pem.swp"), "one").unwrap()));
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
    fn links_in_a_circle_and_files_as_folders_are_nothing() {
        let scene = Scene::new(|folder| {
            symlink("b", folder.join("a")).unwrap();
            symlink("a", folder.join("b")).unwrap();
            write(folder.join("file"), "").unwrap();
        });
        assert!(!scene.sees(&["a", "file/x", "."], |_| {}));
    }
}
