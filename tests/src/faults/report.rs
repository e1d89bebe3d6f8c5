//! The report: what clients saw, side by side, with the settings that it holds for.

use std::fmt::Write as _;
use std::time::Duration;

use evenkeel_tests::document;
use evenkeel_tests::open_loop::{PATIENCE, Tally};
use evenkeel_tests::product::{machine, versions};

use crate::arguments::Arguments;
use crate::contestant::Contestant;
use crate::fault::{BACKENDS, Fault};
use crate::round::Outcome;
use crate::settings;

/// The figures of all faults so far.
pub(crate) struct Report {
    contestants: Vec<Contestant>,
    factor: f64,
    rows: Vec<(Fault, Vec<Tally>)>,
}

impl Report {
    pub(crate) fn new(arguments: &Arguments) -> Report {
        Report { contestants: arguments.contestants.clone(), factor: arguments.factor, rows: Vec::new() }
    }

    /// The head of the table that grows while the comparison runs.
    pub(crate) fn live_head(&self) -> String {
        let names: Vec<_> = self.contestants.iter().map(|one| format!("{:>20}", one.name())).collect();
        let what = "failed GETs (repeated by the client), failed POSTs, POSTs twice, slowest answer";
        format!("{what}\n{:42} {}", "", names.join(" "))
    }

    /// Takes in the outcomes of a fault; its line.
    pub(crate) fn add(&mut self, fault: Fault, outcomes: &[Outcome]) -> String {
        let tallies: Vec<_> =
            outcomes.iter().map(|one| Tally::of(one.seen.iter().enumerate(), &one.deliveries)).collect();
        let cell = |tally: &Tally| {
            let text = format!("{}, {}, {}", tally.failures(), tally.doubled_posts, seconds(tally.slowest));
            format!("{text:>20}")
        };
        let cells: Vec<_> = tallies.iter().map(cell).collect();
        self.rows.push((fault, tallies));
        format!("{:42} {}", fault.title(), cells.join(" "))
    }

    /// Writes the report where the arguments say.
    pub(crate) fn finish(&self, arguments: &Arguments) {
        let text = self.text();
        println!("\n{text}");
        if let Some(file) = &arguments.write {
            document::write(file, "compare-faults", &text);
        }
    }

    fn text(&self) -> String {
        let mut text = format!(
            "## Faults\n\n\
             What clients see when backends fail. Written by `make compare-faults ARGS=\"--write docs/benchmarks.md\"`, in about three \
             minutes. Each product stands before {BACKENDS} backends of its own and all of them suffer the same schedule at the same \
             time, each fault with fresh processes. Clients send 200 requests a second, 80 % GET and 20 % POST, each when it is due, \
             whatever has become of the others (for idle connections: bursts of 12 with gaps around 1 s), and wait {} s. They keep \
             connections, and as browsers do they send a GET once more if a connection that was kept turns out to be closed. A \
             request has failed unless it was answered with its own 200. The bad backend is bad to probes, too. POSTs that a \
             backend received, and that nobody may repeat, fail with everybody. HAProxy closes a client's connection without an answer where \
             the backend closed its own; nginx takes garbage for the answer of an HTTP/0.9 server and relays it as it is, without a head.\n\n",
            PATIENCE.as_secs()
        );
        if self.factor != 1.0 {
            let _ = writeln!(text, "**All times of the schedules were multiplied with {}.**\n", self.factor);
        }
        for (is_tuned, title) in [(false, "The smallest configuration"), (true, "Tuned")] {
            if self.columns(is_tuned).next().is_some() {
                let _ = writeln!(text, "### {title}\n\n{}", self.tables(is_tuned));
            }
        }
        text + &self.settings()
    }

    fn columns(&self, is_tuned: bool) -> impl Iterator<Item = (usize, &Contestant)> {
        self.contestants.iter().enumerate().filter(move |(_, one)| one.is_tuned == is_tuned)
    }

