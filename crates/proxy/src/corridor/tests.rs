//! What a request does to the standing of backends, and that to requests: one worker, real sockets.

mod blame;
mod stalls;
mod tls;
mod wishes;

use std::net::SocketAddr;

use evenkeel_model::Fault;
use evenkeel_routing::PoolRule;

use crate::examples::{Proxy, members, pool, server_of};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const GARBAGE: &str = "no HTTP at all\r\n\r\n";
const BAD_GATEWAY: &str = "HTTP/1.1 502 Bad\r\nContent-Length: 0\r\n\r\n";

fn proxy(answers: &[&'static str]) -> Proxy {
    let addresses: Vec<SocketAddr> = answers.iter().map(|answer| server_of(answer)).collect();
    Proxy::start(pool(PoolRule::default(), members(&addresses)))
}

/// The faults recorded of a member since the last look.
fn faults(proxy: &mut Proxy, member: usize) -> Vec<Fault> {
    proxy.report(member).strikes().map(|strike| strike.fault).collect()
}
