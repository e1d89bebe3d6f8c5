//! The program under test: started with a configuration, asked over its admin listener, stopped within a deadline.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output};
use std::sync::OnceLock;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::client;
use crate::metrics::Metrics;
use crate::process::Process;
use crate::wait;

/// Longest that the program takes for anything that is not traffic.
pub const SOON: Duration = Duration::from_secs(10);

/// A running evenkeel.
pub struct Evenkeel {
    process: Process,
    folder: TempDir,
    admin: SocketAddr,
}

/// The program: `EVENKEEL_BIN`, else the one beside this test, of the same profile: cargo has built it with the workspace's tests.
pub fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        if let Some(path) = std::env::var_os("EVENKEEL_BIN") {
            return path.into();
        }
        let test = std::env::current_exe().expect("a running program has a path");
        // target/PROFILE/deps/e2e-HASH
        let folder = test.ancestors().nth(2).expect("a test stands in target/PROFILE/deps");
        let program = folder.join("evenkeel");
        assert!(program.exists(), "no {}: cargo build -p evenkeel", program.display());
        program
    })
}

/// A command that runs the program, without variables that would change what it does.
pub fn command() -> Command {
    let mut command = Command::new(program());
    for name in [
        "EVENKEEL_ADMIN",
        "EVENKEEL_LOG",
        "RUST_LOG",
        "NOTIFY_SOCKET",
        "RUNTIME_DIRECTORY",
        "XDG_RUNTIME_DIR",
    ] {
        command.env_remove(name);
    }
    command
}

/// The workspace's root.
pub fn workspace() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().expect("this package stands in the workspace")
}

impl Evenkeel {
    /// Runs a configuration and waits until it serves. What the text leaves out is completed: the admin listener and one
    /// listener called `edge` on ports of the kernel's choice, and no access log.
    #[track_caller]
    pub fn start(configuration: &str) -> Evenkeel {
        Evenkeel::start_with(configuration, |_| {})
    }

    /// As [`Evenkeel::start`], with a chance to change the command (environment, arguments).
    #[track_caller]
    pub fn start_with(configuration: &str, change: impl FnOnce(&mut Command)) -> Evenkeel {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("evenkeel.yaml");
        std::fs::write(&file, complete(configuration)).unwrap();
        let mut command = command();
        command.arg("run").arg("-c").arg(&file);
        change(&mut command);
        Evenkeel::launch(command, folder)
    }

    /// Runs the program with any arguments, as long as it opens an admin listener. Its admin socket is in the folder,
    /// unless the command says otherwise.
    #[track_caller]
    pub fn launch(mut command: Command, folder: TempDir) -> Evenkeel {
        if !command.get_envs().any(|(name, value)| name == "RUNTIME_DIRECTORY" && value.is_some()) {
            command.env("RUNTIME_DIRECTORY", folder.path());
        }
        let mut process = Process::start("evenkeel", command, folder.path());
        let admin = admin_address(&mut process);
        let running = Evenkeel { process, folder, admin };
        wait::until_true(SOON, "a listener in /api/status", || !running.listeners().is_empty());
        running
    }

