//! Names: when they are looked up, and what stays in use.

use std::sync::Arc;
use std::time::Duration;

use evenkeel_control::{Effects, Input, Notice, Resolved};
use evenkeel_model::{Cause, Endpoint, NameFailure, Phase};

use crate::scene::{NAMED, PROBED, Scene, TWO, plan, transitions};

fn endpoints(host: u8) -> Arc<[Endpoint]> {
    [Endpoint::Tcp(([10, 0, 0, host], 80).into())].into()
}

fn resolved(result: Result<Arc<[Endpoint]>, Cause>) -> Input {
    let result = result.map(|endpoints| Resolved { endpoints, ttl: Duration::from_secs(30) });
    Input::Resolved { host: "app.test".into(), port: 80, result: result.map_err(NameFailure::from) }
}

#[test]
fn a_plan_with_a_new_name_waits_for_its_first_answer() {
    let mut scene = Scene::new();
    let effects = scene.tell(Input::Plan(plan(NAMED)));
    assert_eq!((&*effects.resolves[0].host, effects.resolves.len()), ("app.test", 1));
    assert_eq!(scene.snapshot.generation, 0);
    scene.tell(resolved(Ok(endpoints(1))));
    assert_eq!((scene.snapshot.generation, scene.member(0).endpoints.clone()), (1, endpoints(1)));
    scene.tell(Input::Plan(plan(NAMED)));
    assert_eq!(scene.snapshot.generation, 2, "the name is known");
}

#[test]
fn a_resolver_that_says_nothing_holds_a_plan_up_for_a_second() {
    let mut scene = Scene::with(NAMED);
    scene.wait_until(999);
    assert_eq!(scene.snapshot.generation, 0);
    scene.wait_until(1_000);
    assert_eq!((scene.snapshot.generation, scene.member(0).endpoints.len()), (1, 0));
    scene.tell(resolved(Ok(endpoints(1))));
    assert_eq!(scene.member(0).endpoints, endpoints(1));
}

#[test]
fn a_plan_that_is_overtaken_while_it_waits_is_a_generation_too() {
    let mut scene = Scene::with(NAMED);
    scene.tell(Input::Plan(plan(TWO)));
    assert_eq!(scene.snapshot.generation, 2);
}

#[test]
fn the_last_good_answer_stays_and_a_name_without_one_is_asked_again_soon() {
    let mut scene = Scene::with(NAMED);
    scene.wait_until(10);
    let effects = scene.tell(resolved(Err(Cause::DnsFailed)));
    assert!(
        matches!(&effects.notices[..], [Notice::Name(change)] if change.failure == Some(Cause::DnsFailed.into()))
    );
    let asked = |effects: Vec<Effects>| effects.iter().map(|effects| effects.resolves.len()).sum::<usize>();
    assert_eq!(asked(scene.wait_until(1_009)), 0);
    assert_eq!(asked(scene.wait_until(1_010)), 1);
    scene.tell(resolved(Ok(endpoints(1))));
    assert_eq!(asked(scene.wait_until(31_009)), 0);
    assert_eq!(asked(scene.wait_until(31_010)), 1);
    let effects = scene.tell(resolved(Err(Cause::DnsTimeout)));
    assert_eq!((scene.member(0).endpoints.clone(), effects.snapshot.is_some()), (endpoints(1), false));
    assert_eq!(asked(scene.wait_until(61_010)), 1);
    scene.tell(resolved(Ok(endpoints(2))));
    assert_eq!(scene.member(0).endpoints, endpoints(2));
}

#[test]
fn a_probed_backend_whose_name_never_resolved_is_ejected_for_it() {
    let mut scene = Scene::with(&format!("{NAMED}, {PROBED}"));
    scene.wait_until(10);
    scene.tell(resolved(Err(Cause::DnsFailed)));
    let effects = scene.wait_until(1_000);
    let transitions: Vec<_> = effects.iter().flat_map(transitions).collect();
    assert_eq!(transitions[0].ground(), "2 failed probes in a row, the last dns_failed");
    assert_eq!(scene.phases(), [Phase::Ejected, Phase::Unproven]);
    assert!(
        scene.backend(0).probes_failed.read() > 0,
        "what ejects is counted, even if it could not be sent"
    );
}

#[test]
fn a_name_that_never_had_an_address_is_asked_for_less_and_less_and_anew_with_other_servers() {
    let mut scene = Scene::with(NAMED);
    let mut asked = Vec::new();
    for _ in 0..4 {
        let mut effects = scene.tell(resolved(Err(Cause::DnsFailed)));
        while effects.resolves.is_empty() {
            scene.now = effects.next.unwrap();
            effects = scene.tell(Input::Tick);
        }
        asked.push((scene.now - scene.start).as_secs());
    }
    assert_eq!(asked, [1, 3, 7, 15]);
    scene.tell(resolved(Err(Cause::DnsFailed)));
    let mut other = (*plan(NAMED)).clone();
    other.dns.servers = vec!["127.0.0.1:53".parse().unwrap()];
    assert_eq!(scene.tell(Input::Plan(Arc::new(other))).resolves.len(), 1);
}
