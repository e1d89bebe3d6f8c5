//! What control decides, with times and inputs as data.

#![allow(clippy::unwrap_used, reason = "a panic is how a test reports")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use evenkeel_config::Plan;
use evenkeel_control::{Control, Effects, Input, Next, Notice, Resolved, Transition};
use evenkeel_health::ProbeResult;
use evenkeel_model::{
    BackendId, Cause, Endpoint, Fault, NameFailure, Outcome, Phase, ProbeFailure, Proof, Role,
};
use evenkeel_routing::{Ask, Backend, Cursor, Member, Pick, Snapshot, Wake};

/// Control, a clock, and what was published last.
struct Scene {
    control: Control,
    start: Instant,
    now: Instant,
    snapshot: Arc<Snapshot>,
    cursor: Cursor,
}

const TWO: &str = r#"backends: ["127.0.0.1:1", "127.0.0.1:2"]"#;
const NAMED: &str = r#"backends: ["app.test:80", "127.0.0.1:2"]"#;

fn plan(pool: &str) -> Arc<Plan> {
    let text = format!("listeners: [{{ address: \"127.0.0.1:8080\" }}]\npools: {{ web: {{ {pool} }} }}\n");
    Arc::new(evenkeel_config::parse(&text, "test.yaml", &|_| None).unwrap_or_else(|error| panic!("{error}")))
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

impl Scene {
    fn new() -> Self {
        let wake = Wake::new(Box::new(|| {}));
        let now = Instant::now();
        let control = Control::new(1, 1, wake);
        Scene { control, start: now, now, snapshot: Arc::default(), cursor: Cursor::new(1) }
    }

    fn with(pool: &str) -> Self {
        let mut scene = Scene::new();
        scene.tell(Input::Plan(plan(pool)));
        scene
    }

    fn tell(&mut self, input: Input) -> Effects {
        let effects = self.control.handle(input, self.now);
        self.snapshot = effects.snapshot.clone().unwrap_or_else(|| self.snapshot.clone());
        effects
    }

    /// Lets time pass to this millisecond, with every tick that control asks for.
    fn wait_until(&mut self, at: u64) -> Vec<Effects> {
        let end = self.start + millis(at);
        let mut effects = vec![self.tell(Input::Tick)];
        while let Some(next) = effects.last().unwrap().next.filter(|next| *next <= end) {
            self.now = next.max(self.now);
            effects.push(self.tell(Input::Tick));
            assert!(effects.len() < 10_000, "control ticks without end");
        }
        self.now = end;
        effects.push(self.tell(Input::Tick));
        effects
    }

    fn read(&mut self) -> Effects {
        let reports = self.control.read(true);
        self.tell(Input::Reports(reports))
    }

    fn member(&self, index: usize) -> &Member {
        &self.snapshot.pools[0].members[index]
    }

    fn backend(&self, index: usize) -> Arc<Backend> {
        self.member(index).backend.clone()
    }

    fn id(&self, index: usize) -> BackendId {
        self.member(index).backend.id.clone()
    }

    fn phases(&self) -> Vec<Phase> {
        self.snapshot.pools[0].members.iter().map(|member| member.status.phase).collect()
    }

    fn record(&mut self, index: usize, outcomes: &[Outcome]) -> Effects {
        for outcome in outcomes {
            let backend = self.backend(index);
            backend.record(0, backend.term(), Role::Turn, *outcome, self.now);
        }
        self.read()
    }

    fn eject(&mut self, index: usize) -> Effects {
        self.record(index, &[FAILED; 3])
    }

    fn pick(&mut self, hideable: bool) -> Option<Pick> {
        self.snapshot.pools[0].pick(&mut self.cursor, &Ask { tried: &[], hideable, now: self.now })
    }

    /// A request that has to be a trial of this member.
    fn try_out(&mut self, index: usize, hideable: bool, outcome: Outcome) -> Effects {
        let pick = self.pick(hideable).unwrap();
        assert_eq!((pick.member, pick.role), (index, Role::Trial));
        self.backend(index).record(0, pick.term, pick.role, outcome, self.now);
        pick.trial.unwrap().spend();
        self.read()
    }
}

const FAILED: Outcome =
    Outcome::Failed(Fault { cause: Cause::ConnectRefused, status: 0, key: 1, proof: Proof::Alone });

fn transitions(effects: &Effects) -> Vec<&Transition> {
    fn transition(notice: &Notice) -> Option<&Transition> {
        match notice {
            Notice::Transition(transition) => Some(transition),
            Notice::Name(_) | Notice::Kept(_) | Notice::Fate(_) | Notice::Ordered(_) | Notice::Hold(_) => {
                None
            }
        }
    }
    effects.notices.iter().filter_map(transition).collect()
}

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
    scene.tell(Input::Connected { id: scene.id(0), result: Ok(()) });
    scene.try_out(0, false, Outcome::Success);
    scene.try_out(0, false, Outcome::Success);
    assert_eq!(scene.phases()[0], Phase::Serving);
}