    /// The admin listener.
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// Its admin socket, unless it was started with another one.
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("admin.sock")
    }

    /// `evenkeel backend` with these arguments, over its admin socket.
    pub fn operate(&self, arguments: &[&str]) -> Output {
        let mut command = command();
        command.arg("backend").args(arguments).arg("--admin").arg(self.socket());
        command.output().expect("evenkeel runs")
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Where its configuration and its files are.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The address of its first listener.
    #[track_caller]
    pub fn address(&self) -> SocketAddr {
        self.listeners().first().expect("one listener").1
    }

    /// The address of a listener, by name, once it is open.
    #[track_caller]
    pub fn listener(&self, name: &str) -> SocketAddr {
        wait::until(SOON, &format!("listener {name}"), || {
            let listeners = self.listeners();
            let found = listeners.iter().find(|listener| listener.0 == name);
            found.map(|listener| listener.1)
        })
    }

    /// Names and bound addresses of the listeners.
    pub fn listeners(&self) -> Vec<(String, SocketAddr)> {
        let status = self.status();
        let listeners = status["listeners"].as_array().cloned().unwrap_or_default();
        listeners
            .iter()
            .filter_map(|listener| {
                let name = listener["name"].as_str()?.to_owned();
                Some((name, listener["address"].as_str()?.parse().ok()?))
            })
            .collect()
    }

    /// `/api/status`.
    #[track_caller]
    pub fn status(&self) -> Value {
        let response = client::get(self.admin, "/api/status");
        assert_eq!(response.status, 200, "{}", response.text());
        serde_json::from_slice(&response.body).expect("the status is JSON")
    }

    /// `/api/status` of one backend, by its address.
    #[track_caller]
    pub fn backend(&self, address: &str) -> Value {
        let status = self.status();
        let pools = status["pools"].as_array().cloned().unwrap_or_default();
        let backends = pools.iter().filter_map(|pool| pool["backends"].as_array());
        backends
            .flatten()
            .find(|backend| backend["address"] == address)
            .cloned()
            .unwrap_or_else(|| panic!("{address} is not in {status:#}"))
    }

    /// The phase of a backend: `serving`, `ejected` and so on.
    #[track_caller]
    pub fn phase(&self, address: &str) -> String {
        let backend = self.backend(address);
        backend["phase"].as_str().expect("a phase is a word").to_owned()
    }

    /// `/metrics`.
    #[track_caller]
    pub fn metrics(&self) -> Metrics {
        Metrics::parse(&client::get(self.admin, "/metrics").text())
    }

    /// Everything that it wrote to its standard output and error.
    pub fn output(&self) -> String {
        self.process.output()
    }

    /// Its events: each line of output that is a JSON object.
    pub fn events(&self) -> Vec<Value> {
        let output = self.output();
        let lines = output.lines();
        lines.filter_map(|line| serde_json::from_str(line).ok()).filter(Value::is_object).collect()
    }

    /// Replaces the configuration file, completed as [`Evenkeel::start`] does.
    pub fn write(&self, configuration: &str) {
        let file = self.folder.path().join("evenkeel.yaml");
        std::fs::write(file, complete(configuration)).unwrap();
    }

    /// Asks for a reload and waits until it is done; the metrics after it.
    #[track_caller]
    pub fn reload(&self, configuration: &str) -> Metrics {
        let before = self.metrics();
        self.write(configuration);
        self.signal(Signal::HUP);
        let done = |metrics: &Metrics| {
            ["generation", "last_reload_timestamp_seconds"].iter().any(|name| {
                let name = format!("evenkeel_config_{name}");
                metrics.sum(&name, &[]) != before.sum(&name, &[])
            })
        };
        wait::until(SOON, "the reload", || Some(self.metrics()).filter(done))
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Waits until it has ended.
    #[track_caller]
    pub fn wait(&mut self, longest: Duration) -> ExitStatus {
        self.process.wait(longest)
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.process.ended().is_none()
    }
}

fn complete(configuration: &str) -> String {
    let mut text = String::new();
    let has = |key: &str| configuration.starts_with(key) || configuration.contains(&format!("\n{key}"));
    for (key, line) in [
        ("admin:", "admin: { address: \"127.0.0.1:0\" }\n"),
        ("access_log:", "access_log: off\n"),
        ("listeners:", "listeners: [{ name: edge, address: \"127.0.0.1:0\" }]\n"),
    ] {
        if !has(key) {
            text.push_str(line);
        }
    }
    text + configuration
}

#[track_caller]
fn admin_address(process: &mut Process) -> SocketAddr {
    wait::until(SOON, "the start event", || {
        let output = process.output();
        if let Some(status) = process.ended() {
            panic!("evenkeel ended with {status}:\n{output}");
        }
        let events = output.lines().filter_map(|line| serde_json::from_str(line).ok());
        let mut addresses = events.filter_map(|event: Value| find_admin(&event));
        addresses.next()
    })
}

fn find_admin(value: &Value) -> Option<SocketAddr> {
    let object = value.as_object()?;
    let here = object.get("admin").and_then(Value::as_str);
    here.and_then(|text| text.parse().ok()).or_else(|| object.values().find_map(find_admin))
}
