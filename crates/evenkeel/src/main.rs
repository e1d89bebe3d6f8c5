//! The program: arguments, threads, signals, subcommands.

mod admin_socket;
mod arguments;
mod certificates;
mod check;
mod demo;
mod descriptors;
mod difference;
mod fault_backend;
mod likeness;
mod listening;
mod log;
mod memory;
mod node;
mod operator;
mod output;
mod readings;
mod refusal;
mod reload;
mod run;
mod service;
mod signals;
mod source;
mod warnings;
mod watch;

use std::process::ExitCode;

use clap::Parser;
use mimalloc::MiMalloc;

use crate::arguments::{Arguments, Command};

// It gives memory of closed connections back and does not grow under churn between threads.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Run(arguments) => {
            memory::refuse_huge_pages();
            run::run(arguments.source())
        }
        Command::Check(arguments) => check::check(&arguments.config),
        Command::Schema => check::schema(),
        Command::Demo(arguments) => demo::demo(&arguments),
        Command::Backend(arguments) => operator::run(&arguments),
        Command::FaultBackend(arguments) => fault_backend::run(&arguments),
    }
}
