//! Clients that are slow on purpose: what each of them costs, that all are cut in time, and that nobody else notices.

use std::time::Duration;

use evenkeel_tests::backend::{Backend, Script};
use evenkeel_tests::balancer::Evenkeel;
use evenkeel_tests::client::Client;
use evenkeel_tests::process::private_bytes;
use evenkeel_tests::wait;

use crate::turns::paced;

const CLIENTS: usize = 500;
const PATIENCE: Duration = Duration::from_secs(60);
/// Each clock is 12 s.
const IN_TIME: Duration = Duration::from_secs(20);

/// A balancer whose clocks are short enough to be waited for.
fn balancer(backend: &Backend) -> Evenkeel {
    Evenkeel::start(&format!(
        "listeners: [{{ name: edge, address: \"127.0.0.1:0\", timeouts: {{ head: 12s, body_idle: 12s }} }}]\n\
         pools: {{ web: {{ backends: [\"{}\"] }} }}\n",
        backend.address()
    ))
}

/// Opens the connections, lets `begin` make each of them slow, and returns what one costs in private memory.
fn cost(evenkeel: &Evenkeel, backend: &Backend, begin: impl Fn(&mut Client)) -> (Vec<Client>, u64) {
    let address = evenkeel.address();
    // Buffers that the workers keep for anybody are no slow client's.
    let mut warm: Vec<Client> = (0..64).map(|_| Client::narrow(address)).collect();
    for client in &mut warm {
        client.send("GET /pattern/300000 HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    for client in &mut warm {
        assert_eq!(client.response("GET").body.len(), 300_000);
    }
    drop(warm);
    let before = private_bytes(&[evenkeel.id()]);
    let mut clients: Vec<Client> = (0..CLIENTS).map(|_| Client::narrow(address)).collect();
    for client in &mut clients {
        begin(client);
    }
    let open = || evenkeel.metrics().sum("evenkeel_listener_open_connections", &[]) as usize;
    wait::until_true(PATIENCE, "all to be accepted", || open() >= CLIENTS);
    let mut last = (0, 0);
    wait::until_true(PATIENCE, "everything to stand still", || {
        wait::pause(Duration::from_millis(500));
        let now = (private_bytes(&[evenkeel.id()]), backend.pattern_bytes());
        std::mem::replace(&mut last, now) == now
    });
    let cost = last.0.saturating_sub(before) / CLIENTS as u64;
    (clients, cost)
}

/// What the kernel keeps of each client's answer, bytes: sent and not confirmed, or not sent.
fn unsent(evenkeel: &Evenkeel) -> Vec<u64> {
    let port = format!(":{:04X}", evenkeel.address().port());
    let table = std::fs::read_to_string("/proc/net/tcp").expect("Linux tells of its sockets");
    let of_line = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let queued = fields[4].split(':').next()?;
        let is_established = fields[3] == "01";
        (is_established && fields[1].ends_with(&port))
            .then(|| u64::from_str_radix(queued, 16).expect("a size in hexadecimal"))
    };
    table.lines().skip(1).filter_map(of_line).collect()
}

/// Asks as anybody would, while the slow clients send a byte now and then, until every one of them is cut.
fn expect_all_cut(evenkeel: &Evenkeel, mut clients: Vec<Client>, limit: &str) {
    let mut normal = Client::connect(evenkeel.address());
    let reached = || evenkeel.metrics().sum("evenkeel_listener_limits_reached_total", &[("limit", limit)]);
    wait::until_some(IN_TIME, || {
        assert_eq!(normal.get("/").status, 200);
        // One that is cut already takes no more.
        clients.iter_mut().for_each(|client| drop(client.try_send(b"x")));
        wait::pause(Duration::from_millis(100));
        (reached() >= CLIENTS as f64).then_some(())
    });
    assert_eq!(reached(), CLIENTS as f64, "cut by {limit} within {IN_TIME:?}");
}

#[test]
fn half_a_head_costs_less_than_8_kib_and_is_cut_in_time() {
    let _turn = paced();
    let backend = Backend::start("a", Script::Echo);
    let evenkeel = balancer(&backend);
    let (clients, cost) = cost(&evenkeel, &backend, |client| {
        client.send("GET / HTTP/1.1\r\nHost: x\r\nUser-Agent: slow\r\nX-Slow: ");
        client.send("a");
        client.send("b");
    });
    println!("half a head: {cost} bytes");
    assert!(cost < 8 * 1024, "{cost} bytes a client");
    expect_all_cut(&evenkeel, clients, "timeouts.head");
    assert!(backend.requests().iter().all(|request| !request.head.contains("slow")));
}

#[test]
fn half_a_body_costs_less_than_8_kib_and_is_cut_in_time() {
    let _turn = paced();
    let backend = Backend::start("a", Script::Echo);
    let evenkeel = balancer(&backend);
    let (clients, cost) = cost(&evenkeel, &backend, |client| {
        client
            .send("POST /slow HTTP/1.1\r\nHost: x\r\nUser-Agent: slow\r\nContent-Length: 100000\r\n\r\nabc");
        client.send("d");
    });
    println!("half a body: {cost} bytes");
    assert!(cost < 8 * 1024, "{cost} bytes a client");
    expect_all_cut(&evenkeel, clients, "limits.body_rate");
    assert_eq!(backend.deliveries("/slow"), 0, "none is complete");
}

#[test]
fn a_reader_that_reads_nothing_costs_less_than_64_kib_and_is_cut_in_time() {
    let _turn = paced();
    for behind in ["", "GET /behind HTTP/1.1\r\nHost: x\r\n\r\n"] {
        let backend = Backend::start("a", Script::Echo);
        let evenkeel = balancer(&backend);
        let (clients, cost) = cost(&evenkeel, &backend, |client| {
            client.send(format!("GET /pattern/40000000 HTTP/1.1\r\nHost: x\r\n\r\n{behind}"));
        });
        assert!(backend.pattern_bytes() > (CLIENTS * 60_000) as u64, "every response flowed until it stuck");
        println!("a reader that reads nothing, {behind:?}: {cost} bytes");
        assert!(cost < 64 * 1024, "{cost} bytes a client, {behind:?}");
        let kept = unsent(&evenkeel);
        assert_eq!(kept.len(), CLIENTS);
        assert!(kept.iter().all(|&bytes| bytes < 512 * 1024), "the kernel keeps {kept:?}");
        expect_all_cut(&evenkeel, clients, "timeouts.body_idle");
        assert_eq!(backend.deliveries("/behind"), 0);
    }
}
