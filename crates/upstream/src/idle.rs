//! Idle connections to one backend on one core: last in, first out, watched while they wait.
//!
//! How long the backend keeps them is learned from its closes; from then on none is used near its end.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use evenkeel_model::Count;
use evenkeel_routing::{IdleLimit, Source, YOUNGEST};

use crate::Connection;
use crate::socket::Idleness;

/// How long a backend that closed a connection for no reason that is known gets no request that cannot be repeated on
/// an idle one.
const DISTRUST: Duration = Duration::from_secs(60);

/// A stack of idle connections; dropped, it takes leave of them.
#[derive(Debug, Default)]
pub struct Idle {
    parked: RefCell<Vec<Parked>>,
    /// When a connection last ended before its time.
    distrusted: Cell<Option<Instant>>,
}

#[derive(Debug)]
struct Parked {
    connection: Connection,
    since: Instant,
    /// Whether the backend said, with its last response, how long it keeps the connection.
    is_announced: bool,
}

impl Parked {
    /// Closes it, and says so.
    fn leave(mut self) {
        self.connection.socket.take_leave();
    }
}

/// How long the youngest and the oldest of the connections had been idle that turned out closed.
#[derive(Clone, Copy, Debug, Default)]
struct Closed(Option<(Duration, Duration)>);

impl Closed {
    #[cold]
    fn note(&mut self, idle: Duration) {
        let (youngest, oldest) = self.0.unwrap_or((idle, idle));
        self.0 = Some((idle.min(youngest), idle.max(oldest)));
    }
}

/// An idle connection, handed out for a request.
#[derive(Debug)]
pub struct Taken {
    /// Open and quiet, as far as this process knows.
    pub connection: Connection,
    /// How long it was idle.
    pub idle: Duration,
}

/// How long connections to a backend may be idle, and where what they show is noted.
#[derive(Clone, Copy, Debug)]
pub struct Keeping<'a> {
    /// As configured.
    pub longest: Duration,
    /// What is known of the backend.
    pub limit: &'a IdleLimit,
    /// The core's idle connections to it.
    pub gauge: &'a Count,
}

impl Keeping<'_> {
    /// How old an idle connection may be to be used: at most 80 % of what the backend allows, since its clock began
    /// earlier than ours.
    #[inline]
    fn usable(&self) -> Duration {
        self.limit.read().map_or(self.longest, |(limit, _)| self.longest.min(limit * 4 / 5))
    }

    /// The same for a request that cannot be repeated: where the backend is known to close early, it had better be young.
    #[inline]
    fn young(&self) -> Duration {
        self.limit.read().map_or(self.longest, |(limit, _)| self.longest.min(limit / 4))
    }
}

impl Idle {
    /// The connection used last, if one is fit for use. `is_delicate`: the request cannot be repeated, so the kernel
    /// is asked, too, whether the connection still stands.
    pub fn take(&self, keeping: Keeping<'_>, is_delicate: bool, now: Instant) -> Option<Taken> {
        if is_delicate && self.is_distrusted(now) {
            return None;
        }
        let longest = if is_delicate { keeping.young() } else { keeping.usable() };
        let mut closed = Closed::default();
        let taken = self.pop(keeping, longest, is_delicate, now, &mut closed);
        self.note_closed(keeping.limit, closed, now);
        taken
    }

    fn pop(
        &self,
        keeping: Keeping<'_>,
        longest: Duration,
        is_delicate: bool,
        now: Instant,
        closed: &mut Closed,
    ) -> Option<Taken> {
        let mut parked = self.parked.borrow_mut();
        loop {
            let idle = now.saturating_duration_since(parked.last()?.since);
            if idle >= longest {
                // Those below are older still.
                return None;
            }
            let mut connection = parked.pop()?.connection;
            keeping.gauge.subtract(1);
            if connection.socket.look() == Idleness::Quiet && (!is_delicate || connection.socket.is_quiet()) {
                return Some(Taken { connection, idle });
            }
            closed.note(idle);
        }
    }

    /// Keeps a connection whose response ended cleanly, unless its keys are worn; beyond `most`, the one that was idle longest is closed.
    /// `is_announced`: its last response said for how long.
    pub fn park(
        &self,
        mut connection: Connection,
        is_announced: bool,
        most: usize,
        now: Instant,
        gauge: &Count,
    ) {
        let mut parked = self.parked.borrow_mut();
        if most == 0 || connection.socket.is_worn() {
            return connection.socket.take_leave();
        }
        if parked.len() >= most {
            parked.remove(0).leave();
            gauge.subtract(1);
        }
        parked.push(Parked { connection, since: now, is_announced });
        gauge.add(1);
    }

