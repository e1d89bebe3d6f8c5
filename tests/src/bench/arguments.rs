//! The command line of the benchmark.

use std::path::PathBuf;

use evenkeel_tests::arguments::count;
use evenkeel_tests::product::beside_this_program;

const USAGE: &str = "\
usage: bench [--quick] [--bin BIN] [--base BIN] [--only haproxy,nginx,evenkeel] [--rows TEXT] [--rounds N] [--write FILE]

  --quick       a quarter of the requests and one round: to see that it works, not to compare
  --bin BIN     the evenkeel to measure; default: the one beside this program
  --base BIN    compare with this evenkeel instead of the peers: nine interleaved pairs (or --rounds)
  --only NAMES  measure only these
  --rows TEXT   measure only what has this in its name: \"TLS\", \"100 KiB\", \"flood\"; capitals do not matter
  --rounds N    interleaved rounds; default 3
  --write FILE  write the report there too, each of its two sections that was measured whole between its markers";

/// What was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Arguments {
    pub(crate) is_quick: bool,
    pub(crate) binary: PathBuf,
    pub(crate) base: Option<PathBuf>,
    pub(crate) only: Vec<String>,
    pub(crate) rows: Option<String>,
    pub(crate) rounds: Option<usize>,
    pub(crate) write: Option<PathBuf>,
}

impl Arguments {
    /// Reads them; an error is the text to show.
    pub(crate) fn read() -> Result<Arguments, String> {
        let mut arguments = Arguments {
            is_quick: false,
            binary: beside_this_program("evenkeel"),
            base: None,
            only: ["haproxy", "nginx", "evenkeel"].map(str::to_owned).to_vec(),
            rows: None,
            rounds: None,
            write: None,
        };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or(format!("{word} needs a value\n\n{USAGE}"));
            match word.as_str() {
                "--quick" => arguments.is_quick = true,
                "--bin" => arguments.binary = value()?.into(),
                "--base" => arguments.base = Some(value()?.into()),
                "--only" => arguments.only = value()?.split(',').map(str::to_owned).collect(),
                "--rows" => arguments.rows = Some(value()?.to_lowercase()),
                "--rounds" => {
                    arguments.rounds =
                        Some(count(&value()?).map_err(|text| format!("--rounds {text}\n\n{USAGE}"))?)
                }
                "--write" => arguments.write = Some(value()?.into()),
                _ => return Err(format!("{word}?\n\n{USAGE}")),
            }
        }
        Ok(arguments)
    }

    /// Whether what is called so is measured.
    pub(crate) fn wants(&self, row: &str) -> bool {
        self.rows.as_ref().is_none_or(|text| row.to_lowercase().contains(text))
    }

    /// Interleaved rounds.
    pub(crate) fn rounds(&self, default: usize) -> usize {
        self.rounds.unwrap_or(if self.is_quick { 1 } else { default })
    }
}
