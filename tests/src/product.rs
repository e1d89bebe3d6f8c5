//! The proxies that are set beside each other.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::nginx;
use crate::process::Process;
use crate::tools::tool;

/// Longest that a product takes to end.
const STOPS_WITHIN: Duration = Duration::from_secs(40);

/// A program that stands before backends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Product {
    /// Debian's.
    Haproxy,
    /// Debian's.
    Nginx,
    /// The build at this path.
    Evenkeel(PathBuf),
}

impl Product {
    /// The product that a command line calls so; `evenkeel` is the build at this path.
    ///
    /// # Errors
    /// What the name may be.
    pub fn named(name: &str, evenkeel: &Path) -> Result<Product, String> {
        match name {
            "haproxy" => Ok(Product::Haproxy),
            "nginx" => Ok(Product::Nginx),
            "evenkeel" => Ok(Product::Evenkeel(evenkeel.to_owned())),
            other => Err(format!("{other}: haproxy, nginx or evenkeel")),
        }
    }

    /// As reports call it.
    pub fn name(&self) -> &'static str {
        match self {
            Product::Haproxy => "HAProxy",
            Product::Nginx => "nginx",
            Product::Evenkeel(_) => "evenkeel",
        }
    }

    /// What the program says about its version.
    pub fn version(&self) -> String {
        let mut command = Command::new(match self {
            Product::Haproxy => tool("haproxy"),
            Product::Nginx => tool("nginx"),
            Product::Evenkeel(program) => program.clone(),
        });
        command.arg(match self {
            Product::Evenkeel(_) => "--version",
            _ => "-v",
        });
        let output = command.output().expect("it tells its version");
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        text.lines().next().unwrap_or_default().to_owned()
    }

    /// Runs it with this whole configuration, written into a folder.
    pub fn launch(&self, folder: &Path, configuration: &str) -> Process {
        let file = folder.join("configuration");
        std::fs::write(&file, configuration).unwrap();
        match self {
            Product::Nginx => {
                nginx::write_whole_configuration(folder, configuration);
                nginx::launch(folder)
            }
            Product::Haproxy => {
                let mut command = Command::new(tool("haproxy"));
                command.arg("-db").arg("-f").arg(&file);
                Process::start("haproxy", command, folder)
            }
            Product::Evenkeel(program) => {
                let mut command = Command::new(program);
                command.arg("run").arg("-c").arg(&file).env("RUNTIME_DIRECTORY", folder);
                Process::start("evenkeel", command, folder)
            }
        }
    }
}

/// A product that runs.
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    process: Process,
    folder: TempDir,
}

impl Running {
    /// Runs a product, whose configuration is told where it listens and which folder is its own, until it answers.
    pub fn start(product: &Product, configuration: impl FnOnce(SocketAddr, &Path) -> String) -> Running {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let address = nginx::free_address();
        let process = product.launch(folder.path(), &configuration(address, folder.path()));
        nginx::wait_until_it_answers(address);
        Running { address, process, folder }
    }

    /// Its own folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Everything that it has written so far.
    pub fn output(&self) -> String {
        self.process.output()
    }

    /// Ends it; everything that it wrote.
    pub fn end(mut self) -> String {
        self.process.signal(Signal::TERM);
        self.process.wait(STOPS_WITHIN);
        self.process.output()
    }
}

/// The program called `name` beside the one that runs.
pub fn beside_this_program(name: &str) -> PathBuf {
    let program = std::env::current_exe().expect("a running program has a path");
    program.with_file_name(name)
}

/// What these products say about their versions, each line once.
pub fn versions<'a>(products: impl Iterator<Item = &'a Product>) -> Vec<String> {
    let mut versions: Vec<_> = products.map(Product::version).collect();
    versions.sort();
    versions.dedup();
    versions
}

/// Processor, cores and kernel, for a report.
pub fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let processors = read("/proc/cpuinfo");
    let model = processors.lines().find(|line| line.starts_with("model name"));
    let model = model.and_then(|line| line.split_once(": ")).map_or("?", |(_, name)| name);
    let cores = processors.lines().filter(|line| line.starts_with("processor")).count();
    let kernel = read("/proc/sys/kernel/osrelease");
    format!("{cores} x {model}, Linux {}", kernel.trim())
}
