//! How busy each worker is, and the way to hand a new connection to a less busy one.
//!
//! The kernel spreads connections by a hash, which is even for many and uneven for few.

use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use tokio::sync::mpsc;

/// How many more connections than the least busy worker make one hand the next over.
const TOLERATED: usize = 2;

/// Most connections on their way to one worker.
const MAILBOX: usize = 64;

/// The workers of a fleet, as each sees the others.
#[derive(Debug)]
pub(crate) struct Peers {
    counts: Vec<Arc<AtomicUsize>>,
    mailboxes: Vec<mpsc::Sender<Handed>>,
}

/// An accepted connection on its way to another worker.
#[derive(Debug)]
pub(crate) struct Handed {
    pub(crate) listener: Arc<str>,
    pub(crate) stream: TcpStream,
    pub(crate) peer: SocketAddr,
    pub(crate) place: Place,
}

/// A connection in a worker's count, until it is dropped.
#[derive(Debug)]
pub(crate) struct Place(Arc<AtomicUsize>);

impl Peers {
    /// Peers for `workers` workers, and their mailboxes in order.
    pub(crate) fn new(workers: usize) -> (Arc<Self>, Vec<mpsc::Receiver<Handed>>) {
        let (mailboxes, receivers) = (0..workers).map(|_| mpsc::channel(MAILBOX)).unzip();
        let counts = (0..workers).map(|_| Arc::default()).collect();
        (Arc::new(Peers { counts, mailboxes }), receivers)
    }

    /// How many connections a worker has, those on their way to it included.
    pub(crate) fn count(&self, worker: usize) -> usize {
        self.counts[worker].load(Relaxed)
    }

    /// Takes a place for a new connection: with `own`, unless another worker is far less busy and has room in its
    /// mailbox.
    pub(crate) fn place(&self, own: usize) -> (Place, Option<mpsc::Permit<'_, Handed>>) {
        let least = (0..self.counts.len()).min_by_key(|worker| self.count(*worker)).unwrap_or(own);
        if self.count(own) >= self.count(least) + TOLERATED
            && let Ok(permit) = self.mailboxes[least].try_reserve()
        {
            return (Place::take(&self.counts[least]), Some(permit));
        }
        (Place::take(&self.counts[own]), None)
    }
}

impl Place {
    /// The count moves before the connection does, so that the next accept sees it.
    fn take(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Relaxed);
        Place(count.clone())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_connections_that_hash_to_one_worker_leave_it_five_at_most() {
        let (peers, _mailboxes) = Peers::new(2);
        let places: Vec<Place> = (0..8).map(|_| peers.place(0).0).collect();
        let counts: Vec<usize> = peers.counts.iter().map(|count| count.load(Relaxed)).collect();
        assert!(counts.iter().all(|count| *count <= 5), "{counts:?}");
        drop(places);
        assert!(peers.counts.iter().all(|count| count.load(Relaxed) == 0));
    }

    #[test]
    fn a_full_mailbox_means_keep_it() {
        let (peers, _mailboxes) = Peers::new(2);
        let busy: Vec<_> = (0..4).map(|_| Place::take(&peers.counts[0])).collect();
        let permits: Vec<_> = (0..MAILBOX).map(|_| peers.mailboxes[1].try_reserve().unwrap()).collect();
        assert!(peers.place(0).1.is_none());
        drop((busy, permits));
    }
}
