//! The system's CAs: read at most once for a plan, however many of its pools believe them.

use evenkeel_tls::{ClientError, Roots, Verify};

use super::carry::client;
use crate::Plan;

/// What came of reading them, if they were wanted yet.
#[derive(Debug, Default)]
pub(crate) struct SystemRoots(Option<Result<Roots, ClientError>>);

impl SystemRoots {
    /// Those of the first call.
    pub(crate) fn read(&mut self) -> Result<Roots, ClientError> {
        self.0.get_or_insert_with(Roots::system).clone()
    }
}

impl Plan {
    /// Whether the system's CAs are believed in any pool. They are in no file that is [`watched`](Self::watched).
    pub fn believes_system(&self) -> bool {
        self.pools.iter().filter_map(client).any(|client| {
            let parts = client.parts();
            parts.verify == Verify::On && matches!(parts.roots, Roots::System(_))
        })
    }
}
