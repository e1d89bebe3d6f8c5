//! What an operator may ask of control.

/// A change that an operator asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Read the configuration file again, as SIGHUP does.
    Reload,
}
