//! The scenarios, each a schedule: when which backend is made bad and well, and when requests arrive.

use std::time::Duration;

use evenkeel_tests::fleet::{Action, BACKENDS, Done, Flag, Step};
use evenkeel_tests::open_loop::{Arrival, Seen, evenly, mixed};

use crate::timing::Span;

/// Longest that anybody is waited for after the mend; whoever is not back by then is said to be never.
pub(crate) const TAIL: Duration = Duration::from_secs(14);

/// The backend that is made bad, where it is one.
const BAD: usize = 1;

/// Requests a second.
pub(crate) const RATE: f64 = 200.0;

/// Seconds that all is well first.
const BEGIN: f64 = 1.5;

/// Seconds that it is not.
const FAULT: f64 = 4.0;

/// The same where only a share of the requests fails: windows of ten seconds have to see it.
const SHARE: f64 = 9.0;

/// Half a period of flapping, in seconds.
const FLAP: f64 = 1.0;

/// One GET in so many asks for the poison.
const POISON: usize = 16;

/// What a fault looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scenario {
    Killed,
    Hung,
    Resets,
    Closes,
    Status502,
    Status503,
    Slow,
    ThirdStatus503,
    ThirdCloses,
    Flapping,
    PoisonStatus503,
    PoisonCloses,
    PoolDown,
    Rolling,
}

/// One backend's bad time, by the steps with which it begins and ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Outage {
    pub(crate) backend: usize,
    /// Whether nothing can reach it.
    pub(crate) is_down: bool,
    begin: usize,
    end: usize,
}

impl Outage {
    /// When it was: from the begin of its first step to the end of its last.
    pub(crate) fn span(self, done: &[Done]) -> Span {
        Span { from: done[self.begin].begun, to: done[self.end].finished }
    }
}

impl Scenario {
    pub(crate) const ALL: [Scenario; 14] = [
        Scenario::Killed,
        Scenario::Hung,
        Scenario::Resets,
        Scenario::Closes,
        Scenario::Status502,
        Scenario::Status503,
        Scenario::Slow,
        Scenario::ThirdStatus503,
        Scenario::ThirdCloses,
        Scenario::Flapping,
        Scenario::PoisonStatus503,
        Scenario::PoisonCloses,
        Scenario::PoolDown,
        Scenario::Rolling,
    ];

