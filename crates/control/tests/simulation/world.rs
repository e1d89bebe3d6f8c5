//! One story: a clock, backends, clients, and control between them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use evenkeel_config::Plan;
use evenkeel_control::{Control, Effects, Input, Notice, Transition};
use evenkeel_model::{Address, BackendId, Cause, Endpoint, Outcome, Phase, PoolName, Role};
use evenkeel_routing::{Ask, Backend, Cursor, InFlight, Pool, Snapshot, TrialToken, Wake, WhenAllEjected};

use crate::chance::Chance;
use crate::scenery::{self, Truth};

const CORES: usize = 2;
/// Backends break, mend and are reconfigured for so long.
const TROUBLE: Duration = Duration::from_secs(40);
/// After the trouble: the longest wait, then the requests, names and probes that prove a backend.
const PEACE: Duration = Duration::from_secs(20);

/// More than any plan's `consecutive`, and what may fail before control has read it.
const MOST_STRIKES: u32 = 16;

/// What happens next.
enum Turn {
    Client {
        pool: usize,
    },
    Done(Attempt, Result<(), Cause>),
    Input(Input),
    Truth(Address),
    Reload,
    Jump,
    /// The bell was rung.
    Read,
    /// Control looks by itself.
    Patrol,
}

/// An attempt in flight.
struct Attempt {
    pool: PoolName,
    backend: Arc<Backend>,
    core: usize,
    role: Role,
    /// In service at the pick: not because health is ignored.
    was_admitted: bool,
    term: u32,
    tried: Vec<u16>,
    hideable: bool,
    _in_flight: InFlight,
    trial: Option<TrialToken>,
}

