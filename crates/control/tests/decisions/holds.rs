//! Operators and backends that drain.

use std::sync::Arc;
use std::time::Duration;

use evenkeel_control::{Effects, Input, Notice};
use evenkeel_health::ProbeResult;
use evenkeel_model::{Command, CommandError, Hold, Order, Outcome, Phase, PoolName, Role};

use crate::scene::{FAILED, NEWEST, PROBED, Scene, TWO, plan};

fn command(order: Order, pool: Option<&str>, backend: &str) -> Input {
    Input::Command(Command { order, pool: pool.map(PoolName::new), backend: backend.into(), uid: 7 })
}

fn hold(scene: &Scene, index: usize) -> &'static str {
    match scene.member(index).status.hold {
        Hold::None => "none",
        Hold::Asked { .. } => "asked",
        Hold::Drained(_) => "drained",
        Hold::Out(_) => "out",
    }
}

fn told(effects: &Effects) -> Vec<&'static str> {
    let told = |notice: &Notice| match notice {
        Notice::Ordered(ordered) => Some(ordered.order.as_str()),
        Notice::Hold(change) => Some(if change.is_drained { "asked" } else { "over" }),
        _ => None,
    };
    effects.notices.iter().filter_map(told).collect()
}

#[test]
fn whom_an_operator_drains_gets_no_new_request_but_as_a_last_resort() {
    let mut scene = Scene::with(TWO);
    let effects = scene.order(0, Order::Drain);
    let done = effects.answer.clone().unwrap().unwrap();
    assert_eq!((done.is_changed, &*done.backend, told(&effects)), (true, "127.0.0.1:1", vec!["drain"]));
    assert!((0..20).all(|_| scene.pick(true).unwrap().member == 1));
    scene.order(1, Order::Drain);
    assert_eq!(scene.pick(true).unwrap().role, Role::LastResort);
    assert!(!scene.order(1, Order::Drain).answer.unwrap().unwrap().is_changed);
}

#[test]
fn whom_an_operator_takes_out_gets_nothing_at_all() {
    let mut scene = Scene::with(TWO);
    scene.order(0, Order::Eject);
    scene.order(1, Order::Eject);
    assert!(scene.pick(true).is_none());
    scene.order(1, Order::Ready);
    assert_eq!(scene.pick(true).unwrap().member, 1);
}

#[test]
fn ready_ends_an_ejection_and_a_hold_and_begins_a_slow_start() {
    let mut scene = Scene::with(TWO);
    scene.eject(0);
    scene.order(0, Order::Drain);
    let effects = scene.order(0, Order::Ready);
    assert_eq!((scene.phases()[0], hold(&scene, 0), told(&effects)), (Phase::Serving, "none", vec!["ready"]));
    assert_eq!(scene.member(0).status.ramp, 0.1);
    scene.wait_until(60_000);
    scene.order(0, Order::Drain);
    scene.order(0, Order::Ready);
    assert_eq!(scene.member(0).status.ramp, 0.1, "its connections and caches are cold again");
    assert!(!scene.order(1, Order::Ready).answer.unwrap().unwrap().is_changed);
}

