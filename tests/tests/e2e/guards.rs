//! What keeps a backend in service although its requests convict it, and what outranks everything.

use std::io::Write;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use evenkeel_tests::backend::{Backend, FullQueue, Next, Refusing, Script};
use evenkeel_tests::balancer::{Evenkeel, SOON, program};
use evenkeel_tests::client::Client;
use evenkeel_tests::wait;
use serde_json::{Value, json};

use crate::named;

/// Events with this message.
fn told(evenkeel: &Evenkeel, message: &str) -> Vec<Value> {
    let events = evenkeel.events().into_iter();
    events.filter(|event| event["message"].as_str().is_some_and(|text| text.starts_with(message))).collect()
}

const STAYS: &str = "backend fails, and stays in service";
const SHARED: &str = "most of the pool fails in the same way at once";

fn kept(evenkeel: &Evenkeel, address: &str) -> Value {
    evenkeel.backend(address)["kept"].clone()
}

/// A pool of one good backend and three that refuse, with these rules of health.
fn mostly_refusing(health: &str) -> ([Refusing; 3], Backend, Evenkeel) {
    let refusing = [(); 3].map(|()| Refusing::default());
    let good = Backend::start("good", Script::Echo);
    let [one, two, three] = refusing.each_ref().map(Refusing::address);
    let backends = [("one", one), ("two", two), ("three", three), ("good", good.address())];
    let settings = ["retry: { attempts: 4 }", &format!("health: {{ {health} }}")];
    let evenkeel = Evenkeel::start(&named::pool(&backends, &settings));
    (refusing, good, evenkeel)
}

fn ejected(evenkeel: &Evenkeel, refusing: &[Refusing]) -> usize {
    refusing.iter().filter(|one| evenkeel.phase(&one.address()) == "ejected").count()
}

#[test]
fn requests_never_take_more_out_than_the_pool_can_spare() {
    for (keep, out) in [("50%", 2), ("70%", 1), ("0%", 3)] {
        let (refusing, _good, evenkeel) =
            mostly_refusing(&format!("eject: {{ consecutive: 1, keep_at_least: {keep} }}"));
        let mut client = Client::connect(evenkeel.address());
        wait::until_true(SOON, "ejections", || {
            assert_eq!(client.get("/").status, 200);
            ejected(&evenkeel, &refusing) == out
        });
        (0..20).for_each(|_| assert_eq!(client.get("/").status, 200));
        assert_eq!(ejected(&evenkeel, &refusing), out, "{keep}");
        let left = refusing.iter().map(Refusing::address).filter(|one| evenkeel.phase(one) != "ejected");
        let left: Vec<String> = left.collect();
        wait::until_true(SOON, "a word about those that stay", || {
            left.iter().all(|address| kept(&evenkeel, address) == "keep_at_least")
        });
        let told = told(&evenkeel, STAYS);
        assert_eq!(told.len(), left.len(), "once for each: {told:?}");
        assert!(told.iter().all(|event| event["why"] == "keep_at_least"), "{told:?}");
    }
}

#[test]
fn probes_may_take_out_more_than_that() {
    let (refusing, _good, evenkeel) = mostly_refusing(
        "probe: { tcp: true, interval: 200ms, timeout: 200ms }, eject: { keep_at_least: 100% }",
    );
    wait::until_true(SOON, "all bad ones to go", || ejected(&evenkeel, &refusing) == 3);
}

#[test]
fn the_last_one_in_service_stays_and_that_is_told_once() {
    let refusing = Refusing::default();
    let backends = [("only", refusing.address())];
    let evenkeel = Evenkeel::start(&named::pool(&backends, &["health: { eject: { keep_at_least: 0% } }"]));
    let mut client = Client::connect(evenkeel.address());
    wait::until_true(SOON, "a word about it", || {
        assert_eq!(client.get("/").status, 502);
        kept(&evenkeel, &refusing.address()) == "last_in_service"
    });
    (0..50).for_each(|_| assert_eq!(client.get("/").status, 502));
    assert_eq!(evenkeel.backend(&refusing.address())["in_service"], true);
    let told = told(&evenkeel, STAYS);
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!((&told[0]["why"], &told[0]["backend"]), (&json!("last_in_service"), &json!("only")));
    assert!(told[0]["evidence"].as_str().unwrap().contains("connect_refused"), "{}", told[0]);
}

