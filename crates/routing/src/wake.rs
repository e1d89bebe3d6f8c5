//! The bell that a core rings when control has something to read.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::AcqRel, Ordering::Relaxed, Ordering::Release};

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

    /// Raises the flag; whoever turns it true notifies.
    pub fn raise(&self) {
        if !self.raised.load(Relaxed) && !self.raised.swap(true, AcqRel) {
            (self.notify)();
        }
    }

    /// Lowers the flag. Control does so before it reads, so that what comes meanwhile raises it again.
    pub fn lower(&self) {
        self.raised.store(false, Release);
    }
}

impl fmt::Debug for Wake {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Wake").field("raised", &self.raised).finish_non_exhaustive()
    }
}
