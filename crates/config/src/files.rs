//! The files that a plan was made of beside its YAML: certificates, keys, CAs, revocation lists.

use std::path::PathBuf;

use crate::Plan;

/// Where the TLS of a plan comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {}

/// A plan whose files were read again.
#[derive(Debug)]
pub struct Reread {
    /// With what is good of the files as they are now; what is not is as it was.
    pub plan: Plan,
    /// What is wrong with the others, each with where it is configured and how to mend it.
    pub problems: Vec<String>,
}

impl Plan {
    /// Every file and folder whose change may change the plan, in the order of the configuration, each once.
    pub fn watched(&self) -> Vec<PathBuf> {
        Vec::new()
    }

    /// Reads certificates, keys, CAs and revocation lists again, though not the configuration itself. One that is no good
    /// stays as it is.
    pub fn reread(&self) -> Reread {
        Reread { plan: self.clone(), problems: Vec::new() }
    }

    /// Takes over from the plan before it what clients and backends remember: session tickets, and sessions to resume.
    /// Profiles that did not change are the very same.
    pub fn carry_over(&mut self, before: &Plan) {
        let _ = before;
    }
}
