//! The operator's door: `/metrics`, health and status over HTTP. Read-only.
//!
//! It reads what is published and what the cores count, and can hold up neither.

mod evidence;
mod pages;
mod readiness;
mod serve;
mod status;

pub use serve::{Handles, serve};
