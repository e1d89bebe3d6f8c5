//! One story: a clock, backends, clients, and control between them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use evenkeel_config::Plan;
use evenkeel_control::{Control, Effects, Input, Notice, Resolved, Transition};
use evenkeel_model::{
    Address, BackendId, Cause, Command, Endpoint, Evidence, Fault, Hold, Kept, NameFailure, Order, Outcome,
    Phase, PoolName, Proof, Role, Weight,
};
use evenkeel_routing::{Ask, Backend, Cursor, InFlight, Pool, Snapshot, TrialToken, Wake, WhenAllEjected};

use crate::chance::Chance;
use crate::scenery::{self, Truth};

const CORES: usize = 2;
/// Backends break, mend and are reconfigured for so long.
const TROUBLE: Duration = Duration::from_secs(40);
/// After the trouble: the longest wait with its jitter, then the requests, names and probes that prove even a backend
/// that came and went.
const PEACE: Duration = Duration::from_secs(70);

/// At the end of the peace: everybody in service has its share of requests.
const COUNTED: Duration = Duration::from_secs(20);

const SECOND: Duration = Duration::from_secs(1);

/// The request that fails wherever it goes.
const POISON: u64 = 666;

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
    /// The network is cut, or mended.
    Cut,
    /// An operator gives an order.
    Operator,
    /// An operator finds a backend that is held, and takes it back.
    Ready(BackendId),
    /// A backend asks to be drained.
    Ask,
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
    story: Story,
    _in_flight: InFlight,
    trial: Option<TrialToken>,
}

/// A request, over all its attempts.
struct Story {
    key: u64,
    hideable: bool,
    tried: Vec<u16>,
    /// Attempts whose fault is not known yet.
    pending: Vec<Pending>,
    /// It may have been processed and was repeated.
    has_repeated: bool,
    /// It failed for the network.
    was_cut_off: bool,
}

