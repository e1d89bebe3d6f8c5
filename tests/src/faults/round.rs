//! One fault, on all contestants at the same time.

use std::path::Path;
use std::time::{Duration, Instant};

use evenkeel_tests::open_loop::{self, Arrival, Deliveries, End, Seen};
use evenkeel_tests::product::Running;

use crate::arguments::Arguments;
use crate::contestant::Contestant;
use crate::fault::{Fault, Step};
use crate::fleet::Fleet;

/// From the last start to the first request.
const HEAD_START: Duration = Duration::from_millis(200);

/// What became of a contestant's requests.
pub(crate) struct Outcome {
    pub(crate) fault: Fault,
    pub(crate) contestant: Contestant,
    /// In the order in which they were due.
    pub(crate) seen: Vec<Seen>,
    pub(crate) deliveries: Deliveries,
    /// Everything that the product wrote.
    pub(crate) output: String,
}

/// A contestant that is ready.
struct Scene {
    contestant: Contestant,
    fleet: Fleet,
    running: Running,
}

/// Lets all contestants suffer a fault.
pub(crate) fn run(arguments: &Arguments, fault: Fault) -> Vec<Outcome> {
    let scenes: Vec<Scene> = arguments.contestants.iter().map(Scene::set).collect();
    let (steps, arrivals) = (fault.steps(arguments.factor), fault.arrivals(arguments.factor));
    let begun = Instant::now() + HEAD_START;
    let outcomes: Vec<Outcome> = std::thread::scope(|scope| {
        let play = |scene: Scene| scope.spawn(|| scene.play(fault, &steps, &arrivals, begun));
        let playing: Vec<_> = scenes.into_iter().map(play).collect();
        playing.into_iter().map(|one| one.join().expect("its panic has been printed")).collect()
    });
    if let Some(folder) = &arguments.logs {
        keep(folder, &outcomes);
    }
    outcomes
}

impl Scene {
    fn set(contestant: &Contestant) -> Scene {
        let fleet = Fleet::start();
        let running = contestant.start(fleet.addresses());
        Scene { contestant: contestant.clone(), fleet, running }
    }

    fn play(mut self, fault: Fault, steps: &[Step], arrivals: &[Arrival], begun: Instant) -> Outcome {
        let seen = std::thread::scope(|scope| {
            scope.spawn(|| self.fleet.follow(steps, begun));
            open_loop::run(self.running.address, arrivals, begun)
        });
        let output = self.running.end();
        let deliveries = self.fleet.end();
        check(&seen, &deliveries);
        Outcome { fault, contestant: self.contestant, seen, deliveries, output }
    }
}

/// Panics if a request was answered that no backend tells of: then nothing said about deliveries would hold.
fn check(seen: &[Seen], deliveries: &Deliveries) {
    for (id, one) in seen.iter().enumerate() {
        assert!(
            one.end != End::Answered || deliveries.contains_key(&id),
            "request {id} never arrived: {one:?}"
        );
    }
}

fn keep(folder: &Path, outcomes: &[Outcome]) {
    std::fs::create_dir_all(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for outcome in outcomes.iter().filter(|outcome| outcome.contestant.is_ours()) {
        let configuration = if outcome.contestant.is_tuned { "tuned" } else { "smallest" };
        let file = folder.join(format!("{}-{configuration}.log", outcome.fault.name()));
        std::fs::write(&file, &outcome.output).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    }
}
