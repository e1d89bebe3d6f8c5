//! The words that every crate of evenkeel shares: identities, causes, outcomes, phases, counters.
//!
//! Nothing here does I/O or decides anything; crates on the same floor meet only through these types.

mod address;
mod cause;
mod count;
mod counters;
mod histogram;
mod identity;
mod ledger;
mod limit;
mod pace;
mod status;

pub use address::{Address, AddressError, Endpoint};
pub use cause::{Blame, Cause, Facts, Weight};
pub use count::{Count, PerCore};
pub use counters::{
    BackendCounters, CoreBackend, CoreListener, CorePool, CoreRoute, ListenerCounters, PoolCounters,
    RouteCounters, StatusClass,
};
pub use histogram::{BOUNDS_SECONDS, Histogram, Totals};
pub use identity::{BackendId, PoolName};
pub use ledger::{Class, Outcome, Reached, Transport};
pub use limit::Limit;
pub use pace::Pace;
pub use status::{Evidence, Phase, Report, Role, Status, Strike};
