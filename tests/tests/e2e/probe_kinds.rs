//! What probes ask, whom, how often, and what they make of the answers: with real sockets.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use evenkeel_tests::backend::{Backend, Next, Script};
use evenkeel_tests::balancer::{Evenkeel, SOON};
use evenkeel_tests::client::Client;
use evenkeel_tests::raw::{Connection, RawBackend};
use evenkeel_tests::wait;

/// One backend with this probe.
fn probed(address: &str, probe: &str) -> Evenkeel {
    Evenkeel::start(&format!(
        "workers: 1\npools: {{ web: {{ backends: [\"{address}\"], health: {{ eject: off, slow_start: off, probe: {{ {probe} }} }} }} }}\n"
    ))
}

fn until_phase(evenkeel: &Evenkeel, address: &str, phase: &str) {
    wait::until_true(SOON, phase, || evenkeel.phase(address) == phase);
}

/// Answers with this, to everybody.
fn saying(status: u16, body: &str) -> Script {
    let length = body.len();
    Script::Reply(format!("HTTP/1.1 {status} Own\r\nContent-Length: {length}\r\n\r\n{body}").into_bytes())
}

const QUICK: &str = "interval: 200ms, timeout: 200ms, fall: 2, rise: 2";

#[test]
fn a_probe_arrives_as_it_is_configured() {
    let backend = Backend::start("a", Script::Echo);
    let probe = format!(
        "path: \"/healthz?deep=1\", method: OPTIONS, host: app.internal, headers: {{ X-Probe: \"1\", Authorization: secret }}, {QUICK}"
    );
    let evenkeel = probed(&backend.address(), &probe);
    until_phase(&evenkeel, &backend.address(), "serving");
    let request = backend.requests()[0].clone();
    assert_eq!((&*request.method, &*request.target), ("OPTIONS", "/healthz?deep=1"));
    for (name, value) in [("host", "app.internal"), ("x-probe", "1"), ("authorization", "secret")] {
        assert_eq!(request.fields(name), [value], "{}", request.head);
    }
    backend.judged();
}

#[test]
fn the_statuses_that_are_configured_pass() {
    let backend = Backend::start("a", saying(204, ""));
    let probe = format!("path: /, statuses: [200, \"401-403\"], {QUICK}");
    let evenkeel = probed(&backend.address(), &probe);
    for (status, phase) in [(204, "ejected"), (403, "serving"), (404, "ejected"), (200, "serving")] {
        backend.set(saying(status, ""));
        until_phase(&evenkeel, &backend.address(), phase);
        let evidence = evenkeel.backend(&backend.address())["evidence"].to_string();
        let is_told = phase == "serving" || evidence.contains(&status.to_string());
        assert!(is_told, "{status}: {evidence}");
    }
}

#[test]
fn the_body_has_to_say_what_is_expected() {
    let backend = Backend::start("a", saying(200, "{ \"state\": \"starting\" }"));
    let evenkeel = probed(&backend.address(), &format!("path: /, body: \"ready\", {QUICK}"));
    until_phase(&evenkeel, &backend.address(), "ejected");
    let evidence = evenkeel.backend(&backend.address())["evidence"].to_string();
    assert!(evidence.contains("unexpected_body"), "{evidence}");
    backend.set(saying(200, "{ \"state\": \"ready\" }"));
    until_phase(&evenkeel, &backend.address(), "serving");
}

#[test]
fn another_port_is_asked_where_one_is_configured() {
    let (backend, door) = (Backend::start("a", Script::Echo), Backend::start("door", Script::Echo));
    let (_, port) =
        door.address().rsplit_once(':').map(|(host, port)| (host.to_owned(), port.to_owned())).unwrap();
    let evenkeel = probed(&backend.address(), &format!("path: /healthz, port: {port}, {QUICK}"));
    until_phase(&evenkeel, &backend.address(), "serving");
    door.set(Script::Status(500));
    until_phase(&evenkeel, &backend.address(), "ejected");
    assert_eq!(backend.connections(), 0, "the backend itself was probed");
}

