//! A child process that a test owns: its output is kept, and it never outlives the test.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::wait;

/// A running child; killed when dropped.
pub struct Process {
    child: Child,
    name: &'static str,
    output: PathBuf,
}

impl Process {
    /// Starts `command` with its standard error in `folder/NAME.log` (standard output too, unless `command` has set it: then pass it as `stdout`).
    pub fn start(name: &'static str, mut command: Command, folder: &Path) -> Process {
        let output = folder.join(format!("{name}.log"));
        let log = File::options()
            .create(true)
            .append(true)
            .open(&output)
            .expect("the test's own folder takes files");
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        Process { child, name, output }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has written so far, to standard output and standard error.
    pub fn output(&self) -> String {
        std::fs::read(&self.output)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// Sends a signal to the process itself.
    pub fn signal(&self, signal: Signal) {
        send(self.id(), signal);
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child can be waited for")
    }

    /// Waits for its end; panics with its output after `longest`.
    #[track_caller]
    pub fn wait(&mut self, longest: Duration) -> ExitStatus {
        let what = format!("the end of {}; it wrote:\n{}", self.name, self.output());
        wait::until(longest, &what, || self.ended())
    }

    /// Ends it and its children at once with SIGKILL: the workers of an nginx outlive their master.
    pub fn kill(&mut self) {
        if self.ended().is_none() {
            // Stopped first: a master would replace a worker that dies.
            self.signal(Signal::STOP);
            children(self.id()).into_iter().for_each(|child| send(child, Signal::KILL));
            // Whether it has just ended by itself makes no difference here.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }

    /// Its process id and those of its children.
    pub fn family(&self) -> Vec<u32> {
        let mut family = vec![self.id()];
        family.extend(children(self.id()));
        family
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let output = self.output();
            let tail = output.len().saturating_sub(8_000);
            let tail = output.ceil_char_boundary(tail);
            eprintln!("--- {} wrote:\n{}", self.name, &output[tail..]);
        }
    }
}

/// Sends a signal to a process of the test's own.
pub fn send(id: u32, signal: Signal) {
    let pid = i32::try_from(id).ok().and_then(Pid::from_raw);
    // A process that has just ended needs no signal.
    let _ = kill_process(pid.expect("a process id is positive"), signal);
}

/// The processes whose parent is `parent`.
pub fn children(parent: u32) -> Vec<u32> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|id| parent_of(*id) == Some(parent))
        .collect()
}

fn parent_of(id: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name, in parentheses, may hold spaces: fields are counted after it.
    let fields = &stat[stat.rfind(')')? + 1..];
    fields.split_whitespace().nth(1)?.parse().ok()
}

/// Nanoseconds of processor time of these processes' living threads, from `schedstat`.
pub fn cpu_nanoseconds(family: &[u32]) -> u64 {
    let threads = |id: &u32| std::fs::read_dir(format!("/proc/{id}/task")).into_iter();
    family
        .iter()
        .flat_map(threads)
        .flatten()
        .flatten()
        .filter_map(|thread| std::fs::read_to_string(thread.path().join("schedstat")).ok())
        .filter_map(|text| text.split_whitespace().next()?.parse::<u64>().ok())
        .sum()
}

/// Private memory of these processes in bytes (`smaps_rollup`), as far as they have written to it: the program's own
/// pages are private or shared as others of it run or do not.
pub fn private_bytes(family: &[u32]) -> u64 {
    let kilobytes = |text: String| -> u64 {
        text.lines()
            .filter(|line| line.starts_with("Private_Dirty"))
            .filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok())
            .sum()
    };
    family
        .iter()
        .filter_map(|id| std::fs::read_to_string(format!("/proc/{id}/smaps_rollup")).ok())
        .map(|text| kilobytes(text) * 1024)
        .sum()
}
