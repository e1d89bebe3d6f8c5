//! What must not happen however long it goes on: backends that are forgotten, orders without end, the same line again and
//! again.

use std::time::Duration;

use evenkeel_control::{ConnectOrder, Effects, Input, Notice, Resolved};
use evenkeel_health::{Initial, ProbeResult};
use evenkeel_model::{BackendId, Cause, Endpoint, Hold, Kept, NameFailure, Order, Outcome, Phase, Role};

use crate::scene::{FAILED, NEWEST, PROBED, Scene, TWO, changed, millis, plan, probed};

const FOUR: &str = r#"backends: ["10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80", "10.0.0.4:80"]"#;
const DRAINS: &str = "health: { probe: { path: /h, drain_statuses: [503] } }";

/// How many connections are ordered in a second if each takes a millisecond.
fn connections(scene: &mut Scene, first: Effects, result: Result<(), Cause>) -> usize {
    let mut todo: Vec<ConnectOrder> = first.connects;
    let (end, mut count, mut next) = (scene.now + millis(1000), 0, first.next);
    while scene.now < end {
        scene.now += millis(1);
        let mut effects = Vec::new();
        for ConnectOrder { id, serial, .. } in todo.drain(..) {
            count += 1;
            effects.push(scene.tell(Input::Connected { id, serial, result }));
        }
        if next.is_some_and(|next| next <= scene.now) {
            effects.push(scene.tell(Input::Tick));
        }
        next = effects.last().map_or(next, |effects| effects.next);
        todo = effects.into_iter().flat_map(|effects| effects.connects).collect();
    }
    count
}

#[test]
fn trials_that_nobody_comes_for_are_helped_along_once_in_a_while() {
    for result in [Ok(()), Err(Cause::DnsFailed), Err(Cause::LocalResource)] {
        let mut scene = Scene::new();
        let first = scene.tell(Input::Plan(changed(TWO, |pool| pool.health.initial = Initial::Ejected)));
        let count = connections(&mut scene, first, result);
        assert!((2..=4).contains(&count), "{count} connections in a second, {result:?}");
    }
    let mut scene = Scene::with(TWO);
    scene.eject(0);
    scene.wait_until(10_000);
    let first = scene.order(1, Order::Drain);
    let count = connections(&mut scene, first, Err(Cause::LocalResource));
    assert!(count <= 2, "{count} connections in a second without descriptors");
    let mut scene = Scene::with(TWO);
    scene.eject(0);
    scene.wait_until(10_000);
    let policy = "health: { probe: { path: /h }, eject: off }";
    let first = scene.tell(Input::Plan(plan(&format!("{TWO}, {policy}"))));
    let count = connections(&mut scene, first, Ok(()));
    assert!(count <= 2, "{count} connections in a second after a reload");
}

#[test]
fn an_input_at_the_very_end_of_a_wait_does_not_forget_the_trial() {
    for is_order in [false, true] {
        let mut scene = Scene::with(TWO);
        scene.record(1, &[Outcome::Success]);
        scene.eject(0);
        scene.wait_until(9_999);
        scene.now += millis(1);
        if is_order {
            scene.order(0, Order::Drain);
        } else {
            scene.backend(0).counters[0].responses[2].add(1);
            scene.read();
        }
        scene.wait_until(20_000);
        assert_eq!(scene.phases()[0], Phase::Trial);
    }
}

#[test]
fn a_trial_that_its_client_never_ends_does_not_keep_the_backend_out() {
    let mut scene = Scene::with(TWO);
    scene.record(1, &[Outcome::Success]);
    scene.eject(0);
    scene.wait_until(10_000);
    let _endless = scene.pick(true).unwrap();
    for effects in scene.wait_until(20_000) {
        for ConnectOrder { id, serial, .. } in effects.connects {
            scene.tell(Input::Connected { id, serial, result: Ok(()) });
        }
    }
    scene.try_out(0, true, Outcome::Success);
    scene.try_out(0, true, Outcome::Success);
    assert_eq!(scene.phases()[0], Phase::Serving);
}

