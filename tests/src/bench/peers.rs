//! evenkeel beside HAProxy and nginx: the same cases in the same rounds, one after another.

use std::time::Duration;

use evenkeel_tests::process::cpu_nanoseconds;
use evenkeel_tests::product::Product;

use crate::arguments::Arguments;
use crate::backends::Backends;
use crate::cases::Case;
use crate::contestant::{self, Running};
use crate::generator;
use crate::idle;
use crate::quiet::{self, Account};
use crate::report::Report;
use crate::slow;

/// Tries to measure a case undisturbed.
const TRIES: usize = 3;

/// One case of one contestant in one round.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measurement {
    /// The proxy's processor time per request, in microseconds.
    pub(crate) cpu: f64,
    /// Requests a second.
    pub(crate) rate: f64,
    /// Of the time from the first byte sent to the last byte received.
    pub(crate) p99: Duration,
    /// Share of the cores' time that others used meanwhile.
    pub(crate) others: f64,
}

/// All rounds, without and with logs; prints and writes the report.
pub(crate) fn run(arguments: &Arguments) {
    let contestants = contestants(arguments);
    let backends = Backends::start();
    let cases = Case::all(arguments.is_quick);
    let mut report = Report::new(&contestants, arguments);
    for is_logging in [false, true] {
        let start = |one: &Product| contestant::start(one, backends.addresses, is_logging);
        let running: Vec<Running> = contestants.iter().map(start).collect();
        for round in 0..arguments.rounds(3) {
            for case in &cases {
                // Each round begins with another one, so that nobody always follows the same neighbour.
                for turn in 0..running.len() {
                    let who = (turn + round) % running.len();
                    let measurement = measure(&running[who], &backends, case);
                    eprintln!("{:9} {:32} {measurement:.2?}", contestants[who].name(), case.name);
                    report.add(case.name, is_logging, who, measurement);
                }
            }
        }
    }
    for _ in 0..arguments.rounds(3) {
        for (who, product) in contestants.iter().enumerate() {
            let running = contestant::start(product, backends.addresses, false);
            let connections = idle::connections(arguments.is_quick);
            let bytes = idle::bytes_per_connection(&running, connections);
            eprintln!("{:9} idle connection {bytes:.0} bytes", product.name());
            report.add_idle(who, bytes);
            let p99 = slow::measure(&running, &cases[0]);
            eprintln!("{:9} p99 alone and beside slow clients {p99:.2?}", product.name());
            report.add_slow(who, p99);
        }
    }
    report.finish(arguments);
}

/// Measures one case, again if others disturbed it; of the last try, if all were disturbed.
pub(crate) fn measure(running: &Running, backends: &Backends, case: &Case) -> Measurement {
    let mut measurement = measure_once(running, backends, case);
    for _ in 1..TRIES {
        if measurement.others <= quiet::BEARABLE {
            break;
        }
        eprintln!("disturbed: others used {:.0} % of the cores; again", measurement.others * 100.0);
        measurement = measure_once(running, backends, case);
    }
    measurement
}

fn measure_once(running: &Running, backends: &Backends, case: &Case) -> Measurement {
    generator::run(running.address, case, case.requests / 10);
    let ours = [running.family(), backends.family()].concat();
    let account = Account::of(&ours);
    let before = cpu_nanoseconds(&running.family());
    let seen = generator::run(running.address, case, case.requests);
    let spent = cpu_nanoseconds(&running.family()) - before;
    Measurement {
        cpu: spent as f64 / 1000.0 / case.requests as f64,
        rate: case.requests as f64 / seen.elapsed.as_secs_f64(),
        p99: seen.p99,
        others: Account::of(&ours).others_since(&account),
    }
}

fn contestants(arguments: &Arguments) -> Vec<Product> {
    let known = |name: &String| Product::named(name, &arguments.binary);
    let all: Result<_, String> = arguments.only.iter().map(known).collect();
    all.unwrap_or_else(|text| panic!("--only {text}"))
}
