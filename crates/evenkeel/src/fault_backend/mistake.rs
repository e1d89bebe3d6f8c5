//! What somebody wrote that cannot be.

/// Why a fault, a rate or a schedule cannot be taken, and how to mend it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Mistake(pub(crate) String);
