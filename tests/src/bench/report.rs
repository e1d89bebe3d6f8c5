//! The report: figures as Markdown tables, with the versions and settings that they hold for.

use std::fmt::Write as _;
use std::time::Duration;

use evenkeel_tests::document;
use evenkeel_tests::product::{Product, machine};

use crate::arguments::Arguments;
use crate::backends::Backends;
use crate::cases::{CONNECTIONS, Case};
use crate::contestant;
use crate::idle;
use crate::peers::Measurement;
use crate::slow::{HALF, READERS};
use crate::statistics::median;

/// Everything measured, in rounds.
pub(crate) struct Report {
    contestants: Vec<Product>,
    rounds: usize,
    measured: Vec<(&'static str, bool, usize, Measurement)>,
    idle: Vec<(usize, f64)>,
    slow: Vec<(usize, [Duration; 2])>,
}

impl Report {
    pub(crate) fn new(contestants: &[Product], arguments: &Arguments) -> Report {
        Report {
            contestants: contestants.to_vec(),
            rounds: arguments.rounds(3),
            measured: Vec::new(),
            idle: Vec::new(),
            slow: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, case: &'static str, is_logging: bool, who: usize, measurement: Measurement) {
        self.measured.push((case, is_logging, who, measurement));
    }

    pub(crate) fn add_idle(&mut self, who: usize, bytes: f64) {
        self.idle.push((who, bytes));
    }

    pub(crate) fn add_slow(&mut self, who: usize, p99: [Duration; 2]) {
        self.slow.push((who, p99));
    }

    /// Prints the report, and writes it where the arguments say.
    pub(crate) fn finish(&self, arguments: &Arguments) {
        let text = self.text(arguments);
        println!("{text}");
        if let Some(file) = &arguments.write {
            document::write(file, "bench", &text);
        }
    }

    fn text(&self, arguments: &Arguments) -> String {
        let mut text = String::new();
        let _ = writeln!(
            text,
            "Written by `make bench ARGS=\"--write docs/benchmarks.md\"`. One core for the proxy, one for the load generator and the backends; {CONNECTIONS} \
             connections in a closed loop; medians of {} interleaved rounds. CPU is the proxy's own processor time per request \
             (`/proc/PID/task/*/schedstat`, kernel time included): unlike requests a second it does not depend on which side \
             is the bottleneck. The ratio to HAProxy is the median of the rounds' ratios; less is better. Compare within a \
             table only: absolute figures drift from machine to machine.\n",
            self.rounds
        );
        if arguments.is_quick {
            text.push_str("**A quick run, to see that it works: too short to compare.**\n\n");
        }
        for (is_logging, title) in [(false, "Without access logs"), (true, "With access logs")] {
            let _ = writeln!(text, "## {title}\n\n{}", self.traffic(is_logging));
        }
        let others = self.measured.iter().map(|one| one.3.others);
        let _ = writeln!(
            text,
            "During a measurement, other processes used at most {:.0} % of the cores.\n",
            others.fold(0.0, f64::max) * 100.0
        );
        let connections = idle::connections(arguments.is_quick);
        let _ = writeln!(
            text,
            "## Idle connections\n\nPrivate memory of the proxy's processes per connection that made one request and then \
             idles ({connections} of them; memory of the kernel's sockets not included).\n\n{}",
            self.idle_table()
        );
        let _ = writeln!(
            text,
            "## Slow clients\n\nThe p99 of the first case, without logs: alone, and while {HALF} clients with half a head and {HALF} with \
             half a body send a byte every five seconds and {READERS} ask for 4 MB and read nothing.\n\n{}",
            self.slow_table()
        );
        text + &self.settings()
    }

    fn traffic(&self, is_logging: bool) -> String {
        let mut table = String::from(
            "| case | proxy | CPU per request, µs | x HAProxy | requests a second | p99, ms |\n|---|---|---:|---:|---:|---:|\n",
        );
        for case in Case::all(false) {
            for (who, contestant) in self.contestants.iter().enumerate() {
                let rounds = self.rounds(case.name, is_logging, who);
                let ratio = self.ratio(case.name, is_logging, who);
                let _ = writeln!(
                    table,
                    "| {} | {} | {:.2} | {} | {:.0} | {:.2} |",
                    case.name,
                    contestant.name(),
                    middle(&rounds, |one| one.cpu),
                    ratio.map_or("-".to_owned(), |ratio| format!("{ratio:.2}")),
                    middle(&rounds, |one| one.rate),
                    middle(&rounds, |one| one.p99.as_secs_f64() * 1000.0),
                );
            }
        }
        table
    }

    fn idle_table(&self) -> String {
        let mut table = String::from("| proxy | bytes per connection |\n|---|---:|\n");
        for (who, contestant) in self.contestants.iter().enumerate() {
            let mine = self.idle.iter().filter(|(whose, _)| *whose == who);
            let bytes: Vec<f64> = mine.map(|(_, bytes)| *bytes).collect();
            let _ = writeln!(table, "| {} | {:.0} |", contestant.name(), median(&bytes));
        }
        table
    }

    fn slow_table(&self) -> String {
        let mut table =
            String::from("| proxy | alone, ms | beside them, ms | ratio |\n|---|---:|---:|---:|\n");
        for (who, contestant) in self.contestants.iter().enumerate() {
            let mine = self.slow.iter().filter(|(whose, _)| *whose == who);
            let rounds: Vec<[f64; 2]> =
                mine.map(|(_, p99)| p99.map(|wait| wait.as_secs_f64() * 1000.0)).collect();
            let of = |figure: fn(&[f64; 2]) -> f64| median(&rounds.iter().map(figure).collect::<Vec<_>>());
            let _ = writeln!(
                table,
                "| {} | {:.2} | {:.2} | {:.2} |",
                contestant.name(),
                of(|[alone, _]| *alone),
                of(|[_, beside]| *beside),
                of(|[alone, beside]| beside / alone)
            );
        }
        table
    }

    fn settings(&self) -> String {
        let mut text = String::from("## Versions and settings\n\n");
        let _ = writeln!(text, "- machine: {}", machine());
        for contestant in &self.contestants {
            let _ = writeln!(text, "- {}", contestant.version());
        }
        text.push_str(
            "\nEach proxy has one worker and keeps its connections to the backends. HAProxy and nginx do the least that a proxy \
             can do; evenkeel runs with its defaults: health by traffic, retries, request ids, forwarding fields, metrics. With \
             access logs, HAProxy writes its `httplog` line to a datagram socket that is drained, nginx its `combined` line and \
             evenkeel its JSON line to a file. nginx has its default proxy buffers, of 8 x 4 KiB; its buffer for request \
             bodies is large enough for the body of this benchmark.\n",
        );
        for product in &self.contestants {
            let configuration =
                contestant::configuration(product, "PROXY", ["BACKEND-1", "BACKEND-2"], Some("LOG"));
            let name = product.name();
            let _ = writeln!(text, "\n{name} (with its log):\n\n```\n{}\n```", configuration.trim_end());
        }
        let _ =
            writeln!(text, "\nThe backends, one nginx worker:\n\n```\n{}\n```", Backends::configuration());
        text
    }

    /// One contestant's rounds of a case, in order.
    fn rounds(&self, case: &str, is_logging: bool, who: usize) -> Vec<Measurement> {
        let mine = self.measured.iter();
        mine.filter(|one| one.0 == case && one.1 == is_logging && one.2 == who).map(|one| one.3).collect()
    }

    fn ratio(&self, case: &str, is_logging: bool, who: usize) -> Option<f64> {
        let haproxy = self.contestants.iter().position(|one| *one == Product::Haproxy)?;
        let mine = self.rounds(case, is_logging, who);
        let theirs = self.rounds(case, is_logging, haproxy);
        let ratios: Vec<f64> = mine.iter().zip(&theirs).map(|(mine, theirs)| mine.cpu / theirs.cpu).collect();
        Some(median(&ratios))
    }
}

fn middle(rounds: &[Measurement], figure: impl Fn(&Measurement) -> f64) -> f64 {
    median(&rounds.iter().map(figure).collect::<Vec<_>>())
}
