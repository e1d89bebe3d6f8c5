//! What speaks for a backend that its traffic convicts.

use evenkeel_control::{Effects, Input, Notice};
use evenkeel_model::{Cause, Evidence, Fault, Kept, Order, Outcome, Phase, Proof};

use crate::scene::{PROBED, Scene, TWO, changed, probed};

const ONE: &str = r#"backends: ["127.0.0.1:1"]"#;
const FOUR: &str = r#"backends: ["10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80", "10.0.0.4:80"]"#;

fn failed(cause: Cause, status: u16, key: u64, proof: Proof) -> Outcome {
    Outcome::Failed(Fault { cause, status, tls: None, key, proof })
}

/// Why members are kept in service, by member.
fn kept(scene: &Scene) -> Vec<Option<Kept>> {
    scene.snapshot.pools[0].members.iter().map(|member| member.status.kept).collect()
}

fn keepings(effects: &Effects) -> Vec<Kept> {
    let keeping = |notice: &Notice| match notice {
        Notice::Kept(keeping) => Some(keeping.kept),
        _ => None,
    };
    effects.notices.iter().filter_map(keeping).collect()
}

fn fates(effects: &Effects) -> Vec<Option<Cause>> {
    let fate = |notice: &Notice| match notice {
        Notice::Fate(change) => Some(change.cause),
        _ => None,
    };
    effects.notices.iter().filter_map(fate).collect()
}

#[test]
fn the_last_one_in_service_is_never_ejected_on_traffic_and_that_is_told_once() {
    let mut scene = Scene::with(ONE);
    let effects = scene.eject(0);
    assert_eq!((scene.phases(), kept(&scene)), (vec![Phase::Unproven], vec![Some(Kept::Last)]));
    assert_eq!(keepings(&effects), [Kept::Last]);
    assert_eq!(keepings(&scene.eject(0)), []);
    scene.record(0, &[Outcome::Success]);
    assert_eq!(kept(&scene), [None]);
}

#[test]
fn probes_eject_even_the_last_one() {
    let mut scene = Scene::with(&format!("{ONE}, {PROBED}"));
    scene.wait_until(300);
    scene.tell(probed(scene.id(0), Some(Cause::ConnectRefused)));
    assert_eq!(scene.phases(), [Phase::Ejected]);
}

#[test]
fn half_of_a_pool_stays_in_service_whatever_its_traffic_says() {
    let mut scene = Scene::with(FOUR);
    for index in 0..4 {
        scene.eject(index);
    }
    let out = [Phase::Ejected, Phase::Ejected, Phase::Unproven, Phase::Unproven];
    assert_eq!(scene.phases(), out);
    assert_eq!(kept(&scene), [None, None, Some(Kept::Floor), Some(Kept::Floor)]);
}

#[test]
fn probes_may_go_below_the_floor() {
    let mut scene = Scene::with(&format!("{FOUR}, {PROBED}"));
    scene.wait_until(300);
    for index in 0..4 {
        scene.tell(probed(scene.id(index), Some(Cause::ConnectRefused)));
    }
    assert_eq!(scene.phases(), [Phase::Ejected; 4]);
}

#[test]
fn another_floor_is_kept_as_it_is_written_and_one_stays_in_any_case() {
    for (percent, out) in [(0, 3), (25, 3), (26, 2), (75, 1), (76, 0), (100, 0)] {
        let mut scene = Scene::new();
        scene.tell(Input::Plan(changed(FOUR, |pool| {
            pool.health.eject.as_mut().unwrap().keep_percent = percent;
        })));
        for index in 0..4 {
            scene.eject(index);
        }
        let ejected = scene.phases().iter().filter(|phase| **phase == Phase::Ejected).count();
        assert_eq!(ejected, out, "{percent} %");
    }
}

#[test]
fn whom_an_operator_took_out_is_not_counted_by_the_floor() {
    let mut scene = Scene::with(FOUR);
    scene.order(0, Order::Drain);
    scene.order(1, Order::Eject);
    scene.eject(2);
    assert_eq!(scene.phases()[2], Phase::Ejected, "one of two");
    scene.eject(3);
    assert_eq!(kept(&scene)[3], Some(Kept::Last));
}

