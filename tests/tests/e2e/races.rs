//! What a second attempt beside a stalled one must not do: lose a good answer, wait longer, or ask in vain only once.

use std::time::{Duration, Instant};

use evenkeel_tests::backend::{Backend, Next, Script};
use evenkeel_tests::balancer::Evenkeel;
use evenkeel_tests::client::Client;
use evenkeel_tests::wait;

use crate::named::{entry, start, sum};

const KEEP: &str = "health: { eject: off }";
const SOON_STALLED: &str = "stall: { floor: 100ms, factor: 1 }";

/// Answers after so long.
fn slow(millis: u64) -> Script {
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nslow".to_vec();
    let length = answer.len();
    Script::ReplySlowly(answer, length, Duration::from_millis(millis))
}

/// The first of several requests that this backend meets, answered as the client sees it.
fn first_met(evenkeel: &Evenkeel, backend: &Backend) -> (String, evenkeel_tests::response::Response) {
    let mut client = Client::connect(evenkeel.address());
    for number in 0..4 {
        let path = format!("/{number}");
        let response = client.get(&path);
        let entry = entry(evenkeel, &path);
        if backend.deliveries(&path) == 1 && entry["attempts"] != 1 {
            return (path, response);
        }
    }
    panic!("no request met it and another one");
}

#[test]
fn a_failing_hedge_does_not_beat_a_slow_answer() {
    for (what, script) in [
        ("503", Script::Status(503)),
        ("a reset", Script::ResetOnRequest),
        ("garbage", Script::ReplyThenClose(b"garbage\r\n\r\n".to_vec())),
    ] {
        let (late, bad) = (Backend::start("late", slow(500)), Backend::start("bad", script));
        let settings = [SOON_STALLED, KEEP, "retry: { attempts: 2 }"];
        let evenkeel = start(&[("late", &late), ("bad", &bad)], &settings);
        let (path, response) = first_met(&evenkeel, &late);
        assert_eq!((response.status, response.text().as_str()), (200, "slow"), "{what}: {path}");
        let stalled = [("backend", "late"), ("cause", "stalled")];
        assert_eq!(sum(&evenkeel, "backend_failures_total", &stalled), 0.0, "{what}: nobody was better");
    }
}

#[test]
fn the_heads_time_runs_on_while_nobody_can_be_asked_beside() {
    let hung = Backend::start("hung", Script::Hang);
    let settings = ["stall: { floor: 700ms, factor: 1 }", KEEP, "timeouts: { head: 1500ms }"];
    let evenkeel = start(&[("hung", &hung)], &settings);
    let response = Client::connect(evenkeel.address()).get("/");
    assert_eq!(response.status, 504);
    let took = entry(&evenkeel, "/")["duration_seconds"].as_f64().unwrap();
    assert!((1.5..2.1).contains(&took), "{took} s");
}

#[test]
fn a_hedge_that_was_not_to_be_had_is_asked_for_again() {
    let (hung, good) = (Backend::start("hung", Script::Hang), Backend::start("good", Script::Echo));
    let budget = "retry: { budget: { share: 0%, at_least: 1, window: 1s } }";
    let evenkeel = start(&[("hung", &hung), ("good", &good)], &[SOON_STALLED, KEEP, budget]);
    let address = evenkeel.address();
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for number in 0..6 {
            scope.spawn(move || {
                assert_eq!(Client::connect(address).get(&format!("/{number}")).status, 200);
            });
        }
    });
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    assert!(sum(&evenkeel, "pool_retries_denied_total", &[]) >= 1.0, "the budget never said no");
    assert!(sum(&evenkeel, "pool_hedges_won_total", &[]) >= 2.0);
}

#[test]
fn slow_uploads_teach_no_pace() {
    let good = Backend::start("good", Script::Echo);
    let evenkeel = start(&[("good", &good)], &[KEEP]);
    for number in 0..10 {
        assert_eq!(Client::connect(evenkeel.address()).get(&format!("/{number}")).status, 200);
    }
    let mut client = Client::connect(evenkeel.address());
    for _ in 0..3 {
        client.send("PUT /slow HTTP/1.1\r\nHost: test.example\r\nContent-Length: 4\r\n\r\nha");
        wait::pause(Duration::from_millis(300));
        assert_eq!(client.send("lf").response("PUT").status, 200);
    }
    assert_eq!(sum(&evenkeel, "route_stall_bound_seconds", &[]), 1.0);
}

