//! One scenario, on all contestants at the same time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use evenkeel_tests::evidence::{self, Evidence};
use evenkeel_tests::fleet::{BACKENDS, Done, Fleet, Journals};
use evenkeel_tests::open_loop::{self, Arrival, Seen, Tally};
use evenkeel_tests::wait;

use crate::contestant::{Contestant, Proxy};
use crate::scenario::{Outage, Scenario, TAIL};
use crate::timing::{Change, Span, Time, Timing};

/// From the last start to the first request.
const HEAD_START: Duration = Duration::from_millis(200);

/// How long requests go on once everybody is back.
const SETTLES: Duration = Duration::from_secs(1);

/// What became of a contestant.
pub(crate) struct Outcome {
    pub(crate) scenario: Scenario,
    /// Its place among the contestants.
    pub(crate) contestant: usize,
    /// Of each outage; where all backends are well, one: when the first of them was taken out.
    pub(crate) timings: Vec<Timing>,
    /// Of the requests that a backend could have answered.
    pub(crate) tally: Tally,
    /// Each kind of failure, and why.
    pub(crate) notes: Vec<String>,
    /// Everything that the product wrote.
    pub(crate) output: String,
}

/// A contestant that is ready.
struct Scene {
    fleet: Fleet,
    proxy: Proxy,
}

/// What was seen of a scene, from every side.
struct Record {
    done: Vec<Done>,
    said: Vec<Change>,
    seen: Vec<Seen>,
    journals: Journals,
    output: String,
}

/// Lets all contestants live through a scenario.
pub(crate) fn run(scenario: Scenario, contestants: &[Contestant]) -> Vec<Outcome> {
    let scenes: Vec<Scene> = contestants.iter().map(|one| Scene::set(scenario, one)).collect();
    let arrivals = scenario.arrivals();
    let begun = Instant::now() + HEAD_START;
    let records: Vec<Record> = std::thread::scope(|scope| {
        let play = |scene: Scene| scope.spawn(|| scene.play(scenario, &arrivals, begun));
        let playing: Vec<_> = scenes.into_iter().map(play).collect();
        playing.into_iter().map(|one| one.join().expect("its panic has been printed")).collect()
    });
    let judged = records.into_iter().enumerate();
    judged.map(|(place, record)| outcome(scenario, place, &contestants[place], &arrivals, record)).collect()
}

impl Scene {
    fn set(scenario: Scenario, contestant: &Contestant) -> Scene {
        let fleet = Fleet::start(scenario == Scenario::Slow);
        let proxy = contestant.start(scenario, fleet.addresses());
        Scene { fleet, proxy }
    }

    fn play(mut self, scenario: Scenario, arrivals: &[Arrival], begun: Instant) -> Record {
        let is_over = AtomicBool::new(false);
        let (door, address) = (self.proxy.door.clone(), self.proxy.running.address);
        let (done, said, seen) = std::thread::scope(|scope| {
            let saying = scope.spawn(|| door.watch(begun, &is_over));
            let seeing = scope.spawn(|| open_loop::run_until(address, arrivals, begun, &is_over));
            let done = self.fleet.follow(&scenario.steps(), begun);
            wait_until_all_are_back(&self.proxy, begun + scenario.end());
            is_over.store(true, Ordering::Release);
            let said = saying.join().expect("its panic has been printed");
            (done, said, seeing.join().expect("its panic has been printed"))
        });
        let output = self.proxy.running.end();
        Record { done, said, seen, journals: self.fleet.end(), output }
    }
}

/// Lets requests go on until everybody has been in service for a while, or has had its time.
fn wait_until_all_are_back(proxy: &Proxy, mended: Instant) {
    wait::pause(mended.saturating_duration_since(Instant::now()));
    let mut out = Instant::now();
    while out.elapsed() < SETTLES && mended.elapsed() < TAIL {
        if proxy.door.look() != Some([true; BACKENDS]) {
            out = Instant::now();
        }
        wait::pause(Duration::from_millis(50));
    }
}

fn outcome(
    scenario: Scenario,
    place: usize,
    contestant: &Contestant,
    arrivals: &[Arrival],
    record: Record,
) -> Outcome {
    let spans: Vec<Span> = scenario.outages().iter().map(|outage| outage.span(&record.done)).collect();
    let counted = || {
        let seen = record.seen.iter().enumerate();
        seen.filter(|(id, one)| scenario.could_be_answered(&arrivals[*id], one, &spans))
    };
    let evidence = contestant.is_ours().then(|| Evidence::of(&record.output));
    Outcome {
        scenario,
        contestant: place,
        timings: timings(scenario, &spans, arrivals, &record),
        tally: Tally::of(counted(), &record.journals.deliveries()),
        notes: evidence::notes(contestant.name(), counted(), evidence.as_ref()),
        output: record.output,
    }
}

fn timings(scenario: Scenario, spans: &[Span], arrivals: &[Arrival], record: &Record) -> Vec<Timing> {
    if scenario.is_innocent() {
        let first = record.said.iter().find(|change| !change.is_in);
        let out = first.map_or(Time::Never, |change| Time::Took(change.at.saturating_sub(scenario.begin())));
        let moot = Time::Moot;
        return vec![Timing { out, last_request: moot, back: moot, first_request: moot }];
    }
    let outages = scenario.outages();
    let timing = |(outage, span): (&Outage, &Span)| {
        let said: Vec<_> =
            record.said.iter().copied().filter(|change| change.backend == outage.backend).collect();
        let received = record.journals.of(outage.backend).iter().map(|id| arrivals[*id].at);
        let timing = Timing::of(*span, &said, &received.collect::<Vec<_>>());
        // What it received was on its way already.
        if outage.is_down { Timing { last_request: Time::Moot, ..timing } } else { timing }
    };
    outages.iter().zip(spans).map(timing).collect()
}
