//! Names that never resolved: what a client is told, who hides it, and what comes of a name that begins to resolve.

use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use evenkeel_tests::backend::{Backend, Script};
use evenkeel_tests::balancer::{Evenkeel, SOON};
use evenkeel_tests::client::Client;
use evenkeel_tests::dns::Dns;
use evenkeel_tests::structured;
use evenkeel_tests::wait;
use serde_json::json;

use super::place::Port;
use super::{failures, load, start, start_with, until_at, until_said};
use crate::named::{self, entry};

/// Longest look-up of the names that nobody answers for.
const IMPATIENT: &str = "1s";

/// A name, and what becomes of a request for it.
struct Case {
    host: &'static str,
    cause: &'static str,
    rcode: Option<&'static str>,
    status: u16,
}

const CASES: [Case; 5] = [
    Case { host: "nobody.test", cause: "dns_failed", rcode: Some("NXDOMAIN"), status: 502 },
    Case { host: "broken.example", cause: "dns_failed", rcode: Some("SERVFAIL"), status: 502 },
    Case { host: "foreign.example", cause: "dns_failed", rcode: Some("REFUSED"), status: 502 },
    Case { host: "empty.test", cause: "dns_failed", rcode: Some("NOERROR"), status: 502 },
    Case { host: "silent.example", cause: "dns_timeout", rcode: None, status: 504 },
];

/// The server that dnsmasq asks about `broken.example`: it fails. The one for `silent.example` never answers.
struct Upstreams {
    silent: UdpSocket,
    failing: std::net::SocketAddr,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Upstreams {
    fn start() -> Upstreams {
        let [silent, failing] = [0; 2].map(|_| UdpSocket::bind("127.0.0.1:0").unwrap());
        failing.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let address = failing.local_addr().unwrap();
        let is_over = Arc::<AtomicBool>::default();
        let ends = is_over.clone();
        let thread = std::thread::spawn(move || {
            while !ends.load(Ordering::Acquire) {
                fail(&failing);
            }
        });
        Upstreams { silent, failing: address, is_over, thread: Some(thread) }
    }

    fn options(&self) -> [String; 3] {
        let forward = |name: &str, port: u16| format!("--server=/{name}/127.0.0.1#{port}");
        [
            "--txt-record=empty.test,no address".into(),
            forward("broken.example", self.failing.port()),
            forward("silent.example", self.silent.local_addr().unwrap().port()),
        ]
    }
}

impl Drop for Upstreams {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            // Its panic has been printed.
            let _ = thread.join();
        }
    }
}

/// The question, turned into an answer that says SERVFAIL.
fn fail(socket: &UdpSocket) {
    let mut packet = [0; 1500];
    if let Ok((count, from)) = socket.recv_from(&mut packet) {
        packet[2] |= 0x80;
        packet[3] = 2;
        // Who asked may be gone.
        let _ = socket.send_to(&packet[..count], from);
    }
}

fn failing_dns() -> (Upstreams, Dns) {
    let upstreams = Upstreams::start();
    let dns = Dns::start_with(&[], &upstreams.options());
    (upstreams, dns)
}

#[test]
fn a_client_is_told_why_the_only_name_of_a_pool_does_not_resolve() {
    let (_upstreams, dns) = failing_dns();
    for Case { host, cause, rcode, status } in CASES {
        let address = format!("{host}:80");
        let evenkeel = start_with(&dns, IMPATIENT, &[("app", &address)], &[]);
        let told = rcode.map_or_else(|| cause.to_owned(), |rcode| format!("{cause} ({rcode})"));
        let line = until_said(&evenkeel, host, 1);
        assert_eq!(
            (&line["message"], &line["level"], &line["cause"]),
            (&json!("name does not resolve, and never did"), &json!("WARN"), &json!(told))
        );
        let response = Client::connect(evenkeel.address()).get("/");
        assert_eq!(response.status, status, "{host}");
        let proxies = structured::list(&response.fields("proxy-status")).unwrap();
        let error = if cause == "dns_timeout" { "dns_timeout" } else { "dns_error" };
        assert_eq!((proxies[0].text("error"), proxies[0].text("rcode")), (Some(error), rcode), "{host}");
        let entry = entry(&evenkeel, "/");
        assert_eq!((&entry["status"], &entry["cause"]), (&json!(status), &json!(cause)), "{host}");
        let backend = evenkeel.backend(&address);
        assert_eq!((&backend["endpoints"], &backend["unresolved"]), (&json!([]), &json!(told)));
        assert_ne!(backend["phase"], "ejected", "a name that does not resolve is no fault of its backend's");
        assert_eq!(failures(&evenkeel, &address), json!({ cause: 1 }));
    }
}