#[test]
fn a_connection_that_fails_ejects_again() {
    let mut scene = Scene::with(TWO);
    scene.eject(0);
    scene.wait_until(20_000);
    let effects = scene.tell(Input::Connected { id: scene.id(0), result: Err(Cause::ConnectRefused) });
    assert_eq!(transitions(&effects)[0].message(), "backend failed its trial");
    assert_eq!(transitions(&effects)[0].next, Next::Trial(Duration::from_secs(20)));
}

#[test]
fn a_pool_that_is_wholly_out_and_closed_comes_back_by_connections() {
    let mut scene = Scene::with(&format!("{TWO}, health: {{ when_all_ejected: fail_closed }}"));
    scene.eject(0);
    scene.eject(1);
    assert!(scene.pick(true).is_none());
    let effects = scene.wait_until(10_000);
    assert_eq!(
        effects.iter().map(|effects| effects.connects.len()).sum::<usize>(),
        2,
        "nobody is waited for"
    );
    scene.tell(Input::Connected { id: scene.id(0), result: Ok(()) });
    scene.try_out(0, true, Outcome::Success);
    scene.try_out(0, true, Outcome::Success);
    assert_eq!(scene.phases(), [Phase::Serving, Phase::Trial]);
}

#[test]
fn the_last_resort_that_serves_is_back_without_a_wait() {
    let mut scene = Scene::with(TWO);
    scene.eject(0);
    scene.eject(1);
    for _ in 0..2 {
        let pick = scene.pick(false).unwrap();
        assert_eq!((pick.member, pick.role), (0, Role::LastResort));
        scene.backend(0).record(0, pick.term, pick.role, Outcome::Success, scene.now);
        scene.read();
    }
    assert_eq!(scene.phases(), [Phase::Serving, Phase::Ejected]);
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

fn probed(id: BackendId, failure: Option<Cause>) -> Input {
    let failed = |cause| ProbeResult::Failed(ProbeFailure::Failed(cause));
    Input::Probed { id, result: failure.map_or(ProbeResult::Passed, failed), drain: None }
}

const PROBED: &str = "health: { probe: { path: /healthz, interval: 2s, timeout: 1s } }";

#[test]
fn probes_begin_soon_and_go_on_one_at_a_time_with_a_tenth_of_jitter() {
    let mut scene = Scene::with(&format!("{TWO}, {PROBED}"));
    let mut began: Vec<Vec<u64>> = vec![Vec::new(), Vec::new()];
    let mut next = Some(scene.now);
    while let Some(at) = next.filter(|at| *at < scene.start + Duration::from_secs(60)) {
        scene.now = at;
        let effects = scene.tell(Input::Tick);
        next = effects.next;
        for order in effects.probes {
            let index = usize::from(order.id == scene.id(1));
            began[index].push((scene.now - scene.start).as_millis() as u64);
            next = scene.tell(probed(order.id, None)).next;
        }
    }
    for began in began {
        assert!(began[0] <= 250 && began.len() > 25, "{began:?}");
        assert!(began.windows(2).all(|pair| (1799..=2201).contains(&(pair[1] - pair[0]))), "{began:?}");
    }
}

#[test]
fn a_probe_in_flight_is_waited_for_and_a_result_nobody_ordered_is_no_news() {
    let mut scene = Scene::with(&format!("{TWO}, {PROBED}"));
    let ordered = |effects: Vec<Effects>| effects.iter().map(|effects| effects.probes.len()).sum::<usize>();
    assert_eq!(ordered(scene.wait_until(1_000)), 2);
    scene.tell(probed(scene.id(1), Some(Cause::LocalResource)));
    scene.tell(probed(scene.id(1), Some(Cause::ConnectRefused)));
    assert_eq!(scene.phases()[1], Phase::Unproven, "the one that was ordered says nothing about it");
    let others = scene.wait_until(10_000).into_iter().flat_map(|effects| effects.probes);
    assert!(others.map(|order| order.id).eq([scene.id(1)]), "the first backend's is still in flight");
}

#[test]
fn what_probes_ejected_returns_by_probes_without_a_wait() {
    let mut scene = Scene::with(&format!("{TWO}, {PROBED}"));
    let mut phases = Vec::new();
    for (second, result) in [Some(Cause::HeadTimeout), None, None].into_iter().enumerate() {
        scene.wait_until(second as u64 * 2_500 + 300);
        let effects = scene.tell(probed(scene.id(0), result));
        phases.extend(transitions(&effects).iter().map(|transition| (transition.to, transition.next)));
    }
    let wait = Duration::ZERO;
    let slow_start = Next::SlowStart(Duration::from_secs(10));
    assert_eq!(phases, [(Phase::Ejected, Next::Probes { rise: 2, wait }), (Phase::Serving, slow_start)]);
}

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
    let effects = scene.wait_until(300);
    let transitions: Vec<_> = effects.iter().flat_map(transitions).collect();
    assert_eq!(transitions[0].ground(), "1 failed probe, dns_failed");
    assert_eq!(scene.phases(), [Phase::Ejected, Phase::Unproven]);
}
