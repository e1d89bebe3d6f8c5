//! The faults, each a schedule: when which backend is made bad and well, and when requests arrive.

use std::time::Duration;

use evenkeel_tests::open_loop::{Arrival, evenly, mixed};

use crate::behaviour::{Behaviour, IDLE};

/// Backends of each contestant.
pub(crate) const BACKENDS: usize = 3;

/// The one that is made bad.
const BAD: usize = 1;

/// Requests a second, but for [`Fault::ClosesIdle`].
const RATE: f64 = 200.0;

/// Requests that arrive together in [`Fault::ClosesIdle`].
const BURST: usize = 12;

/// One kind of trouble with backends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Killed,
    Hung,
    Stopped,
    Resets,
    Closes,
    Status502,
    Garbage,
    Rolling,
    ClosesIdle,
}

/// Something that happens to a backend at a time after the begin.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Step {
    pub(crate) at: Duration,
    pub(crate) backend: usize,
    pub(crate) action: Action,
}

/// What happens to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// SIGKILL.
    Kill,
    /// A new process on the same address.
    Start,
    /// SIGSTOP.
    Stop,
    /// SIGCONT.
    Continue,
    /// From the next request on.
    Behave(Behaviour),
}

impl Fault {
    pub(crate) const ALL: [Fault; 9] = [
        Fault::Killed,
        Fault::Hung,
        Fault::Stopped,
        Fault::Resets,
        Fault::Closes,
        Fault::Status502,
        Fault::Garbage,
        Fault::Rolling,
        Fault::ClosesIdle,
    ];

    /// As the command line calls it, and as the report does.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Fault::Killed => ("killed", "killed (SIGKILL) for 10 s"),
            Fault::Hung => ("hung", "hung for 14 s: reads, never answers"),
            Fault::Stopped => ("stopped", "stopped (SIGSTOP) for 14 s"),
            Fault::Resets => ("resets", "resets each request for 5 s"),
            Fault::Closes => ("closes", "closes each request for 5 s"),
            Fault::Status502 => ("502", "answers 502 for 5 s"),
            Fault::Garbage => ("garbage", "answers garbage for 5 s"),
            Fault::Rolling => ("rolling", "rolling restart of all three, 1 s each"),
            Fault::ClosesIdle => ("idle", "closes connections that were idle for 1 s"),
        }
    }

    /// As the command line calls it.
    pub(crate) fn name(self) -> &'static str {
        self.names().0
    }

    /// As the report calls it.
    pub(crate) fn title(self) -> &'static str {
        self.names().1
    }

    /// The fault that the command line calls so.
    pub(crate) fn named(name: &str) -> Result<Fault, String> {
        let found = Fault::ALL.into_iter().find(|fault| fault.name() == name);
        let known = Fault::ALL.map(Fault::name).join(", ");
        found.ok_or_else(|| format!("{name}: {known}"))
    }

    /// What happens to the backends, in order; times are multiplied with `factor`.
    pub(crate) fn steps(self, factor: f64) -> Vec<Step> {
        let bad = |from, first, to, last| vec![(from, BAD, first), (to, BAD, last)];
        let well = Action::Behave(Behaviour::Well);
        let behaves = |behaviour| bad(3.0, Action::Behave(behaviour), 8.0, well);
        let steps = match self {
            Fault::Killed => bad(5.0, Action::Kill, 15.0, Action::Start),
            Fault::Hung => bad(3.0, Action::Behave(Behaviour::Hang), 17.0, well),
            Fault::Stopped => bad(3.0, Action::Stop, 17.0, Action::Continue),
            Fault::Resets => behaves(Behaviour::Reset),
            Fault::Closes => behaves(Behaviour::Close),
            Fault::Status502 => behaves(Behaviour::Status502),
            Fault::Garbage => behaves(Behaviour::Garbage),
            Fault::Rolling => (0..BACKENDS).flat_map(restart).collect(),
            Fault::ClosesIdle => vec![(0.0, BAD, Action::Behave(Behaviour::CloseIdle))],
        };
        let step = |(at, backend, action)| Step { at: Duration::from_secs_f64(at * factor), backend, action };
        steps.into_iter().map(step).collect()
    }

    /// When requests arrive, whatever becomes of those before them.
    pub(crate) fn arrivals(self, factor: f64) -> Vec<Arrival> {
        let evenly = |seconds: f64| evenly(seconds * factor, RATE);
        mixed(match self {
            Fault::Killed => evenly(23.0),
            Fault::Hung | Fault::Stopped => evenly(20.0),
            Fault::Resets | Fault::Closes | Fault::Status502 | Fault::Garbage => evenly(11.0),
            Fault::Rolling => evenly(11.5),
            Fault::ClosesIdle => in_bursts((32.0 * factor).ceil() as usize),
        })
    }
}

/// Down for a second, and the next one a second and a half later.
fn restart(backend: usize) -> [(f64, usize, Action); 2] {
    let at = 1.0 + 2.5 * backend as f64;
    [(at, backend, Action::Kill), (at + 1.0, backend, Action::Start)]
}

/// Bursts with gaps around the age at which idle connections are closed, from 2 ms less to 2 ms more: some meet the close.
fn in_bursts(bursts: usize) -> Vec<Duration> {
    let mut at = Duration::ZERO;
    let mut all = Vec::new();
    for burst in 0..bursts {
        all.extend([at; BURST]);
        // 9 and 17 have no common factor: every offset comes up, and small and large ones take turns.
        at += IDLE - Duration::from_millis(2) + Duration::from_micros(250) * (burst as u32 * 9 % 17);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_arrive_as_long_as_the_report_says() {
        let counts = Fault::ALL.map(|fault| fault.arrivals(1.0).len());
        assert_eq!(counts, [4600, 4000, 4000, 2200, 2200, 2200, 2200, 2300, 384]);
    }

    #[test]
    fn every_fault_ends_before_the_requests_do() {
        for factor in [0.3, 1.0, 2.0] {
            for fault in Fault::ALL {
                let steps = fault.steps(factor);
                let last = fault.arrivals(factor).last().unwrap().at;
                assert!(steps.is_sorted_by_key(|step| step.at), "{fault:?}");
                assert!(steps.iter().all(|step| step.at < last), "{fault:?}");
            }
        }
    }

    #[test]
    fn a_restart_takes_every_backend_down_and_up_again_one_at_a_time() {
        let steps = Fault::Rolling.steps(1.0);
        for (pair, backend) in steps.chunks(2).zip(0..BACKENDS) {
            assert_eq!((pair[0].backend, pair[0].action), (backend, Action::Kill));
            assert_eq!((pair[1].backend, pair[1].action), (backend, Action::Start));
            assert_eq!(pair[1].at - pair[0].at, Duration::from_secs(1));
        }
    }

    #[test]
    fn gaps_between_bursts_lie_around_the_idle_limit() {
        let arrivals = Fault::ClosesIdle.arrivals(1.0);
        let begins: Vec<_> = arrivals.chunks(BURST).map(|burst| burst[0].at).collect();
        let gaps: Vec<_> = begins.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(gaps.iter().all(|gap| gap.abs_diff(IDLE) <= Duration::from_millis(2)), "{gaps:?}");
        assert!(gaps.iter().any(|gap| *gap < IDLE) && gaps.iter().any(|gap| *gap > IDLE));
        assert!(gaps.contains(&IDLE));
    }
}
