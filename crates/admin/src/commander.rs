//! How a change reaches whoever decides on it: a function that takes a command and replies later.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use evenkeel_model::{Command, CommandError, Done};

/// What came of a command, once it is known.
pub type Reply = Pin<Box<dyn Future<Output = Result<Done, CommandError>> + Send>>;

/// Takes commands to whoever carries them out; cheap to clone.
#[derive(Clone)]
pub struct Commander(Arc<dyn Fn(Command) -> Reply + Send + Sync>);

impl Commander {
    /// Calls `send` for each command. Its reply may be dropped, which takes nothing back.
    pub fn new<F>(send: impl Fn(Command) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Done, CommandError>> + Send + 'static,
    {
        Commander(Arc::new(move |command| Box::pin(send(command))))
    }

    pub(crate) fn send(&self, command: Command) -> Reply {
        (self.0)(command)
    }
}

impl fmt::Debug for Commander {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Commander")
    }
}
