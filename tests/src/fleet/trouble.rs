//! How a backend is made bad and well.

use std::time::Duration;

/// What a flag makes of a backend as long as a file of its name stands in its folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flag {
    /// Answers everything with 502, probes too.
    Status502,
    /// Answers everything with 503, probes too.
    Status503,
    /// Resets each connection after a request, or a probe.
    Reset,
    /// Closes it.
    Close,
    /// Answers a third of the requests with 503. Probes pass.
    ThirdStatus503,
    /// Closes the connection after a third of them. Probes pass.
    ThirdCloses,
    /// Takes fifty times as long for a request. Probes pass.
    Slow,
}

impl Flag {
    /// The name of its file.
    pub(super) fn file(self) -> &'static str {
        match self {
            Flag::Status502 => "502",
            Flag::Status503 => "503",
            Flag::Reset => "reset",
            Flag::Close => "close",
            Flag::ThirdStatus503 => "third-503",
            Flag::ThirdCloses => "third-close",
            Flag::Slow => "slow",
        }
    }
}

/// What happens to a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// SIGKILL to master and worker.
    Kill,
    /// SIGTERM, as a service manager does.
    Stop,
    /// Started on the same address.
    Start,
    /// SIGSTOP to master and worker: connections are still made, nobody answers.
    Freeze,
    /// SIGCONT.
    Thaw,
    /// Bad from the next request on.
    Raise(Flag),
    /// Well from the next request on.
    Lower(Flag),
}

/// Something that happens at a time after the begin.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// After the begin.
    pub at: Duration,
    /// Which.
    pub backend: usize,
    /// What.
    pub action: Action,
}

/// When a step was done: begun and finished, after the begin.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Done {
    /// Its begin.
    pub begun: Duration,
    /// Its end.
    pub finished: Duration,
}
