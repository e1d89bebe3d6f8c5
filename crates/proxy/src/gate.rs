//! One listener on one worker: what it lets in, and how it closes.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use evenkeel_http1::HeadLimits;
use evenkeel_routing::Listener;
use evenkeel_upstream::Socket;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use crate::client_limit::{ClientCounts, ClientPlace};
use crate::core::Core;
use crate::downstream::{Client, Downstream};
use crate::headers::Sender;
use crate::input::Input;
use crate::peers::Place;
use crate::serve::serve;

/// What a client is told that comes when there is no room; nobody waits until it is read.
const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\n\
Content-Length: 77\r\nRetry-After: 1\r\nConnection: close\r\n\r\n\
503 connection_limit: this listener has as many connections as it may have.\n\n";

/// A listener, as one worker serves it.
pub(crate) struct Gate {
    core: Rc<Core>,
    /// The rule of a new connection; the last one known once the listener is gone from the snapshot.
    listener: RefCell<Arc<Listener>>,
    clients: Arc<ClientCounts>,
    pub(crate) is_draining: Rc<Cell<bool>>,
    pub(crate) closing: Notify,
    connections: RefCell<HashMap<u64, AbortHandle>>,
    next: Cell<u64>,
    name: Arc<str>,
    is_accepting: Cell<bool>,
}

/// An accepted connection.
pub(crate) struct Accepted {
    pub(crate) stream: TcpStream,
    pub(crate) peer: std::net::SocketAddr,
    pub(crate) place: Place,
}

impl Gate {
    pub(crate) fn new(core: &Rc<Core>, listener: Arc<Listener>, clients: &Arc<ClientCounts>) -> Rc<Self> {
        let name = listener.rule.name.clone();
        Rc::new(Gate {
            core: core.clone(),
            listener: RefCell::new(listener),
            clients: clients.clone(),
            is_draining: Rc::default(),
            closing: Notify::new(),
            connections: RefCell::default(),
            next: Cell::default(),
            name,
            is_accepting: Cell::new(true),
        })
    }

    /// The newest rule of this listener.
    fn newest(&self) -> Arc<Listener> {
        let view = self.core.view();
        let mut known = self.listener.borrow_mut();
        if let Some(newest) = view.snapshot.listener(&known.rule.name) {
            *known = newest.clone();
        }
        known.clone()
    }

    /// Serves a connection in a task of its own, unless a limit forbids it.
    pub(crate) fn admit(self: &Rc<Self>, accepted: Accepted) {
        let listener = self.newest();
        let counters = &listener.counters[self.core.index];
        counters.accepted.add(1);
        let limits = &listener.rule.limits;
        let open = || listener.counters.sum(|core| core.open.read());
        let is_full = limits.connections > 0 && open() >= limits.connections as u64;
        let client_place = match limits.connections_per_client {
            0 => Ok(None),
            most => self.clients.place(&listener.rule.name, accepted.peer.ip(), most).map(Some).ok_or(()),
        };
        match client_place {
            Ok(client_place) if !is_full => self.spawn(listener, accepted, client_place),
            _ => {
                counters.refused.add(1);
                let _ = accepted.stream.try_write(FULL);
            }
        }
    }

    fn spawn(
        self: &Rc<Self>,
        listener: Arc<Listener>,
        accepted: Accepted,
        client_place: Option<ClientPlace>,
    ) {
        let id = self.next.get();
        self.next.set(id + 1);
        listener.counters[self.core.index].open.add(1);
        let entry = Entry { gate: self.clone(), listener, id };
        let task = tokio::task::spawn_local(async move {
            let Accepted { stream, peer, place } = accepted;
            let mut down = entry.downstream(stream, peer);
            serve(&entry.gate.core, &mut down).await;
            drop((down, client_place, place));
        });
        self.connections.borrow_mut().insert(id, task.abort_handle());
    }

    /// The listener's name.
    pub(crate) fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Whether its socket still lets connections in.
    pub(crate) fn is_accepting(&self) -> bool {
        self.is_accepting.get()
    }

    /// Notes that the socket is closed.
    pub(crate) fn stopped_accepting(&self) {
        self.is_accepting.set(false);
    }

    /// How many connections are open.
    pub(crate) fn open(&self) -> usize {
        self.connections.borrow().len()
    }

    /// Cuts what is still open.
    pub(crate) fn cut(&self) {
        for task in self.connections.borrow().values() {
            task.abort();
        }
    }
}

/// A connection in its gate's list and count, until it is dropped.
struct Entry {
    gate: Rc<Gate>,
    listener: Arc<Listener>,
    id: u64,
}

impl Entry {
    fn downstream(&self, stream: TcpStream, peer: std::net::SocketAddr) -> Downstream {
        let limits = &self.listener.rule.limits;
        let client = Client {
            core: self.gate.core.index,
            listener: self.listener.clone(),
            peer,
            sender: Sender::new(peer.ip()),
            limits: HeadLimits {
                head_bytes: limits.head_bytes,
                fields: limits.fields,
                uri_bytes: limits.uri_bytes,
            },
            is_draining: self.gate.is_draining.clone(),
        };
        let now = Instant::now();
        Downstream {
            socket: Socket::Tcp(stream),
            input: Input::default(),
            alarm: self.gate.core.sweep.alarm(),
            client: Rc::new(client),
            opened: now,
            since: now,
            requests: 0,
            has_answered: false,
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.listener.counters[self.gate.core.index].open.subtract(1);
        self.gate.connections.borrow_mut().remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_refusal_says_its_own_length() {
        let text = std::str::from_utf8(FULL).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())), "{}", body.len());
    }
}