#[test]
fn who_is_kept_goes_once_another_one_has_returned() {
    let mut scene = Scene::with(TWO);
    scene.eject(0);
    scene.eject(1);
    assert_eq!(kept(&scene)[1], Some(Kept::Last));
    scene.order(0, Order::Ready);
    scene.wait_until(1_001);
    assert_eq!(scene.phases(), [Phase::Serving, Phase::Ejected]);
}

#[test]
fn what_all_of_them_answer_ejects_nobody() {
    let mut scene = Scene::with(FOUR);
    let overload = |key| failed(Cause::UpstreamStatus, 503, key, Proof::Alone);
    for index in 0..4 {
        scene.record(index, &[overload(1)]);
    }
    for index in 0..4 {
        scene.record(index, &[overload(2), overload(3)]);
    }
    assert_eq!(scene.phases(), [Phase::Unproven; 4]);
    // The first had two requests of its own for a moment; those that came later failed what it had failed.
    assert_eq!(kept(&scene), [Some(Kept::NoBetter), None, None, None]);
}

#[test]
fn the_luck_of_a_moment_is_no_better() {
    let failure = failed(Cause::UpstreamStatus, 503, 1, Proof::Elsewhere);
    let mut scene = Scene::with(FOUR);
    let mut answers = |index: usize, successes: usize, failures: usize| {
        let both = [vec![Outcome::Success; successes], vec![failure; failures], vec![Outcome::Success]];
        scene.record(index, &both.concat()[..]);
        scene.member(0).status.phase.is_admitted()
    };
    (1..4).for_each(|index| {
        answers(index, 17, 2);
    });
    assert!(answers(0, 13, 6), "6 of 20 against 2 of 20");
    (1..4).for_each(|index| {
        answers(index, 160, 0);
    });
    assert!(!answers(0, 40, 20), "a third, against one in a hundred");
}

#[test]
fn two_methods_of_one_poison_are_no_two_requests() {
    let poison = |key| failed(Cause::UpstreamStatus, 503, key, Proof::Alone);
    let mut scene = Scene::with(FOUR);
    for _ in 0..10 {
        (0..4).for_each(|index| {
            scene.record(index, &[poison(1), Outcome::Success]);
        });
        (0..4).for_each(|index| {
            scene.record(index, &[poison(2), poison(1)]);
        });
    }
    assert!(scene.phases().iter().all(|phase| phase.is_admitted()));
}

#[test]
fn a_share_of_failures_that_the_whole_pool_has_ejects_nobody() {
    let half_broken = [Outcome::Success, failed(Cause::UpstreamStatus, 503, 1, Proof::Elsewhere)];
    let mut scene = Scene::with(FOUR);
    for _ in 0..20 {
        (0..4).for_each(|index| {
            scene.record(index, &half_broken);
        });
    }
    assert_eq!(scene.phases(), [Phase::Serving; 4]);
    let mut scene = Scene::with(FOUR);
    (1..4).for_each(|index| {
        scene.record(index, &[Outcome::Success; 20]);
    });
    for _ in 0..20 {
        scene.record(0, &half_broken);
    }
    assert_eq!(scene.phases()[0], Phase::Ejected);
    assert!(matches!(scene.member(0).status.evidence, Evidence::GatewayRate { .. }));
}

#[test]
fn poison_is_proven_by_nobody_and_a_bad_backend_by_the_others() {
    let mut scene = Scene::with(FOUR);
    let hung = failed(Cause::HeadTimeout, 0, 7, Proof::Alone);
    scene.record(0, &[hung; 5]);
    assert_eq!(scene.phases()[0], Phase::Unproven);
    assert_eq!(scene.snapshot.pools[0].suspicion.key(), Some(7), "cores look out for it");
    scene.backend(1).vouch(0, 7);
    scene.read();
    assert_eq!(scene.phases()[0], Phase::Ejected);
    assert_eq!(scene.snapshot.pools[0].suspicion.key(), None);
}

