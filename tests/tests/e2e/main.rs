//! End-to-end tests: the real binary, real sockets, raw bytes where HTTP is the subject. Every wait has a deadline.

#![allow(clippy::unwrap_used, reason = "a panic is how a test reports; nothing of this package ships")]

mod bodies;
mod command_line;
mod demo;
mod departures;
mod deploy;
mod dying_backends;
mod examples;
mod exhaustion;
mod fault_backend;
mod floors;
mod forwarding;
mod guards;
mod keep_alive_race;
mod letter;
mod limits;
mod listeners;
mod matrix;
mod messages;
mod named;
mod names;
mod never_twice;
mod operator;
mod ports;
mod probe_kinds;
mod probes;
mod prometheus;
mod races;
mod reloads;
mod retries;
mod retry_rules;
mod routes;
mod scenes;
mod slow_clients;
mod stalls;
mod stopping;
mod timeouts;
mod times;
mod tls_backends;
mod tls_front;
mod turns;
mod upgrades;
