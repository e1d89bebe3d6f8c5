//! All workers: a thread for each, and what the program tells them.

use std::io;
use std::net::TcpListener;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use evenkeel_routing::View;
use evenkeel_telemetry::AccessLog;
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::mpsc;

use crate::client_limit::ClientCounts;
use crate::listen::ListenerGroup;
use crate::peers::Peers;
use crate::worker::{Order, Worker};

/// What a fleet is made of.
pub struct FleetOptions {
    /// Threads; at least one.
    pub workers: usize,
    /// Where the newest snapshot is found.
    pub view: View,
    /// Where requests are logged.
    pub access_log: AccessLog,
}

/// The workers, at work. Dropped without a drain, they end at once.
#[derive(Debug)]
pub struct Fleet {
    workers: Vec<mpsc::UnboundedSender<Order>>,
    /// The sockets again, so that all of a group stop queueing before any is closed.
    groups: Vec<(Arc<str>, Vec<TcpListener>)>,
    ended: mpsc::Receiver<()>,
}

impl Fleet {
    /// Starts one thread for each worker.
    ///
    /// # Errors
    /// A thread or a reactor that the system does not grant.
    pub fn start(options: FleetOptions) -> io::Result<Fleet> {
        let (peers, mailboxes) = Peers::new(options.workers);
        let clients = Arc::<ClientCounts>::default();
        let (end, ended) = mpsc::channel(1);
        let mut workers = Vec::new();
        for (index, mailbox) in mailboxes.into_iter().enumerate() {
            let (sender, orders) = mpsc::unbounded_channel();
            let (view, peers, clients) = (options.view.clone(), peers.clone(), clients.clone());
            let (log, end) = (options.access_log.recorder(), end.clone());
            let (started, starting) = std::sync::mpsc::sync_channel(1);
            thread::Builder::new().name(format!("evenkeel-{index}")).spawn(move || {
                let mut builder = Builder::new_current_thread();
                let runtime = match builder.enable_io().enable_time().build_local(LocalOptions::default()) {
                    Ok(runtime) => runtime,
                    Err(error) => return started.send(Err(error)).unwrap_or_default(),
                };
                started.send(Ok(())).unwrap_or_default();
                let worker = Worker { index, view, log, peers, clients, orders, mailbox };
                let ran = catch_unwind(AssertUnwindSafe(|| runtime.block_on(worker.run())));
                if ran.is_err() {
                    tracing::error!(worker = index, "a worker panicked; this is a bug");
                    // Its share of the connections would hang: the program must hear of it.
                    let _ = end.try_send(());
                }
                drop((runtime, end));
            })?;
            starting.recv().map_err(io::Error::other)??;
            workers.push(sender);
        }
        Ok(Fleet { workers, groups: Vec::new(), ended })
    }

    /// Begins to accept on a group's sockets. Its listener must be published by then.
    pub fn open(&mut self, group: ListenerGroup) {
        let name = group.name().clone();
        let again = group.sockets.iter().filter_map(|socket| socket.try_clone().ok()).collect();
        self.groups.push((name.clone(), again));
        for (worker, socket) in self.workers.iter().zip(group.sockets) {
            // A worker that has ended takes no order, and needs none.
            let _ = worker.send(Order::Open { name: name.clone(), socket });
        }
    }

    /// Stops accepting for one listener. What is queued is let in; what is open may go on for `drain`.
    pub fn close(&mut self, name: &str, drain: Duration) {
        let Some(index) = self.groups.iter().position(|(known, _)| **known == *name) else { return };
        let (name, sockets) = self.groups.swap_remove(index);
        stop_queueing(&sockets);
        self.tell(|| Order::Close { name: name.clone(), drain });
    }

    /// Closes every listener; the workers end when nothing is open, at the latest after `drain`.
    pub fn drain(&mut self, drain: Duration) {
        for (_, sockets) in std::mem::take(&mut self.groups) {
            stop_queueing(&sockets);
        }
        self.tell(|| Order::Drain { drain });
    }

    /// Resolves once every worker has ended, or one has failed.
    pub async fn finished(&mut self) {
        self.ended.recv().await;
    }

    fn tell(&self, order: impl Fn() -> Order) {
        for worker in &self.workers {
            // As above.
            let _ = worker.send(order());
        }
    }
}

/// A socket that is closed resets what it has queued. With a backlog of nothing it queues no more, and the worker
/// accepts what is there before it closes.
fn stop_queueing(sockets: &[TcpListener]) {
    for socket in sockets {
        if let Err(error) = rustix::net::listen(socket, 0) {
            tracing::warn!(%error, "a closing listener goes on queueing");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream;

    use arc_swap::ArcSwap;
    use evenkeel_routing::PoolRule;
    use evenkeel_telemetry::AccessLogTarget;

    use super::*;
    use crate::examples::{connect, listener, members, pool, server_of, snapshot};

    fn ask(stream: &mut TcpStream, path: &str) -> String {
        write!(stream, "GET {path} HTTP/1.1\r\nHost: a.test\r\n\r\n").unwrap();
        let mut answer = [0; 4096];
        let count = stream.read(&mut answer).unwrap();
        String::from_utf8_lossy(&answer[..count]).into_owned()
    }

    #[test]
    fn a_panic_ends_one_connection_and_nobody_else_notices() {
        let rule = listener();
        let backend = server_of("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        let pool = pool(PoolRule::default(), members(&[backend]));
        let view: View = Arc::new(ArcSwap::from_pointee(snapshot(&rule, Arc::new(pool))));
        let group = ListenerGroup::open(&rule, 1).unwrap();
        let address = group.local_address();
        let log_file = std::env::temp_dir().join(format!("evenkeel-fleet-{}.log", std::process::id()));
        let access_log = AccessLog::start(Some(&AccessLogTarget::File(log_file.clone()))).unwrap();
        let mut fleet = Fleet::start(FleetOptions { workers: 1, view: view.clone(), access_log }).unwrap();
        fleet.open(group);

        let (mut bystander, mut victim) = (connect(address), connect(address));
        assert!(ask(&mut bystander, "/").ends_with("ok"));
        assert!(ask(&mut victim, "/").ends_with("ok"));
        let answer = ask(&mut victim, "/panic");
        assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
        assert!(answer.contains("500 internal: "), "{answer}");
        assert_eq!(victim.read(&mut [0; 1]).unwrap(), 0, "the connection is closed");
        assert!(ask(&mut bystander, "/").ends_with("ok"));
        assert!(ask(&mut connect(address), "/").ends_with("ok"));
        // Refused before its target was read to the end: told in the log, and no panic.
        let mut refused = connect(address);
        refused.write_all(b"GET /no-host HTTP/1.1\r\n\r\n").unwrap();
        let mut answer = String::new();
        refused.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
        std::fs::remove_file(log_file).unwrap();
        let listener = view.load().listener("edge").unwrap().clone();
        assert_eq!(listener.counters[0].panics.read(), 1);
    }
}
