//! What is wrong when: one fault for good, or phases one after the other.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::behaviour::Behaviour;
use super::fault::Level;
use super::mistake::Mistake;
use super::quantity::{self, Rate};

/// Longest phase.
const LONGEST_PHASE: Duration = Duration::from_secs(7 * 24 * 3600);

/// Most phases.
const MOST_PHASES: usize = 100;

/// Written after the last phase to begin again with the first.
const REPEAT: &str = "repeat";

/// What is wrong with a backend, as far as the request's path does not say otherwise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Standing {
    /// None: all is well.
    pub(crate) behaviour: Option<Behaviour>,
    /// The share of requests (of connections, where it befalls those) that it befalls.
    pub(crate) rate: Rate,
}

/// Phases, the last of which lasts, unless they repeat.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Schedule {
    phases: Vec<Phase>,
    repeats: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Phase {
    standing: Standing,
    /// None: for good.
    lasts: Option<Duration>,
}

impl Standing {
    /// All is well.
    pub(crate) const WELL: Standing = Standing { behaviour: None, rate: Rate::ALL };

    /// Refuses a share of what cannot be shared out.
    pub(crate) fn new(behaviour: Option<Behaviour>, rate: Rate) -> Result<Self, Mistake> {
        match behaviour {
            Some(behaviour) if behaviour.level() == Level::Backend && rate != Rate::ALL => {
                Err(Mistake(format!("`{behaviour}` is about the whole backend: it has no rate")))
            }
            behaviour => Ok(Standing { behaviour, rate }),
        }
    }

    /// What the fault befalls.
    pub(crate) fn level(&self) -> Option<Level> {
        self.behaviour.map(|behaviour| behaviour.level())
    }

    /// Whether idle connections end with it, since otherwise nobody would see it.
    pub(crate) fn ends_idle_connections(&self) -> bool {
        matches!(self.level(), Some(Level::Backend | Level::Connection))
    }
}

impl Schedule {
    /// One thing for good.
    pub(crate) fn always(standing: Standing) -> Self {
        Schedule { phases: vec![Phase { standing, lasts: None }], repeats: false }
    }

    /// What holds after so long, and for how long from then on; no end: for good.
    pub(crate) fn at(&self, elapsed: Duration) -> (Standing, Option<Duration>) {
        let mut left = match self.round() {
            // Both fit in 64 bits: a schedule has an end after less than two years.
            Some(round) => Duration::from_nanos((elapsed.as_nanos() % round.as_nanos()) as u64),
            None => elapsed,
        };
        for phase in &self.phases {
            match phase.lasts {
                Some(lasts) if left >= lasts => left -= lasts,
                lasts => return (phase.standing, lasts.map(|lasts| lasts - left)),
            }
        }
        (Standing::WELL, None)
    }

    /// How long all phases last, if they repeat.
    fn round(&self) -> Option<Duration> {
        self.repeats.then(|| self.phases.iter().filter_map(|phase| phase.lasts).sum())
    }
}

/// Reads `ok 10s, hang 14s, reset 10% 5s, ok`.
impl FromStr for Schedule {
    type Err = Mistake;

    fn from_str(text: &str) -> Result<Self, Mistake> {
        let mut written: Vec<&str> = text.split(',').map(str::trim).collect();
        let repeats = written.last() == Some(&REPEAT);
        if repeats {
            written.pop();
        }
        if written.is_empty() || written.len() > MOST_PHASES {
            return Err(Mistake(format!(
                "expected 1 to {MOST_PHASES} phases, such as `ok 10s, hang 14s, ok`"
            )));
        }
        let phases = written.iter().map(|phase| Phase::parse(phase)).collect::<Result<Vec<_>, _>>()?;
        for (index, (phase, written)) in phases.iter().zip(&written).enumerate() {
            let is_last = index + 1 == phases.len() && !repeats;
            match (is_last, phase.lasts) {
                (false, None) => {
                    let mistake = format!(
                        "`{written}` needs a duration, as in `{written} 10s`: only the last phase stays"
                    );
                    return Err(Mistake(mistake));
                }
                (true, Some(_)) => {
                    let mistake = format!(
                        "the last phase stays: write `{written}, ok` or `{written}, {REPEAT}`, or leave its duration out"
                    );
                    return Err(Mistake(mistake));
                }
                (false, Some(_)) | (true, None) => {}
            }
        }
        Ok(Schedule { phases, repeats })
    }
}

