//! The race between a backend that closes an idle connection and the request that is just being sent on it: no GET loses it,
//! no POST is sent twice, and where the backend's habit can be learned no POST loses it either.
//!
//! `EVENKEEL_SOAK_SECONDS` says how long each test goes on.

mod backends;
mod crowd;

use std::path::Path;
use std::time::{Duration, Instant};

use evenkeel_tests::balancer::{Evenkeel, SOON};
use evenkeel_tests::client::Client;
use evenkeel_tests::mutate::{Dice, first_seed};
use evenkeel_tests::raw::RawBackend;
use evenkeel_tests::wait;
use serde_json::Value;

use self::backends::{Habit, Notes};
use self::crowd::{Crowd, Verdict};
use crate::turns::heavy;

fn soak() -> Duration {
    let asked = std::env::var("EVENKEEL_SOAK_SECONDS").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(asked.unwrap_or(7))
}

/// A balancer before one backend, with an access log in `folder`.
fn evenkeel(backend: &RawBackend, folder: &Path) -> (Evenkeel, String) {
    let text = format!(
        "access_log: {{ path: \"{}\" }}\nworkers: 2\npools: {{ web: {{ backends: [\"{}\"] }} }}\n",
        folder.join("access.log").display(),
        backend.address()
    );
    (Evenkeel::start(&text), text)
}

#[test]
fn no_get_fails_and_no_post_is_repeated_whenever_backends_close() {
    let _turn = heavy();
    let habits = [Habit::AsARequestArrives, Habit::FinAfterEvery(5), Habit::ResetAfterEvery(5)];
    std::thread::scope(|scope| {
        let races = habits.map(|habit| (habit, scope.spawn(move || race(habit))));
        for (habit, race) in races {
            assert!(race.join().is_ok(), "{habit:?}");
        }
    });
}

/// As many requests as a few clients can make.
fn race(habit: Habit) {
    let notes = Notes::new();
    let backend = backends::start(habit, &notes);
    let folder = tempfile::tempdir().unwrap();
    let (evenkeel, _) = evenkeel(&backend, folder.path());
    let crowd = Crowd { address: evenkeel.address(), clients: 4 };
    let verdict = crowd.run(Instant::now() + soak(), &|_, _| Duration::ZERO);
    println!(
        "{habit:?}: {} GETs, {} POSTs, of which {} failed",
        verdict.gets,
        verdict.posts,
        verdict.lost.len()
    );
    // However slow the machine is.
    assert!(verdict.gets > 100, "{} GETs", verdict.gets);
    expect_no_get_lost(&verdict);
    assert_eq!(notes.twice(), Vec::<String>::new(), "{habit:?}: delivered twice");
    for entry in log_of(&folder.path().join("access.log"), &verdict.lost) {
        expect_sent(&entry);
    }
    let metrics = evenkeel.metrics();
    let stale = metrics.sum("evenkeel_backend_failures_total", &[("cause", "stale_reuse")]);
    println!("{habit:?}: {stale} stale connections, {} connections", backend.connections());
    assert!(habit != Habit::AsARequestArrives || stale > 10.0, "the race was never run");
    assert_eq!(metrics.sum("evenkeel_backend_ejections_total", &[]), 0.0, "a stale connection is no strike");
}

#[track_caller]
fn expect_no_get_lost(verdict: &Verdict) {
    let shown: Vec<_> = verdict.lost_gets.iter().take(3).collect();
    assert!(shown.is_empty(), "{} GETs failed, such as {shown:#?}", verdict.lost_gets.len());
}

/// A POST may be lost only where its bytes were sent, and the log says so.
#[track_caller]
fn expect_sent(entry: &Value) {
    let cause = entry["cause"].as_str().unwrap_or_default();
    assert!(["stale_reuse", "closed_before_response"].contains(&cause), "{entry}");
    let class = entry["class"].as_str().unwrap_or_default();
    assert!(["maybe", "answered"].contains(&class), "{entry}");
    assert_eq!(entry["attempts"], 1, "{entry}");
}