#[test]
fn a_request_that_kills_whoever_it_reaches_ejects_nobody_and_one_that_kills_one_does() {
    let killed = failed(Cause::ClosedBeforeResponse, 0, 7, Proof::Alone);
    let mut scene = Scene::with(FOUR);
    scene.record(0, &[killed; 3]);
    assert_eq!(scene.phases()[0], Phase::Ejected);
    let mut scene = Scene::with(FOUR);
    for _ in 0..20 {
        (0..4).for_each(|index| {
            scene.record(index, &[killed]);
        });
    }
    assert_eq!(scene.phases(), [Phase::Unproven; 4]);
    assert_eq!(scene.snapshot.pools[0].suspicion.key(), Some(7));
    scene.backend(3).vouch(0, 7);
    scene.record(3, &[Outcome::Success; 40]);
    assert_eq!(scene.phases()[..2], [Phase::Ejected; 2], "a well one could answer it");
}

#[test]
fn a_suspicion_is_over_with_its_window() {
    let mut scene = Scene::with(FOUR);
    scene.record(0, &[failed(Cause::HeadTimeout, 0, 7, Proof::Alone)]);
    scene.wait_until(10_001);
    scene.record(1, &[Outcome::Success]);
    assert_eq!(scene.snapshot.pools[0].suspicion.key(), None);
}

#[test]
fn a_fate_that_most_of_a_pool_shares_ejects_nobody_and_is_told_once() {
    let mut scene = Scene::with(FOUR);
    let lost = failed(Cause::Unroutable, 0, 1, Proof::Alone);
    let mut told = Vec::new();
    for round in 0..5 {
        told.extend(scene.wait_until(round * 200).iter().flat_map(fates));
        for index in 0..4 {
            told.extend(fates(&scene.record(index, &[lost])));
        }
    }
    assert_eq!((scene.phases(), &told[..]), (vec![Phase::Unproven; 4], &[Some(Cause::Unroutable)][..]));
    let over: Vec<_> = scene.wait_until(5_000).iter().flat_map(fates).collect();
    assert_eq!(over, [None]);
}

#[test]
fn a_fate_that_another_backend_does_not_share_ejects() {
    let mut scene = Scene::with(FOUR);
    let lost = failed(Cause::Unroutable, 0, 1, Proof::Alone);
    for _ in 0..5 {
        (0..3).for_each(|index| {
            scene.record(index, &[lost]);
        });
        scene.backend(3).rescue(0);
        scene.record(3, &[Outcome::Success]);
    }
    assert_eq!(scene.phases()[..2], [Phase::Ejected; 2]);
}

#[test]
fn a_fate_that_probes_share_ejects_nobody() {
    for cause in [Cause::Unroutable, Cause::TlsCertificate] {
        let mut scene = Scene::with(&format!("{FOUR}, {PROBED}"));
        scene.wait_until(300);
        for index in 0..4 {
            scene.tell(probed(scene.id(index), Some(cause)));
        }
        scene.wait_until(1_000);
        assert_eq!(scene.phases(), [Phase::Unproven; 4], "{cause:?}");
    }
}

#[test]
fn who_stands_out_of_its_pool_is_ejected_where_the_rule_asks_for_it() {
    let rule = |pool: &mut evenkeel_config::PoolPlan| {
        pool.health.eject.as_mut().unwrap().latency_factor = Some(10);
    };
    for (change, phase) in [(true, Phase::Ejected), (false, Phase::Serving)] {
        let mut scene = Scene::new();
        scene.tell(Input::Plan(changed(FOUR, |pool| {
            if change {
                rule(pool)
            }
        })));
        for index in 0..4 {
            let millis = if index == 2 { 500 } else { 10 };
            let backend = scene.backend(index);
            backend.counters[0].responses[1].add(50);
            backend.counters[0].head_micros.add(50 * millis * 1000);
            (0..50).for_each(|_| {
                backend.record(0, backend.term(), evenkeel_model::Role::Turn, Outcome::Success, scene.now)
            });
        }
        scene.read();
        assert_eq!(scene.phases()[2], phase);
        let others = [0, 1, 3].map(|index| scene.phases()[index]);
        assert_eq!(others, [Phase::Serving; 3]);
    }
}
