//! The admin socket's file: where it usually is, how it is made without taking anybody else's, and its removal.

use std::fmt;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use evenkeel_config::AdminSocket as Rule;
use rustix::fs::{FlockOperation, Mode, fchmod, flock};
use socket2::{Domain, SockAddr, Socket, Type};

use crate::source::Source;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 128;

/// Longest wait for another evenkeel that starts in the same place at the same moment.
const LONGEST_LOCK: Duration = Duration::from_millis(500);

/// The admin socket, listening, and its file.
#[derive(Debug)]
pub(crate) struct AdminSocket {
    pub(crate) listener: UnixListener,
    pub(crate) file: SocketFile,
}

/// A socket's file; removed when dropped, unless another one stands in its place by then.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

/// Why there is no admin socket.
#[derive(Debug)]
pub(crate) struct SocketError {
    path: PathBuf,
    why: Why,
    /// What an operator changes to have it elsewhere.
    setting: String,
}

#[derive(Debug)]
enum Why {
    /// A process answers there.
    Taken,
    /// Something else has that name.
    NoSocket,
    Folder(io::Error),
    Socket(io::Error),
}

/// Where the admin socket may be unless it is configured: a node makes it at the first place, a client looks at each.
pub(crate) fn usual_places() -> Vec<PathBuf> {
    places(|name| std::env::var_os(name).and_then(|value| value.into_string().ok()))
}

fn places(variable: impl Fn(&str) -> Option<String>) -> Vec<PathBuf> {
    // systemd separates several by colons.
    let runtime = variable("RUNTIME_DIRECTORY").and_then(|list| list.split(':').next().map(PathBuf::from));
    let user = variable("XDG_RUNTIME_DIR").map(|folder| Path::new(&folder).join("evenkeel"));
    let folders = [runtime, user, Some("/run/evenkeel".into())].into_iter().flatten();
    let mut places: Vec<PathBuf> =
        folders.filter(|folder| folder.is_absolute()).map(|folder| folder.join("admin.sock")).collect();
    places.dedup();
    places
}

/// Opens the admin socket as the rule says. In its usual place it is a convenience: without it there is a warning.
///
/// # Errors
/// One that the configuration asks for cannot be made.
pub(crate) fn open(rule: &Rule, source: &Source) -> Result<Option<AdminSocket>, SocketError> {
    match rule {
        Rule::Off => Ok(None),
        Rule::At(path) => open_at(path, source).map(Some),
        Rule::Usual => {
            let places = usual_places();
            // The last place is a constant.
            let Some(path) = places.first() else { return Ok(None) };
            let opened = make_folder(path).map_err(Why::Folder);
            let opened = opened.map_err(|why| SocketError::new(path, why, source));
            match opened.and_then(|()| open_at(path, source)) {
                Ok(socket) => Ok(Some(socket)),
                Err(error) => {
                    tracing::warn!("{error}; this node takes no orders (`evenkeel backend`)");
                    Ok(None)
                }
            }
        }
    }
}

fn make_folder(path: &Path) -> io::Result<()> {
    let Some(folder) = path.parent() else { return Ok(()) };
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn open_at(path: &Path, source: &Source) -> Result<AdminSocket, SocketError> {
    bind(path).map_err(|why| SocketError::new(path, why, source))
}

fn bind(path: &Path) -> Result<AdminSocket, Why> {
    // Between the look at a dead file and its replacement nobody else may do the same.
    let _lock = lock(path);
    remove_dead(path)?;
    listen(path).map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => Why::Taken,
        _ => Why::Socket(error),
    })
}

/// Holds the folder until it is dropped. Whoever locks folders for other reasons holds up nothing for long.
fn lock(path: &Path) -> Option<File> {
    let folder = File::open(path.parent()?).ok()?;
    let deadline = Instant::now() + LONGEST_LOCK;
    while flock(&folder, FlockOperation::NonBlockingLockExclusive).is_err() {
        if Instant::now() >= deadline {
            return None;
        }
        std::thread::park_timeout(Duration::from_millis(5));
    }
    Some(folder)
}

/// Removes a socket on which nobody listens. One that somebody listens on is never touched, nor is any other file.
fn remove_dead(path: &Path) -> Result<(), Why> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Why::Socket(error)),
        Ok(metadata) if !metadata.file_type().is_socket() => return Err(Why::NoSocket),
        Ok(_) => {}
    }
    match connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(Why::Socket)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        // Permissions and full queues, too, tell of somebody else's.
        Ok(()) | Err(_) => Err(Why::Taken),
    }
}

fn connect(path: &Path) -> io::Result<()> {
    // Without waiting: a listener whose queue is full lives.
    let socket = Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None)?;
    socket.connect(&SockAddr::unix(path)?)
}

fn listen(path: &Path) -> io::Result<AdminSocket> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None)?;
    // Before it has a name, so that it never has one with other permissions.
    fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
    socket.bind(&SockAddr::unix(path)?)?;
    let metadata = fs::symlink_metadata(path)?;
    let file = SocketFile { path: path.to_owned(), device: metadata.dev(), inode: metadata.ino() };
    socket.listen(BACKLOG)?;
    Ok(AdminSocket { listener: socket.into(), file })
}

