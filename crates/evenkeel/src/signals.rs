//! Signals: which ones this process takes, and what each asks for.
//!
//! All of them are taken before anything else starts, so that none can end a node that is half way up.

use std::io;
use std::process::ExitCode;

use tokio::signal::unix::{self, SignalKind};

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// SIGHUP: read the configuration again.
    Reload,
    /// SIGUSR1: reopen the access log.
    Reopen,
    /// SIGTERM or SIGINT: drain and exit.
    Stop(StopSignal),
}

/// A signal that ends the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StopSignal {
    Interrupt,
    Terminate,
}

/// Every signal that this process takes.
pub(crate) struct Signals {
    hangup: unix::Signal,
    user1: unix::Signal,
    interrupt: unix::Signal,
    terminate: unix::Signal,
}

impl StopSignal {
    /// The signal's own name.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            StopSignal::Interrupt => "SIGINT",
            StopSignal::Terminate => "SIGTERM",
        }
    }

    /// What a process that this signal cut short exits with: 128 plus its number, as shells say it.
    pub(crate) fn exit_code(self) -> ExitCode {
        match self {
            StopSignal::Interrupt => ExitCode::from(130),
            StopSignal::Terminate => ExitCode::from(143),
        }
    }
}

impl Signals {
    /// Takes the signals from now on. Fails where the kernel refuses a handler.
    pub(crate) fn take() -> io::Result<Self> {
        Ok(Signals {
            hangup: unix::signal(SignalKind::hangup())?,
            user1: unix::signal(SignalKind::user_defined1())?,
            interrupt: unix::signal(SignalKind::interrupt())?,
            terminate: unix::signal(SignalKind::terminate())?,
        })
    }

    /// The next signal. Cancelling loses none: what was not returned is still pending.
    pub(crate) async fn next(&mut self) -> Signal {
        // Each branch is cancel-safe, and a stop goes before a reload.
        tokio::select! {
            biased;
            _ = self.terminate.recv() => Signal::Stop(StopSignal::Terminate),
            _ = self.interrupt.recv() => Signal::Stop(StopSignal::Interrupt),
            _ = self.hangup.recv() => Signal::Reload,
            _ = self.user1.recv() => Signal::Reopen,
        }
    }

    /// The next signal that ends the process; the others stay pending. Cancelling loses none.
    pub(crate) async fn stop(&mut self) -> StopSignal {
        tokio::select! {
            biased;
            _ = self.terminate.recv() => StopSignal::Terminate,
            _ = self.interrupt.recv() => StopSignal::Interrupt,
        }
    }
}
