//! YAML in; a plan, or the full list of problems, out.
//!
//! The way of a file: text -> `tree` (with places) -> `environment` -> `document` (serde) -> `check` -> [`Plan`].
//! Certificates, keys and the like are read on the way (`files`), and may be read again without the YAML.
//! Each step reports what it finds and goes on with the rest, so that one run shows every problem.

mod check;
mod decode;
mod diff;
mod document;
mod environment;
mod files;
mod flags;
mod moment;
mod plan;
mod problem;
mod schema;
mod summary;
mod text;
mod tree;
mod words;
mod yaml;

use std::path::Path;
use std::time::SystemTime;

use check::Material;
pub use diff::Changes;
pub use files::{Files, Reread};
pub use plan::{
    AccessLogRule, AdminRule, AdminSocket, BackendPlan, DnsRule, Plan, PoolPlan, Resolve, Warnings,
};
pub use problem::{Code, Problem, Problems, Severity};
pub use schema::schema;
pub use summary::summary;

/// Largest file that is read, in bytes.
const LARGEST_FILE: usize = 1 << 20;

/// Reads a configuration file, with references to the environment of this process.
///
/// # Errors
/// Every problem of the file, in its order; never a panic, whatever it holds.
pub fn load(path: &Path) -> Result<Plan, Problems> {
    let file = path.display().to_string();
    let text = read(path).map_err(|(code, message)| {
        let mut problems = Problems::new(&file, "");
        problems.add_unplaced(code, "", message, "");
        problems
    })?;
    parse(&text, &file, &|name| std::env::var(name).ok())
}

/// Reads a configuration; `file` is how problems call it.
///
/// # Errors
/// Every problem of the text, in its order; never a panic, whatever it holds.
pub fn parse(text: &str, file: &str, environment: &dyn Fn(&str) -> Option<String>) -> Result<Plan, Problems> {
    parse_at(text, file, environment, SystemTime::now())
}

/// The same, as it would be at another time: certificates expire.
///
/// # Errors
/// As [`parse`].
pub fn parse_at(
    text: &str,
    file: &str,
    environment: &dyn Fn(&str) -> Option<String>,
    now: SystemTime,
) -> Result<Plan, Problems> {
    let mut problems = Problems::new(file, text);
    if text.len() > LARGEST_FILE {
        let mut problems = Problems::new(file, "");
        problems.add_unplaced(Code::TooLarge, "", TOO_LARGE, "");
        return Err(problems);
    }
    let Some(mut root) = yaml::read(text, &mut problems) else { return Err(problems) };
    environment::substitute(&mut root, environment, &mut problems);
    match decode::decode(&mut root, &mut problems) {
        Some(document) => {
            let mut material = Material::new(Problems::new(file, text), now);
            let plan = check::check(document, &root, &mut material, &mut problems);
            problems.or(plan)
        }
        None => Err(problems),
    }
}

const TOO_LARGE: &str = "the file is larger than 1 MiB";

fn read(path: &Path) -> Result<String, (Code, String)> {
    use std::io::Read;

    let unreadable = |error: std::io::Error| (Code::Unreadable, format!("the file cannot be read: {error}"));
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(unreadable)?;
    // One byte more than allowed tells a file that is too large, even one that never ends.
    file.take(LARGEST_FILE as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() > LARGEST_FILE {
        return Err((Code::TooLarge, TOO_LARGE.into()));
    }
    String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = good.iter().filter(|byte| **byte == b'\n').count() + 1;
        (Code::Unreadable, format!("the file is not UTF-8: line {line} holds a byte that is no character"))
    })
}
