//! `compare-health`: how soon evenkeel and HAProxy take a backend out that fails and bring it back, and which requests fail.
//!
//! Each product stands before three backends of its own, nginx each, and asks them for the same health path as often; all of
//! them suffer a scenario at the same time. The program fails if evenkeel fails a GET that could have been answered, or is slower.

#![allow(
    clippy::unwrap_used,
    reason = "a panic is how the comparison reports; nothing of this package ships"
)]

mod arguments;
mod contestant;
mod figures;
mod judge;
mod lanes;
mod report;
mod round;
mod scenario;
mod settings;
mod timing;
mod watch;

use std::process::ExitCode;

use arguments::Arguments;
use figures::Row;

fn main() -> ExitCode {
    match Arguments::read(std::env::args().skip(1)) {
        Ok(arguments) => compare(&arguments),
        Err(text) => {
            eprintln!("{text}");
            ExitCode::from(2)
        }
    }
}

fn compare(arguments: &Arguments) -> ExitCode {
    let outcomes = lanes::run(arguments);
    let rows = Row::all(arguments, &outcomes);
    report::finish(arguments, &rows);
    let broken = judge::judge(&arguments.contestants, &rows);
    for line in &broken {
        println!("BROKEN: {line}");
    }
    match broken.is_empty() {
        true => {
            println!("evenkeel failed no GET that could have been answered, and was not slower.");
            ExitCode::SUCCESS
        }
        false => ExitCode::FAILURE,
    }
}
