//! When a backend may receive requests: a pure state machine, stepped with the clock as an argument.

mod event;
mod health;
mod policy;
mod schedule;

pub use event::{Event, judge};
pub use health::Health;
pub use policy::{Eject, Policy, Probe, ProbeKind, ProbeResult};
