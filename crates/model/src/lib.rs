//! The words that every crate of evenkeel shares: identities, causes, outcomes, phases, counters.
//!
//! Nothing here does I/O or decides anything; crates on the same floor meet only through these types.

mod address;
mod cause;
mod command;
mod count;
mod counters;
mod evidence;
mod handshake;
mod histogram;
mod identity;
mod ledger;
mod limit;
mod pace;
mod report;
mod resolution;
mod status;
mod tls;

pub use address::{Address, AddressError, Endpoint};
pub use cause::{Blame, Cause, Facts, Weight};
pub use command::{Command, CommandError, Done, Order};
pub use count::{Count, PerCore};
pub use counters::{
    BackendCounters, ByCause, CoreBackend, CoreListener, CorePool, CoreRoute, ListenerCounters, PoolCounters,
    RouteCounters, StatusClass,
};
pub use evidence::{Evidence, ProbeFailure};
pub use handshake::HandshakeFailure;
pub use histogram::{BOUNDS_SECONDS, Histogram, Totals};
pub use identity::{BackendId, PoolName};
pub use ledger::{Class, Fault, Outcome, Proof, Reached};
pub use limit::Limit;
pub use pace::Pace;
pub use report::{Report, Role, Strike};
pub use resolution::{NameFailure, Rcode};
pub use status::{ByOperator, Hold, Kept, Phase, Status};
pub use tls::TlsDetail;
