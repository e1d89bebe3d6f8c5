//! `compare-faults`: the same schedule of faults on evenkeel, HAProxy and nginx, and what their clients see of it.
//!
//! Each product runs with its smallest configuration and with a tuned one; all of them suffer a fault at the same time, each
//! with three backends and clients of its own. The program fails if evenkeel does not keep what it promises.

#![allow(
    clippy::unwrap_used,
    reason = "a panic is how the comparison reports; nothing of this package ships"
)]

mod arguments;
mod backend;
mod behaviour;
mod contestant;
mod fault;
mod fleet;
mod judge;
mod report;
mod round;
mod settings;

use std::process::ExitCode;

use arguments::{Arguments, Task};
use report::Report;

fn main() -> ExitCode {
    match Arguments::read(std::env::args().skip(1)) {
        Ok(Task::Backend { address, orders }) => backend::serve(address, &orders),
        Ok(Task::Compare(arguments)) => compare(&arguments),
        Err(text) => {
            eprintln!("{text}");
            ExitCode::from(2)
        }
    }
}

fn compare(arguments: &Arguments) -> ExitCode {
    let mut report = Report::new(arguments);
    let mut broken = Vec::new();
    println!("{}", report.live_head());
    for fault in &arguments.faults {
        let outcomes = round::run(arguments, *fault);
        let verdicts: Vec<_> = outcomes.iter().map(judge::judge).collect();
        println!("{}", report.add(*fault, &outcomes));
        for verdict in verdicts {
            print!("{verdict}");
            broken.extend(verdict.broken);
        }
    }
    report.finish(arguments);
    for line in &broken {
        println!("BROKEN: {line}");
    }
    match broken.is_empty() {
        true => {
            println!("evenkeel kept its promises: no GET failed, and POSTs only where they were sent.");
            ExitCode::SUCCESS
        }
        false => ExitCode::FAILURE,
    }
}
