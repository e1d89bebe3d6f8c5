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
        *shown = plan.warnings.0.iter().map(warning).collect();
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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    /// With a certificate until this year.
    fn write_certificate(path: &Path, year: i32) {
        let mut parameters = rcgen::CertificateParams::new(vec!["a.test".to_string()]).unwrap();
        parameters.not_before = rcgen::date_time_ymd(2000, 1, 1);
        parameters.not_after = rcgen::date_time_ymd(year, 1, 1);
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = parameters.self_signed(&key).unwrap();
        fs::write(path, certificate.pem() + &key.serialize_pem()).unwrap();
    }

    fn codes(warnings: &Warnings) -> Vec<&'static str> {
        let mut codes: Vec<_> = warnings.lock().iter().map(|warning| warning.code).collect();
        codes.sort_unstable();
        codes.dedup();
        codes
    }

    #[test]
    fn a_renewed_certificate_ends_its_warning_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("site.pem");
        write_certificate(&path, 2001);
        let text = format!(
            "listeners: [{{ address: \"127.0.0.1:0\", tls: {{ certificates: [{{ certificate: {} }}] }} }}]\n\
             pools: {{ web: {{ backends: [\"https://127.0.0.1:1\"], tls: {{ verify: off }} }} }}\n",
            path.display()
        );
        let plan = evenkeel_config::parse(&text, "test.yaml", &|_| None);
        let plan = plan.unwrap_or_else(|problems| panic!("{problems}"));
        let warnings = Warnings::default();
        warnings.tell(&plan);
        assert!(codes(&warnings).contains(&"expired") && codes(&warnings).contains(&"unverified"));
        let count = warnings.lock().len();
        warnings.tell_news(&plan.reread().plan, true);
        assert_eq!(warnings.lock().len(), count, "nothing stands there twice");
        write_certificate(&path, 2090);
        warnings.tell_news(&plan.reread().plan, false);
        assert!(!codes(&warnings).contains(&"expired") && codes(&warnings).contains(&"unverified"));
    }
}
