//! The command line of the comparison.

use std::path::PathBuf;

use evenkeel_tests::arguments::{count, list};
use evenkeel_tests::product::beside_this_program;

use crate::contestant::Contestant;
use crate::scenario::Scenario;

const USAGE: &str = "\
usage: compare-health [--quick] [--only SCENARIOS] [--products NAMES] [--rounds N] [--lanes N] [--bin BIN] [--logs FOLDER] [--write FILE]

  --quick              one round, about a minute
  --only SCENARIOS     killed, hung, resets, closes, 502, 503, slow, third-503, third-closes, flapping, poison-503,
                       poison-closes, pool, rolling
  --products NAMES     haproxy, haproxy-observing, evenkeel
  --rounds N           how often each scenario is played; default 3
  --lanes N            how many are played at the same time; default 3
  --bin BIN            the evenkeel to compare; default: the one beside this program
  --logs FOLDER        keep what evenkeel logged there, a file for each scenario and round
  --write FILE         write the report there too, between its markers";

/// Rounds of a whole run.
const ROUNDS: usize = 3;

/// Two cores have room for so many: 1,800 requests a second, and as many again from proxies to backends.
const LANES: usize = 3;

/// What was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Arguments {
    pub(crate) scenarios: Vec<Scenario>,
    pub(crate) contestants: Vec<Contestant>,
    pub(crate) rounds: usize,
    pub(crate) lanes: usize,
    pub(crate) logs: Option<PathBuf>,
    pub(crate) write: Option<PathBuf>,
}

impl Arguments {
    /// Reads them; an error is the text to show.
    pub(crate) fn read(words: impl Iterator<Item = String>) -> Result<Arguments, String> {
        read(words).map_err(|text| format!("{text}\n\n{USAGE}"))
    }
}

fn read(mut words: impl Iterator<Item = String>) -> Result<Arguments, String> {
    let mut binary = beside_this_program("evenkeel");
    let mut products = "haproxy,haproxy-observing,evenkeel".to_owned();
    let mut arguments = Arguments {
        scenarios: Scenario::ALL.to_vec(),
        contestants: Vec::new(),
        rounds: ROUNDS,
        lanes: LANES,
        logs: None,
        write: None,
    };
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} needs a value"));
        match word.as_str() {
            "--quick" => arguments.rounds = 1,
            "--only" => arguments.scenarios = list(&value()?, Scenario::named)?,
            "--products" => products = value()?,
            "--rounds" => arguments.rounds = count(&value()?)?,
            "--lanes" => arguments.lanes = count(&value()?)?,
            "--bin" => binary = value()?.into(),
            "--logs" => arguments.logs = Some(value()?.into()),
            "--write" => arguments.write = Some(value()?.into()),
            _ => return Err(format!("{word}?")),
        }
    }
    arguments.contestants = list(&products, |name| Contestant::named(name, &binary))?;
    Ok(arguments)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(text: &str) -> Result<Arguments, String> {
        Arguments::read(text.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn everything_is_compared_unless_asked_otherwise() {
        let arguments = arguments("").unwrap();
        assert_eq!(arguments.scenarios, Scenario::ALL);
        let names: Vec<_> = arguments.contestants.iter().map(Contestant::name).collect();
        assert_eq!(names, ["HAProxy", "HAProxy, observing", "evenkeel"]);
        assert_eq!(arguments.rounds, ROUNDS);
    }

    #[test]
    fn a_quick_run_is_of_one_round() {
        let arguments = arguments("--quick --only 502,pool --products evenkeel").unwrap();
        assert_eq!((arguments.rounds, arguments.contestants.len()), (1, 1));
        assert_eq!(arguments.scenarios, [Scenario::Status502, Scenario::PoolDown]);
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_the_usage() {
        for text in ["--only nothing", "--rounds 0", "--lanes x", "--products nginx", "-x", "--bin"] {
            assert!(arguments(text).unwrap_err().contains("usage:"), "{text}");
        }
    }
}
