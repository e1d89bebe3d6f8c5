//! The arguments of `evenkeel fault-backend`, and the backends that they describe.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::SocketAddr;
use std::time::Duration;

use clap::Args;

use super::backend::{KeepAlive, Settings};
use super::behaviour::Behaviour;
use super::mistake::Mistake;
use super::quantity::{self, Rate};
use super::schedule::{Schedule, Standing};
use crate::likeness::did_you_mean;

const EXAMPLES: &str = "\
Examples:
  evenkeel fault-backend --list                       every fault, and what evenkeel reports
  evenkeel fault-backend --listen 127.0.0.1:3000      well, until it is asked for a fault
  evenkeel fault-backend --fault status/503 --rate 10%
  evenkeel fault-backend --schedule 'ok 10s, hang 14s, ok'
  evenkeel fault-backend --listen 127.0.0.1:3000 --listen 127.0.0.1:3001 \\
                         --name red --name blue --fault reset --only red

Ask it:
  curl 127.0.0.1:3000/fault/half-head                 this fault for this request
  curl 127.0.0.1:3000/control/hang                    this fault from now on
  curl '127.0.0.1:3000/control/refuse?for=5s'         for a while
  curl 127.0.0.1:3000/control/ok                      well again
  curl 127.0.0.1:3000/control                         what holds now

It is a tool for rehearsals: whoever reaches it can break it. Do not expose it.";

/// Most backends in one process.
const MOST_BACKENDS: usize = 64;

/// Longest that connections may be kept idle.
const LONGEST_IDLE: Duration = Duration::from_secs(24 * 3600);

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct FaultBackendArguments {
    /// Where to listen, once for each backend; port 0 asks the kernel
    #[arg(long = "listen", value_name = "ADDR", default_value = "127.0.0.1:3000")]
    listen: Vec<SocketAddr>,
    /// What a backend calls itself, once for each --listen [default: fault-1, fault-2, ...]
    #[arg(long = "name", value_name = "NAME")]
    names: Vec<String>,
    /// What is wrong from the start: a name of --list, with options, as in `slow?after=3s`
    #[arg(long, value_name = "NAME", conflicts_with = "schedule", value_parser = Behaviour::parse_flag)]
    fault: Option<Flag>,
    /// The share of requests that --fault befalls, such as 10%
    #[arg(long, value_name = "RATE", requires = "fault", value_parser = Rate::parse)]
    rate: Option<Rate>,
    /// What is wrong when, such as 'ok 10s, hang 14s, reset 10% 5s, ok'; the last phase stays, unless it is `repeat`
    #[arg(long, value_name = "PHASES")]
    schedule: Option<Schedule>,
    /// The backend that --fault or --schedule is about, once for each [default: all]
    #[arg(long = "only", value_name = "NAME")]
    only: Vec<String>,
    /// How long a connection may be idle before it is closed
    #[arg(long, value_name = "DURATION", default_value = "75s", value_parser = idle)]
    keep_alive: Duration,
    /// Tell so in `Keep-Alive: timeout=`
    #[arg(long)]
    announce_keep_alive: bool,
    /// Make the choice of requests that a rate hits repeatable [default: random]
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// Print every fault and what evenkeel reports for it
    #[arg(long)]
    pub(crate) list: bool,
}

/// `--fault`: a fault, or none.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Flag(Option<Behaviour>);

impl Behaviour {
    fn parse_flag(text: &str) -> Result<Flag, Mistake> {
        Behaviour::parse(text).map(Flag)
    }
}

impl FaultBackendArguments {
    /// The backends that are wanted, each with where it listens.
    pub(crate) fn backends(&self) -> Result<Vec<(SocketAddr, Settings)>, Mistake> {
        let names = self.names()?;
        let schedule = self.schedule()?;
        let seed = self.seed.unwrap_or_else(|| RandomState::new().build_hasher().finish());
        let keep_alive = KeepAlive { idle: self.keep_alive, is_announced: self.announce_keep_alive };
        let settings = |(index, name): (usize, String)| {
            let is_meant = self.only.is_empty() || self.only.contains(&name);
            let schedule = if is_meant { schedule.clone() } else { Schedule::always(Standing::WELL) };
            (
                self.listen[index],
                Settings { name, schedule, keep_alive, seed: seed.wrapping_add(index as u64) },
            )
        };
        Ok(names.into_iter().enumerate().map(settings).collect())
    }

