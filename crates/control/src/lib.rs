//! The only writer: folds plans, reports, probes and names into a snapshot, and publishes it.
//!
//! [`Control::handle`] decides and is pure but for the backends' atomics: time and results come in, orders go out.
//! [`start`] is the thin shell that carries the orders out.

mod agenda;
mod compose;
mod control;
mod counters;
mod crew;
mod departed;
mod entry;
mod fate;
mod hold;
mod input;
mod log;
mod names;
mod notice;
mod operator;
mod outliers;
mod probing;
mod random;
mod roster;
mod shell;
mod trial;

pub use control::Control;
pub use input::{ConnectOrder, Effects, Input, ProbeOrder, ResolveOrder, Resolved};
pub use notice::{FateChange, HoldChange, Keeping, NameChange, Next, Notice, Ordered, Transition};
pub use shell::{Handle, start};
