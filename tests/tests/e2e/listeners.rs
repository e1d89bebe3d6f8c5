//! Opening, sharing and closing of listening sockets.

use std::time::Duration;

use evenkeel_tests::backend::{Backend, Script};
use evenkeel_tests::balancer::{self, Evenkeel, SOON};
use evenkeel_tests::client::Client;
use evenkeel_tests::process::Process;
use rustix::process::Signal;

use crate::turns::heavy;

#[test]
fn a_second_instance_on_the_same_port_fails_and_says_why() {
    let backend = Backend::start("a", Script::Echo);
    let pools = format!("pools: {{ web: {{ backends: [\"{}\"] }} }}\n", backend.address());
    let first = Evenkeel::start(&pools);
    let address = first.address();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("second.yaml");
    let text =
        format!("admin: {{ address: \"127.0.0.1:0\" }}\nlisteners: [{{ address: \"{address}\" }}]\n{pools}");
    std::fs::write(&file, text).unwrap();
    let mut command = balancer::command();
    command.arg("run").arg("-c").arg(&file);
    let mut second = Process::start("evenkeel", command, folder.path());
    assert_eq!(second.wait(SOON).code(), Some(1));
    let output = second.output();
    assert!(output.contains(&address.to_string()), "{output}");
    assert!(output.contains("in use"), "{output}");
    assert_eq!(Client::connect(address).get("/").status, 200);
}

#[test]
fn connections_queued_as_a_listener_closes_are_answered() {
    let _turn = heavy();
    let backend = Backend::start("a", Script::Echo);
    let pools = format!("pools: {{ web: {{ backends: [\"{}\"] }} }}\n", backend.address());
    let listener = |name: &str| format!("{{ name: {name}, address: \"127.0.0.1:0\" }}");
    let evenkeel =
        Evenkeel::start(&format!("listeners: [{}, {}]\n{pools}", listener("stays"), listener("goes")));
    let address = evenkeel.listener("goes");

    // While the process stands still, connections queue in the kernel.
    evenkeel.signal(Signal::STOP);
    let mut queued: Vec<Client> = (0..200).map(|_| Client::connect(address)).collect();
    for client in &mut queued {
        client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    evenkeel.write(&format!("listeners: [{}]\n{pools}", listener("stays")));
    evenkeel.signal(Signal::HUP);
    evenkeel.signal(Signal::CONT);
    for client in &mut queued {
        let response = client.wait_at_most(SOON).response("GET");
        assert_eq!(response.status, 200);
    }
    evenkeel_tests::wait::until_true(SOON, "the listener to be closed", || {
        Client::try_connect(address).is_err()
    });
    assert_eq!(Client::connect(evenkeel.address()).get("/").status, 200);
}

#[test]
fn a_reload_opens_and_closes_listeners() {
    let backend = Backend::start("a", Script::Echo);
    let pools = format!("pools: {{ web: {{ backends: [\"{}\"] }} }}\n", backend.address());
    let evenkeel =
        Evenkeel::start(&format!("listeners: [{{ name: one, address: \"127.0.0.1:0\" }}]\n{pools}"));
    let one = evenkeel.listener("one");
    let mut old = Client::connect(one);
    assert_eq!(old.get("/").status, 200);
    evenkeel.reload(&format!("listeners: [{{ name: two, address: \"127.0.0.1:0\" }}]\n{pools}"));
    let two = evenkeel.listener("two");
    assert_eq!(Client::connect(two).get("/").status, 200);
    evenkeel_tests::wait::until_true(SOON, "the first listener to close", || {
        Client::try_connect(one).is_err()
    });
    // A connection of the closed listener ends with a response that says so, or is closed while it idles.
    if let Ok(response) = old.try_get("/") {
        assert_eq!(response.status, 200);
        assert!(response.closes(), "{}", response.head);
    }
}

#[test]
fn eight_equal_clients_are_shared_between_two_workers() {
    let backend = Backend::start("a", Script::Echo);
    let evenkeel = Evenkeel::start(&format!(
        "workers: 2\npools: {{ web: {{ backends: [\"{}\"] }} }}\n",
        backend.address()
    ));
    for round in 0..20 {
        let clients: Vec<Client> = (0..8)
            .map(|_| {
                let mut client = Client::connect(evenkeel.address());
                assert_eq!(client.get("/").status, 200);
                client
            })
            .collect();
        let metrics = evenkeel.metrics();
        let of = |worker| metrics.sum("evenkeel_worker_connections", &[("worker", worker)]);
        let shares = [of("0"), of("1")];
        assert_eq!(shares[0] + shares[1], 8.0, "round {round}: {shares:?}");
        assert!(shares.iter().all(|share| *share <= 5.0), "round {round}: {shares:?}");
        drop(clients);
        evenkeel_tests::wait::until_true(SOON, "the clients to be gone", || {
            evenkeel.metrics().sum("evenkeel_worker_connections", &[]) == 0.0
        });
    }
}

#[test]
fn a_limit_of_connections_holds() {
    let backend = Backend::start("a", Script::Echo);
    let evenkeel = Evenkeel::start(&format!(
        "listeners: [{{ name: edge, address: \"127.0.0.1:0\", limits: {{ connections: 4 }} }}]\n\
         pools: {{ web: {{ backends: [\"{}\"] }} }}\n",
        backend.address()
    ));
    let mut clients: Vec<Client> = (0..4).map(|_| Client::connect(evenkeel.address())).collect();
    for client in &mut clients {
        assert_eq!(client.get("/").status, 200);
    }
    let mut fifth = Client::connect(evenkeel.address());
    let refused = fifth.wait_at_most(Duration::from_secs(5)).try_get("/");
    assert!(refused.map_or(true, |response| response.status == 503));
    clients.pop();
    evenkeel_tests::wait::until_true(SOON, "room for another one", || {
        evenkeel_tests::client::try_get(evenkeel.address(), "/").is_ok_and(|response| response.status == 200)
    });
}
