//! A running `evenkeel fault-backend`, and what its `--list` says.

use std::net::SocketAddr;

use evenkeel_tests::balancer::{self, SOON};
use evenkeel_tests::process::Process;
use evenkeel_tests::wait;
use rustix::process::Signal;
use tempfile::TempDir;

/// A fault backend of the test's own, on ports of the kernel's choice.
pub(crate) struct FaultBackend {
    process: Process,
    addresses: Vec<(String, SocketAddr)>,
    _folder: TempDir,
}

/// A row of `--list`.
pub(crate) struct Listed {
    pub(crate) name: String,
    pub(crate) befalls: String,
    /// What evenkeel reports, one of these; empty: nothing.
    pub(crate) causes: Vec<String>,
}

impl FaultBackend {
    /// Runs one backend, more if the arguments have a `--listen`, and waits until all of them listen.
    #[track_caller]
    pub(crate) fn start(arguments: &[&str]) -> FaultBackend {
        let folder = tempfile::tempdir().unwrap();
        let mut command = balancer::command();
        command.args(["fault-backend", "--listen", "127.0.0.1:0"]).args(arguments);
        let process = Process::start("fault-backend", command, folder.path());
        let wanted = 1 + arguments.iter().filter(|argument| **argument == "--listen").count();
        let addresses = wait::until(SOON, "the addresses of the fault backend", || {
            let found: Vec<_> = process.output().lines().filter_map(address).collect();
            (found.len() == wanted).then_some(found)
        });
        FaultBackend { process, addresses, _folder: folder }
    }

    /// Where the first backend listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.addresses[0].1
    }

    /// Where a backend listens.
    #[track_caller]
    pub(crate) fn named(&self, name: &str) -> SocketAddr {
        let found = self.addresses.iter().find(|backend| backend.0 == name);
        found.unwrap_or_else(|| panic!("{name} is not in {:?}", self.addresses)).1
    }

    /// What it has written so far.
    pub(crate) fn output(&self) -> String {
        self.process.output()
    }

    /// Sends a signal and waits for the exit code.
    #[track_caller]
    pub(crate) fn end(&mut self, signal: Signal) -> Option<i32> {
        self.process.signal(signal);
        self.process.wait(SOON).code()
    }
}

/// `NAME http://ADDRESS`.
fn address(line: &str) -> Option<(String, SocketAddr)> {
    let (name, url) = line.split_once(' ')?;
    Some((name.to_owned(), url.strip_prefix("http://")?.parse().ok()?))
}

/// The rows of `--list`, cut where its header says.
pub(crate) fn list() -> Vec<Listed> {
    let output = balancer::command().args(["fault-backend", "--list"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).unwrap();
    let (header, rows) = text.split_once('\n').unwrap();
    let column = |title: &str| header.find(title).unwrap_or_else(|| panic!("{title} in {header}"));
    let (befalls, reports, does) = (column("BEFALLS"), column("EVENKEEL REPORTS"), column("WHAT"));
    let row = |line: &str| Listed {
        name: line.split(' ').next().unwrap().to_owned(),
        befalls: line[befalls..reports].trim().to_owned(),
        causes: match line[reports..does].trim() {
            "-" => Vec::new(),
            causes => causes.split(" or ").map(str::to_owned).collect(),
        },
    };
    rows.lines().map(row).collect()
}
