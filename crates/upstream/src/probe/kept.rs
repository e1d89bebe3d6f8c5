//! Connections kept between two probes: at most one per backend, for a minute or two, and so many in all.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use evenkeel_model::{BackendId, Endpoint};

use crate::Socket;
use crate::socket::Idleness;

/// Longest time between two probes over which a connection is worth keeping.
const LONGEST: Duration = Duration::from_secs(60);

/// Most connections in all: what is beyond is probed over new ones.
const MOST: usize = 16 * 1024;

/// The connections.
#[derive(Debug, Default)]
pub(super) struct Kept(Mutex<Shelf>);

#[derive(Debug, Default)]
struct Shelf {
    idle: HashMap<BackendId, Parked>,
    swept: Option<Instant>,
}

#[derive(Debug)]
struct Parked {
    socket: Socket,
    /// A name may resolve to something else by the next probe, or the probe go to another port.
    peer: Endpoint,
    since: Instant,
}

impl Kept {
    /// The connection to a backend, if it still stands and leads to one of the endpoints. Afterwards none is kept.
    pub(super) fn take(&self, backend: &BackendId, endpoints: &[Endpoint], now: Instant) -> Option<Socket> {
        let Parked { mut socket, peer, since } = self.shelf().idle.remove(backend)?;
        let is_young = now.saturating_duration_since(since) < LONGEST;
        let is_fit = is_young && endpoints.contains(&peer) && socket.look() == Idleness::Quiet;
        is_fit.then_some(socket)
    }

    /// Keeps the connection to a backend, in place of the one before.
    pub(super) fn park(&self, backend: &BackendId, socket: Socket, now: Instant) {
        let Some(peer) = socket.peer() else { return };
        let mut shelf = self.shelf();
        shelf.sweep(now);
        if shelf.idle.len() < MOST {
            shelf.idle.insert(backend.clone(), Parked { socket, peer, since: now });
        }
    }

    /// Closes the connections to all backends but those.
    pub(super) fn retain(&self, mut is_probed: impl FnMut(&BackendId) -> bool) {
        self.shelf().idle.retain(|backend, _| is_probed(backend));
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        // Each change is whole before anything can panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shelf {
    /// Closes what nobody came for. Once in a while is enough.
    fn sweep(&mut self, now: Instant) {
        let swept = *self.swept.get_or_insert(now);
        if now.saturating_duration_since(swept) >= LONGEST {
            self.swept = Some(now);
            self.idle.retain(|_, parked| now.saturating_duration_since(parked.since) < LONGEST);
        }
    }
}

#[cfg(test)]
mod tests {
    use evenkeel_model::PoolName;
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    fn id(port: u16) -> BackendId {
        BackendId { pool: PoolName::new("web"), address: format!("10.0.0.1:{port}").parse().unwrap() }
    }

    async fn pair() -> (Socket, Endpoint, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stream = TcpStream::connect(address).await.unwrap();
        (Socket::Tcp(stream), Endpoint::Tcp(address), listener.accept().await.unwrap().0)
    }

    #[tokio::test]
    async fn a_connection_leads_only_where_it_led() {
        let (kept, now) = (Kept::default(), Instant::now());
        let (socket, peer, _other_side) = pair().await;
        kept.park(&id(1), socket, now);
        assert!(kept.take(&id(1), &[Endpoint::Tcp("127.0.0.1:1".parse().unwrap())], now).is_none());
        let (socket, other, _other_side) = pair().await;
        kept.park(&id(1), socket, now);
        assert!(kept.take(&id(2), std::slice::from_ref(&other), now).is_none());
        assert!(kept.take(&id(1), &[peer, other.clone()], now).is_some());
        assert!(kept.take(&id(1), &[other], now).is_none(), "it was taken");
    }

    #[tokio::test]
    async fn nobody_comes_for_an_old_connection() {
        let (kept, now) = (Kept::default(), Instant::now());
        let (socket, peer, _other_side) = pair().await;
        kept.park(&id(1), socket, now);
        assert!(kept.take(&id(1), &[peer], now + LONGEST).is_none());
        let (socket, _, _first) = pair().await;
        kept.park(&id(1), socket, now);
        let (socket, _, _second) = pair().await;
        kept.park(&id(2), socket, now + LONGEST);
        let left: Vec<_> = kept.shelf().idle.keys().cloned().collect();
        assert_eq!(left, [id(2)], "the other one went when the next was parked");
    }
}