    fn tables(&self, is_tuned: bool) -> String {
        format!(
            "Failed GETs, failed POSTs; with +, GETs that succeeded because the client itself sent them again:\n\n{}\n\
             The slowest answer, of the requests that were answered, in seconds:\n\n{}\n\
             POSTs delivered twice: {}.\n",
            self.table(is_tuned, Tally::failures),
            self.table(is_tuned, |tally| seconds(tally.slowest)),
            self.doubled(is_tuned)
        )
    }

    /// A row for each fault, a column for each product with this kind of configuration.
    fn table(&self, is_tuned: bool, cell: impl Fn(&Tally) -> String) -> String {
        let columns: Vec<_> = self.columns(is_tuned).collect();
        let names = columns.iter().map(|(_, one)| one.product.name());
        let head: Vec<_> = ["fault", "requests"].into_iter().chain(names).collect();
        let row = |(fault, tallies): &(Fault, Vec<Tally>)| {
            let requests = tallies.first().map_or(0, |tally| tally.requests);
            let words = [fault.title().to_owned(), requests.to_string()];
            words.into_iter().chain(columns.iter().map(|(place, _)| cell(&tallies[*place]))).collect()
        };
        document::table(&head, self.rows.iter().map(row))
    }

    fn doubled(&self, is_tuned: bool) -> String {
        let mut doubled = Vec::new();
        for (fault, tallies) in &self.rows {
            for (place, one) in self.columns(is_tuned) {
                match tallies[place].doubled_posts {
                    0 => {}
                    count => doubled.push(format!("{count} by {} ({})", one.product.name(), fault.name())),
                }
            }
        }
        if doubled.is_empty() { "none, by anybody".to_owned() } else { doubled.join(", ") }
    }

    fn settings(&self) -> String {
        let mut text = format!("### Their versions and settings\n\n- machine: {}\n", machine());
        for version in versions(self.contestants.iter().map(|one| &one.product)) {
            let _ = writeln!(text, "- {version}");
        }
        text.push_str(
            "\nThe smallest configuration is the first that the product's manual shows, with three servers: HAProxy's with `check`, \
             without the example's limits of 256 and 32 connections, which would have clients wait for those of a hung server. \
             nginx then has one worker with 512 connections, two for each request; its log is off. evenkeel's admin port is the kernel's choice because \
             several run beside each other.\n",
        );
        for contestant in &self.contestants {
            let configuration = settings::of(contestant, "PROXY", ["BACKEND-1", "BACKEND-2", "BACKEND-3"]);
            let _ = writeln!(text, "\n{}:\n\n```\n{}\n```", contestant.name(), configuration.trim_end());
        }
        text
    }
}

fn seconds(time: Duration) -> String {
    format!("{:.2}", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use evenkeel_tests::product::Product;

    use super::*;

    fn report(tallies: &[Tally]) -> Report {
        let contestant = |product, is_tuned| Contestant { product, is_tuned };
        let contestants = vec![contestant(Product::Haproxy, false), contestant(Product::Nginx, false)];
        Report { contestants, factor: 1.0, rows: vec![(Fault::Killed, tallies.to_vec())] }
    }

    #[test]
    fn products_stand_side_by_side() {
        let haproxy = Tally {
            requests: 4600,
            failed_gets: 7,
            failed_posts: 93,
            repeated_gets: 250,
            slowest: Duration::from_millis(5010),
            ..Tally::default()
        };
        let report = report(&[haproxy, Tally { doubled_posts: 2, ..haproxy }]);
        let table = report.table(false, Tally::failures);
        assert!(
            table.starts_with("| fault | requests | HAProxy | nginx |\n|---|---:|---:|---:|\n"),
            "{table}"
        );
        assert!(table.contains("| killed (SIGKILL) for 10 s | 4600 | 7 +250, 93 |"), "{table}");
        assert!(report.table(false, |tally| seconds(tally.slowest)).contains("| 5.01 |"));
        assert_eq!(report.doubled(false), "2 by nginx (killed)");
    }

    #[test]
    fn a_configuration_that_nobody_ran_has_no_tables() {
        let text = report(&[Tally::default(); 2]);
        assert_eq!(text.columns(true).count(), 0);
        assert_eq!(text.doubled(false), "none, by anybody");
    }
}
