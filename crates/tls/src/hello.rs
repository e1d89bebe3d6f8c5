//! What a client asked for in its first message, and whose certificate it got.
//!
//! rustls shows it to whoever chooses the certificate, and to nobody else; it is left here for the session, which runs
//! on the same thread and takes it before anything else can happen. What a panic leaves behind is thrown away.

use std::cell::RefCell;
use std::sync::Arc;

use crate::Identity;

thread_local! {
    static LAST: RefCell<Option<Hello>> = const { RefCell::new(None) };
}

/// A client's first message, and the answer.
#[derive(Clone, Debug)]
pub(crate) struct Hello {
    /// Whom it asked for (SNI), in lower case.
    pub(crate) name: Option<Box<str>>,
    /// Whose certificate it got; `None`: nobody's, since the name is unknown and refused.
    pub(crate) identity: Option<Arc<Identity>>,
}

impl Hello {
    /// Whether the handshake ends because nobody has the name.
    pub(crate) fn is_refused(&self) -> bool {
        self.identity.is_none()
    }
}

/// Leaves it for the session that is at work.
pub(crate) fn leave(hello: Hello) {
    LAST.set(Some(hello));
}

/// Takes what was left since the last time.
pub(crate) fn take() -> Option<Hello> {
    LAST.take()
}
