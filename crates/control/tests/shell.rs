//! The shell, with real sockets and the real clock. Every wait has a deadline.

#![allow(clippy::unwrap_used, reason = "a panic is how a test reports")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use evenkeel_config::Plan;
use evenkeel_control::Handle;
use evenkeel_model::{Cause, Outcome, Phase, Role};
use evenkeel_routing::{Backend, View};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

const PATIENCE: Duration = Duration::from_secs(10);

fn plan(pool: &str) -> Arc<Plan> {
    let text = format!("listeners: [{{ address: \"127.0.0.1:8080\" }}]\npools: {{ web: {{ {pool} }} }}\n");
    Arc::new(evenkeel_config::parse(&text, "test.yaml", &|_| None).unwrap_or_else(|error| panic!("{error}")))
}

fn start() -> (Handle, View, JoinHandle<()>) {
    let (handle, view, control) = evenkeel_control::start(2, 1);
    (handle, view, tokio::spawn(control))
}

fn backend(view: &View, index: usize) -> Arc<Backend> {
    view.load().pools[0].members[index].backend.clone()
}

fn phase(view: &View, index: usize) -> Phase {
    view.load().pools[0].members[index].status.phase
}

async fn until(view: &View, index: usize, wanted: Phase) {
    let start = Instant::now();
    while phase(view, index) != wanted {
        assert!(start.elapsed() < PATIENCE, "still {:?}, not {wanted:?}", phase(view, index));
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Answers every connection with this status.
async fn answering(status: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).await;
            let _ =
                stream.write_all(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").as_bytes()).await;
        }
    });
    address
}

#[tokio::test]
async fn a_published_plan_is_in_the_view_and_control_ends_with_its_last_handle() {
    let (handle, view, control) = start();
    assert_eq!(view.load().generation, 0);
    assert_eq!(handle.publish(plan(r#"backends: ["127.0.0.1:1"]"#)).await, 1);
    assert_eq!((view.load().generation, view.load().pools.len()), (1, 1));
    let other = handle.clone();
    drop(handle);
    assert_eq!(other.publish(plan(r#"backends: ["127.0.0.1:2"]"#)).await, 2);
    drop(other);
    control.await.unwrap();
}

#[tokio::test]
async fn without_control_nothing_is_published() {
    let (handle, _view, control) = evenkeel_control::start(1, 1);
    drop(control);
    assert_eq!(handle.publish(plan(r#"backends: ["127.0.0.1:1"]"#)).await, 0);
}

#[tokio::test]
async fn strikes_recorded_by_a_core_are_published_without_a_patrol() {
    let (handle, view, _control) = start();
    let backends: Vec<_> = (1..=16).map(|port| format!("\"127.0.0.1:{port}\"")).collect();
    handle.publish(plan(&format!("backends: [{}]", backends.join(", ")))).await;
    let start = Instant::now();
    for index in 0..8 {
        let struck = backend(&view, index);
        for _ in 0..3 {
            struck.record(
                1,
                struck.term(),
                Role::Turn,
                Outcome::Failed(Cause::ConnectRefused.into()),
                Instant::now(),
            );
        }
        until(&view, index, Phase::Ejected).await;
    }
    let took = start.elapsed();
    assert!(took < Duration::from_secs(2), "the patrol alone would have taken four seconds: {took:?}");
}

#[tokio::test]
async fn a_success_is_seen_by_the_patrol() {
    let (handle, view, _control) = start();
    handle.publish(plan(r#"backends: ["127.0.0.1:1"]"#)).await;
    let backend = backend(&view, 0);
    backend.record(0, backend.term(), Role::Turn, Outcome::Success, Instant::now());
    until(&view, 0, Phase::Serving).await;
}

#[tokio::test]
async fn probes_are_sent_to_names_and_addresses_and_decide() {
    let (handle, view, _control) = start();
    let (well, ill) = (answering("204 No Content").await, answering("500 No").await);
    let port = well.rsplit_once(':').unwrap().1;
    let pool = format!(
        r#"backends: ["localhost:{port}", "{ill}", "unix:/nonexistent/evenkeel.sock"],
           health: {{ probe: {{ path: /, interval: 50ms, timeout: 40ms }} }}"#
    );
    handle.publish(plan(&pool)).await;
    assert!(!view.load().pools[0].members[0].endpoints.is_empty(), "the plan waits for the name");
    until(&view, 0, Phase::Serving).await;
    until(&view, 1, Phase::Ejected).await;
    until(&view, 2, Phase::Ejected).await;
}

#[tokio::test]
async fn a_trial_without_requests_is_opened_by_a_connection() {
    let (handle, view, _control) = start();
    let well = answering("204 No Content").await;
    let pool = format!(
        r#"backends: ["{well}", "127.0.0.1:2"], health: {{ eject: {{ consecutive: 1, wait: 20ms }} }}"#
    );
    handle.publish(plan(&pool)).await;
    let struck = backend(&view, 0);
    struck.record(
        0,
        struck.term(),
        Role::Turn,
        Outcome::Failed(Cause::ConnectRefused.into()),
        Instant::now(),
    );
    until(&view, 0, Phase::Trial).await;
    let ask = evenkeel_routing::Ask { tried: &[], hideable: false, now: Instant::now() };
    let start = Instant::now();
    loop {
        let snapshot = view.load_full();
        let pick = snapshot.pools[0].pick(&mut evenkeel_routing::Cursor::new(1), &ask).unwrap();
        if pick.role == Role::Trial {
            break;
        }
        assert!(start.elapsed() < PATIENCE, "no trial for a request that cannot be hidden");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