/// The entries of these paths, once all are in the log.
fn log_of(file: &Path, paths: &[String]) -> Vec<Value> {
    wait::until(SOON, "the access log", || {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let failed = text.lines().filter(|line| line.contains("\"cause\":"));
        let entries: Vec<Value> = failed.filter_map(|line| serde_json::from_str(line).ok()).collect();
        let entry = |path: &String| entries.iter().find(|entry| entry["path"] == path.as_str()).cloned();
        let found: Vec<Value> = paths.iter().filter_map(entry).collect();
        (found.len() == paths.len()).then_some(found)
    })
}

/// What is known of the only backend's idle limit, in seconds, and from where.
fn idle_limit(evenkeel: &Evenkeel, backend: &RawBackend) -> Option<(f64, String)> {
    let status = evenkeel.backend(&backend.address());
    let source = status["idle_limit_source"].as_str().unwrap_or_default().to_owned();
    status["idle_limit_seconds"].as_f64().map(|seconds| (seconds, source))
}

#[track_caller]
fn expect_limit(evenkeel: &Evenkeel, backend: &RawBackend, source: &str) {
    let (seconds, from) = idle_limit(evenkeel, backend).expect("a limit was learned");
    assert!((0.5..=1.2).contains(&seconds), "{seconds} s");
    assert_eq!(from, source);
    let metric = evenkeel.metrics().sum("evenkeel_backend_idle_limit_seconds", &[("pool", "web")]);
    assert!((metric - seconds).abs() < 0.002, "{metric} and {seconds}");
}

#[test]
fn once_a_backends_idle_limit_is_learned_no_post_is_lost() {
    let _turn = heavy();
    let notes = Notes::new();
    let backend = backends::start(Habit::AfterIdling(Duration::from_secs(1)), &notes);
    let folder = tempfile::tempdir().unwrap();
    let (evenkeel, text) = evenkeel(&backend, folder.path());
    assert!(!evenkeel.metrics().has("evenkeel_backend_idle_limit_seconds"), "nothing is known yet");
    let crowd = Crowd { address: evenkeel.address(), clients: 24 };

    // All ask at once, so that many connections stand idle, and then nobody for longer than the limit.
    let long = |_: &mut Dice, _| Duration::from_millis(1600);
    wait::until_true(Duration::from_secs(20), "the limit to be learned", || {
        let learning = crowd.run(Instant::now(), &long);
        expect_no_get_lost(&learning);
        wait::pause(Duration::from_millis(1600));
        idle_limit(&evenkeel, &backend).is_some()
    });
    expect_limit(&evenkeel, &backend, "observed");
    notes.forget_ages();

    let (seed, _) = first_seed();
    let mut dice = Dice::new(seed);
    // The same pauses for all clients; half of them about as long as the limit.
    let pauses: Vec<u64> = (0..1000)
        .map(|_| if dice.chance(50) { 930 + dice.below(100) } else { 500 + dice.below(1000) } as u64)
        .collect();
    let pause = |dice: &mut Dice, turn: usize| {
        Duration::from_millis(pauses[turn % pauses.len()] + dice.below(20) as u64)
    };
    let verdict = crowd.run(Instant::now() + soak(), &pause);
    println!("EVENKEEL_SEED={seed}: {} GETs, {} POSTs", verdict.gets, verdict.posts);
    expect_no_get_lost(&verdict);
    assert_eq!(verdict.lost, Vec::<String>::new(), "POSTs were lost; EVENKEEL_SEED={seed}");
    assert_eq!(notes.twice(), Vec::<String>::new(), "delivered twice");
    let (get, post) = notes.oldest();
    println!("oldest connections used: {get:?} for a GET, {post:?} for a POST");
    assert!(post < Duration::from_millis(450), "a POST on a connection that was idle for {post:?}");
    expect_limit(&evenkeel, &backend, "observed");
    evenkeel.reload(&text);
    expect_limit(&evenkeel, &backend, "observed");
}

#[test]
fn an_announced_idle_limit_is_believed_at_once() {
    let notes = Notes::new();
    let backend = backends::start(Habit::Announcing, &notes);
    let folder = tempfile::tempdir().unwrap();
    let (evenkeel, text) = evenkeel(&backend, folder.path());
    assert_eq!(Client::connect(evenkeel.address()).get("/0").status, 200);
    wait::until_true(SOON, "the announcement to be shown", || idle_limit(&evenkeel, &backend).is_some());
    expect_limit(&evenkeel, &backend, "announced");
    evenkeel.reload(&text);
    expect_limit(&evenkeel, &backend, "announced");
}