    /// A name for each address.
    fn names(&self) -> Result<Vec<String>, Mistake> {
        if self.listen.len() > MOST_BACKENDS {
            return Err(Mistake(format!("more than {MOST_BACKENDS} backends; start another process")));
        }
        if self.names.len() > self.listen.len() {
            let (names, addresses) = (self.names.len(), self.listen.len());
            return Err(Mistake(format!(
                "{names} names for {addresses} backends: `--listen ADDR` once for each, or fewer `--name`"
            )));
        }
        let given = |index: usize| self.names.get(index).cloned();
        let name = |index: usize| given(index).unwrap_or_else(|| format!("fault-{}", index + 1));
        let names: Vec<_> = (0..self.listen.len()).map(name).collect();
        match self.only.iter().find(|wanted| !names.contains(wanted)) {
            None => Ok(names),
            Some(wanted) => {
                let hint = did_you_mean(wanted, names.iter().map(String::as_str));
                Err(Mistake(format!(
                    "`--only {wanted}`: no backend has that name; {hint}there is {}",
                    names.join(", ")
                )))
            }
        }
    }

    fn schedule(&self) -> Result<Schedule, Mistake> {
        let standing = || Standing::new(self.fault.and_then(|flag| flag.0), self.rate.unwrap_or(Rate::ALL));
        match &self.schedule {
            Some(schedule) => Ok(schedule.clone()),
            None => standing().map(Schedule::always),
        }
    }
}

fn idle(text: &str) -> Result<Duration, Mistake> {
    quantity::duration(text, LONGEST_IDLE)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        arguments: FaultBackendArguments,
    }

    fn backends(line: &str) -> Result<Vec<(SocketAddr, Settings)>, String> {
        let words = ["fault-backend"].into_iter().chain(line.split('|').filter(|word| !word.is_empty()));
        let line = Line::try_parse_from(words).map_err(|error| error.to_string())?;
        line.arguments.backends().map_err(|mistake| mistake.to_string())
    }

    #[test]
    fn one_backend_that_is_well_is_the_default() {
        let [(address, settings)] = &backends("").unwrap()[..] else { panic!("one backend") };
        assert_eq!((address.to_string().as_str(), settings.name.as_str()), ("127.0.0.1:3000", "fault-1"));
        assert_eq!(settings.schedule, Schedule::always(Standing::WELL));
    }

    #[test]
    fn each_address_is_a_backend_and_a_fault_is_for_those_that_are_named() {
        let line = "--listen|127.0.0.1:1|--listen|127.0.0.1:2|--name|red|--fault|hang|--only|red|--rate|5%";
        let backends = backends(line).unwrap();
        let shown: Vec<_> = backends
            .iter()
            .map(|(_, settings)| (settings.name.as_str(), settings.schedule.at(Duration::ZERO).0.to_string()))
            .collect();
        assert_eq!(shown, [("red", "hang 5%".to_owned()), ("fault-2", "ok".to_owned())]);
    }

    #[test]
    fn a_seed_makes_the_choice_repeatable_and_differs_between_backends() {
        let line = "--listen|127.0.0.1:1|--listen|127.0.0.1:2|--seed|7";
        let seeds: Vec<_> = backends(line).unwrap().iter().map(|(_, settings)| settings.seed).collect();
        assert_eq!(seeds, [7, 8]);
    }

    #[test]
    fn a_mistake_says_how_to_mend_it() {
        for (line, wanted) in [
            ("--fault|hagn", "did you mean `hang`?"),
            ("--fault|slow?after=x", "no duration"),
            ("--rate|10%", "--fault"),
            ("--fault|hang|--rate|10", "such as 10%"),
            ("--fault|hang|--schedule|ok", "cannot be used with"),
            ("--fault|refuse|--rate|10%", "no rate"),
            ("--schedule|ok 10s, hang 14s", "`hang 14s, ok`"),
            ("--name|a|--name|b", "2 names for 1 backends"),
            ("--fault|hang|--only|fault-2", "did you mean `fault-1`?"),
            ("--listen|localhost", "invalid socket address"),
            ("--keep-alive|soon", "no duration"),
        ] {
            let error = backends(line).unwrap_err();
            assert!(error.contains(wanted), "{line}: {error}");
        }
    }
}
