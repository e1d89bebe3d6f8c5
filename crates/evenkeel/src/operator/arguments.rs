//! The arguments of `evenkeel backend`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::places::Place;

const EXAMPLES: &str = "\
Examples:
  evenkeel backend list                      every backend: its state, since when, and why
  evenkeel backend list --pool web --json
  evenkeel backend drain web/blue            no new requests; what is in flight finishes
  evenkeel backend ready 10.0.0.5:8000       back in service
  evenkeel backend eject blue --pool web     nothing at all, not even as a last resort

A backend is named by its name, by its address as the file has it, or as POOL/BACKEND. Orders hold over reloads, until
`ready` or a restart; they are taken on the admin socket, from root and from the user that evenkeel runs as.

The node is found by --admin, else EVENKEEL_ADMIN, else -c FILE, else at /run/evenkeel/admin.sock (or in
$RUNTIME_DIRECTORY, or $XDG_RUNTIME_DIR/evenkeel), else, for `list`, at 127.0.0.1:9180.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct BackendArguments {
    #[command(subcommand)]
    pub(super) command: BackendCommand,
    #[command(flatten)]
    pub(super) node: NodeArguments,
}

#[derive(Debug, Subcommand)]
pub(super) enum BackendCommand {
    /// List every backend: its state, since when, and why
    List(ListArguments),
    /// Send no new requests, but as a last resort; what is in flight finishes
    Drain(OrderArguments),
    /// Bring back to service, whatever took it out
    Ready(OrderArguments),
    /// Send nothing more at all, not even as a last resort; what is in flight finishes
    Eject(OrderArguments),
}

#[derive(Debug, Args)]
pub(super) struct ListArguments {
    /// Only of this pool
    #[arg(long, value_name = "POOL")]
    pub(super) pool: Option<String>,
    /// As /api/status has them, each with its pool
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct OrderArguments {
    /// A name, an address as the file has it, or POOL/BACKEND
    #[arg(value_name = "BACKEND")]
    pub(super) backend: String,
    /// Its pool, if several have it
    #[arg(long, value_name = "POOL")]
    pub(super) pool: Option<String>,
}

/// Where the node is.
#[derive(Debug, Default, Args)]
pub(super) struct NodeArguments {
    /// The node's admin socket, or its admin address
    #[arg(long, value_name = "ADDR|SOCKET", global = true)]
    pub(super) admin: Option<Place>,
    /// The node's configuration file, which says where it is
    #[arg(short, long, value_name = "FILE", global = true)]
    pub(super) config: Option<PathBuf>,
}