#[test]
fn who_asked_for_rest_is_better_than_who_is_out_of_service() {
    let out = Backend::start("out", Script::CloseOnRequest);
    let resting = Backend::start("resting", Script::Echo);
    let script = Script::custom(|request, socket| {
        let answer = match request.target.starts_with("/busy") {
            true => "HTTP/1.1 503 Busy\r\nRetry-After: 60\r\nContent-Length: 0\r\n\r\n",
            false => "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        };
        std::io::Write::write_all(socket, answer.as_bytes())?;
        Ok(Next::Continue)
    });
    resting.set(script);
    let closing = Backend::start("closing", Script::Echo);
    let eject = "health: { eject: { consecutive: 2, wait: 60s } }";
    let evenkeel = start(&[("out", &out), ("resting", &resting), ("closing", &closing)], &[eject]);
    let mut client = Client::connect(evenkeel.address());
    wait::until_true(evenkeel_tests::balancer::SOON, "one to be out of service", || {
        client.get("/");
        evenkeel.phase(&out.address()) == "ejected"
    });
    let mut busy = Client::connect(evenkeel.address());
    while resting.deliveries("/busy") == 0 {
        busy.get("/busy");
    }
    closing.set(Script::CloseOnRequest);
    let mut paths = ["/1", "/2", "/3", "/4"].into_iter();
    let met = paths.find(|path| {
        let answered = client.get(path);
        assert_eq!(answered.status, 200, "{}", answered.text());
        closing.deliveries(path) > 0
    });
    assert!(met.is_some(), "no request met the one that closes");
}

#[test]
fn a_body_that_cannot_be_kept_goes_on_no_old_connection() {
    // Closes at the second request of each connection, without an answer.
    let script = Script::custom({
        let seen = std::sync::Mutex::new(std::collections::HashSet::new());
        move |request, socket| {
            let peer = socket.peer_addr()?.as_socket();
            if !seen.lock().unwrap().insert(peer) {
                return Ok(Next::Close);
            }
            let body = &request.target;
            let answer = format!(
                "HTTP/1.1 200 OK\r\nKeep-Alive: timeout=2\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
            std::io::Write::write_all(socket, answer.as_bytes())?;
            Ok(Next::Continue)
        }
    });
    let backend = Backend::start("a", script);
    let evenkeel = start(&[("a", &backend)], &[KEEP]);
    let mut client = Client::connect(evenkeel.address());
    assert_eq!(client.get("/first").status, 200);
    // Beyond a quarter of what the backend announces.
    wait::pause(Duration::from_millis(700));
    let length = 200_000;
    let mut request =
        format!("PUT /large HTTP/1.1\r\nHost: test.example\r\nContent-Length: {length}\r\n\r\n");
    request.push_str(&"x".repeat(length));
    assert_eq!(client.send(request).response("PUT").status, 200);
    assert_eq!(sum(&evenkeel, "backend_failures_total", &[("cause", "stale_reuse")]), 0.0);
}

/// Sends this and then nothing.
fn says_and_hangs(bytes: &'static [u8]) -> Script {
    Script::custom(move |_, socket| {
        std::io::Write::write_all(socket, bytes)?;
        let mut rest = [0; 256];
        while std::io::Read::read(socket, &mut rest)? > 0 {}
        Ok(Next::Close)
    })
}

const HINTS: &[u8] = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";

#[test]
fn an_interim_head_wins_no_race_and_hides_no_stall() {
    let (late, hints) = (Backend::start("late", slow(500)), Backend::start("hints", says_and_hangs(HINTS)));
    let evenkeel = start(&[("late", &late), ("hints", &hints)], &[SOON_STALLED, KEEP]);
    let mut client = Client::connect(evenkeel.address());
    for number in 0..4 {
        let path = format!("/{number}");
        client.send(format!("GET {path} HTTP/1.1\r\nHost: test.example\r\n\r\n"));
        let mut response = client.response("GET");
        while response.status == 103 {
            response = client.response("GET");
        }
        assert_eq!((response.status, response.text().as_str()), (200, "slow"), "{path}");
    }
    assert_eq!(sum(&evenkeel, "backend_failures_total", &[("backend", "late"), ("cause", "stalled")]), 0.0);
    assert!(sum(&evenkeel, "backend_failures_total", &[("backend", "hints"), ("cause", "stalled")]) >= 1.0);
}

#[test]
fn an_unsolicited_101_wins_no_race() {
    let switched = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n";
    let (late, bad) = (Backend::start("late", slow(500)), Backend::start("bad", says_and_hangs(switched)));
    let evenkeel = start(&[("late", &late), ("bad", &bad)], &[SOON_STALLED, KEEP, "retry: { attempts: 2 }"]);
    let (path, response) = first_met(&evenkeel, &late);
    assert_eq!((response.status, response.text().as_str()), (200, "slow"), "{path}");
}

#[test]
fn interim_heads_buy_no_time() {
    let script = Script::custom(|_, socket| {
        for _ in 0..5 {
            std::io::Write::write_all(socket, HINTS)?;
            wait::pause(Duration::from_millis(400));
        }
        Ok(Next::Continue)
    });
    let backend = Backend::start("hints", script);
    let evenkeel = start(&[("hints", &backend)], &[KEEP, "timeouts: { head: 1s }", "stall: off"]);
    let mut client = Client::connect(evenkeel.address());
    client.send("GET /hints HTTP/1.1\r\nHost: test.example\r\n\r\n");
    let mut response = client.response("GET");
    while response.status == 103 {
        response = client.response("GET");
    }
    assert_eq!(response.status, 504);
    let took = entry(&evenkeel, "/hints")["duration_seconds"].as_f64().unwrap();
    assert!(took < 1.4, "{took} s");
}

#[test]
fn a_close_behind_an_interim_head_is_no_stale_connection() {
    let script = Script::custom(|request, socket| {
        let is_first = request.target == "/first";
        let bytes = if is_first { &b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"[..] } else { HINTS };
        std::io::Write::write_all(socket, bytes)?;
        Ok(if is_first { Next::Continue } else { Next::Close })
    });
    let backend = Backend::start("hints", script);
    let evenkeel = start(&[("hints", &backend)], &[KEEP]);
    let mut client = Client::connect(evenkeel.address());
    assert_eq!(client.get("/first").status, 200);
    client.send("GET /closed HTTP/1.1\r\nHost: test.example\r\n\r\n");
    assert_eq!(client.response("GET").status, 103);
    assert_eq!(client.response("GET").status, 502);
    let entry = entry(&evenkeel, "/closed");
    assert_eq!((&entry["cause"], &entry["class"]), (&"eof_in_head".into(), &"answered".into()), "{entry}");
    assert_eq!(backend.deliveries("/closed"), 1);
}
