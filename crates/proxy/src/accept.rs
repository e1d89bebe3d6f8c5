//! Accepting on one worker's socket, until the listener closes; then what is queued is still let in.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;
use tokio::net::{TcpListener, TcpStream};

use crate::gate::{Accepted, Gate};
use crate::peers::{Handed, Peers};

/// How long to wait for descriptors or memory to come back.
const SHORTAGE: Duration = Duration::from_millis(50);

/// Who accepts, and for whom.
pub(crate) struct Acceptor {
    pub(crate) gate: Rc<Gate>,
    pub(crate) name: Arc<str>,
    pub(crate) worker: usize,
    pub(crate) peers: Arc<Peers>,
}

impl Acceptor {
    /// Accepts until the gate closes.
    pub(crate) async fn run(self, socket: TcpListener) {
        loop {
            // Both are cancel-safe: a connection is either accepted whole or stays queued.
            let accepted = tokio::select! {
                biased;
                () = self.gate.closing.notified() => break,
                accepted = socket.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => self.take(stream, peer),
                Err(error) => self.after_error(&error).await,
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

    async fn after_error(&self, error: &io::Error) {
        let shortage = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
        if Errno::from_io_error(error).is_some_and(|errno| shortage.contains(&errno)) {
            tracing::warn!(listener = &*self.name, %error, "cannot accept; trying again shortly");
            tokio::time::sleep(SHORTAGE).await;
        }
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
