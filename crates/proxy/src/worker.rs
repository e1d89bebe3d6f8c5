//! One worker: a thread with a reactor of its own, its core, and the gates it serves.

use std::collections::HashMap;
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use evenkeel_routing::View;
use evenkeel_telemetry::Recorder;
use evenkeel_upstream::GRAIN;
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use crate::accept::Acceptor;
use crate::client_limit::ClientCounts;
use crate::core::Core;
use crate::gate::{Accepted, Gate};
use crate::peers::{Handed, Peers};

/// How long a connection that was handed over waits for its listener to be opened here.
const LONGEST_EARLY: Duration = Duration::from_secs(1);

/// What the program asks of a worker.
#[derive(Debug)]
pub(crate) enum Order {
    /// Accept on this socket.
    Open { name: Arc<str>, socket: TcpListener },
    /// Stop accepting; what is open may go on for `drain`.
    Close { name: Arc<str>, drain: Duration },
    /// Close every listener, and end when nothing is open or `drain` is over.
    Drain { drain: Duration },
}

/// What a worker is made of.
pub(crate) struct Worker {
    pub(crate) index: usize,
    pub(crate) view: View,
    pub(crate) log: Recorder,
    pub(crate) peers: Arc<Peers>,
    pub(crate) clients: Arc<ClientCounts>,
    pub(crate) orders: mpsc::UnboundedReceiver<Order>,
    pub(crate) mailbox: mpsc::Receiver<Handed>,
}

/// A worker at work.
struct Serving {
    core: Rc<Core>,
    index: usize,
    peers: Arc<Peers>,
    clients: Arc<ClientCounts>,
    gates: HashMap<Arc<str>, Rc<Gate>>,
    /// Gates that close, with the end of their time.
    closing: Vec<(Rc<Gate>, Instant)>,
    /// Connections that were handed over before their listener was opened here.
    early: Vec<(Handed, Instant)>,
    /// When the worker ends at the latest.
    end: Option<Instant>,
}

impl Worker {
    /// Serves until it was told to drain and has.
    pub(crate) async fn run(self) {
        let Worker { index, view, log, peers, clients, mut orders, mut mailbox } = self;
        let core = Core::new(index, view, log, Instant::now());
        let (gates, closing) = (HashMap::new(), Vec::new());
        let mut serving =
            Serving { core, index, peers, clients, gates, closing, early: Vec::new(), end: None };
        let mut tick = tokio::time::interval(GRAIN);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !serving.has_ended(Instant::now()) {
            // Each branch is cancel-safe: a message is received whole or stays in its channel.
            tokio::select! {
                biased;
                order = orders.recv() => match order {
                    Some(order) => serving.obey(order),
                    None => break,
                },
                Some(handed) = mailbox.recv() => serving.receive(handed),
                _ = tick.tick() => serving.tick(Instant::now()),
            }
        }
        serving.core.tick(Instant::now());
    }
}

impl Serving {
    fn obey(&mut self, order: Order) {
        match order {
            Order::Open { name, socket } => self.open(name, socket),
            Order::Close { name, drain } => {
                if let Some(gate) = self.gates.remove(&name) {
                    self.close(gate, Instant::now() + drain);
                }
            }
            Order::Drain { drain } => {
                let end = Instant::now() + drain;
                self.end = Some(end);
                for (_, gate) in std::mem::take(&mut self.gates) {
                    self.close(gate, end);
                }
            }
        }
    }

    fn open(&mut self, name: Arc<str>, socket: TcpListener) {
        let Some(listener) = self.core.view().snapshot.listener(&name).cloned() else {
            tracing::error!(listener = &*name, "a listener was opened that no plan knows");
            return;
        };
        let socket = match tokio::net::TcpListener::from_std(socket) {
            Ok(socket) => socket,
            Err(error) => {
                tracing::error!(listener = &*name, %error, "the reactor does not take the socket");
                return;
            }
        };
        let gate = Gate::new(&self.core, listener, &self.clients);
        let (worker, peers) = (self.index, self.peers.clone());
        let acceptor = Acceptor { gate: gate.clone(), name: name.clone(), worker, peers };
        // Ends when the gate closes.
        tokio::task::spawn_local(acceptor.run(socket));
        self.gates.insert(name, gate);
        for (handed, _) in std::mem::take(&mut self.early) {
            self.receive(handed);
        }
    }

    fn close(&mut self, gate: Rc<Gate>, end: Instant) {
        gate.is_draining.set(true);
        gate.closing.notify_one();
        self.closing.push((gate, end));
    }

    fn receive(&mut self, handed: Handed) {
        let closing =
            || self.closing.iter().map(|(gate, _)| gate).find(|gate| *gate.name() == handed.listener);
        let Some(gate) = self.gates.get(&handed.listener).or_else(closing) else {
            // The order to open it is on its way.
            return self.early.push((handed, Instant::now()));
        };
        let Handed { stream, peer, place, .. } = handed;
        if let Ok(stream) = tokio::net::TcpStream::from_std(stream) {
            gate.admit(Accepted { stream, peer, place });
        }
    }

    fn tick(&mut self, now: Instant) {
        self.core.tick(now);
        for (name, gate) in &self.gates {
            gate.complaints.tell(name, now);
        }
        self.early.retain(|(_, since)| now.saturating_duration_since(*since) < LONGEST_EARLY);
        self.closing.retain(|(gate, end)| {
            if now >= *end {
                gate.cut();
            }
            gate.is_accepting() || gate.open() > 0 || now < *end
        });
    }

    fn has_ended(&self, now: Instant) -> bool {
        // Every connection has a place, those on their way here included.
        let is_idle =
            || self.closing.iter().all(|(gate, _)| !gate.is_accepting()) && self.peers.count(self.index) == 0;
        self.end.is_some_and(|end| now >= end || is_idle())
    }
}
