//! Where a plan comes from, and the words for it in an error: a file, or flags.

use std::path::PathBuf;

use evenkeel_config::{AdminRule, Plan, Problems};

use crate::arguments::AdminFlag;

/// Where the plan of this process comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// A file, read again on SIGHUP.
    File(PathBuf),
    /// Flags.
    Flags { listen: String, backends: Vec<String>, admin: Option<AdminFlag> },
}

impl Source {
    /// Reads and checks the plan; every problem otherwise.
    pub(crate) fn plan(&self) -> Result<Plan, Problems> {
        match self {
            Source::File(file) => evenkeel_config::load(file),
            Source::Flags { listen, backends, admin } => {
                let plan = Plan::from_flags(listen, backends)?;
                Ok(with_admin(plan, *admin))
            }
        }
    }

    /// The file to read again on SIGHUP.
    pub(crate) fn file(&self) -> Option<&PathBuf> {
        match self {
            Source::File(file) => Some(file),
            Source::Flags { .. } => None,
        }
    }

    /// What an operator changes to listen elsewhere.
    pub(crate) fn listen_setting(&self) -> String {
        match self {
            Source::File(file) => format!("the listener's `address` in {}", file.display()),
            Source::Flags { .. } => "`--listen ADDR`".into(),
        }
    }

    /// What an operator changes to have the admin listener elsewhere.
    pub(crate) fn admin_setting(&self) -> String {
        match self {
            Source::File(file) => format!("`admin.address` in {}", file.display()),
            Source::Flags { .. } => "`--admin ADDR`".into(),
        }
    }

    /// What an operator changes to have the admin socket elsewhere, or nowhere.
    pub(crate) fn socket_setting(&self) -> String {
        match self {
            Source::File(file) => format!("`admin.socket` in {}", file.display()),
            Source::Flags { .. } => "the variable RUNTIME_DIRECTORY, or `admin.socket` in a file,".into(),
        }
    }
}

fn with_admin(plan: Plan, flag: Option<AdminFlag>) -> Plan {
    let address = match flag {
        None => plan.admin.address,
        Some(AdminFlag::Off) => None,
        Some(AdminFlag::At(address)) => Some(address),
    };
    let admin = AdminRule { address, ..plan.admin };
    Plan { admin, ..plan }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(admin: Option<AdminFlag>) -> Source {
        Source::Flags { listen: "127.0.0.1:8080".into(), backends: vec!["127.0.0.1:3000".into()], admin }
    }

    #[test]
    fn the_admin_flag_moves_the_admin_listener_or_takes_it_away() {
        let address = "127.0.0.1:7".parse().unwrap();
        for (flag, wanted) in [(AdminFlag::At(address), Some(address)), (AdminFlag::Off, None)] {
            assert_eq!(flags(Some(flag)).plan().unwrap().admin.address, wanted);
        }
    }

    #[test]
    fn only_a_file_is_read_again() {
        assert_eq!(flags(None).file(), None);
        assert!(Source::File("a.yaml".into()).file().is_some());
    }
}
