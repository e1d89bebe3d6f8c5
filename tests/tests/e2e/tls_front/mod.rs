//! TLS before clients: what Debian's clients, rustls and a browser get, what operators are told, and that nothing is lost.

mod audit;
mod bodies;
mod broken;
mod browser;
mod by_name;
mod checks;
mod clients;
mod endings;
mod figures;
mod forwarded;
mod handshakes;
mod https;
mod idle;
mod renewals;
mod rig;
mod sessions;
mod under_load;
mod versions;