    /// As the command line calls it, and as the report does.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Scenario::Killed => ("killed", "killed (SIGKILL), started again"),
            Scenario::Hung => ("hung", "hung (SIGSTOP), goes on"),
            Scenario::Resets => ("resets", "resets each connection"),
            Scenario::Closes => ("closes", "closes each connection"),
            Scenario::Status502 => ("502", "answers 502"),
            Scenario::Status503 => ("503", "answers 503"),
            Scenario::Slow => ("slow", "slow: 200 ms instead of 4 *"),
            Scenario::ThirdStatus503 => ("third-503", "answers a third with 503 *"),
            Scenario::ThirdCloses => ("third-closes", "closes at a third *"),
            Scenario::Flapping => ("flapping", "flapping: 503 for 1 s, well for 1 s"),
            Scenario::PoisonStatus503 => ("poison-503", "a poison URL: 503 from everybody *"),
            Scenario::PoisonCloses => ("poison-closes", "a poison URL: everybody closes *"),
            Scenario::PoolDown => ("pool", "the whole pool killed, started again"),
            Scenario::Rolling => ("rolling", "rolling restart of all, 1.5 s each"),
        }
    }

    /// As the command line calls it.
    pub(crate) fn name(self) -> &'static str {
        self.names().0
    }

    /// As the report calls it; a star where probes pass.
    pub(crate) fn title(self) -> &'static str {
        self.names().1
    }

    /// The scenario that the command line calls so.
    pub(crate) fn named(name: &str) -> Result<Scenario, String> {
        let found = Scenario::ALL.into_iter().find(|scenario| scenario.name() == name);
        let known = Scenario::ALL.map(Scenario::name).join(", ");
        found.ok_or_else(|| format!("{name}: {known}"))
    }

    /// The path that nobody can answer, if there is one.
    fn poison(self) -> Option<&'static str> {
        match self {
            Scenario::PoisonStatus503 => Some("/poison/503"),
            Scenario::PoisonCloses => Some("/poison/close"),
            _ => None,
        }
    }

    /// Whether probes pass all the time, so that only requests tell.
    pub(crate) fn passes_probes(self) -> bool {
        self.title().ends_with('*')
    }

    /// Whether all backends are as well as ever, and nobody may be ejected.
    pub(crate) fn is_innocent(self) -> bool {
        self.poison().is_some()
    }

    /// What happens to the backends, in order.
    pub(crate) fn steps(self) -> Vec<Step> {
        let lasting = |seconds, first, last| vec![(BEGIN, BAD, first), (BEGIN + seconds, BAD, last)];
        let fault = |first, last| lasting(FAULT, first, last);
        let flag = |flag| fault(Action::Raise(flag), Action::Lower(flag));
        let share = |flag| lasting(SHARE, Action::Raise(flag), Action::Lower(flag));
        let steps = match self {
            Scenario::Killed => fault(Action::Kill, Action::Start),
            Scenario::Hung => fault(Action::Freeze, Action::Thaw),
            Scenario::Resets => flag(Flag::Reset),
            Scenario::Closes => flag(Flag::Close),
            Scenario::Status502 => flag(Flag::Status502),
            Scenario::Status503 => flag(Flag::Status503),
            Scenario::Slow => flag(Flag::Slow),
            Scenario::ThirdStatus503 => share(Flag::ThirdStatus503),
            Scenario::ThirdCloses => share(Flag::ThirdCloses),
            Scenario::Flapping => flapping(),
            Scenario::PoisonStatus503 | Scenario::PoisonCloses => Vec::new(),
            Scenario::PoolDown => pool_down(),
            Scenario::Rolling => (0..BACKENDS).flat_map(restart).collect(),
        };
        let step = |(at, backend, action)| Step { at: Duration::from_secs_f64(at), backend, action };
        steps.into_iter().map(step).collect()
    }

    /// The bad times of backends.
    pub(crate) fn outages(self) -> Vec<Outage> {
        let steps = self.steps();
        let outage = |backend| {
            let begin = steps.iter().position(|step| step.backend == backend)?;
            let end = steps.iter().rposition(|step| step.backend == backend)?;
            let is_down = matches!(steps[begin].action, Action::Kill | Action::Stop);
            Some(Outage { backend, is_down, begin, end })
        };
        (0..BACKENDS).filter_map(outage).collect()
    }

    /// When something begins to happen.
    pub(crate) fn begin(self) -> Duration {
        Duration::from_secs_f64(BEGIN)
    }

    /// When whatever happens has happened.
    pub(crate) fn end(self) -> Duration {
        let steps = self.steps();
        steps.last().map_or(Duration::from_secs_f64(BEGIN + FAULT), |step| step.at)
    }

    /// When requests arrive, whatever becomes of those before them: as long as anybody may be waited for.
    pub(crate) fn arrivals(self) -> Vec<Arrival> {
        let seconds = (self.end() + TAIL + Duration::from_secs(5)).as_secs_f64();
        let mut arrivals = mixed(evenly(seconds, RATE));
        if let Some(poison) = self.poison() {
            let is_poison = |at: Duration| at.as_secs_f64() >= BEGIN && at < self.end();
            let gets = arrivals.iter_mut().filter(|one| !one.is_post && is_poison(one.at));
            gets.step_by(POISON).for_each(|one| one.path = poison);
        }
        arrivals
    }

    /// Whether a backend could have answered this request: not if it is poison, nor while all of them are down.
    pub(crate) fn could_be_answered(self, arrival: &Arrival, seen: &Seen, spans: &[Span]) -> bool {
        if Some(arrival.path) == self.poison() {
            return false;
        }
        let dark = spans.iter().copied().reduce(Span::overlap).filter(|_| spans.len() == BACKENDS);
        dark.is_none_or(|dark| seen.at >= dark.to || seen.at + seen.took <= dark.from)
    }
}

