//! Sessions as their users see them: two ends in memory, and every byte between them in the test's hand.

#![allow(clippy::unwrap_used, reason = "a panic is how a test reports")]

mod authority;
mod backends;
mod clients;
mod data;
mod ends;
mod forged;
mod forwarded;
mod hostile;
mod identities;
mod names;
mod old_servers;
mod resumption;
mod splits;
mod versions;