#[test]
fn names_that_do_not_resolve_are_hidden_by_a_good_backend() {
    let (_upstreams, dns) = failing_dns();
    let good = Backend::start("good", Script::Echo);
    for Case { host, cause, .. } in CASES {
        let (address, good_address) = (format!("{host}:80"), good.address());
        let backends = [("app", address.as_str()), ("good", &good_address)];
        let evenkeel = start_with(&dns, IMPATIENT, &backends, &[]);
        until_said(&evenkeel, host, 1);
        let mut client = Client::connect(evenkeel.address());
        for number in 0..10 {
            let target = format!("/{host}/{number}");
            assert_eq!(client.get(&target).field("x-backend"), Some("good"), "{host}");
            assert_eq!(client.post(&target, b"once").status, 200, "{host}");
            assert_eq!(good.deliveries(&target), 2, "{host}");
        }
        assert!(failures(&evenkeel, &address)[cause].as_u64() >= Some(1), "{host} had no turn");
        assert_ne!(evenkeel.phase(&address), "ejected");
    }
}

#[test]
fn a_name_that_nobody_answers_for_delays_the_start_by_a_second_at_most() {
    let (_upstreams, dns) = failing_dns();
    let good = Backend::start("good", Script::Echo);
    let good_address = good.address();
    let backends = [("app", "silent.example:80"), ("good", good_address.as_str())];
    let since = Instant::now();
    let evenkeel = start_with(&dns, "30s", &backends, &[]);
    let took = since.elapsed();
    // A busy machine takes some time, too, to start the program.
    assert!(took < Duration::from_secs(5), "{took:?}");
    let mut client = Client::connect(evenkeel.address());
    (0..4).for_each(|_| assert_eq!(client.get("/").status, 200));
    assert_eq!(client.post("/", b"x").status, 200);
}

#[test]
fn a_name_that_begins_to_resolve_serves() {
    const ADDRESS: &str = "127.0.0.2";
    let port = Port::on(&[ADDRESS]);
    let late = port.backend(ADDRESS, Script::Echo);
    let good = Backend::start("good", Script::Echo);
    let dns = Dns::start(&[]);
    let (address, good_address) = (port.of("late.test"), good.address());
    let evenkeel = start(&dns, &[("late", &address), ("good", &good_address)], &[]);
    until_said(&evenkeel, "late.test", 1);
    let crowd = load(&evenkeel);
    crowd.wait_for(20);
    dns.set(&[("late.test", ADDRESS)]);
    until_at(&evenkeel, &address, &[port.of(ADDRESS)]);
    wait::until_true(SOON, "requests", || !late.requests().is_empty());
    assert_eq!(until_said(&evenkeel, "late.test", 2)["message"], "name resolves");
    crowd.expect_no_failure();
    assert_eq!(evenkeel.backend(&address)["unresolved"], json!(null));
}

#[test]
fn a_reload_waits_for_the_names_that_it_brings() {
    const ADDRESS: &str = "127.0.0.2";
    let port = Port::on(&[ADDRESS]);
    let _new = port.backend(ADDRESS, Script::Echo);
    let good = Backend::start("good", Script::Echo);
    let dns = Dns::start(&[("new.test", ADDRESS)]);
    let configured = |backend: (&str, String)| named::pool(&[backend], &[]) + &dns.setting("5s");
    let evenkeel = Evenkeel::start(&configured(("good", good.address())));
    let crowd = load(&evenkeel);
    crowd.wait_for(20);
    evenkeel.reload(&configured(("new", port.of("new.test"))));
    let mut client = Client::connect(evenkeel.address());
    assert_eq!(client.get("/").field("x-backend"), Some(ADDRESS));
    crowd.wait_for(20);
    crowd.expect_no_failure();
}