/// Three periods, and the last of them ends well.
fn flapping() -> Vec<(f64, usize, Action)> {
    let turn = |turn: usize| {
        let at = BEGIN + FLAP * turn as f64;
        let flag = Flag::Status503;
        (at, BAD, if turn.is_multiple_of(2) { Action::Raise(flag) } else { Action::Lower(flag) })
    };
    (0..6).map(turn).collect()
}

fn pool_down() -> Vec<(f64, usize, Action)> {
    let all = |at, action| (0..BACKENDS).map(move |backend| (at, backend, action));
    all(BEGIN, Action::Kill).chain(all(BEGIN + FAULT, Action::Start)).collect()
}

/// Down for a second and a half, and the next one two seconds later.
fn restart(backend: usize) -> [(f64, usize, Action); 2] {
    let at = BEGIN + 3.5 * backend as f64;
    [(at, backend, Action::Stop), (at + 1.5, backend, Action::Start)]
}

#[cfg(test)]
mod tests {
    use evenkeel_tests::open_loop::{End, seen_as};

    use super::*;

    fn seconds(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    #[test]
    fn every_backend_that_is_made_bad_is_made_well() {
        for scenario in Scenario::ALL {
            let steps = scenario.steps();
            assert!(steps.is_sorted_by_key(|step| step.at), "{scenario:?}");
            for outage in scenario.outages() {
                let last = steps[outage.end].action;
                assert!(
                    matches!(last, Action::Start | Action::Thaw | Action::Lower(_)),
                    "{scenario:?}: {last:?}"
                );
                assert!(outage.begin < outage.end, "{scenario:?}");
            }
            assert_eq!(scenario.outages().is_empty(), scenario.is_innocent(), "{scenario:?}");
        }
    }

    #[test]
    fn a_restart_takes_every_backend_down_and_up_again_one_at_a_time() {
        let steps = Scenario::Rolling.steps();
        for (pair, backend) in steps.chunks(2).zip(0..BACKENDS) {
            assert_eq!((pair[0].backend, pair[0].action), (backend, Action::Stop));
            assert_eq!((pair[1].backend, pair[1].action), (backend, Action::Start));
        }
    }

    #[test]
    fn requests_arrive_as_long_as_anybody_is_waited_for() {
        for scenario in Scenario::ALL {
            let last = scenario.arrivals().last().unwrap().at;
            assert!(last > scenario.end() + TAIL, "{scenario:?}");
        }
    }

    #[test]
    fn poison_is_asked_for_now_and_then_by_gets_alone() {
        let arrivals = Scenario::PoisonStatus503.arrivals();
        let poison: Vec<_> = arrivals.iter().filter(|one| one.path == "/poison/503").collect();
        assert_eq!(poison.len(), 40);
        assert!(poison.iter().all(|one| !one.is_post && one.at < Scenario::PoisonStatus503.end()));
    }

    #[test]
    fn nobody_could_answer_poison_nor_anything_while_the_pool_is_down() {
        let arrival = Arrival { at: seconds(3.0), is_post: false, path: "/" };
        let mut seen = seen_as(&[('G', End::Status(503))])[0];
        let poison = Arrival { path: "/poison/503", ..arrival };
        assert!(!Scenario::PoisonStatus503.could_be_answered(&poison, &seen, &[]));
        assert!(Scenario::PoisonStatus503.could_be_answered(&arrival, &seen, &[]));
        let spans = [(1.0, 5.2), (1.1, 5.1), (1.2, 5.3)]
            .map(|(from, to)| Span { from: seconds(from), to: seconds(to) });
        for (at, took, could) in
            [(0.5, 0.1, true), (1.1, 0.05, true), (1.1, 0.2, false), (3.0, 0.1, false), (5.11, 9.0, true)]
        {
            (seen.at, seen.took) = (seconds(at), seconds(took));
            assert_eq!(Scenario::PoolDown.could_be_answered(&arrival, &seen, &spans), could, "{at}");
        }
        // One backend that is down is no reason for anything.
        (seen.at, seen.took) = (seconds(3.0), seconds(0.1));
        assert!(Scenario::Killed.could_be_answered(&arrival, &seen, &spans[..1]));
    }
}