pub(crate) struct World {
    chance: Chance,
    start: Instant,
    /// Since the start, without jumps; turns are kept by it.
    elapsed: Duration,
    /// How far the clock jumped.
    jumped: Duration,
    turns: BTreeMap<(Duration, u64), Turn>,
    turns_made: u64,
    control: Control,
    rung: Arc<AtomicBool>,
    wake: Arc<Wake>,
    snapshot: Arc<Snapshot>,
    /// The plan of generation 1 first.
    plans: Vec<Arc<Plan>>,
    tick: Option<Instant>,
    truths: BTreeMap<Address, Truth>,
    /// Who was never ill, nor on a plan whose names did not resolve.
    blameless: BTreeSet<Address>,
    cursors: BTreeMap<(usize, PoolName), Cursor>,
    /// Failed requests in turn, one after the other in one term.
    streaks: BTreeMap<BackendId, (u32, u32)>,
    probing: BTreeSet<BackendId>,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let rung = Arc::new(AtomicBool::new(false));
        let ring = rung.clone();
        let wake = Wake::new(Box::new(move || ring.store(true, Relaxed)));
        let truths: BTreeMap<_, _> = scenery::addresses().into_iter().map(|it| (it, Truth::Well)).collect();
        World {
            chance: Chance::new(seed),
            start: Instant::now(),
            elapsed: Duration::ZERO,
            jumped: Duration::ZERO,
            turns: BTreeMap::new(),
            turns_made: 0,
            control: Control::new(CORES, seed, wake.clone()),
            rung,
            wake,
            snapshot: Arc::default(),
            plans: Vec::new(),
            tick: None,
            blameless: truths.keys().cloned().collect(),
            truths,
            cursors: BTreeMap::new(),
            streaks: BTreeMap::new(),
            probing: BTreeSet::new(),
        }
    }

    pub(crate) fn live(mut self) {
        self.plan();
        self.live_until(TROUBLE, true);
        for truth in self.truths.values_mut() {
            *truth = Truth::Well;
        }
        self.live_until(TROUBLE + PEACE, false);
        self.check_that_everybody_serves();
        self.turns.clear();
        let members = self.snapshot.pools.iter().flat_map(|pool| &pool.members);
        assert!(
            members.into_iter().all(|member| member.backend.in_flight() == 0),
            "a place was not given back"
        );
    }

    fn live_until(&mut self, end: Duration, in_trouble: bool) {
        if in_trouble {
            for address in scenery::addresses() {
                self.later(500..15_000, Turn::Truth(address));
            }
            self.later(1000..20_000, Turn::Reload);
            self.later(1000..60_000, Turn::Jump);
            self.later(1..500, Turn::Patrol);
            for pool in 0..2 {
                self.later(1..200, Turn::Client { pool });
            }
        }
        while self.elapsed < end {
            let turn = self.turns.first_key_value().map(|((at, _), _)| *at);
            let tick = self.tick.map(|tick| self.unjumped(tick));
            match (turn, tick) {
                (turn, Some(tick)) if turn.is_none_or(|turn| tick <= turn) => {
                    self.elapsed = self.elapsed.max(tick);
                    self.tick = None;
                    self.tell(Input::Tick);
                }
                (Some(at), _) => {
                    self.elapsed = at;
                    let (_, turn) = self.turns.pop_first().unwrap();
                    self.take(turn, in_trouble);
                }
                (None, _) => unreachable!("clients never end"),
            }
            if self.rung.swap(false, Relaxed) {
                self.later(1..8, Turn::Read);
            }
        }
    }

    fn take(&mut self, turn: Turn, in_trouble: bool) {
        match turn {
            Turn::Client { pool } => {
                self.later(5..120, Turn::Client { pool });
                let hideable = self.chance.percent(70);
                if let Some(name) = self.snapshot.pools.get(pool).map(|pool| pool.name.clone()) {
                    self.attempt(&name, Vec::new(), hideable);
                }
            }
            Turn::Done(attempt, result) => self.done(attempt, result),
            Turn::Input(input) => self.tell(input),
            Turn::Truth(address) if in_trouble => {
                let is_well = self.truths[&address] == Truth::Well;
                let truth = if is_well { *self.chance.one(&Truth::BAD) } else { Truth::Well };
                self.blameless.remove(&address);
                self.truths.insert(address.clone(), truth);
                self.later(200..15_000, Turn::Truth(address));
            }
            Turn::Reload if in_trouble => {
                self.plan();
                self.later(10..15_000, Turn::Reload);
            }
            Turn::Jump if in_trouble => self.jumped += self.chance.millis(0..600_000),
            Turn::Truth(_) | Turn::Reload | Turn::Jump => {}
            Turn::Read => self.read(),
            Turn::Patrol => {
                self.read();
                self.later(500..501, Turn::Patrol);
            }
        }
    }

    fn read(&mut self) {
        self.wake.lower();
        let reports = self.control.read();
        self.tell(Input::Reports(reports));
    }

    fn plan(&mut self) {
        let plan = scenery::plan(&mut self.chance);
        self.plans.push(plan.clone());
        self.tell(Input::Plan(plan));
    }

    fn attempt(&mut self, name: &PoolName, tried: Vec<u16>, hideable: bool) {
        let Some(pool) = self.snapshot.pools.iter().find(|pool| pool.name == *name).cloned() else { return };
        let core = self.chance.among(0..CORES as u64) as usize;
        let seed = self.chance.number();
        let cursor = self.cursors.entry((core, name.clone())).or_insert_with(|| Cursor::new(seed));
        let ask = Ask { tried: &tried, hideable, now: self.start + self.elapsed + self.jumped };
        let Some(pick) = pool.pick(cursor, &ask) else {
            return check_that_nobody_was_left_out(&pool, &tried);
        };
        let member = &pool.members[pick.member];
        check_that_it_may_go_there(&pool, pick.member, pick.role, &tried);
        let (result, takes) = match member.endpoints.is_empty() {
            true => (Err(Cause::DnsFailed), Duration::ZERO),
            false => self.truths[&member.backend.id.address].answer(),
        };
        let mut tried = tried;
        tried.push(pick.member as u16);
        let attempt = Attempt {
            pool: name.clone(),
            backend: member.backend.clone(),
            core,
            role: pick.role,
            was_admitted: member.status.phase.is_admitted(),
            term: pick.term,
            tried,
            hideable,
            _in_flight: pick.in_flight,
            trial: pick.trial,
        };
        self.at(self.elapsed + takes, Turn::Done(attempt, result));
    }

    fn done(&mut self, mut attempt: Attempt, result: Result<(), Cause>) {
        let is_aborted = self.chance.percent(5);
        let outcome = match result {
            _ if is_aborted => Outcome::Abandoned,
            Ok(()) => Outcome::Success,
            Err(cause) => Outcome::Failed(cause),
        };
        let now = self.now();
        self.count(&attempt, outcome);
        attempt.backend.record(attempt.core, attempt.term, attempt.role, outcome, now);
        if let Some(token) = attempt.trial.take().filter(|_| !is_aborted) {
            token.spend();
        }
        let Attempt { pool, tried, hideable, .. } = attempt;
        if hideable && result.is_err() && !is_aborted && tried.len() < 3 {
            self.attempt(&pool, tried, hideable);
        }
    }

    /// A backend that does nothing but fail is not asked in its turn for long.
    fn count(&mut self, attempt: &Attempt, outcome: Outcome) {
        let id = &attempt.backend.id;
        let is_in_turn = attempt.was_admitted && attempt.term == attempt.backend.term();
        let is_there = members(&self.snapshot).any(|member| Arc::ptr_eq(&member.backend, &attempt.backend));
        if !is_in_turn || !is_there {
            return;
        }
        let plan = &self.plans[self.snapshot.generation as usize - 1];
        let pool = plan.pools.iter().find(|pool| pool.name == id.pool).unwrap();
        let ejects = pool.health.eject.is_some();
        let (term, streak) = self.streaks.entry(id.clone()).or_default();
        *streak = match outcome {
            Outcome::Failed(Cause::DnsFailed) | Outcome::Abandoned => *streak,
            Outcome::Failed(_) if *term == attempt.term && ejects => *streak + 1,
            Outcome::Failed(_) => 1,
            Outcome::Success => 0,
        };
        *term = attempt.term;
        assert!(*streak < MOST_STRIKES, "{id} failed {streak} times in a row");
    }

    /// Gives control an input, checks what it makes of it, and sees to its orders.
    fn tell(&mut self, input: Input) {
        if let Input::Probed { id, .. } = &input {
            self.probing.remove(id);
        }
        let now = self.now();
        let effects = self.control.handle(input, now);
        let Effects { snapshot, probes, resolves, connects, notices, next } = effects;
        if let Some(snapshot) = snapshot {
            self.publish(snapshot);
        }
        // The last word on each backend.
        let transitions: BTreeMap<_, _> = notices
            .into_iter()
            .filter_map(|notice| match notice {
                Notice::Transition(transition) => Some(transition),
                Notice::Name(_) => None,
            })
            .map(|transition| ((transition.pool.clone(), transition.backend.clone()), transition))
            .collect();
        transitions.values().for_each(|transition| self.check_transition(transition));
        for order in probes {
            assert!(self.probing.insert(order.id.clone()), "{} is probed twice at once", order.id);
            let (result, takes) = self.truths[&order.id.address].answer();
            let takes = takes.min(order.probe.timeout);
            self.at(self.elapsed + takes, Turn::Input(Input::Probed { id: order.id, result }));
        }
        for order in connects {
            let result = match order.endpoints.is_empty() {
                true => Err(Cause::DnsFailed),
                false => self.truths[&order.id.address].connects(),
            };
            self.later(1..50, Turn::Input(Input::Connected { id: order.id, result }));
        }
        for order in resolves {
            let endpoint = Endpoint::Tcp(([10, 0, 0, self.chance.among(1..3) as u8], order.port).into());
            let fails = self.elapsed < TROUBLE && self.chance.percent(30);
            let result = if fails { Err(Cause::DnsFailed) } else { Ok([endpoint].into()) };
            if fails {
                self.blameless.retain(|address| !address.to_string().starts_with(&*order.host));
            }
            let input = Input::Resolved { host: order.host, port: order.port, result };
            self.later(1..2000, Turn::Input(input));
        }
        self.tick = next;
    }

    fn publish(&mut self, new: Arc<Snapshot>) {
        let old = std::mem::replace(&mut self.snapshot, new);
        let new = &self.snapshot;
        assert!(new.epoch > old.epoch, "epoch {} after {}", new.epoch, old.epoch);
        assert!(new.generation >= old.generation && new.generation <= self.plans.len() as u64);
        for member in members(new) {
            let id = &member.backend.id;
            let Some(before) = members(&old).find(|before| before.backend.id == *id) else { continue };
            let is_same = Arc::ptr_eq(&member.backend, &before.backend);
            assert!(is_same || member.backend.label != before.backend.label, "{id} lost its identity");
            assert!(member.status.since >= before.status.since, "{id} lost its health");
        }
        self.probing.retain(|id| members(new).any(|member| member.backend.id == *id));
    }

    fn check_transition(&self, transition: &Transition) {
        let Transition { pool, backend, from, to, .. } = transition;
        assert_ne!(from, to);
        let is_it = |id: &BackendId, label: &str| id.pool == *pool && *label == **backend;
        let mut members = members(&self.snapshot);
        let published = members.find(|member| is_it(&member.backend.id, &member.backend.label));
        let published = published.unwrap_or_else(|| panic!("{pool}/{backend} is not published"));
        assert_eq!(published.status.phase, *to, "{pool}/{backend} is published otherwise");
        let is_blameless = self.blameless.contains(&published.backend.id.address);
        assert!(
            !is_blameless || *to != Phase::Ejected,
            "{pool}/{backend} was ejected for nothing: {transition:?}"
        );
    }

    fn check_that_everybody_serves(&self) {
        assert_eq!(self.snapshot.generation, self.plans.len() as u64, "a plan was lost");
        for member in members(&self.snapshot) {
            let phase = member.status.phase;
            assert!(phase.is_admitted(), "{} is still {phase:?}: {:?}", member.backend.id, member.status);
            assert!(!member.endpoints.is_empty(), "{} has no endpoint", member.backend.id);
        }
    }

    fn now(&self) -> Instant {
        self.start + self.elapsed + self.jumped
    }

    fn unjumped(&self, at: Instant) -> Duration {
        at.saturating_duration_since(self.start).saturating_sub(self.jumped).max(self.elapsed)
    }

    fn later(&mut self, millis: std::ops::Range<u64>, turn: Turn) {
        let wait = self.chance.millis(millis);
        self.at(self.elapsed + wait, turn);
    }

    fn at(&mut self, at: Duration, turn: Turn) {
        self.turns_made += 1;
        self.turns.insert((at, self.turns_made), turn);
    }
}

