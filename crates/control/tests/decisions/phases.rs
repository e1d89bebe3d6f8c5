//! Phases: who is ejected, on trial, and back.

use std::sync::Arc;
use std::time::Duration;

use evenkeel_control::{Input, Next};
use evenkeel_model::{Cause, Order, Outcome, Phase, Role};

use crate::scene::{FAILED, NEWEST, Scene, TWO, plan, transitions};

#[test]
fn generations_count_plans_and_epochs_count_publications() {
    let mut scene = Scene::with(TWO);
    assert_eq!((scene.snapshot.generation, scene.snapshot.epoch), (1, 1));
    scene.eject(0);
    assert_eq!((scene.snapshot.generation, scene.snapshot.epoch), (1, 2));
    scene.tell(Input::Plan(plan(TWO)));
    assert_eq!((scene.snapshot.generation, scene.snapshot.epoch), (2, 3));
    assert!(scene.record(1, &[]).snapshot.is_none(), "nothing changed");
}

#[test]
fn the_third_strike_in_a_row_ejects_and_says_why() {
    let mut scene = Scene::with(TWO);
    scene.record(0, &[Outcome::Success]);
    assert_eq!(scene.phases(), [Phase::Serving, Phase::Unproven]);
    scene.record(0, &[FAILED, FAILED]);
    scene.record(0, &[Outcome::Success, FAILED, FAILED]);
    assert_eq!(scene.phases()[0], Phase::Serving);
    let effects = scene.record(0, &[FAILED]);
    assert_eq!(scene.phases()[0], Phase::Ejected);
    let [transition] = transitions(&effects)[..] else { panic!("one transition: {:?}", effects.notices) };
    assert_eq!((transition.message(), &*transition.backend), ("backend ejected", "127.0.0.1:1"));
    assert_eq!(transition.ground(), "3 strikes in a row, the last connect_refused");
    assert_eq!(transition.next, Next::Trial(Duration::from_secs(10)));
    assert_eq!(transition.next.to_string(), "trial in 10s");
    assert_eq!(scene.backend(0).ejections.read(), 1);
}

#[test]
fn after_the_wait_two_hidden_requests_prove_a_backend_and_its_share_grows() {
    let mut scene = Scene::with(TWO);
    scene.record(1, &[Outcome::Success]);
    scene.eject(0);
    scene.wait_until(9_999);
    assert_eq!(scene.phases()[0], Phase::Ejected);
    scene.wait_until(10_000);
    assert_eq!(scene.phases()[0], Phase::Trial);
    assert_eq!(scene.pick(false).unwrap().member, 1, "its failure would be seen");
    scene.try_out(0, true, Outcome::Success);
    let effects = scene.try_out(0, true, Outcome::Success);
    assert_eq!(scene.phases()[0], Phase::Serving);
    assert_eq!(transitions(&effects)[0].message(), "backend readmitted");
    assert_eq!((scene.backend(0).ejections.read(), scene.backend(0).readmissions.read()), (1, 1));
    let epoch = scene.snapshot.epoch;
    let steps = scene.wait_until(30_000).into_iter().filter(|effects| effects.snapshot.is_some()).count();
    assert_eq!((scene.member(0).status.ramp, steps as u64), (1.0, scene.snapshot.epoch - epoch));
    assert_eq!(steps, 9);
}

#[test]
fn a_trial_that_fails_doubles_the_wait_and_one_that_says_nothing_is_made_again() {
    let mut scene = Scene::with(TWO);
    scene.eject(0);
    scene.wait_until(10_000);
    scene.try_out(0, true, Outcome::Failed(Cause::LocalResource.into()));
    drop(scene.pick(true).unwrap());
    scene.try_out(0, true, FAILED);
    assert_eq!(scene.phases()[0], Phase::Ejected);
    scene.wait_until(29_999);
    assert_eq!(scene.phases()[0], Phase::Ejected);
    scene.wait_until(30_000);
    assert_eq!(scene.phases()[0], Phase::Trial);
    assert_eq!(scene.backend(0).ejections.read(), 1, "it was not in service in between");
}

