//! `evenkeel check` and `evenkeel schema`: what can be said of a configuration without running it.

use std::path::Path;
use std::process::ExitCode;

use evenkeel_config::Plan;

use crate::output::print;

/// Checks a file: a summary on standard output and 0, or every problem on standard error and 1. Warnings go to standard
/// error, too, and refuse nothing.
pub(crate) fn check(file: &Path) -> ExitCode {
    match evenkeel_config::load(file) {
        Ok(plan) => {
            if !plan.warnings.0.is_empty() {
                eprintln!("{}\n", plan.warnings.0);
            }
            print(&format!("{}: {}\n{}", file.display(), verdict(&plan), evenkeel_config::summary(&plan)))
        }
        Err(problems) => {
            eprintln!("{problems}");
            ExitCode::FAILURE
        }
    }
}

/// Prints the JSON schema of the configuration.
pub(crate) fn schema() -> ExitCode {
    print(&format!("{:#}", evenkeel_config::schema()))
}

fn verdict(plan: &Plan) -> String {
    let backends = plan.pools.iter().map(|pool| pool.backends.len()).sum();
    format!(
        "ok: {}, {}, {}, {}",
        counted(plan.listeners.len(), "listener"),
        counted(plan.routes.len(), "route"),
        counted(plan.pools.len(), "pool"),
        counted(backends, "backend"),
    )
}

fn counted(count: usize, thing: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{count} {thing}{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thing_is_singular() {
        assert_eq!(counted(1, "pool"), "1 pool");
        assert_eq!(counted(0, "pool"), "0 pools");
        assert_eq!(counted(2, "backend"), "2 backends");
    }
}
