//! All scenarios and rounds, several at the same time.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::arguments::Arguments;
use crate::report;
use crate::round::{self, Outcome};
use crate::scenario::Scenario;

/// Plays everything that was asked for; each outcome is told as soon as it is there.
pub(crate) fn run(arguments: &Arguments) -> Vec<Outcome> {
    let rounds = 1..=arguments.rounds;
    let jobs: Vec<(usize, Scenario)> =
        rounds.flat_map(|round| arguments.scenarios.iter().map(move |one| (round, *one))).collect();
    let next = AtomicUsize::new(0);
    let all = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..arguments.lanes {
            scope.spawn(|| {
                while let Some((round, scenario)) = jobs.get(next.fetch_add(1, Ordering::AcqRel)) {
                    let outcomes = round::run(*scenario, &arguments.contestants);
                    if let Some(folder) = &arguments.logs {
                        keep(folder, *round, &outcomes, arguments);
                    }
                    let mut all = all.lock().unwrap();
                    print!("{}", report::live(arguments, *round, &outcomes));
                    all.extend(outcomes);
                }
            });
        }
    });
    all.into_inner().unwrap()
}

fn keep(folder: &Path, round: usize, outcomes: &[Outcome], arguments: &Arguments) {
    std::fs::create_dir_all(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for outcome in outcomes.iter().filter(|one| arguments.contestants[one.contestant].is_ours()) {
        let file = folder.join(format!("{}-{round}.log", outcome.scenario.name()));
        std::fs::write(&file, &outcome.output).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    }
}
