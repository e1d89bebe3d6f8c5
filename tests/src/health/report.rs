//! The report: times and failures side by side, with the settings that they hold for.

use std::fmt::Write as _;

use evenkeel_tests::document;
use evenkeel_tests::fleet::BACKENDS;
use evenkeel_tests::open_loop::PATIENCE;
use evenkeel_tests::product::{machine, versions};

use crate::arguments::Arguments;
use crate::contestant::Contestant;
use crate::figures::{Figures, Row};
use crate::round::Outcome;
use crate::scenario::{RATE, TAIL};
use crate::settings;
use crate::timing::Time;

/// A line for each contestant of a round, and what failed.
pub(crate) fn live(arguments: &Arguments, round: usize, outcomes: &[Outcome]) -> String {
    let mut text = String::new();
    for outcome in outcomes {
        let figures = Figures::of(outcome.scenario.is_innocent(), &outcome.timings, outcome.tally);
        let name = arguments.contestants[outcome.contestant].name();
        let _ = writeln!(
            text,
            "{:38} {round} {name:18} out {:13} back {:13} failed {}",
            outcome.scenario.title(),
            out(&figures),
            back(&figures),
            figures.tally.failures()
        );
        for note in &outcome.notes {
            let _ = writeln!(text, "    {note}");
        }
    }
    text
}

/// Writes the report where the arguments say.
pub(crate) fn finish(arguments: &Arguments, rows: &[Row]) {
    let text = text(arguments, rows);
    println!("\n{text}");
    if let Some(file) = &arguments.write {
        document::write(file, "compare-health", &text);
    }
}

fn text(arguments: &Arguments, rows: &[Row]) -> String {
    let contestants = &arguments.contestants;
    format!(
        "## Health\n\n\
         How soon a backend that fails is taken out and brought back. Written by `make compare-health ARGS=\"--write docs/benchmarks.md\"`, in less \
         than four minutes. Each product stands before {BACKENDS} nginx of its own and all of them suffer the same at the same time, with the same \
         probes, timeouts and slow start. Clients send {RATE} requests a second, as in *Faults*, for several paths. Times are in seconds, \
         medians of {} rounds; the first is what the product says of its backend, looked at every 10 ms (HAProxy: `show stat`; evenkeel: \
         `/api/status`), the second is what the backend saw. A backend that is down sees nothing. *Never*: not before the mend, or not within \
         {} s after it. A star: probes pass, only requests fail. For the slow one evenkeel has `{}`.\n\n\
         ### Time to eject\n\n\
         From the fault's begin until the product says that the backend is out / to the last request that it received before half a second \
         without any. For a poison URL, until anybody is out: all backends are well.\n\n{}\n\
         ### Time to return\n\n\
         From the mend until the product says that the backend is in / to the first request that it received.\n\n{}\n\
         ### Requests that failed\n\n\
         GETs, POSTs, in all rounds together: answered with 500 or more, with somebody else's answer, or not at all within {} s; with +, GETs that succeeded because \
         the client itself sent them again. Requests for a poison URL do not count, nor do those that were open while the whole pool was \
         down. A POST that a backend received fails with everybody.\n\n{}\n\
         POSTs delivered twice: {}.\n\n{}",
        arguments.rounds,
        TAIL.as_secs(),
        settings::LATENCY,
        table(contestants, rows, out),
        table(contestants, rows, back),
        PATIENCE.as_secs(),
        table(contestants, rows, |figures| figures.tally.failures()),
        doubled(contestants, rows),
        configurations(contestants)
    )
}

fn table(contestants: &[Contestant], rows: &[Row], cell: impl Fn(&Figures) -> String) -> String {
    let head: Vec<_> = ["scenario"].into_iter().chain(contestants.iter().map(Contestant::name)).collect();
    let row = |row: &Row| {
        let cells = row.figures.iter().map(&cell);
        [row.scenario.title().to_owned()].into_iter().chain(cells).collect()
    };
    document::table(&head, rows.iter().map(row))
}

fn out(figures: &Figures) -> String {
    both(figures.timing.out, figures.timing.last_request)
}

fn back(figures: &Figures) -> String {
    both(figures.timing.back, figures.timing.first_request)
}

fn both(said: Time, seen: Time) -> String {
    match (said, seen) {
        (Time::Moot, Time::Moot) => "-".to_owned(),
        (said, Time::Moot) => word(said),
        (said, seen) if said == seen => word(said),
        (said, seen) => format!("{} / {}", word(said), word(seen)),
    }
}

fn word(time: Time) -> String {
    match time {
        Time::Took(time) => format!("{:.2}", time.as_secs_f64()),
        Time::Never => "never".to_owned(),
        Time::Moot => "-".to_owned(),
    }
}

fn doubled(contestants: &[Contestant], rows: &[Row]) -> String {
    let count = |place: usize| rows.iter().map(|row| row.figures[place].tally.doubled_posts).sum::<usize>();
    let counts = contestants.iter().enumerate().map(|(place, one)| (count(place), one.name()));
    let doubled: Vec<_> =
        counts.filter(|(count, _)| *count > 0).map(|(count, name)| format!("{count} by {name}")).collect();
    if doubled.is_empty() { "none, by anybody".to_owned() } else { doubled.join(", ") }
}

fn configurations(contestants: &[Contestant]) -> String {
    let mut text = format!("### Their versions and settings\n\n- machine: {}\n", machine());
    let products: Vec<_> = contestants.iter().map(Contestant::product).collect();
    for version in versions(products.iter()) {
        let _ = writeln!(text, "- {version}");
    }
    for contestant in contestants {
        let configuration =
            settings::of(contestant, None, "PROXY", "DOOR", ["BACKEND-1", "BACKEND-2", "BACKEND-3"]);
        let _ = writeln!(text, "\n{}:\n\n```\n{}\n```", contestant.name(), configuration.trim_end());
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use evenkeel_tests::open_loop::Tally;

    use super::*;
    use crate::scenario::Scenario;
    use crate::timing::Timing;

    #[test]
    fn products_stand_side_by_side() {
        let took = |milliseconds| Time::Took(Duration::from_millis(milliseconds));
        let timing =
            Timing { out: took(700), last_request: took(690), back: took(900), first_request: Time::Never };
        let never = Timing {
            out: Time::Never,
            last_request: Time::Never,
            back: Time::Moot,
            first_request: Time::Moot,
        };
        let tally = Tally { failed_gets: 3, failed_posts: 2, doubled_posts: 1, ..Tally::default() };
        let figures = [timing, never].map(|timing| Figures { timing, samples: 1, tally }).to_vec();
        let contestants = [Contestant::Haproxy, Contestant::HaproxyObserving];
        let rows = [Row { scenario: Scenario::Status503, figures }];
        assert_eq!(
            table(&contestants, &rows, out),
            "| scenario | HAProxy | HAProxy, observing |\n|---|---:|---:|\n| answers 503 | 0.70 / 0.69 | never |\n"
        );
        assert!(table(&contestants, &rows, back).contains("| 0.90 / never | - |"));
        assert!(table(&contestants, &rows, |figures| figures.tally.failures()).contains("| 3, 2 | 3, 2 |"));
        assert_eq!(doubled(&contestants, &rows), "1 by HAProxy, 1 by HAProxy, observing");
    }
}