/// A failed attempt that waits for its proof.
struct Pending {
    backend: Arc<Backend>,
    core: usize,
    role: Role,
    term: u32,
    cause: Cause,
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
    /// Failed requests in turn, one after the other in one term of one backend.
    streaks: BTreeMap<BackendId, (Arc<Backend>, u32, u32)>,
    probing: BTreeSet<BackendId>,
    has_poison: bool,
    /// How often in a row control wanted a tick at once.
    at_once: usize,
    is_cut: bool,
    /// When the network was cut or mended last.
    mended: Duration,
    /// When a backend last fell ill or got well.
    last_ill: Duration,
    /// What operators said last, of who is there.
    orders: BTreeMap<BackendId, Order>,
    /// Who got a request at the end.
    served: BTreeSet<BackendId>,
    /// Retries that the budget granted, by pool and time.
    spent: BTreeMap<PoolName, Vec<Instant>>,
    asked: BTreeMap<PoolName, Vec<Instant>>,
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
            has_poison: seed.is_multiple_of(2),
            at_once: 0,
            is_cut: false,
            mended: Duration::ZERO,
            last_ill: Duration::ZERO,
            orders: BTreeMap::new(),
            served: BTreeSet::new(),
            spent: BTreeMap::new(),
            asked: BTreeMap::new(),
        }
    }

    pub(crate) fn live(mut self) {
        self.plan();
        self.live_until(TROUBLE, true);
        for truth in self.truths.values_mut() {
            *truth = Truth::Well;
        }
        self.is_cut = false;
        for id in self.orders.keys().cloned().collect::<Vec<_>>() {
            self.order(&id, Order::Ready);
        }
        self.live_until(TROUBLE + PEACE, false);
        self.check_that_everybody_serves();
        self.served.clear();
        self.live_until(TROUBLE + PEACE + COUNTED, false);
        self.check_that_nobody_starves();
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
            self.later(1000..60_000, Turn::Cut);
            self.later(1000..30_000, Turn::Operator);
            self.later(1000..30_000, Turn::Ask);
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
                self.request(pool, in_trouble);
            }
            Turn::Done(attempt, result) => self.done(attempt, result),
            Turn::Input(input) => self.tell(input),
            Turn::Truth(address) if in_trouble => {
                let is_well = self.truths[&address] == Truth::Well;
                let truth = if is_well { *self.chance.one(&Truth::BAD) } else { Truth::Well };
                self.blameless.remove(&address);
                self.last_ill = self.elapsed;
                self.spoil_the_cut();
                self.truths.insert(address.clone(), truth);
                self.later(200..15_000, Turn::Truth(address));
            }
            Turn::Reload if in_trouble => {
                self.plan();
                self.later(10..15_000, Turn::Reload);
            }
            Turn::Jump if in_trouble => self.jumped += self.chance.millis(0..600_000),
            Turn::Cut if in_trouble => {
                self.is_cut = !self.is_cut;
                self.mended = self.elapsed;
                let is_any_ill = self.truths.values().any(|truth| *truth != Truth::Well);
                if is_any_ill || self.elapsed < self.last_ill + 3 * SECOND {
                    self.spoil_the_cut();
                }
                let lasts = if self.is_cut { 100..5000 } else { 5000..60_000 };
                self.later(lasts, Turn::Cut);
            }
            Turn::Operator if in_trouble => {
                let ids: Vec<BackendId> = self.control.backends().cloned().collect();
                if !ids.is_empty() {
                    let (id, order) = (self.chance.one(&ids).clone(), *self.chance.one(&Order::ALL));
                    self.order(&id, order);
                }
                self.later(500..15_000, Turn::Operator);
            }
            Turn::Ask if in_trouble => {
                self.ask_to_drain();
                self.later(500..15_000, Turn::Ask);
            }
            Turn::Ready(id) => self.order(&id, Order::Ready),
            Turn::Truth(_) | Turn::Reload | Turn::Jump | Turn::Cut | Turn::Operator | Turn::Ask => {}
            Turn::Read => self.read(),
            Turn::Patrol => {
                self.read();
                self.later(500..501, Turn::Patrol);
            }
        }
    }

    fn read(&mut self) {
        self.wake.lower();
        let all = self.chance.percent(50);
        let reports = self.control.read(all);
        self.tell(Input::Reports(reports));
    }

    fn spoil_the_cut(&mut self) {
        if self.is_cut {
            self.blameless.clear();
        }
    }

    fn order(&mut self, id: &BackendId, order: Order) {
        let (pool, backend) = (Some(id.pool.clone()), id.address.to_string().into());
        match order {
            Order::Ready => {
                // It is believed, whatever was before.
                self.streaks.remove(id);
                self.orders.remove(id)
            }
            Order::Drain | Order::Eject => self.orders.insert(id.clone(), order),
        };
        self.tell(Input::Command(Command { order, pool, backend, uid: 0 }));
    }

    fn ask_to_drain(&mut self) {
        let backends: Vec<Arc<Backend>> =
            members(&self.snapshot).map(|member| member.backend.clone()).collect();
        if !backends.is_empty() {
            let how_long = self.chance.millis(0..8000);
            self.chance.one(&backends).ask_to_drain(0, how_long, self.now());
        }
    }

    /// A client's request: now and then one that fails wherever it goes.
    fn request(&mut self, pool: usize, in_trouble: bool) {
        // Where there is none, a network that is cut is all that happens for a while.
        let may_be_poison = in_trouble && self.has_poison;
        let key = if may_be_poison && self.chance.percent(10) { POISON } else { self.chance.among(1..5) };
        let hideable = self.chance.percent(70);
        let story = Story {
            key,
            hideable,
            tried: Vec::new(),
            pending: Vec::new(),
            has_repeated: false,
            was_cut_off: false,
        };
        let Some(pool) = self.snapshot.pools.get(pool).cloned() else { return };
        pool.counters[0].requests.add(1);
        let now = self.now();
        self.asked.entry(pool.name.clone()).or_default().push(now);
        pool.note_requests(now);
        self.attempt(&pool.name, story);
    }

    fn plan(&mut self) {
        let plan = scenery::plan(&mut self.chance);
        self.plans.push(plan.clone());
        self.tell(Input::Plan(plan));
    }

    fn attempt(&mut self, name: &PoolName, mut story: Story) {
        let Some(pool) = self.snapshot.pools.iter().find(|pool| pool.name == *name).cloned() else {
            return self.close(story);
        };
        let core = self.chance.among(0..CORES as u64) as usize;
        let seed = self.chance.number();
        let cursor = self.cursors.entry((core, name.clone())).or_insert_with(|| Cursor::new(seed));
        let hideable = story.hideable && !story.has_repeated;
        let ask = Ask { tried: &story.tried, hideable, now: self.start + self.elapsed + self.jumped };
        let Some(pick) = pool.pick(cursor, &ask) else {
            check_that_nobody_was_left_out(&pool, &story.tried);
            return self.close(story);
        };
        let member = &pool.members[pick.member];
        check_that_it_may_go_there(&pool, pick.member, pick.role, &story.tried);
        self.served.insert(member.backend.id.clone());
        let (result, takes) = match member.endpoints.is_empty() {
            true => (Err(Cause::DnsFailed), Duration::ZERO),
            false if self.is_cut => (Err(Cause::Unroutable), Duration::from_millis(1)),
            false => match self.truths[&member.backend.id.address].answer() {
                (Ok(()), takes) if story.key == POISON => (Err(Cause::UpstreamStatus), takes),
                answer => answer,
            },
        };
        story.tried.push(pick.member as u16);
        let attempt = Attempt {
            pool: name.clone(),
            backend: member.backend.clone(),
            core,
            role: pick.role,
            was_admitted: member.status.is_admitted(),
            term: pick.term,
            story,
            _in_flight: pick.in_flight,
            trial: pick.trial,
        };
        self.at(self.elapsed + takes, Turn::Done(attempt, result));
    }

    fn done(&mut self, attempt: Attempt, result: Result<(), Cause>) {
        if self.chance.percent(5) {
            // The client left; the token, if there is one, is given back.
            self.count(&attempt, Outcome::Abandoned);
            attempt.backend.record(attempt.core, attempt.term, attempt.role, Outcome::Abandoned, self.now());
            drop(attempt.trial);
            return self.close(attempt.story);
        }
        match result {
            Ok(()) => self.succeeded(attempt),
            Err(cause) => self.failed(attempt, cause),
        }
    }

    fn succeeded(&mut self, mut attempt: Attempt) {
        self.count(&attempt, Outcome::Success);
        let now = self.now();
        if attempt.story.was_cut_off {
            attempt.backend.rescue(attempt.core);
        }
        for pending in attempt.story.pending.drain(..) {
            pending.record(attempt.story.key, Proof::Elsewhere, now);
        }
        let Attempt { backend, core, term, role, trial, story, pool, .. } = attempt;
        backend.record(core, term, role, Outcome::Success, now);
        if let Some(token) = trial {
            token.spend();
        }
        let pool = self.snapshot.pools.iter().find(|it| it.name == pool);
        if pool.is_some_and(|pool| pool.suspicion.key() == Some(story.key)) {
            backend.vouch(core, story.key);
        }
    }

    fn failed(&mut self, attempt: Attempt, cause: Cause) {
        let is_sent = !matches!(cause, Cause::ConnectRefused | Cause::Unroutable | Cause::DnsFailed);
        let fault = Fault { status: status_of(cause), key: attempt.story.key, ..cause.into() };
        self.count(&attempt, Outcome::Failed(fault));
        let Attempt { pool, backend, core, role, term, mut story, trial, .. } = attempt;
        let pending = Pending { backend, core, role, term, cause, trial };
        story.was_cut_off |= cause == Cause::Unroutable;
        if !cause.facts().is_shared {
            // Another cause, at the same time: that is no fate that all share.
            self.last_ill = self.elapsed;
            self.spoil_the_cut();
        }
        if is_sent {
            story.pending.push(pending);
        } else {
            pending.record(story.key, Proof::Alone, self.now());
        }
        let may_repeat = !is_sent || (story.hideable && !story.has_repeated);
        if !may_repeat || story.tried.len() >= 3 || (is_sent && !self.spend(&pool)) {
            return self.close(story);
        }
        story.has_repeated |= is_sent;
        self.attempt(&pool, story);
    }

    /// The request is over: what failed once failed alone, what failed on two backends is poison.
    fn close(&mut self, mut story: Story) {
        if story.pending.len() == 1 {
            let now = self.now();
            story.pending.drain(..).for_each(|pending| pending.record(story.key, Proof::Alone, now));
        }
    }

    fn spend(&mut self, name: &PoolName) -> bool {
        let now = self.now();
        let Some(pool) = self.snapshot.pools.iter().find(|pool| pool.name == *name) else { return false };
        let budget = pool.rule.retry.budget.unwrap();
        let is_granted = pool.spend_retry(Some(&budget), now);
        if is_granted {
            let spent = self.spent.entry(name.clone()).or_default();
            spent.push(now);
            let within = |times: &[Instant], window| {
                times.iter().rev().take_while(|at| now.saturating_duration_since(**at) < window).count()
                    as u64
            };
            let retries = within(spent, budget.window);
            let asked = self.asked.get(name).map_or(0, |asked| within(asked, budget.window + 2 * SECOND));
            let most = (asked * u64::from(budget.share_percent) / 100)
                .max(u64::from(budget.at_least) * budget.window.as_secs());
            assert!(retries <= most, "{retries} retries of {asked} requests of {name}");
        }
        is_granted
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
        let new = || (attempt.backend.clone(), attempt.term, 0);
        let (backend, term, streak) = self.streaks.entry(id.clone()).or_insert_with(new);
        if *term != attempt.term || !Arc::ptr_eq(backend, &attempt.backend) || !ejects {
            (*backend, *term, *streak) = new();
        }
        *streak = match outcome {
            Outcome::Failed(fault) if is_counted(&attempt.story, fault) => *streak + 1,
            Outcome::Failed(_) | Outcome::Abandoned => *streak,
            Outcome::Success => 0,
        };
        // Guards keep it in service, and that is told.
        let is_kept =
            members(&self.snapshot).any(|member| member.backend.id == *id && member.status.kept.is_some());
        assert!(is_kept || *streak < MOST_STRIKES, "{id} failed {streak} times in a row");
    }

    /// Gives control an input, checks what it makes of it, and sees to its orders.
    fn tell(&mut self, input: Input) {
        if let Input::Probed { id, .. } = &input {
            self.probing.remove(id);
        }
        let now = self.now();
        let effects = self.control.handle(input, now);
        let Effects { snapshot, probes, resolves, connects, notices, next, answer: _ } = effects;
        let before = self.snapshot.clone();
        if let Some(snapshot) = snapshot {
            self.publish(snapshot);
        }
        self.check_the_floor(&before, &notices);
        // The last word on each backend.
        let transitions: BTreeMap<_, _> = notices
            .into_iter()
            .filter_map(|notice| match notice {
                Notice::Transition(transition) => Some(transition),
                Notice::Name(_)
                | Notice::Kept(_)
                | Notice::Fate(_)
                | Notice::Ordered(_)
                | Notice::Hold(_) => None,
            })
            .map(|transition| ((transition.pool.clone(), transition.backend.clone()), transition))
            .collect();
        // With another plan it may be gone again.
        if self.snapshot.generation == before.generation {
            transitions.values().for_each(|transition| self.check_transition(transition));
        }
        for order in probes {
            assert!(self.probing.insert(order.id.clone()), "{} is probed twice at once", order.id);
            let (mut result, takes) = self.truths[&order.id.address].answer();
            if self.is_cut {
                result = Err(Cause::Unroutable);
            }
            let takes = takes.min(order.probe.timeout);
            let input = Input::Probed {
                id: order.id,
                serial: order.serial,
                result: scenery::probed(result),
                drain: None,
            };
            self.at(self.elapsed + takes, Turn::Input(input));
        }
        for order in connects {
            let result = match order.endpoints.is_empty() {
                true => Err(Cause::DnsFailed),
                false => self.truths[&order.id.address].connects(),
            };
            self.later(1..50, Turn::Input(Input::Connected { id: order.id, serial: order.serial, result }));
        }
        for order in resolves {
            let fails = self.elapsed < TROUBLE && self.chance.percent(30);
            let ttl = self.chance.millis(0..5000);
            let result = match fails {
                true => Err(NameFailure::from(Cause::DnsFailed)),
                false => Ok(Resolved { endpoints: self.endpoints(&order.host, order.port), ttl }),
            };
            if fails {
                self.blameless.retain(|address| !address.to_string().starts_with(&*order.host));
            }
            let input = Input::Resolved { host: order.host, port: order.port, result };
            self.later(1..2000, Turn::Input(input));
        }
        self.at_once = if next.is_some_and(|next| next <= now) { self.at_once + 1 } else { 0 };
        assert!(self.at_once < 10, "control wants ticks without end");
        self.tick = next;
    }

    fn endpoints(&mut self, host: &str, port: u16) -> Arc<[Endpoint]> {
        if host != "many.test" {
            return [Endpoint::Tcp(([10, 0, 0, self.chance.among(1..3) as u8], port).into())].into();
        }
        let is_peace = self.elapsed >= TROUBLE;
        let chosen: Vec<_> = scenery::MANY.iter().filter(|_| is_peace || self.chance.percent(60)).collect();
        let chosen = if chosen.is_empty() { vec![&scenery::MANY[0]] } else { chosen };
        chosen.into_iter().map(|address| Endpoint::Tcp(address.parse().unwrap())).collect()
    }

    fn publish(&mut self, new: Arc<Snapshot>) {
        let old = std::mem::replace(&mut self.snapshot, new);
        let new = &self.snapshot;
        assert!(new.epoch > old.epoch, "epoch {} after {}", new.epoch, old.epoch);
        assert!(new.generation >= old.generation && new.generation <= self.plans.len() as u64);
        let mut returned = Vec::new();
        for member in members(new) {
            let id = &member.backend.id;
            if member.status.kept == Some(Kept::SharedFate) {
                // What was held against it is forgotten.
                self.streaks.remove(id);
            }
            let held = match member.status.hold {
                Hold::None | Hold::Asked { .. } => None,
                Hold::Drained(_) => Some(Order::Drain),
                Hold::Out(_) => Some(Order::Eject),
            };
            let is_new = !members(&old).any(|before| before.backend.id == *id);
            if let Some(held) = held.filter(|_| is_new) {
                // A name's answers had left it out for a while.
                self.orders.insert(id.clone(), held);
                returned.push(id.clone());
            }
            assert!(is_new || held == self.orders.get(id).copied(), "{id} is {held:?} by its operator");
            let Some(before) = members(&old).find(|before| before.backend.id == *id) else { continue };
            let is_same = Arc::ptr_eq(&member.backend, &before.backend);
            assert!(is_same || member.backend.label != before.backend.label, "{id} lost its identity");
            assert!(member.status.since >= before.status.since, "{id} lost its health");
        }
        let is_there = |id: &BackendId| members(new).any(|member| member.backend.id == *id);
        self.probing.retain(&is_there);
        self.orders.retain(|id, _| is_there(id));
        if self.elapsed >= TROUBLE {
            returned.into_iter().for_each(|id| self.later(1..100, Turn::Ready(id)));
        }
    }

    fn check_transition(&self, transition: &Transition) {
        let Transition { pool, backend, from, to, .. } = transition;
        assert_ne!(from, to);
        let is_it = |id: &BackendId, label: &str| id.pool == *pool && *label == **backend;
        let mut members = members(&self.snapshot);
        let published = members.find(|member| is_it(&member.backend.id, &member.backend.label));
        let published = published.unwrap_or_else(|| panic!("{pool}/{backend} is not published"));
        let is_admitted = published.status.phase.is_admitted();
        // What has no bearing on who receives requests may be told later.
        let is_it = published.status.phase == *to
            || (is_admitted && to.is_admitted())
            || published.status.hold != Hold::None;
        assert!(is_it, "{pool}/{backend} is published otherwise: {:?}, {to:?}", published.status);
        // A fate is shared by several, and probes are too far apart to see that it is.
        let is_alone = self.is_cut && (self.hosts(pool) < 2 || transition.evidence.is_by_probes());
        // What failed before the network was mended, and then succeeded elsewhere, is proof for all that control can know.
        let is_just_mended = !self.is_cut && self.elapsed < self.mended + SECOND;
        let is_cut_alone = is_alone || is_just_mended;
        let is_blameless = self.blameless.contains(&published.backend.id.address) && !is_cut_alone;
        assert!(
            !is_blameless || !from.is_admitted() || *to != Phase::Ejected,
            "{pool}/{backend} was ejected for nothing: {transition:?}"
        );
    }

    /// Traffic alone takes nobody out of a pool that would fall below its floor.
    fn check_the_floor(&self, before: &Snapshot, notices: &[Notice]) {
        let by_traffic = |transition: &&Transition| {
            transition.to == Phase::Ejected
                && transition.from.is_admitted()
                && !matches!(transition.evidence, Evidence::Probes { .. })
        };
        let transitions = notices.iter().filter_map(|notice| match notice {
            Notice::Transition(transition) => Some(transition),
            _ => None,
        });
        for transition in transitions.filter(by_traffic) {
            // It may have gone with the same input.
            let Some(pool) = self.snapshot.pools.iter().find(|pool| pool.name == transition.pool) else {
                continue;
            };
            let old = before.pools.iter().find(|old| old.name == pool.name);
            let changes_only_by_it = |member: &evenkeel_routing::Member| {
                let was =
                    old.and_then(|old| old.members.iter().find(|was| was.backend.id == member.backend.id));
                was.is_some_and(|was| was.status.hold == member.status.hold)
            };
            if !pool.members.iter().all(changes_only_by_it) {
                continue;
            }
            let plan = &self.plans[self.snapshot.generation as usize - 1];
            let policy = &plan.pools.iter().find(|plan| plan.name == pool.name).unwrap().health;
            let keep = policy.eject.map_or(0, |eject| eject.keep_percent as usize);
            let is_held = |hold: Hold| matches!(hold, Hold::Drained(_) | Hold::Out(_));
            let all = pool.members.iter().filter(|member| !is_held(member.status.hold)).count();
            // Probes may have taken others out since, at the same time.
            let by_probes = |member: &&evenkeel_routing::Member| {
                let status = member.status;
                status.phase == Phase::Ejected && status.evidence.is_by_probes() && status.since == self.now()
            };
            let is_left =
                |member: &&evenkeel_routing::Member| member.status.is_admitted() || by_probes(member);
            let left = pool.members.iter().filter(is_left).count();
            assert!(left >= 1 && left * 100 >= all * keep, "{left} of {all} are left: {transition:?}");
        }
    }

    fn hosts(&self, pool: &PoolName) -> usize {
        members(&self.snapshot).filter(|member| member.backend.id.pool == *pool).count()
    }

    fn check_that_nobody_starves(&self) {
        for member in members(&self.snapshot) {
            let id = &member.backend.id;
            assert!(self.served.contains(id), "{id} serves, and gets nothing");
        }
    }

    fn check_that_everybody_serves(&self) {
        assert_eq!(self.snapshot.generation, self.plans.len() as u64, "a plan was lost");
        for member in members(&self.snapshot) {
            let phase = member.status.phase;
            let is_served = member.status.is_admitted();
            assert!(is_served, "{} is still {phase:?}: {:?}", member.backend.id, member.status);
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

/// Whether a failure is one that the backend is certainly to blame for.
fn is_counted(story: &Story, fault: Fault) -> bool {
    let is_hard = fault.cause.facts().weight == Weight::Hard && !fault.cause.facts().is_shared;
    is_hard && story.key != POISON
}

impl Pending {
    fn record(self, key: u64, proof: Proof, now: Instant) {
        let fault = Fault { cause: self.cause, status: status_of(self.cause), tls: None, key, proof };
        self.backend.record(self.core, self.term, self.role, Outcome::Failed(fault), now);
        if let Some(token) = self.trial {
            token.spend();
        }
    }
}

fn status_of(cause: Cause) -> u16 {
    if cause == Cause::UpstreamStatus { 502 } else { 0 }
}

fn check_that_it_may_go_there(pool: &Pool, member: usize, role: Role, tried: &[u16]) {
    let status = &pool.members[member].status;
    let is_in_service = |member: &evenkeel_routing::Member| member.status.is_admitted();
    let nobody_serves = !pool.members.iter().any(is_in_service);
    let nobody_is_left = pool
        .members
        .iter()
        .enumerate()
        .all(|(index, member)| !is_in_service(member) || tried.contains(&(index as u16)));
    let rule = pool.rule.when_all_ejected;
    let may = match role {
        Role::Turn => status.is_admitted() || (nobody_serves && rule == WhenAllEjected::FailOpen),
        Role::Trial => status.phase == Phase::Trial && status.hold == Hold::None,
        Role::LastResort => {
            let is_only_held = status.phase.is_admitted();
            nobody_is_left && (rule == WhenAllEjected::LastResort || is_only_held)
        }
    };
    assert!(may && status.is_last_resort(), "a backend that is {status:?} was picked as {role:?}");
}

fn check_that_nobody_was_left_out(pool: &Pool, tried: &[u16]) {
    for (index, member) in pool.members.iter().enumerate() {
        let was_tried = tried.contains(&(index as u16));
        assert!(was_tried || !member.status.is_admitted(), "{} was left out", member.backend.id);
    }
}
