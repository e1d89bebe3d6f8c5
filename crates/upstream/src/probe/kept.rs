//! Connections kept between two probes: at most one per backend, for a minute or two, and so many in all.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use evenkeel_model::{BackendId, Endpoint};
use evenkeel_tls::Dial;

use super::Asked;
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
    /// Who proved to be there, and by what, may have been changed by then, too.
    tls: Option<Arc<Dial>>,
    since: Instant,
}

impl Kept {
    /// The connection to the backend that is asked, if it still stands, leads to one of the endpoints, and was made as one
    /// would be made now. Afterwards none is kept.
    pub(super) fn take(&self, asked: &Asked<'_>, now: Instant) -> Option<Socket> {
        let mut parked = self.shelf().idle.remove(asked.backend)?;
        let is_same = match (&parked.tls, asked.tls) {
            (Some(kept), Some(asked)) => Arc::ptr_eq(kept, asked),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        let is_young = now.saturating_duration_since(parked.since) < LONGEST;
        let is_wanted = is_same && is_young && asked.endpoints.contains(&parked.peer);
        let is_fit = is_wanted && !asked.wants_fresh && parked.socket.look() == Idleness::Quiet;
        if !is_fit {
            parked.socket.take_leave();
        }
        is_fit.then_some(parked.socket)
    }

    /// Keeps the connection to a backend, in place of the one before.
    pub(super) fn park(&self, asked: &Asked<'_>, mut socket: Socket, now: Instant) {
        let Some(peer) = socket.peer() else { return };
        let mut shelf = self.shelf();
        shelf.sweep(now);
        if shelf.idle.len() < MOST {
            let parked = Parked { socket, peer, tls: asked.tls.cloned(), since: now };
            shelf.idle.insert(asked.backend.clone(), parked);
        } else {
            socket.take_leave();
        }
    }

    /// Closes the connections to all backends but those.
    pub(super) fn retain(&self, mut is_probed: impl FnMut(&BackendId) -> bool) {
        self.shelf().retain(|backend, _| is_probed(backend));
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
            self.retain(|_, parked| now.saturating_duration_since(parked.since) < LONGEST);
        }
    }

    fn retain(&mut self, mut is_kept: impl FnMut(&BackendId, &Parked) -> bool) {
        self.idle.retain(|backend, parked| {
            let stays = is_kept(backend, parked);
            if !stays {
                parked.socket.take_leave();
            }
            stays
        });
    }
}

#[cfg(test)]
mod tests {
    use evenkeel_health::Probe;
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

    /// Asks in cleartext.
    fn asked<'a>(backend: &'a BackendId, probe: &'a Probe, endpoints: &'a [Endpoint]) -> Asked<'a> {
        Asked { backend, endpoints, probe, tls: None, host: "app.test", wants_fresh: false }
    }

    #[tokio::test]
    async fn a_connection_leads_only_where_it_led() {
        let (kept, now, one, two, probe) = (Kept::default(), Instant::now(), id(1), id(2), Probe::default());
        let elsewhere = [Endpoint::Tcp("127.0.0.1:1".parse().unwrap())];
        let (socket, peer, _other_side) = pair().await;
        kept.park(&asked(&one, &probe, &[]), socket, now);
        assert!(kept.take(&asked(&one, &probe, &elsewhere), now).is_none());
        let (socket, other, _other_side) = pair().await;
        kept.park(&asked(&one, &probe, &[]), socket, now);
        let both = [peer, other];
        assert!(kept.take(&asked(&two, &probe, &both), now).is_none());
        assert!(kept.take(&asked(&one, &probe, &both), now).is_some());
        assert!(kept.take(&asked(&one, &probe, &both), now).is_none(), "it was taken");
    }

    #[tokio::test]
    async fn nobody_comes_for_an_old_connection() {
        let (kept, now, one, two, probe) = (Kept::default(), Instant::now(), id(1), id(2), Probe::default());
        let (socket, peer, _other_side) = pair().await;
        kept.park(&asked(&one, &probe, &[]), socket, now);
        assert!(kept.take(&asked(&one, &probe, &[peer]), now + LONGEST).is_none());
        let (socket, _, _first) = pair().await;
        kept.park(&asked(&one, &probe, &[]), socket, now);
        let (socket, _, _second) = pair().await;
        kept.park(&asked(&two, &probe, &[]), socket, now + LONGEST);
        let left: Vec<_> = kept.shelf().idle.keys().cloned().collect();
        assert_eq!(left, [two], "the other one went when the next was parked");
    }
}
