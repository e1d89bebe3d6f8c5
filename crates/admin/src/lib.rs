//! The operator's door: `/metrics`, health and status over HTTP, and over the admin socket changes, too.
//!
//! It reads what is published and what the cores count, and can hold up neither. A change is a command that somebody
//! else carries out.

mod audit;
mod changes;
mod commander;
mod door;
mod evidence;
mod pages;
mod readiness;
mod refusal;
mod serve;
mod status;
mod warning;

pub use commander::{Commander, Reply};
pub use serve::{Handles, serve, serve_socket};
pub use warning::Warning;
