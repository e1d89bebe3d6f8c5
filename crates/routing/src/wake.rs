//! The bell that a core rings when control has something to read.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::AcqRel};

/// Calls control when there is something to read.
pub struct Wake {
    raised: AtomicBool,
    notify: Box<dyn Fn() + Send + Sync>,
}

impl Wake {
    /// `notify` is called from any core, once for each time that the flag is raised.
    pub fn new(notify: Box<dyn Fn() + Send + Sync>) -> Arc<Self> {
        Arc::new(Wake { raised: AtomicBool::new(false), notify })
    }

    /// Raises the flag; whoever turns it true notifies. Never spared, even where the flag seems to be up: only as a
    /// read-modify-write does it stand before or behind control's lowering, so that what is to be read is seen.
    pub fn raise(&self) {
        if !self.raised.swap(true, AcqRel) {
            (self.notify)();
        }
    }

    /// Lowers the flag. Control does so before it reads, so that what comes meanwhile raises it again.
    pub fn lower(&self) {
        self.raised.swap(false, AcqRel);
    }
}

impl fmt::Debug for Wake {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Wake").field("raised", &self.raised).finish_non_exhaustive()
    }
}
