//! One listener on one worker: what it lets in, and how it closes.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use evenkeel_http1::HeadLimits;
use evenkeel_routing::Listener;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use crate::answer;
use crate::client_limit::{ClientCounts, ClientPlace};
use crate::complaints::Complaints;
use crate::core::Core;
use crate::downstream::Client;
use crate::entrance::Entry;
use crate::headers::Sender;
use crate::lobby::Lobby;
use crate::peers::Place;
use crate::request::Request;
use crate::secure::Secure;

/// Why a connection is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoRoom {
    /// The listener has as many as it may.
    Connections,
    /// The client has as many as it may.
    ConnectionsPerClient,
    /// The process has no descriptors left.
    Descriptors,
}

/// A listener, as one worker serves it.
pub(crate) struct Gate {
    pub(crate) core: Rc<Core>,
    /// The rule of a new connection; the last one known once the listener is gone from the snapshot.
    listener: RefCell<Arc<Listener>>,
    clients: Arc<ClientCounts>,
    /// Who is shaking hands.
    pub(crate) lobby: Rc<Lobby>,
    pub(crate) complaints: Complaints,
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
    pub(crate) peer: SocketAddr,
    pub(crate) place: Place,
}

impl Gate {
    pub(crate) fn new(core: &Rc<Core>, listener: Arc<Listener>, clients: &Arc<ClientCounts>) -> Rc<Self> {
        let name = listener.rule.name.clone();
        Rc::new(Gate {
            core: core.clone(),
            listener: RefCell::new(listener),
            clients: clients.clone(),
            lobby: Rc::default(),
            complaints: Complaints::default(),
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
            Ok(_) => self.refuse(listener, &accepted.stream, accepted.peer, NoRoom::Connections),
            Err(()) => {
                self.refuse(listener, &accepted.stream, accepted.peer, NoRoom::ConnectionsPerClient);
            }
        }
    }

    /// Tells a client that was accepted with the last descriptor that there is none for it.
    pub(crate) fn turn_away(&self, stream: &TcpStream, peer: SocketAddr) {
        let listener = self.newest();
        listener.counters[self.core.index].accepted.add(1);
        self.refuse(listener, stream, peer, NoRoom::Descriptors);
    }

    /// Closes this core's idle connections to backends, whose descriptors are needed.
    pub(crate) fn release_idle(&self) {
        self.core.release_idle();
    }

    /// Tells a client that there is no room, unless it speaks TLS; nobody waits until it is read.
    fn refuse(&self, listener: Arc<Listener>, stream: &TcpStream, peer: SocketAddr, why: NoRoom) {
        listener.counters[self.core.index].refused.add(1);
        let is_tls = listener.rule.tls.is_some();
        let client = Rc::new(self.client(listener, peer, None));
        answer::count_no_room(&client, why);
        if is_tls {
            // It waits for a handshake, and that would cost more than there is.
            return;
        }
        let mut request = Request::new(&self.core, &client, Instant::now());
        let told = answer::no_room(&mut request, why);
        // A client that does not take even this is not waited for.
        let _ = stream.try_write(&told);
        // What it has sent already would turn the close into a reset.
        let _ = stream.try_read(&mut [0; 4096]);
    }

    pub(crate) fn client(
        &self,
        listener: Arc<Listener>,
        peer: SocketAddr,
        secure: Option<Box<Secure>>,
    ) -> Client {
        let limits = &listener.rule.limits;
        let limits =
            HeadLimits { head_bytes: limits.head_bytes, fields: limits.fields, uri_bytes: limits.uri_bytes };
        Client {
            core: self.core.index,
            listener,
            peer,
            sender: Sender::new(peer.ip()),
            secure,
            limits,
            is_draining: self.is_draining.clone(),
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
        let entry = Entry { gate: self.clone(), listener, id, opened: Instant::now() };
        let task = tokio::task::spawn_local(entry.run(accepted, client_place));
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

    /// Forgets a connection that has ended.
    pub(crate) fn left(&self, id: u64) {
        self.connections.borrow_mut().remove(&id);
    }

    /// Cuts what is still open.
    pub(crate) fn cut(&self) {
        for task in self.connections.borrow().values() {
            task.abort();
        }
    }
}