fn members(snapshot: &Snapshot) -> impl Iterator<Item = &evenkeel_routing::Member> {
    snapshot.pools.iter().flat_map(|pool| &pool.members)
}

fn check_that_it_may_go_there(pool: &Pool, member: usize, role: Role, tried: &[u16]) {
    let phase = pool.members[member].status.phase;
    let nobody_serves = pool.members.iter().all(|member| !member.status.phase.is_admitted());
    let nobody_is_left = pool
        .members
        .iter()
        .enumerate()
        .all(|(index, member)| !member.status.phase.is_admitted() || tried.contains(&(index as u16)));
    let rule = pool.rule.when_all_ejected;
    let may = match role {
        Role::Turn => phase.is_admitted() || (nobody_serves && rule == WhenAllEjected::FailOpen),
        Role::Trial => phase == Phase::Trial,
        Role::LastResort => nobody_is_left && rule == WhenAllEjected::LastResort,
    };
    assert!(may, "a backend that is {phase:?} was picked as {role:?}");
}

fn check_that_nobody_was_left_out(pool: &Pool, tried: &[u16]) {
    for (index, member) in pool.members.iter().enumerate() {
        let was_tried = tried.contains(&(index as u16));
        assert!(was_tried || !member.status.phase.is_admitted(), "{} was left out", member.backend.id);
    }
}
