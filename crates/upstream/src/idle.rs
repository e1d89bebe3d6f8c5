//! Idle connections to one backend on one core: last in, first out, watched while they wait.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use evenkeel_model::Count;

use crate::Connection;
use crate::socket::Idleness;

/// A stack of idle connections.
#[derive(Debug, Default)]
pub struct Idle {
    parked: RefCell<Vec<Parked>>,
}

#[derive(Debug)]
struct Parked {
    connection: Connection,
    since: Instant,
}

/// An idle connection, handed out for a request.
#[derive(Debug)]
pub struct Taken {
    /// Open and quiet, as far as this process knows.
    pub connection: Connection,
    /// How long it was idle.
    pub idle: Duration,
}

impl Idle {
    /// The connection used last, if one is fit for use.
    pub fn take(&self, longest: Duration, now: Instant, gauge: &Count) -> Option<Taken> {
        let mut parked = self.parked.borrow_mut();
        while let Some(Parked { mut connection, since }) = parked.pop() {
            gauge.subtract(1);
            let idle = now.saturating_duration_since(since);
            if idle < longest && connection.socket.look() == Idleness::Quiet {
                return Some(Taken { connection, idle });
            }
        }
        None
    }

    /// Keeps a connection whose response ended cleanly; beyond `most`, the one that was idle longest is closed.
    pub fn park(&self, connection: Connection, most: usize, now: Instant, gauge: &Count) {
        let mut parked = self.parked.borrow_mut();
        if most == 0 {
            return;
        }
        if parked.len() >= most {
            parked.remove(0);
            gauge.subtract(1);
        }
        parked.push(Parked { connection, since: now });
        gauge.add(1);
    }

    /// Drops what a backend closed, what spoke out of turn, and what is idle for `longest`.
    pub fn sweep(&self, longest: Duration, now: Instant, gauge: &Count) {
        let mut parked = self.parked.borrow_mut();
        let before = parked.len();
        parked.retain_mut(|parked| {
            now.saturating_duration_since(parked.since) < longest
                && parked.connection.socket.look() == Idleness::Quiet
        });
        gauge.subtract((before - parked.len()) as u64);
    }

    /// Closes all, for a backend that is no longer configured.
    pub fn clear(&self, gauge: &Count) {
        let mut parked = self.parked.borrow_mut();
        gauge.subtract(parked.len() as u64);
        parked.clear();
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.parked.borrow().len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Socket;
    use tokio::io::AsyncWriteExt;
    use tokio::net::UnixStream;

    fn connection() -> (Connection, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        (Connection { socket: Socket::Unix(ours), opened: Instant::now(), requests: 1 }, theirs)
    }

    const LONG: Duration = Duration::from_secs(60);

    #[allow(clippy::disallowed_methods)]
    async fn until_unfit(idle: &Idle, gauge: &Count) {
        tokio::time::timeout(Duration::from_secs(5), async {
            while !idle.is_empty() {
                tokio::task::yield_now().await;
                idle.sweep(LONG, Instant::now(), gauge);
            }
        })
        .await
        .expect("an unfit connection is noticed");
    }

    #[tokio::test]
    async fn the_connection_used_last_is_used_first() {
        let (idle, gauge, now) = (Idle::default(), Count::default(), Instant::now());
        let mut peers = Vec::new();
        for requests in [1, 2] {
            let (mut connection, peer) = connection();
            connection.requests = requests;
            idle.park(connection, 8, now, &gauge);
            peers.push(peer);
        }
        assert_eq!(idle.take(LONG, now, &gauge).unwrap().connection.requests, 2);
        assert_eq!(gauge.read(), 1);
    }

    #[tokio::test]
    async fn what_the_backend_closed_is_dropped_while_it_waits() {
        let (idle, gauge) = (Idle::default(), Count::default());
        let (connection, peer) = connection();
        idle.park(connection, 8, Instant::now(), &gauge);
        drop(peer);
        until_unfit(&idle, &gauge).await;
        assert_eq!(gauge.read(), 0);
    }

    #[tokio::test]
    async fn a_connection_that_speaks_out_of_turn_is_dropped() {
        let (idle, gauge) = (Idle::default(), Count::default());
        let (connection, mut peer) = connection();
        idle.park(connection, 8, Instant::now(), &gauge);
        peer.write_all(b"HTTP/1.1 408 Request Timeout\r\n\r\n").await.unwrap();
        until_unfit(&idle, &gauge).await;
    }

    #[tokio::test]
    async fn too_old_is_not_reused_and_too_many_are_not_kept() {
        let (idle, gauge, now) = (Idle::default(), Count::default(), Instant::now());
        let (first, _peer) = connection();
        let (second, _other) = connection();
        idle.park(first, 1, now, &gauge);
        idle.park(second, 1, now, &gauge);
        assert_eq!(idle.len(), 1);
        assert!(idle.take(Duration::from_secs(1), now + Duration::from_secs(1), &gauge).is_none());
    }
}