impl SocketFile {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    fn is_ours(&self) -> bool {
        fs::symlink_metadata(&self.path)
            .is_ok_and(|metadata| (metadata.dev(), metadata.ino()) == (self.device, self.inode))
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.is_ours()
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::warn!(%error, "{} cannot be removed", self.path.display());
        }
    }
}

impl SocketError {
    fn new(path: &Path, why: Why, source: &Source) -> Self {
        SocketError { path: path.to_owned(), why, setting: source.socket_setting() }
    }
}

impl fmt::Display for SocketError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SocketError { path, why, setting } = self;
        write!(out, "the admin socket cannot be at {}: ", path.display())?;
        match why {
            Why::Taken => write!(out, "another process answers there, most likely another evenkeel")?,
            Why::NoSocket => write!(out, "there is a file that is no socket")?,
            Why::Folder(error) => write!(out, "its folder cannot be made: {error}")?,
            Why::Socket(error) => write!(out, "{error}")?,
        }
        write!(out, "; {setting} puts it elsewhere")
    }
}

impl std::error::Error for SocketError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.why {
            Why::Taken | Why::NoSocket => None,
            Why::Folder(error) | Why::Socket(error) => Some(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::UnixDatagram;

    use tempfile::TempDir;

    use super::*;

    fn scene() -> (TempDir, PathBuf, Source) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.sock");
        (folder, path, Source::File("a.yaml".into()))
    }

    fn at(path: &Path, source: &Source) -> Result<AdminSocket, SocketError> {
        open(&Rule::At(path.to_owned()), source).map(|socket| socket.unwrap())
    }

    #[test]
    fn the_usual_places_follow_the_environment() {
        let with = |pairs: &'static [(&str, &str)]| {
            places(move |name| {
                pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_string())
            })
        };
        let last = "/run/evenkeel/admin.sock";
        assert_eq!(with(&[]), [Path::new(last)]);
        assert_eq!(
            with(&[("RUNTIME_DIRECTORY", "/run/a:/run/b"), ("XDG_RUNTIME_DIR", "/run/user/7")]),
            ["/run/a/admin.sock", "/run/user/7/evenkeel/admin.sock", last].map(Path::new)
        );
        assert_eq!(with(&[("RUNTIME_DIRECTORY", ""), ("XDG_RUNTIME_DIR", "here")]), [Path::new(last)]);
        assert_eq!(with(&[("RUNTIME_DIRECTORY", "/run/evenkeel")]), [Path::new(last)]);
    }

    #[test]
    fn only_its_user_may_use_it_and_it_goes_when_the_node_goes() {
        let (_folder, path, source) = scene();
        let socket = at(&path, &source).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        connect(&path).unwrap();
        drop(socket);
        assert!(!path.exists());
    }

    #[test]
    fn a_live_one_is_never_stolen() {
        let (_folder, path, source) = scene();
        let first = at(&path, &source).unwrap();
        let error = at(&path, &source).unwrap_err().to_string();
        for wanted in [path.to_str().unwrap(), "another evenkeel", "`admin.socket` in a.yaml"] {
            assert!(error.contains(wanted), "{wanted} is not in {error}");
        }
        connect(&path).unwrap();
        drop(first);
    }

    #[test]
    fn a_dead_one_is_replaced() {
        let (_folder, path, source) = scene();
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let _socket = at(&path, &source).unwrap();
        connect(&path).unwrap();
    }

    #[test]
    fn what_is_no_socket_of_ours_stays() {
        let (_folder, path, source) = scene();
        fs::write(&path, "precious").unwrap();
        assert!(at(&path, &source).unwrap_err().to_string().contains("no socket"));
        assert_eq!(fs::read(&path).unwrap(), b"precious");
        fs::remove_file(&path).unwrap();
        let _datagrams = UnixDatagram::bind(&path).unwrap();
        assert!(at(&path, &source).unwrap_err().to_string().contains("answers there"));
        assert!(path.exists());
    }

    #[test]
    fn one_that_took_its_place_is_not_removed() {
        let (_folder, path, source) = scene();
        let socket = at(&path, &source).unwrap();
        let moved = path.with_extension("new");
        let _other = UnixListener::bind(&moved).unwrap();
        fs::rename(&moved, &path).unwrap();
        drop(socket);
        assert!(path.exists());
    }

    #[test]
    fn an_impossible_place_is_said() {
        let (folder, _, source) = scene();
        let missing = folder.path().join("missing/admin.sock");
        let error = at(&missing, &source).unwrap_err().to_string();
        assert!(error.contains(missing.to_str().unwrap()), "{error}");
        let long = folder.path().join("x".repeat(120));
        assert!(at(&long, &source).is_err());
        assert!(open(&Rule::Off, &source).unwrap().is_none());
    }
}
