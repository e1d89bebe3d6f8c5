//! evenkeel beside HAProxy and nginx: the same cases in the same rounds, one after another.

use std::time::Duration;

use evenkeel_tests::process::cpu_nanoseconds;
use evenkeel_tests::product::Product;

use crate::arguments::Arguments;
use crate::backends::Backends;
use crate::cases::{Case, Connections};
use crate::contestant::{self, Running};
use crate::flood;
use crate::generator;
use crate::idle;
use crate::quiet::{self, Account};
use crate::report::Report;
use crate::setting::Setting;
use crate::slow;

/// One case of one contestant in one round.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measurement {
    /// The proxy's processor time per request, in microseconds.
    pub(crate) cpu: f64,
    /// Requests a second.
    pub(crate) rate: f64,
    /// Of the time from the first byte sent to the last byte received.
    pub(crate) p99: Duration,
    /// The proxy's share of its core, from 0 to 1: less than all of it if the others are the bottleneck.
    pub(crate) busy: f64,
    /// Share of the cores' time that others used meanwhile.
    pub(crate) others: f64,
}

/// All rounds of every setting; prints and writes the report.
pub(crate) fn run(arguments: &Arguments) {
    let contestants = contestants(arguments);
    let backends = Backends::start();
    let mut report = Report::new(&contestants, arguments);
    for setting in Setting::ALL {
        traffic(arguments, &contestants, setting, &backends, &mut report);
    }
    for _ in 0..arguments.rounds(3) {
        for (who, product) in contestants.iter().enumerate() {
            for setting in [Setting::Plain, Setting::Tls] {
                others(arguments, (who, product), setting, &backends, &mut report);
            }
        }
    }
    report.finish(arguments);
}

/// Every kind of traffic in a setting.
fn traffic(
    arguments: &Arguments,
    contestants: &[Product],
    setting: Setting,
    backends: &Backends,
    report: &mut Report,
) {
    let mut cases = Case::all(setting, arguments.is_quick);
    cases.retain(|case| arguments.wants(case.name));
    if cases.is_empty() {
        return;
    }
    let start = |one: &Product| contestant::start(one, setting, backends);
    let running: Vec<Running> = contestants.iter().map(start).collect();
    for round in 0..arguments.rounds(3) {
        for case in &cases {
            // Each round begins with another one, so that nobody always follows the same neighbour.
            for turn in 0..running.len() {
                let who = (turn + round) % running.len();
                let measurement = measure(&running[who], backends, case);
                eprintln!("{:9} {:44} {measurement:.2?}", contestants[who].name(), case.name);
                report.add(case.name, setting, who, measurement);
            }
        }
    }
}

/// What is measured of a proxy that has just been started: its memory, and what those do to its clients who mean harm.
fn others(
    arguments: &Arguments,
    (who, product): (usize, &Product),
    setting: Setting,
    backends: &Backends,
    report: &mut Report,
) {
    let [idle, harm] = match setting {
        Setting::Tls => [idle::NAMES[1], flood::NAME],
        _ => [idle::NAMES[0], slow::NAME],
    };
    if ![idle, harm].iter().any(|row| arguments.wants(row)) {
        return;
    }
    let running = contestant::start(product, setting, backends);
    if arguments.wants(idle) {
        let bytes = idle::bytes_per_connection(&running, idle::connections(arguments.is_quick));
        eprintln!("{:9} {idle} {bytes:.0} bytes", product.name());
        report.add_idle(setting, who, bytes);
    }
    if arguments.wants(harm) && setting == Setting::Tls {
        let measurement = flood::measure(&running, backends, flood::length(arguments.is_quick));
        eprintln!("{:9} {harm} {measurement:.2?}", product.name());
        report.add_flood(who, measurement);
    } else if arguments.wants(harm) {
        let p99 = slow::measure(&running, &Case::all(setting, arguments.is_quick)[0]);
        eprintln!("{:9} p99 alone and beside {harm} {p99:.2?}", product.name());
        report.add_slow(who, p99);
    }
}

/// Measures one case, again if others disturbed it; of the last try, if all were disturbed.
pub(crate) fn measure(running: &Running, backends: &Backends, case: &Case) -> Measurement {
    quiet::undisturbed(|| measure_once(running, backends, case), |measurement| measurement.others)
}

fn measure_once(running: &Running, backends: &Backends, case: &Case) -> Measurement {
    generator::run(running, case, case.requests / 10);
    let ours = [running.family(), backends.family()].concat();
    let account = Account::of(&ours);
    let before = cpu_nanoseconds(&running.family());
    let seen = generator::run(running, case, case.requests);
    let spent = cpu_nanoseconds(&running.family()) - before;
    let expected = if case.connections == Connections::Resumed { case.requests } else { 0 };
    assert_eq!(seen.resumed, expected, "{}: resumed, of {}", case.name, case.requests);
    Measurement {
        cpu: spent as f64 / 1000.0 / case.requests as f64,
        rate: case.requests as f64 / seen.elapsed.as_secs_f64(),
        p99: seen.p99,
        busy: spent as f64 / seen.elapsed.as_nanos() as f64,
        others: Account::of(&ours).others_since(&account),
    }
}

fn contestants(arguments: &Arguments) -> Vec<Product> {
    let known = |name: &String| Product::named(name, &arguments.binary);
    let all: Result<_, String> = arguments.only.iter().map(known).collect();
    all.unwrap_or_else(|text| panic!("--only {text}"))
}
