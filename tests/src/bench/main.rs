//! `bench`: what a request costs the proxy, beside HAProxy and nginx in the same run, or one build beside another.
//!
//! The proxy runs alone on core 0; this program, its generator and the backends run on core 1. Rounds are interleaved, and the
//! figure that counts is the proxy's processor time per request, which does not care who of them is the bottleneck.

#![allow(clippy::unwrap_used, reason = "a panic is how the benchmark reports; nothing of this package ships")]

mod arguments;
mod backends;
mod cases;
mod clients;
mod compare;
mod configuration;
mod contestant;
mod cores;
mod flood;
mod generator;
mod idle;
mod line;
mod peers;
mod quiet;
mod report;
mod setting;
mod slow;
mod statistics;

use arguments::Arguments;

fn main() {
    let arguments = match Arguments::read() {
        Ok(arguments) => arguments,
        Err(text) => {
            eprintln!("{text}");
            std::process::exit(2);
        }
    };
    cores::prepare();
    match arguments.base.clone() {
        Some(base) => compare::run(&arguments, &base),
        None => peers::run(&arguments),
    }
}
