//! What an idle keep-alive connection costs in memory.

use std::time::Duration;

use evenkeel_tests::client::Client;
use evenkeel_tests::process::private_bytes;
use evenkeel_tests::wait;

use crate::contestant::Running;
use crate::cores;

/// What the rows are called, without and with TLS.
pub(crate) const NAMES: [&str; 2] = ["idle connections", "idle TLS connections"];

/// Connections held, where descriptors allow: HAProxy reserves two for each.
const MOST: u64 = 8_000;
/// Descriptors that are needed for other things.
const SPARE: u64 = 1_000;

/// How many connections are held.
pub(crate) fn connections(is_quick: bool) -> u64 {
    let most = if is_quick { MOST / 5 } else { MOST };
    most.min(cores::descriptors().saturating_sub(SPARE) / 2)
}

/// Bytes of private memory per connection that made one request and now idles.
pub(crate) fn bytes_per_connection(running: &Running, connections: u64) -> f64 {
    let ask = |_| {
        let mut client = running.client();
        assert_eq!(client.get("/1k").status, 200);
        client
    };
    drop((0..64).map(ask).collect::<Vec<Client>>());
    let before = settled(running);
    let held: Vec<Client> = (0..connections).map(ask).collect();
    let after = settled(running);
    drop(held);
    (after as f64 - before as f64) / connections as f64
}

/// The proxy's private memory, once it no longer changes.
fn settled(running: &Running) -> u64 {
    let mut last = 0;
    wait::until(Duration::from_secs(20), "memory to settle", || {
        wait::pause(Duration::from_millis(500));
        let now = private_bytes(&running.family());
        let is_settled = now == last;
        last = now;
        is_settled.then_some(now)
    })
}
