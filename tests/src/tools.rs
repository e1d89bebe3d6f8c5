//! The programs of Debian that the tests need beside the toolchain; without one they fail, and never skip.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use crate::wait;

/// The program called `name` from `PATH` or the places where Debian keeps daemons; panics with the line that installs it.
pub fn tool(name: &str) -> PathBuf {
    find(name).unwrap_or_else(|| {
        panic!(
            "{name} is missing; the end-to-end tests and the benchmark need Debian's packages:\n\n    \
             apt-get install -y --no-install-recommends chromium curl dnsmasq-base haproxy nginx openssl \
             prometheus systemd testssl.sh\n"
        )
    })
}

/// Runs a program to its end, with these bytes as its standard input, and returns what it wrote; one that takes longer than
/// `longest` is killed, and that is a panic with what it wrote until then.
#[track_caller]
pub fn run_within(longest: Duration, mut command: Command, input: impl AsRef<[u8]>) -> Output {
    // Files and not pipes: nobody has to read while it runs.
    let [mut stdin, stdout, stderr] =
        std::array::from_fn(|_| tempfile::tempfile().expect("a temporary file"));
    stdin.write_all(input.as_ref()).and_then(|()| stdin.rewind()).expect("a temporary file takes bytes");
    let copy = |file: &File| Stdio::from(file.try_clone().expect("descriptors left"));
    command.stdin(stdin).stdout(copy(&stdout)).stderr(copy(&stderr));
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
    let ended = wait::until_some(longest, || child.try_wait().expect("a child can be waited for"));
    if ended.is_none() {
        // Whether it has just ended by itself makes no difference here.
        let _ = child.kill();
        let _ = child.wait();
    }
    let [stdout, stderr] = [stdout, stderr].map(all);
    let status = ended.unwrap_or_else(|| {
        let [stdout, stderr] = [&stdout, &stderr].map(|bytes| String::from_utf8_lossy(bytes));
        panic!("{command:?} takes longer than {longest:?}; it wrote:\n{stdout}\n{stderr}")
    });
    Output { status, stdout, stderr }
}

fn all(mut file: File) -> Vec<u8> {
    let mut bytes = Vec::new();
    file.rewind().and_then(|()| file.read_to_end(&mut bytes)).expect("a temporary file is read");
    bytes
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_run_with_its_input() {
        let output = run_within(Duration::from_secs(10), Command::new("cat"), "hello");
        assert!(output.status.success());
        assert_eq!(output.stdout, b"hello");
    }

    #[test]
    #[should_panic(expected = "takes longer than")]
    fn a_program_that_does_not_end_is_killed() {
        let mut command = Command::new("sleep");
        command.arg("60");
        run_within(Duration::from_millis(50), command, "");
    }
}