    /// Drops what a backend closed, what spoke out of turn, and what is too old to be used. Of the last, one stays to
    /// see whether the backend's limit still holds.
    pub fn sweep(&self, keeping: Keeping<'_>, now: Instant) {
        let mut parked = self.parked.borrow_mut();
        if parked.is_empty() {
            return;
        }
        let (before, usable) = (parked.len(), keeping.usable());
        let is_observed = keeping.limit.read().is_some_and(|(_, source)| source == Source::Observed);
        let (mut witness, mut closed) = (None, Closed::default());
        parked.retain_mut(|parked| {
            let idle = now.saturating_duration_since(parked.since);
            if parked.connection.socket.look() != Idleness::Quiet {
                closed.note(idle);
                return false;
            }
            // One that outlives what the backend has just announced proves nothing: it may be closed at any time.
            let can_testify = is_observed || !parked.is_announced;
            if idle >= usable && idle < keeping.longest && can_testify && witness.is_none() {
                witness = Some(idle);
                return true;
            }
            let is_usable = idle < usable;
            if !is_usable {
                parked.connection.socket.take_leave();
            }
            is_usable
        });
        keeping.gauge.subtract((before - parked.len()) as u64);
        self.note_closed(keeping.limit, closed, now);
        if let Some(idle) = witness {
            keeping.limit.outlived(idle);
        }
    }

    /// A request went out on a connection that had been idle for `idle`, and met the close.
    pub fn note_stale(&self, limit: &IdleLimit, idle: Duration, now: Instant) {
        if limit.read().is_none_or(|(limit, _)| idle < limit / 2) {
            self.distrusted.set(Some(now));
        }
        self.note_closed(limit, Closed(Some((idle, idle))), now);
    }

    /// Closes all, for a backend that is no longer configured.
    pub fn clear(&self, gauge: &Count) {
        let mut parked = self.parked.borrow_mut();
        gauge.subtract(parked.len() as u64);
        parked.drain(..).for_each(Parked::leave);
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.parked.borrow().len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[inline]
    fn note_closed(&self, limit: &IdleLimit, closed: Closed, now: Instant) {
        let Some((youngest, oldest)) = closed.0 else { return };
        if youngest < YOUNGEST {
            self.distrusted.set(Some(now));
        }
        limit.closed(youngest, oldest, now);
    }

    #[inline]
    fn is_distrusted(&self, now: Instant) -> bool {
        self.distrusted.get().is_some_and(|since| now.saturating_duration_since(since) < DISTRUST)
    }
}

impl Drop for Idle {
    fn drop(&mut self) {
        self.parked.get_mut().drain(..).for_each(Parked::leave);
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

    /// What is known of a backend, and how many connections to it are idle.
    #[derive(Default)]
    struct Known {
        limit: IdleLimit,
        gauge: Count,
    }

    impl Known {
        fn keeping(&self) -> Keeping<'_> {
            Keeping { longest: LONG, limit: &self.limit, gauge: &self.gauge }
        }

        fn limit(&self) -> Option<Duration> {
            self.limit.read().map(|(limit, _)| limit)
        }
    }

    #[allow(clippy::disallowed_methods)]
    async fn until_unfit(idle: &Idle, known: &Known, now: Instant) {
        tokio::time::timeout(Duration::from_secs(5), async {
            while !idle.is_empty() {
                tokio::task::yield_now().await;
                idle.sweep(known.keeping(), now);
            }
        })
        .await
        .expect("an unfit connection is noticed");
    }

    #[tokio::test]
    async fn the_connection_used_last_is_used_first() {
        let (idle, known, now) = (Idle::default(), Known::default(), Instant::now());
        let mut peers = Vec::new();
        for requests in [1, 2] {
            let (mut connection, peer) = connection();
            connection.requests = requests;
            idle.park(connection, false, 8, now, &known.gauge);
            peers.push(peer);
        }
        assert_eq!(idle.take(known.keeping(), false, now).unwrap().connection.requests, 2);
        assert_eq!(known.gauge.read(), 1);
    }

