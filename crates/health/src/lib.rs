//! When a backend may receive requests: a pure state machine, stepped with the clock as an argument.
//!
//! It holds the evidence on one backend and says what that convicts it of. Whether a conviction takes it out of service
//! is for the caller to say, who alone sees the pool.

mod event;
mod health;
mod policy;
mod record;
mod schedule;
mod tally;

pub use event::{Event, counts};
pub use health::Health;
pub use policy::{Eject, HttpProbe, Initial, Policy, Probe, ProbeKind, ProbeResult, Target, TcpProbe};
pub use schedule::Pace;
pub use tally::Tally;
