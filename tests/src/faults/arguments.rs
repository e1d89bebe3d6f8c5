//! The command line of the comparison.

use std::net::SocketAddr;
use std::path::PathBuf;

use evenkeel_tests::arguments::{list, positive};
use evenkeel_tests::product::{Product, beside_this_program};

use crate::contestant::Contestant;
use crate::fault::Fault;

const USAGE: &str = "\
usage: compare-faults [--quick] [--only FAULTS] [--products NAMES] [--seconds-factor F] [--bin BIN] [--logs FOLDER] [--write FILE]

  --quick              evenkeel alone, four faults, everything in 0.3 of its time: about 25 s
  --only FAULTS        killed, hung, stopped, resets, closes, 502, garbage, rolling, idle
  --products NAMES     haproxy, nginx, evenkeel; with `-smallest` or `-tuned` behind it only that configuration
  --seconds-factor F   stretches or shrinks every fault; default 1
  --bin BIN            the evenkeel to compare; default: the one beside this program
  --logs FOLDER        keep what evenkeel logged there, a file for each fault and configuration
  --write FILE         write the report there too, between its markers";

/// The faults of a quick run.
const QUICK: [Fault; 4] = [Fault::Killed, Fault::Hung, Fault::Status502, Fault::Rolling];

/// What this process is for.
pub(crate) enum Task {
    /// To be a backend: where it listens, and the socket from which its orders come.
    Backend { address: SocketAddr, orders: PathBuf },
    /// To compare.
    Compare(Arguments),
}

/// What was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Arguments {
    pub(crate) faults: Vec<Fault>,
    pub(crate) contestants: Vec<Contestant>,
    /// Of all times of a schedule.
    pub(crate) factor: f64,
    pub(crate) logs: Option<PathBuf>,
    pub(crate) write: Option<PathBuf>,
}

impl Arguments {
    /// Reads them; an error is the text to show.
    pub(crate) fn read(words: impl Iterator<Item = String>) -> Result<Task, String> {
        read(words).map_err(|text| format!("{text}\n\n{USAGE}"))
    }
}

fn read(mut words: impl Iterator<Item = String>) -> Result<Task, String> {
    let mut is_quick = false;
    let (mut only, mut products, mut factor) = (None, None, None);
    let mut binary = beside_this_program("evenkeel");
    let (mut logs, mut write) = (None, None);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} needs a value"));
        match word.as_str() {
            "backend" => return backend(&value()?, value()?),
            "--quick" => is_quick = true,
            "--only" => only = Some(list(&value()?, Fault::named)?),
            "--products" => products = Some(value()?),
            "--seconds-factor" => factor = Some(positive(&value()?)?),
            "--bin" => binary = value()?.into(),
            "--logs" => logs = Some(value()?.into()),
            "--write" => write = Some(value()?.into()),
            _ => return Err(format!("{word}?")),
        }
    }
    let products =
        products.unwrap_or(if is_quick { "evenkeel" } else { "haproxy,nginx,evenkeel" }.to_owned());
    let contestants = list(&products, |name| contestants(name, &binary))?;
    let default = if is_quick { QUICK.to_vec() } else { Fault::ALL.to_vec() };
    Ok(Task::Compare(Arguments {
        faults: only.unwrap_or(default),
        contestants: sorted(contestants.concat()),
        factor: factor.unwrap_or(if is_quick { 0.3 } else { 1.0 }),
        logs,
        write,
    }))
}

fn backend(address: &str, orders: String) -> Result<Task, String> {
    let address = address.parse().map_err(|error| format!("backend {address}: {error}"))?;
    Ok(Task::Backend { address, orders: orders.into() })
}

fn contestants(name: &str, binary: &std::path::Path) -> Result<Vec<Contestant>, String> {
    let (product, tuned) = match name.split_once('-') {
        None => (name, vec![false, true]),
        Some((product, "smallest")) => (product, vec![false]),
        Some((product, "tuned")) => (product, vec![true]),
        Some((_, other)) => return Err(format!("{other}: smallest or tuned")),
    };
    let product = Product::named(product, binary)?;
    Ok(tuned.into_iter().map(|is_tuned| Contestant { product: product.clone(), is_tuned }).collect())
}

/// The smallest configurations before the tuned ones.
fn sorted(mut contestants: Vec<Contestant>) -> Vec<Contestant> {
    contestants.sort_by_key(|one| one.is_tuned);
    contestants
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compare(text: &str) -> Result<Arguments, String> {
        match Arguments::read(text.split_whitespace().map(str::to_owned))? {
            Task::Compare(arguments) => Ok(arguments),
            Task::Backend { .. } => Err("a backend".to_owned()),
        }
    }

    fn names(arguments: &Arguments) -> Vec<String> {
        arguments.contestants.iter().map(Contestant::name).collect()
    }

    #[test]
    fn everything_is_compared_unless_asked_otherwise() {
        let arguments = compare("").unwrap();
        assert_eq!(arguments.faults, Fault::ALL);
        assert_eq!(names(&arguments)[..2], ["HAProxy, smallest", "nginx, smallest"]);
        assert_eq!((arguments.contestants.len(), arguments.factor), (6, 1.0));
    }

    #[test]
    fn a_quick_run_is_of_evenkeel_alone() {
        let arguments = compare("--quick --only 502").unwrap();
        assert_eq!(names(&arguments), ["evenkeel, smallest", "evenkeel, tuned"]);
        assert_eq!((arguments.faults, arguments.factor), (vec![Fault::Status502], 0.3));
    }

    #[test]
    fn one_configuration_of_a_product_can_be_asked_for() {
        assert_eq!(names(&compare("--products nginx-tuned").unwrap()), ["nginx, tuned"]);
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_the_usage() {
        for text in
            ["--only nothing", "--seconds-factor 0", "--products caddy", "--products nginx-x", "-x", "--bin"]
        {
            assert!(compare(text).unwrap_err().contains("usage:"), "{text}");
        }
    }
}
