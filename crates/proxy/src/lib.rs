//! The corridor that a request walks: accept, read, route, attempt, relay.
//!
//! It reads a snapshot and writes per-core cells; it can neither parse a configuration nor eject a backend.

mod accept;
mod ambiguous;
mod answer;
mod attempt;
mod attempts;
mod body_format;
mod client_limit;
mod complaints;
mod connecting;
mod contact;
mod core;
mod corridor;
mod date;
mod deadline;
mod deliver;
mod downstream;
mod entrance;
#[cfg(test)]
mod examples;
mod exchange;
mod fleet;
mod flow;
mod gate;
mod handshake;
mod headers;
mod hearing;
mod input;
mod journey;
mod key;
mod listen;
mod lobby;
mod peers;
mod proxy_status;
mod race;
mod random;
mod redirect;
mod relay;
mod request;
mod retry;
mod scratch;
mod secure;
mod serve;
#[cfg(test)]
#[path = "../../upstream/src/examples.rs"]
mod tls_backends;
mod tunnel;
mod verdicts;
mod worker;

pub use fleet::{Fleet, FleetOptions};
pub use listen::ListenerGroup;