#[test]
fn a_tcp_probe_sends_and_expects() {
    let answer = Arc::new(Mutex::new("-LOADING\r\n"));
    let heard = Arc::new(Mutex::new(Vec::new()));
    let (says, hears) = (answer.clone(), heard.clone());
    let backend = RawBackend::start(move |connection: &mut Connection| -> io::Result<()> {
        let mut bytes = [0; 6];
        io::Read::read_exact(&mut connection.socket(), &mut bytes)?;
        hears.lock().unwrap().push(bytes.to_vec());
        let answer = *says.lock().unwrap();
        connection.send(answer)?;
        connection.drain()
    });
    let probe = format!("tcp: {{ send: \"PING\\r\\n\", expect: \"+PONG\" }}, {QUICK}");
    let evenkeel = probed(&backend.address(), &probe);
    until_phase(&evenkeel, &backend.address(), "ejected");
    let evidence = evenkeel.backend(&backend.address())["evidence"].to_string();
    assert!(evidence.contains("unexpected_reply"), "{evidence}");
    *answer.lock().unwrap() = "+PONG\r\n";
    until_phase(&evenkeel, &backend.address(), "serving");
    assert!(heard.lock().unwrap().iter().all(|bytes| bytes == b"PING\r\n"));
}

/// A backend that notes when requests arrive, and answers as it is told.
struct Clocked {
    backend: Backend,
    status: Arc<Mutex<u16>>,
    arrivals: Arc<Mutex<Vec<Instant>>>,
}

impl Clocked {
    fn start(status: u16) -> Clocked {
        let (status, arrivals) = (Arc::new(Mutex::new(status)), Arc::new(Mutex::new(Vec::new())));
        let (says, notes) = (status.clone(), arrivals.clone());
        let script = Script::custom(move |_, socket| {
            notes.lock().unwrap().push(Instant::now());
            let status = *says.lock().unwrap();
            socket.write_all(format!("HTTP/1.1 {status} Own\r\nContent-Length: 0\r\n\r\n").as_bytes())?;
            Ok(Next::Continue)
        });
        Clocked { backend: Backend::start("a", script), status, arrivals }
    }

    fn address(&self) -> String {
        self.backend.address()
    }

    /// From now on; the requests so far are forgotten.
    fn say(&self, status: u16) {
        let mut arrivals = self.arrivals.lock().unwrap();
        *self.status.lock().unwrap() = status;
        arrivals.clear();
    }

    /// Between these first arrivals, once there are so many.
    fn gaps(&self, count: usize) -> Vec<Duration> {
        let arrivals = wait::until(SOON, "probes", || {
            Some(self.arrivals.lock().unwrap().clone()).filter(|arrivals| arrivals.len() > count)
        });
        arrivals.windows(2).take(count).map(|two| two[1] - two[0]).collect()
    }
}

#[test]
fn an_answer_of_429_slows_probes_down_and_ejects_nobody() {
    let clocked = Clocked::start(200);
    let probe = "path: /, interval: 200ms, jitter: 0%, timeout: 200ms, fall: 1, rise: 1";
    let evenkeel = probed(&clocked.address(), probe);
    until_phase(&evenkeel, &clocked.address(), "serving");
    clocked.say(429);
    // Twice as long with each; a thread may be late, and a probe never early.
    for (gap, at_least) in clocked.gaps(3).into_iter().zip([400, 800, 1600]) {
        let at_least = Duration::from_millis(at_least);
        assert!(gap + Duration::from_millis(60) > at_least, "{gap:?} and not {at_least:?}");
    }
    assert_eq!(evenkeel.phase(&clocked.address()), "serving");
    clocked.say(200);
    let gaps = clocked.gaps(3);
    assert!(gaps[2] < Duration::from_millis(1600), "as usual again: {gaps:?}");
}