#[test]
fn where_no_request_can_be_hidden_a_connection_lets_any_be_the_trial() {
    let mut scene = Scene::with(TWO);
    scene.eject(0);
    let before = scene.wait_until(19_999);
    assert!(before.iter().all(|effects| effects.connects.is_empty()));
    let effects = scene.wait_until(20_000);
    let orders: Vec<_> = effects.iter().flat_map(|effects| &effects.connects).collect();
    assert_eq!(orders.len(), 1);
    assert_eq!((orders[0].id.clone(), orders[0].timeout), (scene.id(0), Duration::from_secs(3)));
    scene.tell(Input::Connected { id: scene.id(0), serial: NEWEST, result: Ok(()) });
    scene.try_out(0, false, Outcome::Success);
    scene.try_out(0, false, Outcome::Success);
    assert_eq!(scene.phases()[0], Phase::Serving);
}

#[test]
fn a_connection_that_fails_ejects_again() {
    let mut scene = Scene::with(TWO);
    scene.eject(0);
    scene.wait_until(20_000);
    let effects =
        scene.tell(Input::Connected { id: scene.id(0), serial: NEWEST, result: Err(Cause::ConnectRefused) });
    assert_eq!(transitions(&effects)[0].message(), "backend failed its trial");
    assert_eq!(transitions(&effects)[0].next, Next::Trial(Duration::from_secs(20)));
}

#[test]
fn a_pool_that_is_wholly_out_and_closed_comes_back_by_connections() {
    let mut scene = Scene::with(&format!("{TWO}, health: {{ when_all_ejected: fail_closed }}"));
    scene.eject(0);
    scene.order(1, Order::Eject);
    assert!(scene.pick(true).is_none());
    let effects = scene.wait_until(10_000);
    let connects = effects.iter().map(|effects| effects.connects.len()).sum::<usize>();
    assert_eq!(connects, 1, "nobody is waited for");
    scene.tell(Input::Connected { id: scene.id(0), serial: NEWEST, result: Ok(()) });
    scene.try_out(0, true, Outcome::Success);
    scene.try_out(0, true, Outcome::Success);
    assert_eq!(scene.phases(), [Phase::Serving, Phase::Unproven]);
}

#[test]
fn the_last_resort_that_serves_is_back_without_a_wait() {
    let mut scene = Scene::with(TWO);
    scene.eject(0);
    scene.order(1, Order::Eject);
    for _ in 0..2 {
        let pick = scene.pick(false).unwrap();
        assert_eq!((pick.member, pick.role), (0, Role::LastResort));
        scene.backend(0).record(0, pick.term, pick.role, Outcome::Success, scene.now);
        scene.read();
    }
    assert_eq!(scene.phases(), [Phase::Serving, Phase::Unproven]);
}

#[test]
fn a_reload_keeps_who_stays_applies_the_policy_at_once_and_forgets_who_went() {
    let mut scene = Scene::with(TWO);
    let (first, counters) = (scene.backend(0), scene.snapshot.pools[0].counters.clone());
    scene.eject(0);
    scene.wait_until(2_000);
    let weighted = r#"backends: ["127.0.0.1:3", { address: "127.0.0.1:1", weight: 5 }]"#;
    scene.tell(Input::Plan(plan(&format!("{weighted}, health: {{ eject: {{ wait: 60s }} }}"))));
    assert!(Arc::ptr_eq(&scene.backend(1), &first) && scene.member(1).weight == 5);
    assert!(Arc::ptr_eq(&scene.snapshot.pools[0].counters, &counters));
    assert_eq!(scene.phases(), [Phase::Unproven, Phase::Ejected]);
    scene.wait_until(59_000);
    assert_eq!(scene.phases()[1], Phase::Ejected);
    scene.tell(Input::Plan(plan(&format!("{weighted}, health: {{ eject: {{ wait: 1s }} }}"))));
    assert_eq!(scene.phases()[1], Phase::Trial);
    scene.tell(Input::Plan(plan(r#"backends: ["127.0.0.1:3"]"#)));
    scene.tell(Input::Plan(plan(TWO)));
    assert_eq!(scene.phases(), [Phase::Unproven, Phase::Unproven]);
    assert!(!Arc::ptr_eq(&scene.backend(0), &first));
}

#[test]
fn a_renamed_backend_keeps_its_health_and_counts_under_its_new_name() {
    let mut scene = Scene::with(TWO);
    scene.eject(0);
    scene.wait_until(10_000);
    let renamed = r#"backends: [{ name: blue, address: "127.0.0.1:1" }, "127.0.0.1:2"]"#;
    scene.tell(Input::Plan(plan(renamed)));
    assert_eq!((&*scene.backend(0).label, scene.phases()[0]), ("blue", Phase::Trial));
    scene.try_out(0, true, Outcome::Success);
    scene.try_out(0, true, Outcome::Success);
    assert_eq!(scene.phases()[0], Phase::Serving);
}
