//! The doors over real sockets, in raw bytes, before a snapshot made by hand.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod changes;
mod pages;
mod support;
mod tls;