#[test]
fn probes_hurry_while_they_contradict_the_phase() {
    let clocked = Clocked::start(200);
    let probe = "path: /, interval: 2s, fast_interval: 200ms, jitter: 0%, timeout: 200ms, fall: 3, rise: 2";
    let evenkeel = probed(&clocked.address(), probe);
    until_phase(&evenkeel, &clocked.address(), "serving");
    clocked.say(503);
    let gaps = clocked.gaps(2);
    assert!(gaps.iter().all(|gap| *gap < Duration::from_secs(1)), "in doubt: {gaps:?}");
    until_phase(&evenkeel, &clocked.address(), "ejected");
    clocked.say(200);
    let gaps = clocked.gaps(1);
    assert!(gaps[0] < Duration::from_secs(1), "on its way back: {gaps:?}");
    until_phase(&evenkeel, &clocked.address(), "serving");
}

#[test]
fn a_connection_is_used_again_while_the_backend_serves_and_a_fresh_one_while_it_is_out() {
    let clocked = Clocked::start(200);
    let probe = "path: /, interval: 200ms, timeout: 200ms, fall: 2, rise: 2";
    let evenkeel = probed(&clocked.address(), probe);
    until_phase(&evenkeel, &clocked.address(), "serving");
    clocked.gaps(5);
    let before = clocked.backend.connections();
    clocked.say(200);
    clocked.gaps(10);
    assert!(clocked.backend.connections() <= before + 1, "{} connections", clocked.backend.connections());
    clocked.say(503);
    until_phase(&evenkeel, &clocked.address(), "ejected");
    let before = clocked.backend.connections();
    clocked.say(503);
    clocked.gaps(5);
    let fresh = clocked.backend.connections() - before;
    assert!(fresh >= 5, "{fresh} connections for as many probes");
}

/// Two backends that begin so; the second fails its probes until it is told otherwise.
fn begins(initial: &str, ill: &Clocked, well: &Clocked) -> Evenkeel {
    Evenkeel::start(&format!(
        "workers: 1\npools: {{ web: {{ backends: [\"{}\", \"{}\"], health: {{ eject: off, slow_start: off, initial: {initial}, \
         probe: {{ path: /, interval: 300ms, jitter: 0%, timeout: 300ms, fall: 3, rise: 3 }} }} }} }}\n",
        well.address(),
        ill.address()
    ))
}

#[test]
fn a_backend_that_begins_ejected_gets_nothing_before_its_probes_have_passed() {
    let (well, ill) = (Backend::start("well", Script::Echo), Backend::start("ill", Script::Echo));
    ill.set(Script::Status(503));
    let evenkeel = Evenkeel::start(&format!(
        "workers: 1\npools: {{ web: {{ backends: [\"{}\", \"{}\"], health: {{ eject: off, slow_start: off, initial: ejected, \
         probe: {{ path: /healthz, interval: 200ms, timeout: 200ms, rise: 3 }} }} }} }}\n",
        well.address(),
        ill.address()
    ));
    assert_eq!(evenkeel.phase(&ill.address()), "ejected");
    until_phase(&evenkeel, &well.address(), "serving");
    assert!(well.deliveries("/healthz") >= 3);
    let mut client = Client::connect(evenkeel.address());
    (0..20).for_each(|_| assert_eq!(client.get("/").field("x-backend"), Some("well")));
    assert_eq!(ill.deliveries("/"), 0);
    ill.set(Script::Echo);
    until_phase(&evenkeel, &ill.address(), "serving");
    wait::until_true(SOON, "its share", || client.get("/").field("x-backend") == Some("ill"));
}

#[test]
fn a_backend_that_begins_serving_is_not_taken_out_by_a_single_probe() {
    for (initial, count) in [("serving", "3 probes in a row failed"), ("unproven", "a probe failed")] {
        let (well, ill) = (Clocked::start(200), Clocked::start(503));
        let evenkeel = begins(initial, &ill, &well);
        until_phase(&evenkeel, &ill.address(), "ejected");
        let evidence = evenkeel.backend(&ill.address())["evidence"].to_string();
        assert!(evidence.contains(count), "{initial}: {evidence}");
        until_phase(&evenkeel, &well.address(), "serving");
    }
}