#[test]
fn where_all_do_the_same_nobody_is_taken_out() {
    let backends = ["a", "b", "c"].map(|name| Backend::start(name, Script::Status(503)));
    let [a, b, c] = &backends;
    let evenkeel = named::start(&[("a", a), ("b", b), ("c", c)], &[]);
    let mut client = Client::connect(evenkeel.address());
    for number in 0..40 {
        assert_eq!(client.post(&format!("/{number}"), b"order").status, 503);
        // So that each failure is seen by itself.
        wait::pause(Duration::from_millis(20));
    }
    wait::until_true(SOON, "a word about it", || {
        told(&evenkeel, STAYS).iter().any(|one| one["why"] == "no_better")
    });
    assert_eq!(evenkeel.metrics().sum("evenkeel_backend_ejections_total", &[]), 0.0);
}

#[test]
fn a_pool_that_times_out_as_a_whole_shares_a_fate() {
    let lost = [[127, 0, 0, 2], [127, 0, 0, 3]].map(FullQueue::on);
    let [one, two] = lost.each_ref().map(FullQueue::address);
    let settings =
        ["timeouts: { connect: 100ms }", "health: { eject: { consecutive: 1, keep_at_least: 0% } }"];
    let evenkeel = Evenkeel::start(&named::pool(&[("one", one.clone()), ("two", two.clone())], &settings));
    let mut client = Client::connect(evenkeel.address());
    wait::until_true(SOON, "a shared fate", || {
        assert_eq!(client.get("/").status, 504);
        [&one, &two].iter().any(|address| kept(&evenkeel, address) == "shared_fate")
    });
    (0..5).for_each(|_| assert_eq!(client.get("/").status, 504));
    assert_eq!(evenkeel.metrics().sum("evenkeel_backend_ejections_total", &[]), 0.0);
    let shared = told(&evenkeel, SHARED);
    assert_eq!(shared.len(), 1, "{shared:?}");
    assert_eq!((&shared[0]["cause"], &shared[0]["backends"]), (&json!("connect_timeout"), &json!(2)));
}

#[test]
fn one_that_times_out_alone_shares_nothing() {
    let lost = FullQueue::on([127, 0, 0, 2]);
    let good = ["a", "b"].map(|name| Backend::start(name, Script::Echo));
    let backends = [("lost", lost.address()), ("a", good[0].address()), ("b", good[1].address())];
    let settings = ["timeouts: { connect: 100ms }", "health: { eject: { consecutive: 2 } }"];
    let evenkeel = Evenkeel::start(&named::pool(&backends, &settings));
    let mut client = Client::connect(evenkeel.address());
    wait::until_true(SOON, "the ejection", || {
        assert_eq!(client.get("/").status, 200);
        evenkeel.phase(&lost.address()) == "ejected"
    });
    assert_eq!(told(&evenkeel, SHARED), [] as [Value; 0]);
}

/// In a network of its own: two hosts that cannot be reached, and then can.
const CUT: &str = r#"
set -eu
ip link set lo up
started=
trap 'kill $started' EXIT
soon() { n=0; until "$@"; do n=$((n + 1)); [ $n -lt 200 ]; sleep 0.05; done }
ask() { for n in $(seq 10); do curl -s -o /dev/null -m 10 -w '%{http_code}\n' http://127.0.0.1:8080/$n; done; }
get() { curl -sf http://127.0.0.1:9180/$1; }

ip route add unreachable 10.9.1.1
ip route add unreachable 10.9.2.1
"$EVENKEEL" run -c evenkeel.yaml &
started="$started $!"
soon curl -s -o /dev/null http://127.0.0.1:9180/api/status
echo "cut: $(echo $(ask | sort | uniq -c))"
# It is told as long as requests go on failing so.
is_told() { ask >asked; get api/status | grep -q '"kept":"shared_fate"'; }
soon is_told
echo "ejections: $(get metrics | grep '^evenkeel_backend_ejections_total' | grep -vc ' 0$')"

ip route del unreachable 10.9.1.1
ip route del unreachable 10.9.2.1
ip addr add 10.9.1.1/32 dev lo
ip addr add 10.9.2.1/32 dev lo
"$EVENKEEL" fault-backend --listen 10.9.1.1:3000 --listen 10.9.2.1:3000 >backends 2>&1 &
started="$started $!"
listening() { [ "$(grep -c http:// backends)" = 2 ]; }
soon listening
echo "mended: $(echo $(ask | sort | uniq -c))"
"#;

const CUT_CONFIGURATION: &str = r#"
admin: { address: "127.0.0.1:9180", socket: off }
access_log: off
listeners: [{ name: a, address: "127.0.0.1:8080" }]
pools: { web: { backends: ["10.9.1.1:3000", "10.9.2.1:3000"], health: { eject: { keep_at_least: 0% } } } }
"#;

#[test]
fn a_network_that_is_cut_off_ejects_nobody() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("evenkeel.yaml"), CUT_CONFIGURATION).unwrap();
    // Who is not root becomes root of the new network alone.
    let own_network = if rustix::process::geteuid().is_root() { "-n" } else { "-rn" };
    let ran = Command::new("timeout")
        .args(["60", "unshare", own_network, "bash", "-c", CUT])
        .env("EVENKEEL", program())
        .current_dir(folder.path())
        .output()
        .expect("timeout is a program of every Debian");
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success(), "{said}\n{}", String::from_utf8_lossy(&ran.stderr));
    for line in ["cut: 10 502", "ejections: 0", "mended: 10 200"] {
        assert!(said.lines().any(|one| one == line), "no {line:?} in {said}");
    }
    let logged = String::from_utf8_lossy(&ran.stderr);
    assert_eq!(logged.matches(SHARED).count(), 1, "{logged}");
    assert!(logged.contains("\"cause\":\"unroutable\""), "{logged}");
}

