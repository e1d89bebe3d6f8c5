//! One file, read with a bound, and why it cannot be.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::problem::Code;

/// Largest file that is read, in MiB; for a revocation list, which grows with every certificate that its CA takes back.
const LARGEST: u64 = 1;
const LARGEST_LIST: u64 = 16;

/// What is wrong with a file, or worth a look; it stands below the key that leads to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Like `certificate` or `client.ca`.
    pub(crate) key: &'static str,
    pub(crate) code: Code,
    pub(crate) message: String,
    pub(crate) help: String,
}

impl Fault {
    pub(crate) fn new(
        key: &'static str,
        code: Code,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        Fault { key, code, message: message.into(), help: help.into() }
    }

    /// As one line, for what stands at `at`.
    pub(crate) fn text(&self, at: &str) -> String {
        let end = if self.help.is_empty() { String::new() } else { format!("; {}", self.help) };
        format!("{at}.{}: {}{end}", self.key, self.message)
    }
}

/// Reads a whole file.
pub(crate) fn bytes(path: &Path, key: &'static str) -> Result<Vec<u8>, Fault> {
    bytes_within(LARGEST, path, key)
}

/// Reads a whole revocation list.
pub(crate) fn list_bytes(path: &Path, key: &'static str) -> Result<Vec<u8>, Fault> {
    bytes_within(LARGEST_LIST, path, key)
}

fn bytes_within(largest: u64, path: &Path, key: &'static str) -> Result<Vec<u8>, Fault> {
    let unreadable = |error: io::Error| unreadable(path, key, &error);
    // Opening a pipe would wait for somebody who writes to it.
    let kind = std::fs::metadata(path).map_err(unreadable)?;
    if kind.is_dir() {
        let message = format!("`{}` is a folder", path.display());
        let help = match key {
            "certificate" => "write the path of a file, or `directory` instead of `certificate`",
            _ => "write the path of a file",
        };
        return Err(Fault::new(key, Code::Unreadable, message, help));
    }
    if !kind.is_file() {
        let message = format!("`{}` is no file", path.display());
        return Err(Fault::new(key, Code::Unreadable, message, "write the path of a file"));
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take((largest << 20) + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > largest << 20 {
        let message = format!("`{}` is larger than {largest} MiB", path.display());
        return Err(Fault::new(key, Code::TooLarge, message, "write the path of another file"));
    }
    Ok(bytes)
}

/// Why a file or a folder cannot be read, and for whom.
pub(crate) fn unreadable(path: &Path, key: &'static str, error: &io::Error) -> Fault {
    let user = user();
    let right = if path.is_dir() { "rx" } else { "r" };
    let path = path.display();
    let message = format!("`{path}` cannot be read by the user {user}: {error}");
    let help = match error.kind() {
        io::ErrorKind::PermissionDenied => format!(
            "let that user read it, like `setfacl -m u:{user}:{right} {path}`, and enter every folder above it"
        ),
        io::ErrorKind::NotFound => "write the path of a file that is there".into(),
        _ => "look at the file system that it is on: `ls -l` there, the kernel's log".into(),
    };
    Fault::new(key, Code::Unreadable, message, help)
}

/// Whether nothing is there, rather than something that cannot be had.
pub(crate) fn leads_nowhere(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Whether everybody may read a file.
pub(crate) fn is_open_to_all(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o004 != 0)
}

/// The user that this process runs as: by name, if it has one.
fn user() -> String {
    let id = rustix::process::geteuid().as_raw().to_string();
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == id).then(|| name.to_owned())
    });
    name.unwrap_or(id)
}
