//! The only writer: folds plans, reports, probes and names into a snapshot, and publishes it.
//!
//! [`Control::handle`] decides and is pure but for the backends' atomics: time and results come in, orders go out.
//! [`start`] is the thin shell that carries the orders out.

mod compose;
mod control;
mod counters;
mod entry;
mod input;
mod log;
mod names;
mod notice;
mod random;
mod roster;
mod shell;

pub use control::Control;
pub use input::{ConnectOrder, Effects, Input, ProbeOrder, ResolveOrder};
pub use notice::{NameChange, Next, Notice, Transition};
pub use shell::{Handle, start};