impl Phase {
    fn parse(text: &str) -> Result<Self, Mistake> {
        let mut words = text.split_whitespace();
        let name = words.next().ok_or_else(|| {
            Mistake("a phase is empty; expected phases such as `ok 10s, hang 14s, ok`".into())
        })?;
        let behaviour = Behaviour::parse(name)?;
        let (mut rate, mut lasts) = (None, None);
        for word in words {
            let is_taken = if word.ends_with('%') {
                rate.replace(Rate::parse(word)?).is_some()
            } else {
                lasts.replace(quantity::duration(word, LONGEST_PHASE)?).is_some()
            };
            if is_taken {
                return Err(Mistake(format!(
                    "`{text}`: a phase is a fault, a rate and a duration; is a comma missing?"
                )));
            }
        }
        if lasts.is_some_and(|lasts| lasts.is_zero()) {
            return Err(Mistake(format!("`{text}` lasts no time")));
        }
        let standing = Standing::new(behaviour, rate.unwrap_or(Rate::ALL))?;
        Ok(Phase { standing, lasts })
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.behaviour {
            None => out.write_str(super::behaviour::OK),
            Some(behaviour) if self.rate == Rate::ALL => behaviour.fmt(out),
            Some(behaviour) => write!(out, "{behaviour} {}", self.rate),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(schedule: &str, second: u64) -> (String, Option<u64>) {
        let schedule: Schedule = schedule.parse().unwrap();
        let (standing, lasts) = schedule.at(Duration::from_secs(second));
        (standing.to_string(), lasts.map(|lasts| lasts.as_secs()))
    }

    #[test]
    fn phases_follow_each_other_and_the_last_one_stays() {
        let schedule = "ok 10s, hang 14s, reset 10% 5s, ok";
        for (second, standing, lasts) in [
            (0, "ok", Some(10)),
            (9, "ok", Some(1)),
            (10, "hang", Some(14)),
            (24, "reset 10%", Some(5)),
            (29, "ok", None),
            (1_000_000, "ok", None),
        ] {
            assert_eq!(shown(schedule, second), (standing.into(), lasts), "second {second}");
        }
    }

    #[test]
    fn repeated_phases_begin_again() {
        for (second, standing) in [(0, "ok"), (2, "close"), (3, "ok"), (3_000_002, "close")] {
            assert_eq!(shown("ok 2s, close 1s, repeat", second).0, standing, "second {second}");
        }
    }

    #[test]
    fn one_fault_may_be_for_good() {
        assert_eq!(shown("refuse", 5), ("refuse".into(), None));
    }

    #[test]
    fn a_mistake_says_how_to_mend_it() {
        for (schedule, wanted) in [
            ("", "phase is empty"),
            ("ok 1s,, ok", "phase is empty"),
            ("ok 1s, hagn", "did you mean `hang`?"),
            ("ok, hang", "`ok 10s`"),
            ("ok 1s, hang 14s", "`hang 14s, ok`"),
            ("ok 1s, hang, repeat", "needs a duration"),
            ("repeat", "1 to 100 phases"),
            ("ok 1s hang 2s", "no duration"),
            ("ok 1s 2s, ok", "comma"),
            ("hang 10% 20% 1s, ok", "comma"),
            ("ok 0s, ok", "lasts no time"),
            ("ok 9999h, ok", "too long"),
            ("refuse 10% 1s, ok", "no rate"),
        ] {
            let mistake = schedule.parse::<Schedule>().unwrap_err().to_string();
            assert!(mistake.contains(wanted), "{schedule}: {mistake}");
        }
        let many = format!("{}ok", "ok 1s, ".repeat(100));
        assert!(many.parse::<Schedule>().unwrap_err().to_string().contains("1 to 100"));
    }

    #[test]
    fn every_schedule_of_the_manual_is_one() {
        let manual = include_str!("../../../../docs/fault-backend.md");
        let flags = manual.split("--schedule '").skip(1).filter_map(|rest| rest.split('\'').next());
        let lines = manual.lines().filter(|line| line.starts_with("    ok "));
        let schedules: Vec<_> = flags.chain(lines.filter_map(|line| line.split('#').next())).collect();
        assert!(schedules.len() > 3, "{schedules:?}");
        for schedule in schedules {
            let read = schedule.parse::<Schedule>();
            assert!(read.is_ok(), "{schedule}: {read:?}");
        }
    }
}
