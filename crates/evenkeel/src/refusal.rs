//! Why a reload changes nothing: problems of the file, or of this process.

use std::fmt;
use std::path::Path;

use evenkeel_config::{Problem, Problems};

/// Every problem of a reload, of one kind.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// Of the file, each with its place.
    File(Problems),
    /// Of a running node: what needs a restart, or cannot be opened.
    Node(Vec<String>),
}

impl Refusal {
    /// Logs one event a problem.
    pub(crate) fn log(&self, file: &Path) {
        match self {
            Refusal::File(problems) => problems.iter().for_each(|problem| log(problem, file)),
            Refusal::Node(problems) => {
                for problem in problems {
                    tracing::error!(file = %file.display(), "{problem}");
                }
            }
        }
    }
}

fn log(problem: &Problem, file: &Path) {
    tracing::error!(
        file = %file.display(),
        line = problem.line,
        column = problem.column,
        path = problem.path,
        code = problem.code.as_str(),
        help = problem.help,
        "{}",
        problem.message
    );
}

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::File(problems) => problems.fmt(out),
            Refusal::Node(problems) => out.write_str(&problems.join("\n")),
        }
    }
}
