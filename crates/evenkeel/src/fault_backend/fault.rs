//! A way for a backend to misbehave, and what is known of it.

use evenkeel_model::Cause;

use super::options::Key;

/// A way to misbehave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Fault {
    Refuse,
    AcceptFull,
    CloseOnAccept,
    ResetOnAccept,
    Close,
    Reset,
    StaleClose,
    IdleClose,
    CloseAfter,
    LateTimeout,
    HalfHead,
    Garbage,
    BadStatusLine,
    BadField,
    BareLineFeed,
    ConflictingLength,
    FoldedField,
    SpaceBeforeColon,
    HugeHead,
    Hang,
    Slow,
    NotReading,
    EarlyAnswer,
    UnsolicitedUpgrade,
    WrongUpgrade,
    HalfBody,
    HalfChunked,
    BodyStall,
    BadChunk,
    Drip,
    ManyInterim,
    Status,
}

/// What a fault befalls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    /// The whole backend: nobody can ask for it by path.
    Backend,
    /// Each connection as it is accepted: nobody can ask for it by path either.
    Connection,
    /// A request, or the connection that it came on.
    Request,
}

/// What is known of a fault.
#[derive(Debug)]
pub(crate) struct Row {
    /// As in `--fault NAME` and `/fault/NAME`.
    pub(crate) name: &'static str,
    pub(crate) fault: Fault,
    /// Rows of the table of failures.
    pub(crate) rows: &'static str,
    /// What evenkeel reports, one of these; empty if it takes no offence.
    pub(crate) causes: &'static [Cause],
    pub(crate) level: Level,
    /// The options that it has.
    pub(crate) keys: &'static [Key],
    /// What it does, in one sentence.
    pub(crate) sentence: &'static str,
}

impl Row {
    /// What evenkeel reports, as a reader wants it.
    pub(crate) fn cause(&self) -> String {
        match self.causes {
            [] => "-".into(),
            causes => causes.iter().map(|cause| cause.token()).collect::<Vec<_>>().join(" or "),
        }
    }
}

impl Level {
    /// One word for it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Level::Backend => "backend",
            Level::Connection => "connection",
            Level::Request => "request",
        }
    }
}
