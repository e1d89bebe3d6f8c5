//! Slow start, simulated: backends that return get what is planned for them, and no more, whatever the balance.
//!
//! Two cores pick for evenly spaced requests; what is in flight is taken and given back in simulated time. Every second the
//! pool is published anew, with the next step of the ramp.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use evenkeel_model::{BackendId, PerCore, Phase, PoolName, Status};
use evenkeel_routing::{Ask, Backend, Balance, Cursor, InFlight, Member, Pool, PoolRule, Wake};

const BALANCES: [Balance; 3] = [Balance::RoundRobin, Balance::LeastRequests, Balance::Random];

/// Windows begin every 50 ms, and are ten times as long.
const SLOTS_PER_SECOND: usize = 20;
const SLOTS_PER_WINDOW: usize = 10;

/// Ten seconds of ramp, and two behind it.
const SECONDS: usize = 12;

#[derive(Clone, Copy, Debug)]
struct Scene {
    balance: Balance,
    /// Of these, the first ten return at the start.
    weights: &'static [u16],
    /// Even.
    requests_per_second: usize,
    /// Of the grown ones, in milliseconds.
    takes: usize,
    /// So many times as long with those that return.
    slower: usize,
    seed: u64,
}

struct Traffic {
    cursors: [Cursor; 2],
    chance: u64,
    /// Of those that return, and of the others, each until the request of that number.
    in_flight: [VecDeque<(usize, InFlight)>; 2],
    /// How many requests there were.
    now: usize,
}

/// One slot: how many requests each member got, and how many were planned.
struct Slot {
    served: Vec<f64>,
    planned: Vec<f64>,
}

impl Scene {
    fn pool(&self, backends: &[Arc<Backend>], second: usize) -> Pool {
        let ramp = ((second + 1) as f32 / 10.0).min(1.0);
        let member = |(index, backend): (usize, &Arc<Backend>)| Member {
            backend: backend.clone(),
            endpoints: [].into(),
            unresolved: None,
            tls: None,
            weight: self.weights[index],
            status: Status {
                ramp: if index < 10 { ramp } else { 1.0 },
                ..Status::new(Phase::Serving, Instant::now())
            },
        };
        let members = backends.iter().enumerate().map(member).collect();
        let rule = PoolRule { balance: self.balance, ..PoolRule::default() };
        let counters = Arc::new(PerCore::new(2));
        Pool::new(PoolName::new("web"), rule, members, false, counters, Arc::default(), Arc::default())
    }

    fn run(&self) -> Vec<Slot> {
        let backends: Vec<_> = (0..self.weights.len()).map(backend).collect();
        let mut traffic = Traffic {
            cursors: [Cursor::new(self.seed), Cursor::new(self.seed ^ 0xdead_beef)],
            chance: self.seed,
            in_flight: [VecDeque::new(), VecDeque::new()],
            now: 0,
        };
        let pools = (0..SECONDS).map(|second| self.pool(&backends, second));
        pools.flat_map(|pool| [(); SLOTS_PER_SECOND].map(|()| self.slot(&pool, &mut traffic))).collect()
    }

    fn slot(&self, pool: &Pool, traffic: &mut Traffic) -> Slot {
        let requests = self.requests_per_second / SLOTS_PER_SECOND;
        let share = |member: &Member| f64::from(member.weight) * f64::from(member.status.ramp);
        let total: f64 = pool.members.iter().map(share).sum();
        let mut served = vec![0.0; pool.members.len()];
        for _ in 0..requests {
            served[traffic.request(self, pool)] += 1.0;
        }
        let planned = pool.members.iter().map(|member| share(member) / total * requests as f64).collect();
        Slot { served, planned }
    }

    /// By member and window: what was served, as a part of what was planned.
    fn parts_of_the_plan(&self) -> Vec<(usize, usize, f64)> {
        let slots = self.run();
        let windows = slots.windows(SLOTS_PER_WINDOW).enumerate();
        windows
            .flat_map(|(window, slots)| {
                (0..10).map(move |member| {
                    let served: f64 = slots.iter().map(|slot| slot.served[member]).sum();
                    let planned: f64 = slots.iter().map(|slot| slot.planned[member]).sum();
                    (window, member, served / planned)
                })
            })
            .collect()
    }
}

impl Traffic {
    /// To whom the next one goes.
    fn request(&mut self, scene: &Scene, pool: &Pool) -> usize {
        self.now += 1;
        for some in &mut self.in_flight {
            while some.front().is_some_and(|(end, _)| *end <= self.now) {
                some.pop_front();
            }
        }
        self.chance =
            self.chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let core = (self.chance >> 63) as usize;
        let ask = Ask { tried: &[], hideable: true, now: Instant::now() };
        let pick = pool.pick(&mut self.cursors[core], &ask).unwrap();
        let (kind, slower) = if pick.member < 10 { (0, scene.slower) } else { (1, 1) };
        let takes = scene.takes * scene.requests_per_second / 1000 * slower;
        self.in_flight[kind].push_back((self.now + takes, pick.in_flight));
        pick.member
    }
}

fn backend(index: usize) -> Arc<Backend> {
    let id = BackendId { pool: PoolName::new("web"), address: format!("b{index}.test:80").parse().unwrap() };
    Backend::new(id, "b".into(), 2, Wake::new(Box::new(|| {})))
}

const EQUAL: &[u16] = &[1; 20];
const ALL_RETURN: &[u16] = &[1; 10];
const WEIGHTED: &[u16] = &[2, 3, 5, 2, 3, 5, 2, 3, 5, 4, 2, 3, 5, 2, 3, 5, 2, 3, 5, 4];

fn scenes() -> impl Iterator<Item = Scene> {
    // Of the weighted ones the lightest is to have as many requests in a window as an equal one, or the rounding of
    // its count would be what is measured.
    let pools = [(EQUAL, 4000), (ALL_RETURN, 4000), (WEIGHTED, 8000)];
    BALANCES.into_iter().flat_map(move |balance| {
        pools.into_iter().flat_map(move |(weights, requests_per_second)| {
            [(5, 1), (50, 1), (5, 20)].into_iter().flat_map(move |(takes, slower)| {
                [1, 3, 5].map(|seed| Scene { balance, weights, requests_per_second, takes, slower, seed })
            })
        })
    })
}

#[test]
fn of_backends_that_return_at_once_none_gets_more_than_a_fifth_above_its_plan_in_any_half_second() {
    for scene in scenes() {
        for (window, member, part) in scene.parts_of_the_plan() {
            let millis = window * 1000 / SLOTS_PER_SECOND;
            assert!(part <= 1.2, "{part:.2} of its plan to member {member} from {millis} ms on: {scene:?}");
            // A member that takes no longer than the others is not starved either, though now and then it gives way.
            let is_fair = scene.slower > 1 || part > 0.4;
            assert!(is_fair, "only {part:.2} of its plan to member {member} from {millis} ms on: {scene:?}");
        }
    }
}
