//! The program as systemd and a newcomer see it: the unit, the notifications, the demo's first words.

#![allow(clippy::unwrap_used, reason = "a panic is how a test reports")]

mod deploy;
mod first_words;
mod notifications;
mod running;