#[test]
fn an_order_is_kept_over_reloads_and_goes_with_its_backend() {
    let mut scene = Scene::with(TWO);
    scene.order(0, Order::Drain);
    scene.tell(Input::Plan(plan(r#"backends: ["127.0.0.1:2", { name: blue, address: "127.0.0.1:1" }]"#)));
    assert_eq!((&*scene.backend(1).label, hold(&scene, 1)), ("blue", "drained"));
    scene.tell(Input::Plan(plan(r#"backends: ["127.0.0.1:2"]"#)));
    scene.tell(Input::Plan(plan(TWO)));
    assert_eq!(hold(&scene, 0), "none");
}

#[test]
fn a_backend_is_meant_by_its_name_or_its_address_and_must_be_there_once() {
    let mut scene = Scene::with(r#"backends: [{ name: blue, address: "127.0.0.1:1" }, "127.0.0.1:2"]"#);
    let mut answer = |pool, backend| scene.tell(command(Order::Drain, pool, backend)).answer.unwrap();
    assert_eq!(&*answer(None, "blue").unwrap().backend, "blue");
    assert_eq!(&*answer(Some("web"), "127.0.0.1:1").unwrap().backend, "blue");
    assert_eq!(answer(Some("api"), "blue"), Err(CommandError::UnknownPool(PoolName::new("api"))));
    assert_eq!(answer(None, "green"), Err(CommandError::UnknownBackend("green".into())));
}

#[test]
fn several_pools_that_have_it_are_named() {
    let text = "listeners: [{ address: \"127.0.0.1:8080\" }]\nroutes: [{ pool: a }, { match: { path: /b }, pool: b }]\n\
                pools: { a: { backends: [\"127.0.0.1:1\"] }, b: { backends: [\"127.0.0.1:1\"] } }\n";
    let plan = evenkeel_config::parse(text, "test.yaml", &|_| None).unwrap();
    let mut scene = Scene::new();
    scene.tell(Input::Plan(Arc::new(plan)));
    let answer = scene.tell(command(Order::Eject, None, "127.0.0.1:1")).answer.unwrap();
    assert_eq!(answer, Err(CommandError::Ambiguous(vec![PoolName::new("a"), PoolName::new("b")])));
    assert!(scene.tell(command(Order::Eject, Some("b"), "127.0.0.1:1")).answer.unwrap().is_ok());
}

#[test]
fn a_backend_that_asks_is_drained_for_as_long_as_it_says() {
    let mut scene = Scene::with(TWO);
    scene.backend(0).ask_to_drain(0, Duration::from_secs(30), scene.now);
    assert_eq!(told(&scene.read()), ["asked"]);
    assert_eq!((hold(&scene, 0), scene.pick(true).unwrap().member), ("asked", 1));
    scene.wait_until(29_999);
    assert_eq!(hold(&scene, 0), "asked");
    let over: Vec<_> = scene.wait_until(30_000).iter().flat_map(told).collect();
    assert_eq!((hold(&scene, 0), over), ("none", vec!["over"]));
    assert_eq!(scene.member(0).status.ramp, 0.1);
}

#[test]
fn a_backend_may_take_its_word_back_and_an_operator_outranks_it() {
    let mut scene = Scene::with(TWO);
    scene.backend(0).ask_to_drain(0, Duration::from_secs(30), scene.now);
    scene.read();
    scene.backend(0).ask_to_drain(0, Duration::ZERO, scene.now + Duration::from_millis(1));
    assert_eq!((told(&scene.read()), hold(&scene, 0)), (vec![], "asked"), "it has only just asked");
    scene.wait_until(1_000);
    scene.backend(0).ask_to_drain(0, Duration::ZERO, scene.now);
    assert_eq!((told(&scene.read()), hold(&scene, 0)), (vec!["over"], "none"));
    scene.order(0, Order::Eject);
    scene.backend(0).ask_to_drain(0, Duration::from_secs(30), scene.now);
    scene.read();
    assert_eq!(hold(&scene, 0), "out");
}

#[test]
fn a_probe_may_ask_for_it_until_another_one_does_not() {
    let mut scene = Scene::with(&format!("{TWO}, {PROBED}"));
    let mut holds = Vec::new();
    for (second, result) in
        [ProbeResult::Drains, ProbeResult::Drains, ProbeResult::Passed].into_iter().enumerate()
    {
        scene.wait_until(second as u64 * 5_000 + 300);
        scene.tell(Input::Probed { id: scene.id(0), serial: NEWEST, result, drain: None });
        holds.push((hold(&scene, 0), scene.phases()[0]));
    }
    let serving = Phase::Serving;
    assert_eq!(holds, [("asked", serving), ("asked", serving), ("none", serving)]);
}

#[test]
fn what_requests_sent_before_a_drain_come_to_says_nothing_new() {
    let mut scene = Scene::with(TWO);
    let (backend, term) = (scene.backend(0), scene.backend(0).term());
    scene.order(0, Order::Drain);
    (0..3).for_each(|_| backend.record(0, term, Role::Turn, FAILED, scene.now));
    scene.read();
    scene.order(0, Order::Ready);
    assert_eq!(scene.phases()[0], Phase::Unproven);
    scene.record(0, &[Outcome::Success]);
    scene.wait_until(50);
    assert_eq!(scene.phases()[0], Phase::Serving);
}
