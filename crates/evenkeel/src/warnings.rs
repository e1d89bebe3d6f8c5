//! What is worth a look in the plan that runs, in the log and in the status.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use evenkeel_admin::Warning;
use evenkeel_config::{Code, Plan, Problem};

/// The warnings that the status shows; each is in the log, too.
#[derive(Clone, Debug, Default)]
pub(crate) struct Warnings(Arc<Mutex<Vec<Warning>>>);

impl Warnings {
    /// Where the status finds them.
    pub(crate) fn shared(&self) -> Arc<Mutex<Vec<Warning>>> {
        self.0.clone()
    }

    /// Those of a plan that was read as a whole: all are logged.
    pub(crate) fn tell(&self, plan: &Plan) {
        plan.warnings.0.iter().for_each(log);
        *self.lock() = plan.warnings.0.iter().map(warning).collect();
    }

    /// Those of a plan whose files were read again: what is new is logged, and from time to time (`is_routine`) what
    /// gets worse by itself.
    pub(crate) fn tell_news(&self, plan: &Plan, is_routine: bool) {
        let mut shown = self.lock();
        let is_wanted = |problem: &&Problem| {
            !shown.contains(&warning(problem)) || (is_routine && gets_worse(problem.code))
        };
        plan.warnings.0.iter().filter(is_wanted).for_each(log);
        // No file can end what only the configuration says.
        shown.retain(|warning| warning.code == Code::Unverified.as_str());
        for warning in plan.warnings.0.iter().map(warning) {
            if !shown.contains(&warning) {
                shown.push(warning);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Warning>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn warning(problem: &Problem) -> Warning {
    Warning {
        code: problem.code.as_str(),
        path: problem.path.clone(),
        message: problem.message.clone(),
        help: problem.help.clone(),
    }
}

/// Whether it is about a certificate that gets old.
fn gets_worse(code: Code) -> bool {
    matches!(code, Code::Expired | Code::ExpiresSoon | Code::NotYetValid)
}

fn log(problem: &Problem) {
    let (path, code, help) = (problem.path.as_str(), problem.code.as_str(), problem.help.as_deref());
    match problem.code {
        // Clients, or backends, refuse it.
        Code::Expired => tracing::error!(line = problem.line, path, code, help, "{}", problem.message),
        _ => tracing::warn!(line = problem.line, path, code, help, "{}", problem.message),
    }
}
