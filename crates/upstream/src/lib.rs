//! Connections to backends: made, kept idle per core, watched; and the probes that control orders.
//!
//! Nothing here decides: a failure is named by its [`Cause`](evenkeel_model::Cause), and others say what follows.

mod alarm;
mod connect;
#[cfg(test)]
mod examples;
mod idle;
mod probe;
mod resolve;
mod socket;
mod stagger;
mod tls;
mod turnstile;

pub use alarm::{Alarm, GRAIN, Sweep};
pub use connect::{ConnectError, Connection, MOST_UNSENT, cause_of_connect_error, connect};
pub use idle::{Idle, Keeping, Taken};
pub use probe::{Asked, Prober, Verdict};
pub use resolve::{Resolved, Resolver};
pub use socket::Socket;
pub use tls::{Broken, Handshake, Tls, TlsFailure, secure};
pub use turnstile::{Turn, Turnstile};
