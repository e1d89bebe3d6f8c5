//! What the end-to-end tests and the comparisons share: the program under test, its backends, its clients.
//!
//! Everything here panics when the world is not as a test needs it: the panic is the report. Every wait has a deadline.

#![allow(clippy::unwrap_used, reason = "a panic is how a harness reports; nothing of this package ships")]

pub mod arguments;
pub mod backend;
pub mod balancer;
pub mod certificates;
pub mod client;
pub mod dns;
pub mod document;
pub mod evidence;
pub mod fleet;
pub mod load;
pub mod metrics;
pub mod mutate;
pub mod nginx;
pub mod nonblocking;
pub mod open_loop;
pub mod pattern;
pub mod process;
pub mod product;
pub mod raw;
pub mod request;
pub mod reserved;
pub mod response;
pub mod strict;
pub mod structured;
pub mod tls_backend;
pub mod tls_client;
pub mod tools;
pub mod wait;
