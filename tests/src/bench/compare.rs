//! Two builds of evenkeel beside each other: interleaved pairs, and the median of their ratios with its interval.

use std::path::{Path, PathBuf};

use evenkeel_tests::product::Product;

use crate::arguments::Arguments;
use crate::backends::Backends;
use crate::cases::Case;
use crate::contestant::{self, Running};
use crate::peers::measure;
use crate::setting::Setting;
use crate::statistics::{interval, median};

/// Pairs of each case: the fewest whose median has a 95 % interval inside the extremes.
const PAIRS: usize = 9;

/// Measures and prints one line a case.
pub(crate) fn run(arguments: &Arguments, base: &Path) {
    let builds = [base.to_owned(), arguments.binary.clone()];
    let backends = Backends::start();
    let pairs = arguments.rounds(PAIRS);
    println!("CPU per request, new build / base, median of {pairs} interleaved pairs [95 % interval]\n");
    println!("| case | base, µs | new, µs | ratio |\n|---|---:|---:|---:|");
    let mut skipped = Vec::new();
    for setting in [Setting::Plain, Setting::Tls, Setting::TlsToBackends] {
        let mut cases = Case::all(setting, arguments.is_quick);
        cases.retain(|case| arguments.wants(case.name));
        if cases.is_empty() {
            continue;
        }
        // An older build knows no TLS.
        let refusal = setting.is_tls().then(|| contestant::refusal(base, setting, &backends)).flatten();
        if let Some(refusal) = refusal {
            let why = refusal.lines().next().unwrap_or_default().to_owned();
            skipped.extend(cases.iter().map(|case| format!("{}: the base says {why}", case.name)));
            continue;
        }
        let start =
            |program: &PathBuf| contestant::start(&Product::Evenkeel(program.clone()), setting, &backends);
        let running = builds.each_ref().map(start);
        cases.iter().for_each(|case| compare(&running, &backends, case, pairs));
    }
    if !skipped.is_empty() {
        println!("\nNot compared:\n\n- {}", skipped.join("\n- "));
    }
}

fn compare(running: &[Running; 2], backends: &Backends, case: &Case, pairs: usize) {
    let mut cpu = [Vec::new(), Vec::new()];
    for pair in 0..pairs {
        // Every other pair the other way round: A B, B A, A B ...
        for turn in 0..2 {
            let who = (turn + pair) % 2;
            cpu[who].push(measure(&running[who], backends, case).cpu);
        }
    }
    let [base, new] = &cpu;
    let ratios: Vec<f64> = new.iter().zip(base).map(|(new, base)| new / base).collect();
    let (low, high) = interval(&ratios);
    println!(
        "| {} | {:.2} | {:.2} | {:.3} [{low:.3}, {high:.3}] |",
        case.name,
        median(base),
        median(new),
        median(&ratios)
    );
}
