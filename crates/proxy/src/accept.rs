//! Accepting on one worker's socket, until the listener closes; then what is queued is still let in.

use std::fs::File;
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use tokio::net::{TcpListener, TcpStream};

use crate::gate::{Accepted, Gate};
use crate::peers::{Handed, Peers};

/// How long to wait before descriptors or memory are looked for again.
const PAUSE: Duration = Duration::from_millis(50);

/// How long a shortage lasts before clients are told, instead of waiting in the queue.
const PATIENCE: Duration = Duration::from_secs(1);

/// How often the log says so.
const TOLD_EVERY: Duration = Duration::from_secs(10);

/// Who accepts, and for whom.
pub(crate) struct Acceptor {
    pub(crate) gate: Rc<Gate>,
    pub(crate) name: Arc<str>,
    pub(crate) worker: usize,
    pub(crate) peers: Arc<Peers>,
}

/// What an acceptor does about a lack of descriptors.
struct Shortage {
    /// A descriptor that is kept for the day on which there is no other.
    spare: Option<File>,
    since: Option<Instant>,
    told: Option<Instant>,
}

impl Acceptor {
    /// Accepts until the gate closes.
    pub(crate) async fn run(self, socket: TcpListener) {
        let mut shortage = Shortage { spare: spare(), since: None, told: None };
        loop {
            // Both are cancel-safe: a connection is either accepted whole or stays queued.
            let accepted = tokio::select! {
                biased;
                () = self.gate.closing.notified() => break,
                accepted = socket.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => {
                    shortage.since = None;
                    self.take(stream, peer);
                }
                Err(error) => self.after_error(&error, &socket, &mut shortage).await,
            }
        }
        self.drain(socket);
        self.gate.stopped_accepting();
    }

    fn take(&self, stream: TcpStream, peer: std::net::SocketAddr) {
        let (place, elsewhere) = self.peers.place(self.worker);
        let Some(permit) = elsewhere else {
            return self.gate.admit(Accepted { stream, peer, place });
        };
        match stream.into_std() {
            Ok(stream) => permit.send(Handed { listener: self.name.clone(), stream, peer, place }),
            // The reactor did not let go of it: it is closed, as any connection that breaks at once.
            Err(error) => tracing::warn!(%error, "a new connection could not be handed over"),
        }
    }

    /// Waits for descriptors or memory to come back, having given back what is only kept for speed. When they do not,
    /// clients are told one by one: a queue that nobody empties tells them nothing.
    async fn after_error(&self, error: &io::Error, socket: &TcpListener, shortage: &mut Shortage) {
        const SHORTAGES: [Errno; 4] = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
        if !Errno::from_io_error(error).is_some_and(|errno| SHORTAGES.contains(&errno)) {
            return;
        }
        let now = Instant::now();
        let since = *shortage.since.get_or_insert(now);
        if shortage.told.is_none_or(|told| now.saturating_duration_since(told) >= TOLD_EVERY) {
            shortage.told = Some(now);
            tracing::warn!(listener = &*self.name, %error, "cannot accept; idle connections to backends are closed");
        }
        self.gate.release_idle();
        if now.saturating_duration_since(since) >= PATIENCE && shortage.spare.take().is_some() {
            let accepted = poll_fn(|cx| match socket.poll_accept(cx) {
                Poll::Ready(accepted) => Poll::Ready(accepted.ok()),
                Poll::Pending => Poll::Ready(None),
            });
            if let Some((stream, peer)) = accepted.await {
                self.gate.turn_away(&stream, peer);
            }
        } else {
            tokio::time::sleep(PAUSE).await;
        }
        shortage.spare = shortage.spare.take().or_else(spare);
    }

    /// Lets in what is queued; the queue takes no more by now.
    fn drain(&self, socket: TcpListener) {
        let Ok(socket) = socket.into_std() else { return };
        while let Ok((stream, peer)) = socket.accept() {
            let ready = stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream));
            if let Ok(stream) = ready {
                self.take(stream, peer);
            }
        }
    }
}

/// Any descriptor will do.
fn spare() -> Option<File> {
    File::open("/dev/null").ok()
}