    #[tokio::test]
    async fn what_the_backend_closed_is_dropped_while_it_waits_and_its_limit_is_learned() {
        let (idle, known, now) = (Idle::default(), Known::default(), Instant::now());
        let second = Duration::from_secs(1);
        for later in 1..4 {
            let (connection, peer) = connection();
            idle.park(connection, false, 8, now + (later - 1) * second, &known.gauge);
            drop(peer);
            until_unfit(&idle, &known, now + later * second).await;
        }
        assert_eq!(known.gauge.read(), 0);
        assert_eq!(known.limit(), Some(second));
    }

    #[tokio::test]
    async fn a_connection_that_speaks_out_of_turn_is_dropped() {
        let (idle, known) = (Idle::default(), Known::default());
        let (connection, mut peer) = connection();
        idle.park(connection, false, 8, Instant::now(), &known.gauge);
        peer.write_all(b"HTTP/1.1 408 Request Timeout\r\n\r\n").await.unwrap();
        until_unfit(&idle, &known, Instant::now()).await;
    }

    #[tokio::test]
    async fn too_old_is_not_reused_and_too_many_are_not_kept() {
        let (idle, known, now) = (Idle::default(), Known::default(), Instant::now());
        let (first, _peer) = connection();
        let (second, _other) = connection();
        idle.park(first, false, 1, now, &known.gauge);
        idle.park(second, false, 1, now, &known.gauge);
        assert_eq!(idle.len(), 1);
        assert!(idle.take(known.keeping(), false, now + LONG).is_none());
        idle.sweep(known.keeping(), now + LONG);
        assert_eq!((idle.len(), known.gauge.read()), (0, 0));
    }

    #[tokio::test]
    async fn a_known_limit_is_kept_away_from_and_more_so_if_the_request_cannot_be_repeated() {
        let (idle, known, now) = (Idle::default(), Known::default(), Instant::now());
        known.limit.announce(10);
        let (connection, _peer) = connection();
        idle.park(connection, false, 8, now, &known.gauge);
        let at = |seconds| now + Duration::from_secs(seconds);
        assert!(idle.take(known.keeping(), true, at(3)).is_none());
        assert!(idle.take(known.keeping(), false, at(8)).is_none());
        let taken = idle.take(known.keeping(), false, at(7)).unwrap();
        idle.park(taken.connection, false, 8, at(7), &known.gauge);
        assert!(idle.take(known.keeping(), true, at(9)).is_some());
    }

    #[tokio::test]
    async fn a_witness_shows_that_an_observed_limit_no_longer_holds() {
        let (idle, known, now) = (Idle::default(), Known::default(), Instant::now());
        let second = Duration::from_secs(1);
        (0..3).for_each(|at| known.limit.closed(second, second, now + at * second));
        let (connections, _peers): (Vec<_>, Vec<_>) = (0..3).map(|_| connection()).unzip();
        connections.into_iter().for_each(|one| idle.park(one, false, 8, now, &known.gauge));
        idle.sweep(known.keeping(), now + second);
        assert_eq!(idle.len(), 1, "one stays, and is not used");
        assert!(idle.take(known.keeping(), false, now + second).is_none());
        idle.sweep(known.keeping(), now + 2 * second);
        assert_eq!(known.limit(), None);
        assert!(idle.take(known.keeping(), false, now + 2 * second).is_some());
    }

    #[tokio::test]
    async fn what_a_backend_announces_is_not_refuted_by_a_connection_that_it_was_said_of() {
        let (idle, known, now) = (Idle::default(), Known::default(), Instant::now());
        known.limit.announce(1);
        for is_announced in [true, false] {
            let (connection, _peer) = connection();
            idle.park(connection, is_announced, 8, now, &known.gauge);
            idle.sweep(known.keeping(), now + Duration::from_secs(5));
            assert_eq!(known.limit().is_some(), is_announced);
        }
    }

    #[tokio::test]
    async fn a_backend_that_closes_for_no_known_reason_is_not_trusted_with_what_cannot_be_repeated() {
        let (idle, known, now) = (Idle::default(), Known::default(), Instant::now());
        idle.note_stale(&known.limit, Duration::from_millis(5), now);
        let (connection, _peer) = connection();
        idle.park(connection, false, 8, now, &known.gauge);
        assert!(idle.take(known.keeping(), true, now).is_none());
        assert!(idle.take(known.keeping(), false, now).is_some());
        let (connection, _peer) = self::connection();
        idle.park(connection, false, 8, now + DISTRUST, &known.gauge);
        assert!(idle.take(known.keeping(), true, now + DISTRUST).is_some());
    }
}
