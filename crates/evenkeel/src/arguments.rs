//! The command line as written: subcommands, flags, and the examples that `--help` shows.
//!
//! Nothing here opens or reads anything; [`Source`] says where the plan comes from.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Parser, Subcommand};

use crate::fault_backend::FaultBackendArguments;
use crate::operator::BackendArguments;
use crate::source::Source;

const EXAMPLES: &str = "\
Examples:
  evenkeel demo                              see it work: a balancer and three backends to break
  evenkeel run --listen 127.0.0.1:8080 --backend 127.0.0.1:3000 --backend 127.0.0.1:3001
  evenkeel check -c evenkeel.yaml            every problem of a file, before it is used
  evenkeel run -c evenkeel.yaml
  evenkeel backend list                      every backend of a running node: its state, and why
  evenkeel backend drain web/blue            no new requests there; back with `ready`
  evenkeel schema > evenkeel.schema.json     for completion in an editor
  evenkeel fault-backend --list              every fault to rehearse your alerts with

Signals of a running node:
  SIGHUP             read the configuration file again
  SIGTERM, SIGINT    finish what is in flight, then exit 0; a second one exits at once
  SIGUSR1            reopen the access log

EVENKEEL_LOG (or RUST_LOG) filters the log on standard error, for example `debug`.";

const RUN_USAGE: &str = "\
evenkeel run -c FILE
       evenkeel run --listen ADDR --backend ADDR [--backend ADDR]... [--admin ADDR|off]";

/// A load balancer that keeps requests away from backends that fail, and says why.
#[derive(Debug, Parser)]
#[command(name = "evenkeel", version, about, after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a node, from a file or from flags
    #[command(override_usage = RUN_USAGE)]
    Run(RunArguments),
    /// Check a configuration file and list every problem
    Check(CheckArguments),
    /// Print the JSON schema of the configuration
    Schema,
    /// List the backends of a running node; drain one, eject one, bring one back
    Backend(BackendArguments),
    /// Run a node before three backends that can be broken and mended
    Demo(DemoArguments),
    /// Run backends that misbehave on demand, to rehearse alerts with
    FaultBackend(FaultBackendArguments),
}

#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    /// Configuration file, YAML
    #[arg(short, long, value_name = "FILE", required_unless_present = "listen",
          conflicts_with_all = ["listen", "backends", "admin"])]
    config: Option<PathBuf>,
    /// Where clients connect, without a file: IP:PORT, port 0 asks the kernel
    #[arg(long, value_name = "ADDR", requires = "backends")]
    listen: Option<String>,
    /// A backend, without a file: IP:PORT, NAME:PORT, unix:/PATH or https://NAME:PORT; once for each
    #[arg(long = "backend", value_name = "ADDR", requires = "listen")]
    backends: Vec<String>,
    /// Where /metrics and /api/status are served, without a file, or `off`
    #[arg(long, value_name = "ADDR|off", requires = "listen")]
    admin: Option<AdminFlag>,
}

#[derive(Debug, Args)]
pub(crate) struct CheckArguments {
    /// Configuration file, YAML
    #[arg(short, long, value_name = "FILE")]
    pub(crate) config: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct DemoArguments {
    /// Where clients connect
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pub(crate) listen: SocketAddr,
    /// Where /metrics and /api/status are served
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9180")]
    pub(crate) admin: SocketAddr,
    /// Print a line of JSON for each request
    #[arg(long)]
    pub(crate) access_log: bool,
}

/// `--admin`: an address, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AdminFlag {
    Off,
    At(SocketAddr),
}

impl RunArguments {
    /// Where the plan comes from: the file, else the flags.
    pub(crate) fn source(self) -> Source {
        match self.config {
            Some(file) => Source::File(file),
            None => Source::Flags {
                listen: self.listen.unwrap_or_default(),
                backends: self.backends,
                admin: self.admin,
            },
        }
    }
}

impl FromStr for AdminFlag {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(AdminFlag::Off);
        }
        let address = text.parse().map_err(|_| "expected IP:PORT, for example 127.0.0.1:9180, or `off`")?;
        Ok(AdminFlag::At(address))
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use clap::error::ErrorKind;

    use super::*;

    fn parse(line: &str) -> Result<Command, clap::Error> {
        let words = line.split_whitespace();
        Arguments::try_parse_from(["evenkeel"].into_iter().chain(words)).map(|arguments| arguments.command)
    }

    fn source(line: &str) -> Source {
        match parse(line).unwrap() {
            Command::Run(run) => run.source(),
            other => panic!("not `run`: {other:?}"),
        }
    }

    #[test]
    fn the_definition_of_the_command_line_holds() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_file_is_a_source_by_itself() {
        assert_eq!(source("run -c a.yaml"), Source::File("a.yaml".into()));
        assert_eq!(source("run --config a.yaml"), Source::File("a.yaml".into()));
    }

    #[test]
    fn flags_are_a_source_without_a_file() {
        assert_eq!(
            source("run --listen 127.0.0.1:0 --backend a:1 --backend unix:/b --admin off"),
            Source::Flags {
                listen: "127.0.0.1:0".into(),
                backends: vec!["a:1".into(), "unix:/b".into()],
                admin: Some(AdminFlag::Off),
            }
        );
    }

    #[test]
    fn the_help_of_a_flag_names_every_kind_of_backend() {
        let help = parse("run --help").unwrap_err().to_string();
        for kind in ["IP:PORT", "NAME:PORT", "unix:/PATH", "https://"] {
            assert!(help.contains(kind), "{help}");
        }
    }

    #[test]
    fn a_source_is_required_and_only_one_is_taken() {
        for (line, kind) in [
            ("run", ErrorKind::MissingRequiredArgument),
            ("run --listen 127.0.0.1:1", ErrorKind::MissingRequiredArgument),
            ("run --backend a:1", ErrorKind::MissingRequiredArgument),
            ("run -c a --listen 127.0.0.1:1 --backend a:1", ErrorKind::ArgumentConflict),
            ("run -c a --admin off", ErrorKind::ArgumentConflict),
            ("check", ErrorKind::MissingRequiredArgument),
            ("run --listen x --backend a:1 --admin 9180", ErrorKind::ValueValidation),
            ("demo --listen localhost", ErrorKind::ValueValidation),
        ] {
            assert_eq!(parse(line).unwrap_err().kind(), kind, "{line}");
        }
    }

    #[test]
    fn the_demo_has_its_addresses_and_logs_no_requests_unless_asked() {
        let Command::Demo(demo) = parse("demo").unwrap() else { panic!("not `demo`") };
        assert_eq!(demo.listen.to_string(), "127.0.0.1:8080");
        assert_eq!(demo.admin.to_string(), "127.0.0.1:9180");
        assert!(!demo.access_log);
    }
}
