//! What evenkeel promises, held against HAProxy in the same run.
//!
//! It fails no GET that a backend could have answered, delivers no POST twice, takes nobody out for a poison URL, and is as quick.

use std::time::Duration;

use crate::contestant::Contestant;
use crate::figures::{Figures, Row};
use crate::scenario::Scenario;
use crate::timing::Time;

/// Between two probes.
const INTERVAL: Duration = Duration::from_millis(500);

/// How late a look at a state, or a thread, may be on a busy machine.
const LATENESS: Duration = Duration::from_millis(100);

/// What was promised and not kept.
pub(crate) fn judge(contestants: &[Contestant], rows: &[Row]) -> Vec<String> {
    let Some(ours) = contestants.iter().position(Contestant::is_ours) else {
        return Vec::new();
    };
    rows.iter().flat_map(|row| of_row(row, ours)).collect()
}

fn of_row(row: &Row, ours: usize) -> Vec<String> {
    let scenario = row.scenario;
    let figures = &row.figures[ours];
    let counts = [
        (figures.tally.failed_gets, "GETs failed"),
        (figures.tally.repeated_gets, "GETs had to be sent again by the client"),
        (figures.tally.doubled_posts, "POSTs arrived twice"),
    ];
    let counts =
        counts.into_iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}"));
    let others = row.figures.iter().enumerate().filter(|(place, _)| *place != ours).map(|(_, other)| other);
    let others: Vec<_> = others.collect();
    let times = if scenario.is_innocent() { innocents(figures) } else { slower(scenario, figures, &others) };
    counts.chain(times).map(|what| format!("{}, evenkeel: {what}", scenario.name())).collect()
}

fn innocents(figures: &Figures) -> Vec<String> {
    match figures.timing.out {
        Time::Took(_) => vec!["a backend was taken out that was well".to_owned()],
        Time::Never | Time::Moot => Vec::new(),
    }
}

fn slower(scenario: Scenario, figures: &Figures, others: &[&Figures]) -> Vec<String> {
    let tolerance = tolerance(figures.samples);
    let best =
        |time: fn(&Figures) -> Time| others.iter().map(|other| time(other)).min().unwrap_or(Time::Moot);
    let mut slower = Vec::new();
    if is_slower(figures.timing.out, best(|other| other.timing.out), tolerance) {
        slower.push(format!("slower to eject than HAProxy by more than {tolerance:?}"));
    }
    // Whoever flaps, or fails requests while its probes pass, is kept out for longer on purpose.
    let is_kept_out = scenario == Scenario::Flapping || scenario.passes_probes();
    if !is_kept_out && is_slower(figures.timing.back, best(|other| other.timing.back), tolerance) {
        slower.push(format!("slower to return than HAProxy by more than {tolerance:?}"));
    }
    slower
}

/// What chance explains. A fault meets probes at any moment of their interval, so each time is spread evenly over as much; a median
/// of several is spread less.
fn tolerance(samples: usize) -> Duration {
    INTERVAL.div_f64((samples.max(1) as f64).sqrt()) + LATENESS
}

/// Whether `ours` is longer than `theirs`. Never is slower than anything but never; of what was moot nothing can be said.
fn is_slower(ours: Time, theirs: Time, tolerance: Duration) -> bool {
    match (ours, theirs) {
        (Time::Took(ours), Time::Took(theirs)) => ours > theirs + tolerance,
        (Time::Never, Time::Took(_)) => true,
        (Time::Took(_) | Time::Never, Time::Never | Time::Moot) | (Time::Moot, _) => false,
    }
}

#[cfg(test)]
mod tests {
    use evenkeel_tests::open_loop::Tally;

    use super::*;
    use crate::timing::Timing;

    fn took(milliseconds: u64) -> Time {
        Time::Took(Duration::from_millis(milliseconds))
    }

    fn figures(out: Time, back: Time) -> Figures {
        let timing = Timing { out, last_request: Time::Moot, back, first_request: Time::Moot };
        Figures { timing, samples: 4, tally: Tally::default() }
    }

    fn judged(scenario: Scenario, theirs: Figures, ours: Figures) -> Vec<String> {
        let contestants = [Contestant::Haproxy, Contestant::Evenkeel("evenkeel".into())];
        judge(&contestants, &[Row { scenario, figures: vec![theirs, ours] }])
    }

    #[test]
    fn a_get_that_failed_is_a_promise_broken_and_a_failed_post_is_none() {
        let mut ours = figures(took(40), took(600));
        ours.tally = Tally { failed_gets: 2, failed_posts: 7, ..Tally::default() };
        let theirs = figures(took(700), took(700));
        assert_eq!(judged(Scenario::Status503, theirs, ours), ["503, evenkeel: 2 GETs failed"]);
    }

    #[test]
    fn evenkeel_is_no_slower_than_chance_explains() {
        let theirs = figures(took(700), took(700));
        assert!(judged(Scenario::Hung, theirs, figures(took(1050), took(1050))).is_empty());
        let expected = [
            "hung, evenkeel: slower to eject than HAProxy by more than 350ms",
            "hung, evenkeel: slower to return than HAProxy by more than 350ms",
        ];
        assert_eq!(judged(Scenario::Hung, theirs, figures(took(1051), took(1051))), expected);
        assert_eq!(judged(Scenario::Hung, theirs, figures(Time::Never, Time::Moot)), expected[..1]);
    }

    #[test]
    fn where_nobody_else_ejects_evenkeel_need_not() {
        let theirs = figures(Time::Never, Time::Moot);
        assert!(judged(Scenario::Slow, theirs, figures(Time::Never, Time::Moot)).is_empty());
        assert!(judged(Scenario::Slow, theirs, figures(took(3000), took(9000))).is_empty());
    }

    #[test]
    fn who_fails_while_its_probes_pass_is_kept_out_on_purpose() {
        let (theirs, ours) = (figures(took(400), took(10)), figures(took(400), took(2000)));
        assert!(judged(Scenario::ThirdStatus503, theirs, ours).is_empty());
        assert_eq!(judged(Scenario::Status503, theirs, ours).len(), 1);
    }

    #[test]
    fn the_quickest_of_the_others_is_the_measure() {
        let contestants =
            [Contestant::Haproxy, Contestant::HaproxyObserving, Contestant::Evenkeel("evenkeel".into())];
        let row = |quickest| Row {
            scenario: Scenario::Resets,
            figures: [took(700), quickest, took(500)].map(|out| figures(out, took(600))).to_vec(),
        };
        assert!(judge(&contestants, &[row(took(200))]).is_empty());
        assert_eq!(judge(&contestants, &[row(took(100))]).len(), 1);
    }

    #[test]
    fn who_flaps_may_be_kept_out_for_longer() {
        let theirs = figures(took(700), took(700));
        assert!(judged(Scenario::Flapping, theirs, figures(took(40), Time::Never)).is_empty());
    }

    #[test]
    fn nobody_is_taken_out_for_a_poison_url() {
        let theirs = figures(took(300), Time::Moot);
        let expected = ["poison-503, evenkeel: a backend was taken out that was well"];
        assert_eq!(judged(Scenario::PoisonStatus503, theirs, figures(took(900), Time::Moot)), expected);
        assert!(judged(Scenario::PoisonStatus503, theirs, figures(Time::Never, Time::Moot)).is_empty());
    }
}
