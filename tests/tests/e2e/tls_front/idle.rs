//! What TLS connections cost that wait for their next request.

use std::time::Duration;

use evenkeel_tests::client::Client;
use evenkeel_tests::process::private_bytes;
use evenkeel_tests::wait;

use super::rig::{Front, Words};
use crate::turns::heavy;

const CLIENTS: usize = 500;
const PATIENCE: Duration = Duration::from_secs(20);

fn settled(front: &Front) -> u64 {
    let mut last = 0;
    wait::until(PATIENCE, "the memory to stand still", || {
        wait::pause(Duration::from_millis(300));
        let now = private_bytes(&[front.evenkeel.id()]);
        (std::mem::replace(&mut last, now) == now).then_some(now)
    })
}

#[test]
fn an_idle_tls_connection_costs_less_than_12_kib() {
    let _turn = heavy();
    let front = Front::with(Words { top: "workers: 1", ..Words::default() });
    let address = front.address();
    let client = front.client().resuming();
    let ask = |_| {
        let mut client = Client::secure(address, &client);
        assert_eq!(client.get("/pattern/100000").body.len(), 100_000);
        client
    };
    // Buffers that the worker keeps for anybody are no idle client's.
    drop((0..32).map(ask).collect::<Vec<Client>>());
    let before = settled(&front);
    let clients: Vec<Client> = (0..CLIENTS).map(ask).collect();
    let cost = settled(&front).saturating_sub(before) / CLIENTS as u64;
    println!("an idle TLS connection: {cost} bytes");
    assert!(cost < 12 * 1024, "{cost} bytes a connection");
    assert_eq!(
        front.evenkeel.metrics().sum("evenkeel_listener_open_connections", &[]) as usize,
        clients.len()
    );
}
