//! The figures of a scenario: medians of all rounds for times, sums for requests.

use evenkeel_tests::open_loop::Tally;

use crate::arguments::Arguments;
use crate::round::Outcome;
use crate::scenario::Scenario;
use crate::timing::{Time, Timing, median};

/// A scenario and what became of each contestant in it.
pub(crate) struct Row {
    pub(crate) scenario: Scenario,
    /// In the order of the contestants.
    pub(crate) figures: Vec<Figures>,
}

/// What became of a contestant.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    pub(crate) timing: Timing,
    /// Outages of which those are the medians.
    pub(crate) samples: usize,
    pub(crate) tally: Tally,
}

impl Row {
    /// A row for each scenario that was asked for.
    pub(crate) fn all(arguments: &Arguments, outcomes: &[Outcome]) -> Vec<Row> {
        let row = |scenario: &Scenario| {
            let figures = |contestant| {
                let of = |one: &&Outcome| one.scenario == *scenario && one.contestant == contestant;
                let outcomes: Vec<_> = outcomes.iter().filter(of).collect();
                let timings: Vec<_> = outcomes.iter().flat_map(|one| one.timings.clone()).collect();
                let tally = outcomes.iter().map(|one| one.tally).fold(Tally::default(), Tally::and);
                Figures::of(scenario.is_innocent(), &timings, tally)
            };
            Row { scenario: *scenario, figures: (0..arguments.contestants.len()).map(figures).collect() }
        };
        arguments.scenarios.iter().map(row).collect()
    }
}

impl Figures {
    /// Of innocents, it is the soonest that counts: nobody may be taken out even once.
    pub(crate) fn of(is_innocent: bool, timings: &[Timing], tally: Tally) -> Figures {
        let middle = |time: fn(&Timing) -> Time| median(timings.iter().map(time));
        let soonest = timings.iter().map(|timing| timing.out).min().unwrap_or(Time::Never);
        let timing = Timing {
            out: if is_innocent { soonest } else { middle(|timing| timing.out) },
            last_request: middle(|timing| timing.last_request),
            back: middle(|timing| timing.back),
            first_request: middle(|timing| timing.first_request),
        };
        Figures { timing, samples: timings.len(), tally }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn one_innocent_that_was_taken_out_once_is_one_too_many() {
        let moot = Time::Moot;
        let timing = |out| Timing { out, last_request: moot, back: moot, first_request: moot };
        let once = Time::Took(Duration::from_secs(1));
        let timings = [timing(Time::Never), timing(once), timing(Time::Never)];
        assert_eq!(Figures::of(true, &timings, Tally::default()).timing.out, once);
        assert_eq!(Figures::of(false, &timings, Tally::default()).timing.out, Time::Never);
    }
}
