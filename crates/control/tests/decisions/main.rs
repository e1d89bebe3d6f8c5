//! What control decides, with times and inputs as data.

#![allow(clippy::unwrap_used, reason = "a panic is how a test reports")]

mod endurance;
mod guards;
mod holds;
mod names;
mod phases;
mod precedence;
mod probes;
mod scene;
