//! A real DNS server as names are looked up at: dnsmasq on loopback, with a hosts file that a test changes.
//!
//! It knows every name below `test`, and no other; what it forwards goes where a test's options say.

use std::fmt::Write as _;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::process::Process;
use crate::tools::tool;
use crate::wait;

/// Longest that dnsmasq takes for anything.
const SOON: Duration = Duration::from_secs(10);

/// One dnsmasq; ended when dropped.
pub struct Dns {
    process: Option<Process>,
    address: SocketAddr,
    options: Vec<String>,
    /// Outlives the process, whose output is there.
    folder: TempDir,
}

impl Dns {
    /// Starts one that knows these names and addresses, for a second each.
    #[track_caller]
    pub fn start(names: &[(&str, &str)]) -> Dns {
        Dns::start_with(names, &[])
    }

    /// As [`Dns::start`], with more of dnsmasq's options.
    #[track_caller]
    pub fn start_with(names: &[(&str, &str)], options: &[String]) -> Dns {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut dns = Dns { process: None, address: free_address(), options: options.into(), folder };
        dns.write(names);
        wait::until_true(SOON, "dnsmasq to start", || {
            let is_running = dns.try_run();
            if !is_running {
                dns.address = free_address();
            }
            is_running
        });
        dns
    }

    /// Where it answers.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The line of an evenkeel's configuration by which it asks this server; `timeout` is how long a look-up may take.
    pub fn setting(&self, timeout: &str) -> String {
        format!("dns: {{ servers: [\"{}\"], timeout: {timeout} }}\n", self.address)
    }

    /// From now on it knows these names and addresses instead, the same name with several addresses in several pairs.
    #[track_caller]
    pub fn set(&self, names: &[(&str, &str)]) {
        let readings = self.readings();
        self.write(names);
        self.running().signal(Signal::HUP);
        wait::until_true(SOON, "dnsmasq to read its names", || self.readings() > readings);
    }

    /// How often it was asked for the IPv4 addresses of a name.
    pub fn asked(&self, name: &str) -> usize {
        self.count(&format!("query[A] {name} "))
    }

    /// Stops it where it is: nobody answers, and the kernel takes what is sent.
    pub fn freeze(&self) {
        self.running().signal(Signal::STOP);
    }

    /// Lets a frozen one go on.
    pub fn thaw(&self) {
        self.running().signal(Signal::CONT);
    }

    /// Kills it: the kernel refuses what is sent.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Starts it again on its address, with these names.
    #[track_caller]
    pub fn run(&mut self, names: &[(&str, &str)]) {
        self.write(names);
        wait::until_true(SOON, "dnsmasq to start again", || self.try_run());
    }

    /// False if another has its port.
    fn try_run(&mut self) -> bool {
        let readings = self.readings();
        let mut process = Process::start("dnsmasq", self.command(), self.folder.path());
        let is_running = wait::until(SOON, "dnsmasq to read its names", || match process.ended() {
            Some(_) => Some(false),
            None => (self.readings() > readings).then_some(true),
        });
        self.process = Some(process).filter(|_| is_running);
        is_running
    }

    fn command(&self) -> Command {
        let mut command = Command::new(tool("dnsmasq"));
        let hosts = self.hosts();
        command.args(["--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts"]);
        command.args([
            "--listen-address=127.0.0.1",
            "--bind-interfaces",
            "--log-queries",
            "--log-facility=-",
        ]);
        command.args(["--local=/test/", "--local-ttl=1"]).arg(format!("--port={}", self.address.port()));
        command.arg(format!("--addn-hosts={}", hosts.display()));
        command.arg(format!("--pid-file={}", self.folder.path().join("pid").display()));
        if rustix::process::geteuid().is_root() {
            // It would become somebody who may not read the folder.
            command.arg("--user=root");
        }
        command.args(&self.options);
        command
    }

    fn write(&self, names: &[(&str, &str)]) {
        let mut text = String::new();
        names.iter().for_each(|(name, address)| {
            let _ = writeln!(text, "{address} {name}");
        });
        // Never half of it.
        let new = self.folder.path().join("new");
        std::fs::write(&new, text).unwrap();
        std::fs::rename(new, self.hosts()).unwrap();
    }

    fn hosts(&self) -> PathBuf {
        self.folder.path().join("hosts")
    }

    fn readings(&self) -> usize {
        self.count(&format!("read {} - ", self.hosts().display()))
    }

    /// Lines of its log, which outlives it.
    fn count(&self, part: &str) -> usize {
        let log = std::fs::read(self.folder.path().join("dnsmasq.log")).unwrap_or_default();
        String::from_utf8_lossy(&log).lines().filter(|line| line.contains(part)).count()
    }

    fn running(&self) -> &Process {
        self.process.as_ref().expect("a running dnsmasq")
    }
}

/// An address on loopback that was free a moment ago, for UDP and for TCP.
fn free_address() -> SocketAddr {
    wait::until(SOON, "a port that is free for UDP and TCP", || {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("the kernel has a free port");
        let address = socket.local_addr().unwrap();
        TcpListener::bind(address).is_ok().then_some(address)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The response code of an answer about a name's IPv4 addresses, and how many there are.
    fn ask(dns: &Dns, name: &str) -> Option<(u8, u8)> {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        socket.connect(dns.address()).unwrap();
        let mut question = vec![0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in name.split('.') {
            question.push(u8::try_from(label.len()).unwrap());
            question.extend(label.bytes());
        }
        question.extend([0, 0, 1, 0, 1]);
        socket.send(&question).ok()?;
        let mut answer = [0; 512];
        let count = socket.recv(&mut answer).ok()?;
        assert!(count > 12);
        Some((answer[3] & 15, answer[7]))
    }

    #[test]
    fn a_dnsmasq_knows_what_it_was_told_last() {
        let mut dns = Dns::start(&[("app.test", "127.0.0.2")]);
        let asked = |dns: &Dns| ["app.test", "other.test", "app.example"].map(|name| ask(dns, name));
        assert_eq!(asked(&dns), [Some((0, 1)), Some((3, 0)), Some((5, 0))]);
        dns.set(&[("other.test", "127.0.0.2"), ("other.test", "127.0.0.3")]);
        assert_eq!(asked(&dns), [Some((3, 0)), Some((0, 2)), Some((5, 0))]);
        dns.freeze();
        assert_eq!(ask(&dns, "other.test"), None);
        dns.thaw();
        wait::until_true(SOON, "an answer", || ask(&dns, "other.test") == Some((0, 2)));
        dns.kill();
        assert_eq!(ask(&dns, "other.test"), None);
        dns.run(&[("app.test", "127.0.0.3")]);
        assert_eq!(asked(&dns)[0], Some((0, 1)));
        assert_eq!(dns.asked("app.test"), 3);
    }
}
