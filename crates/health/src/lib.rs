//! When a backend may receive requests: a pure state machine, stepped with the clock as an argument.

mod policy;

pub use policy::{Eject, Policy, Probe, ProbeKind, ProbeResult};