#[test]
fn whom_an_operator_holds_is_not_tried_out() {
    let mut scene = Scene::with(TWO);
    scene.eject(0);
    scene.wait_until(9_000);
    scene.order(0, Order::Eject);
    let effects = scene.wait_until(3_600_000);
    assert!(effects.iter().all(|effects| effects.connects.is_empty()));
    assert_eq!(scene.member(0).status.ejections, 1);
}

/// A minute of a backend that refuses so many requests in a hundred, at a thousand a second.
fn lines_and_publications(percent: u64) -> (usize, usize) {
    let mut scene = Scene::with(r#"backends: ["127.0.0.1:1"]"#);
    scene.record(0, &[Outcome::Success]);
    scene.wait_until(20_000);
    let backend = scene.backend(0);
    let (mut lines, mut publications, mut random) = (0, 0, 88_172_645_463_325_252_u64);
    for milli in 0..60_000u64 {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let is_bad = (random >> 11) % 100 < percent;
        let outcome = if is_bad { FAILED } else { Outcome::Success };
        backend.record(0, backend.term(), Role::Turn, outcome, scene.now);
        scene.now += millis(1);
        if milli % 2 == 0 && backend.wants_reading() || milli % 500 == 0 {
            let effects = scene.read();
            lines += effects.notices.len();
            publications += usize::from(effects.snapshot.is_some());
        }
    }
    (lines, publications)
}

#[test]
fn a_backend_that_is_kept_although_it_fails_now_and_then_is_one_line() {
    for percent in [10, 30] {
        let (lines, publications) = lines_and_publications(percent);
        assert!(lines <= 7 && publications <= 14, "{percent} %: {lines} lines, {publications} publications");
    }
}

/// A second in which every member answers a hundred requests, in so many milliseconds each.
fn answers(scene: &mut Scene, millis: [u64; 4]) {
    for (index, millis) in millis.into_iter().enumerate() {
        let backend = scene.backend(index);
        backend.counters[0].responses[2].add(100);
        backend.counters[0].head_micros.add(millis * 100_000);
        let term = backend.term();
        (0..100).for_each(|_| backend.record(0, term, Role::Turn, Outcome::Success, scene.now));
    }
}

#[test]
fn an_outlier_that_is_kept_is_one_line_too() {
    let mut scene = Scene::new();
    scene.tell(Input::Plan(changed(FOUR, |pool| {
        let eject = pool.health.eject.as_mut().unwrap();
        (eject.latency_factor, eject.keep_percent) = (Some(10), 100);
    })));
    let mut lines = 0;
    for second in 1..60 {
        answers(&mut scene, [500, 1, 1, 1]);
        let mut effects = vec![scene.read()];
        effects.extend(scene.wait_until(second * 1000));
        let is_kept = |notice: &&Notice| matches!(notice, Notice::Kept(_));
        lines += effects.iter().flat_map(|effects| &effects.notices).filter(is_kept).count();
    }
    assert_eq!((lines, scene.member(0).status.kept), (1, Some(Kept::Floor)));
}

#[test]
fn outliers_do_not_break_the_floor_together() {
    let six = r#"backends: ["10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80", "10.0.0.4:80", "10.0.0.5:80", "10.0.0.6:80"]"#;
    let mut scene = Scene::new();
    scene.tell(Input::Plan(changed(six, |pool| {
        pool.health.eject.as_mut().unwrap().latency_factor = Some(10);
    })));
    scene.eject(4);
    scene.eject(5);
    scene.wait_until(2_000);
    answers(&mut scene, [500, 500, 1, 1]);
    scene.read();
    let left = scene.phases().iter().filter(|phase| phase.is_admitted()).count();
    assert_eq!(left, 3, "{:?}", scene.phases());
}

#[test]
fn members_that_are_long_dead_share_no_fate_with_the_next() {
    let mut scene = Scene::with(&format!("{FOUR}, {PROBED}"));
    let mut live = |from: u64, dead: usize| {
        for second in from..from + 30 {
            scene.wait_until(second * 1000 + 300);
            for index in 0..4 {
                let failure = (index < dead).then_some(Cause::ConnectTimeout);
                scene.tell(probed(scene.id(index), failure));
            }
        }
        scene.phases().iter().filter(|phase| !phase.is_admitted()).count()
    };
    assert_eq!([live(0, 1), live(30, 2), live(60, 3)], [1, 2, 3]);
}

#[test]
fn a_shared_fate_is_over_in_the_log_as_well() {
    let pool = r#"backends: ["10.0.0.1:80", "10.0.0.2:80"]"#;
    let mut scene = Scene::with(&format!("{pool}, {PROBED}"));
    let mut effects = scene.wait_until(300);
    for second in 1..40 {
        for index in 0..2 {
            let failure = (second < 10).then_some(Cause::ConnectTimeout);
            effects.push(scene.tell(probed(scene.id(index), failure)));
        }
        effects.extend(scene.wait_until(300 + second * 1000));
    }
    let fates = effects.iter().flat_map(|effects| &effects.notices).filter_map(|notice| match notice {
        Notice::Fate(change) => Some(change.cause),
        _ => None,
    });
    assert!(fates.eq([Some(Cause::ConnectTimeout), None]));
    assert_eq!(scene.phases(), [Phase::Serving; 2]);
}

#[test]
fn a_probe_that_asks_for_a_drain_after_probes_were_turned_off_is_not_heard() {
    let mut scene = Scene::with(&format!("{TWO}, {DRAINS}"));
    scene.wait_until(300);
    let input = Input::Probed { id: scene.id(0), serial: NEWEST, result: ProbeResult::Drains, drain: None };
    let late = scene.answered(input);
    scene.tell(Input::Plan(plan(TWO)));
    scene.tell(late);
    assert_eq!(scene.member(0).status.hold, Hold::None);
}

#[test]
fn every_end_of_a_hold_is_a_slow_start_and_a_line() {
    let mut scene = Scene::with(TWO);
    scene.record(0, &[Outcome::Success]);
    scene.wait_until(60_000);
    let backend = scene.backend(0);
    backend.ask_to_drain(0, Duration::from_secs(10), scene.now);
    scene.read();
    let term = backend.term();
    scene.wait_until(69_999);
    scene.now += millis(1);
    // An input that comes before the tick.
    backend.counters[0].responses[2].add(1);
    let effects = scene.read();
    assert_eq!((scene.member(0).status.ramp, backend.term() - term), (0.1, 1));
    assert!(matches!(&effects.notices[..], [Notice::Hold(change)] if !change.is_drained));

    let mut scene = Scene::with(&format!("{TWO}, {DRAINS}"));
    scene.wait_until(300);
    let result = ProbeResult::Drains;
    scene.tell(Input::Probed { id: scene.id(0), serial: NEWEST, result, drain: None });
    scene.wait_until(60_000);
    let effects = scene.tell(Input::Plan(plan(TWO)));
    assert_eq!((scene.member(0).status.hold, scene.member(0).status.ramp), (Hold::None, 0.1));
    assert!(effects.notices.iter().any(|notice| matches!(notice, Notice::Hold(_))));
}

#[test]
fn a_probe_that_passes_does_not_end_what_an_answer_asked_for() {
    let mut scene = Scene::with(&format!("{TWO}, {DRAINS}"));
    scene.wait_until(300);
    let drain = Some(Duration::from_secs(600));
    scene.tell(Input::Probed { id: scene.id(0), serial: NEWEST, result: ProbeResult::Drains, drain });
    scene.wait_until(5_000);
    scene.tell(probed(scene.id(0), None));
    assert!(matches!(scene.member(0).status.hold, Hold::Asked { until: Some(_), .. }));
}

#[test]
fn a_result_of_an_earlier_life_is_not_taken_for_the_next_ones() {
    let mut scene = Scene::with(&format!("{TWO}, {PROBED}"));
    scene.wait_until(300);
    let id = scene.id(0);
    let late = scene.answered(probed(id.clone(), Some(Cause::ConnectRefused)));
    scene.tell(Input::Plan(plan(&format!("backends: [\"127.0.0.1:2\"], {PROBED}"))));
    scene.tell(Input::Plan(plan(&format!("{TWO}, {PROBED}"))));
    let again = scene.wait_until(800).into_iter().flat_map(|effects| effects.probes);
    assert_eq!(again.filter(|order| order.id == id).count(), 1);
    scene.tell(late);
    assert_eq!(scene.phases()[0], Phase::Unproven);
}

#[test]
fn after_a_pause_of_the_process_probes_are_spread_anew() {
    let list: Vec<String> = (0..1000).map(|it| format!("\"10.0.{}.{}:80\"", it / 250, it % 250)).collect();
    let mut scene = Scene::with(&format!("backends: [{}], {PROBED}", list.join(", ")));
    let mut in_flight: Vec<BackendId> = Vec::new();
    let mut most_in_50_ms = |scene: &mut Scene, steps: u64| {
        let mut most = 0;
        for _ in 0..steps {
            scene.now += millis(50);
            let mut inputs: Vec<Input> = in_flight.drain(..).map(|id| probed(id, None)).collect();
            inputs.push(Input::Tick);
            in_flight =
                inputs.into_iter().flat_map(|input| scene.tell(input).probes).map(|order| order.id).collect();
            most = most.max(in_flight.len());
        }
        most
    };
    most_in_50_ms(&mut scene, 400);
    let before = most_in_50_ms(&mut scene, 400);
    scene.now += Duration::from_secs(10);
    let after = most_in_50_ms(&mut scene, 80);
    assert!(before < 75 && after < 75, "25 would be even: {before} before the pause, {after} behind it");
}

#[test]
fn a_probe_that_goes_to_a_name_says_nothing_while_the_name_does_not_resolve() {
    let probe = "health: { probe: { path: /h, address: \"check.test:9000\" } }";
    let mut scene = Scene::with(&format!("{TWO}, {probe}"));
    scene.wait_until(900);
    let result = Err(NameFailure::from(Cause::DnsTimeout));
    scene.tell(Input::Resolved { host: "check.test".into(), port: 9000, result });
    scene.wait_until(10_000);
    assert_eq!(scene.phases(), [Phase::Unproven; 2]);
}

#[test]
fn whom_a_names_answer_leaves_out_once_keeps_its_orders_and_its_health() {
    let pool = "backends: [{ address: \"app.test:80\", resolve: each }]";
    let mut scene = Scene::new();
    let answer = |hosts: &[u8]| {
        let endpoints = hosts.iter().map(|host| Endpoint::Tcp(([10, 0, 0, *host], 80).into())).collect();
        let result = Ok(Resolved { endpoints, ttl: Duration::from_secs(30) });
        Input::Resolved { host: "app.test".into(), port: 80, result }
    };
    scene.tell(Input::Plan(plan(pool)));
    scene.tell(answer(&[1, 2, 3]));
    assert_eq!(&*scene.backend(0).label, "app.test:80@10.0.0.1:80");
    scene.order(0, Order::Eject);
    scene.eject(1);
    scene.tell(answer(&[3]));
    assert_eq!(scene.phases(), [Phase::Unproven]);
    scene.tell(answer(&[1, 2, 3]));
    assert!(matches!(scene.member(0).status.hold, Hold::Out(_)));
    assert_eq!(scene.phases()[1..], [Phase::Ejected, Phase::Unproven]);
}
