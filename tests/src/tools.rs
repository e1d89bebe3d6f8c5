//! The programs of Debian that the tests need beside the toolchain; without one they fail, and never skip.

use std::path::{Path, PathBuf};

/// The program called `name` from `PATH` or the places where Debian keeps daemons; panics with the line that installs it.
pub fn tool(name: &str) -> PathBuf {
    find(name).unwrap_or_else(|| {
        panic!(
            "{name} is missing; the end-to-end tests and the benchmark need Debian's packages:\n\n    \
             apt-get install -y dnsmasq-base nginx haproxy prometheus systemd\n"
        )
    })
}

fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let daemons = ["/usr/sbin", "/usr/local/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&path)
        .chain(daemons)
        .map(|folder| folder.join(name))
        .find(|candidate| is_program(candidate))
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}
