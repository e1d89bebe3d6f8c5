//! What one request needs to stand on; kept by the core between requests, so that none allocates.

use std::cell::RefCell;

use evenkeel_http1::{RequestHead, ResponseHead};

/// Most that a core keeps.
const POOLED: usize = 64;

/// Largest vectors that are kept.
const KEPT_BYTES: usize = 16 * 1024;

/// Room for one request's heads.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    /// The request head as parsed; its spans point into `head`.
    pub(crate) request: RequestHead,
    /// The bytes of the request head.
    pub(crate) head: Vec<u8>,
    /// The response head as parsed; its spans point into the upstream's input.
    pub(crate) response: ResponseHead,
    /// The request head as forwarded.
    pub(crate) to_backend: Vec<u8>,
    /// Where the number of the attempt stands in it: last.
    pub(crate) attempt_at: usize,
    /// The response head as forwarded.
    pub(crate) to_client: Vec<u8>,
    /// As received or made up.
    pub(crate) request_id: Vec<u8>,
}

/// The scratches of one core that nobody uses.
// Boxed, because a request takes one and gives it back: a pointer moves instead of half a kilobyte.
#[allow(clippy::vec_box)]
#[derive(Debug, Default)]
pub(crate) struct Scratches(RefCell<Vec<Box<Scratch>>>);

impl Scratches {
    #[inline]
    pub(crate) fn take(&self) -> Box<Scratch> {
        self.0.borrow_mut().pop().unwrap_or_default()
    }

    #[inline]
    pub(crate) fn give(&self, mut scratch: Box<Scratch>) {
        let mut free = self.0.borrow_mut();
        if free.len() < POOLED && scratch.head.capacity() <= KEPT_BYTES {
            scratch.clear();
            free.push(scratch);
        }
    }
}

impl Scratch {
    fn clear(&mut self) {
        self.request.clear();
        self.response.clear();
        self.head.clear();
        self.to_backend.clear();
        self.to_client.clear();
        self.request_id.clear();
    }
}