/// A backend whose probes get this status, and say that it need not be drained.
fn probed(name: &str, status: &Arc<AtomicU16>) -> Backend {
    let (own, status) = (name.to_owned(), status.clone());
    let script = Script::custom(move |request, socket| {
        let status = if request.target == "/healthz" { status.load(Ordering::Acquire) } else { 200 };
        let head = format!(
            "HTTP/1.1 {status} Own\r\nX-Evenkeel-Drain: 0\r\nX-Backend: {own}\r\nContent-Length: 0\r\n\r\n"
        );
        socket.write_all(head.as_bytes())?;
        Ok(Next::Continue)
    });
    Backend::start(name, script)
}

#[test]
fn an_operators_order_outranks_all() {
    let statuses = [200, 200].map(|status| Arc::new(AtomicU16::new(status)));
    let backends = [probed("blue", &statuses[0]), probed("green", &statuses[1])];
    let settings =
        ["health: { slow_start: off, probe: { path: /healthz, interval: 200ms, timeout: 200ms } }"];
    let evenkeel = named::start(&[("blue", &backends[0]), ("green", &backends[1])], &settings);
    let probes = |backend: &Backend, more: usize| {
        let goal = backend.deliveries("/healthz") + more;
        wait::until_true(SOON, "probes", || backend.deliveries("/healthz") >= goal);
    };
    let ordinary = |backend: &Backend| backend.deliveries("/");
    let mut client = Client::connect(evenkeel.address());

    // Neither probes that pass nor the backend's own word bring back what an operator holds.
    for (order, hold) in [("drain", "drained"), ("eject", "out")] {
        assert!(evenkeel.operate(&[order, "blue"]).status.success());
        let before = ordinary(&backends[0]);
        probes(&backends[0], 5);
        (0..10).for_each(|_| assert_eq!(client.get("/").field("x-backend"), Some("green")));
        assert_eq!(
            (evenkeel.backend(&backends[0].address())["hold"].clone(), ordinary(&backends[0])),
            (hold.into(), before)
        );
    }
    // What an operator took out gets nothing, even where nobody else is left.
    statuses[1].store(503, Ordering::Release);
    wait::until_true(SOON, "the other's ejection", || evenkeel.phase(&backends[1].address()) == "ejected");
    assert_eq!(client.get("/").field("x-backend"), Some("green"), "a last resort");
    assert!(evenkeel.operate(&["eject", "green"]).status.success());
    assert_eq!(Client::connect(evenkeel.address()).get("/").status, 503);

    // Who is ready is in service at once, whatever its probes have said.
    assert!(evenkeel.operate(&["ready", "green"]).status.success());
    let ready =
        evenkeel.events().into_iter().rfind(|event| event["to"] == "serving" && event["backend"] == "green");
    assert_eq!(ready.unwrap()["evidence"], "an operator said that it is ready");
    // And they go on judging it.
    wait::until_true(SOON, "its next ejection", || evenkeel.phase(&backends[1].address()) == "ejected");
    assert!(evenkeel.operate(&["ready", "blue"]).status.success());
    assert_eq!(Client::connect(evenkeel.address()).get("/").field("x-backend"), Some("blue"));
}
