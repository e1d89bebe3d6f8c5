//! What was sent of a request body, kept so that it can be sent again.

use super::piece::Piece;

/// Payload that was sent, up to a limit; beyond it nothing is kept, and the body cannot be sent again.
#[derive(Debug)]
pub(super) struct Replay {
    bytes: Vec<u8>,
    most: usize,
    /// Whether more was sent than is kept.
    is_lost: bool,
    /// Whether what is kept has to be sent before anything else.
    is_due: bool,
    /// The piece that was interrupted, to follow what is kept.
    next: Option<Piece>,
}

impl Replay {
    pub(super) fn new(most: usize) -> Self {
        Replay { bytes: Vec::new(), most, is_lost: false, is_due: false, next: None }
    }

    /// Whether everything that was sent is still there.
    pub(super) fn is_whole(&self) -> bool {
        !self.is_lost
    }

    /// What is kept.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Keeps what was sent just now.
    pub(super) fn keep(&mut self, payload: &[u8]) {
        if self.is_lost || self.bytes.len() + payload.len() > self.most {
            self.is_lost = true;
            self.bytes = Vec::new();
        } else {
            self.bytes.extend_from_slice(payload);
        }
    }

    /// Begins again: with what is kept, and then with `interrupted`, which is returned at once if nothing is kept.
    pub(super) fn rewind(&mut self, interrupted: Option<Piece>) -> Option<Piece> {
        // Interrupted while it was sent again: what follows has not changed.
        let next = self.next.take().or(interrupted.filter(|piece| !piece.is_replayed));
        self.is_due = !self.bytes.is_empty();
        match self.is_due {
            true => {
                self.next = next;
                None
            }
            false => next,
        }
    }

    /// How many bytes have to be sent before anything else, if any.
    pub(super) fn due(&self) -> Option<usize> {
        self.is_due.then_some(self.bytes.len())
    }

    /// What is kept was sent once more; what follows it, if that has been read already.
    pub(super) fn resent(&mut self) -> Option<Piece> {
        self.is_due = false;
        self.next.take()
    }
}
