//! Backends, pools and whole proxies for tests.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use evenkeel_model::{Address, BackendId, CoreListener, PerCore, Phase, PoolName, Report, Status};
use evenkeel_routing::{
    Backend, ForwardingRule, HostMatch, Listener, ListenerRule, Member, PathMatch, Pool, PoolRule, Readings,
    Route, Router, Rule, Snapshot, View, Wake,
};
use evenkeel_telemetry::AccessLog;

use crate::{Fleet, FleetOptions, ListenerGroup};

/// How long anything may take.
pub(crate) const DEADLINE: Duration = Duration::from_secs(10);

/// A backend that writes what `answer` makes of each request head, and then keeps the connection if that says so.
pub(crate) fn server(answer: impl Fn(&str, &mut TcpStream) -> bool + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answer = Arc::new(answer);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, answer) = (stream.unwrap(), answer.clone());
            thread::spawn(move || {
                while let Some(head) = read_head(&mut stream) {
                    if !answer(&head, &mut stream) {
                        return;
                    }
                }
            });
        }
    });
    address
}

/// A backend that answers every request with the same bytes.
pub(crate) fn server_of(answer: &'static str) -> SocketAddr {
    server(move |_, stream| stream.write_all(answer.as_bytes()).is_ok())
}

fn read_head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        head.push(byte[0]);
    }
    String::from_utf8(head).ok()
}

pub(crate) fn backend(address: Address) -> Arc<Backend> {
    let id = BackendId { pool: PoolName::new("web"), address };
    Backend::new(id, "one".into(), 1, Wake::new(Box::new(|| {})))
}

/// A member in service.
pub(crate) fn member(address: Address) -> Member {
    Member {
        endpoints: address.endpoint().into_iter().collect(),
        backend: backend(address),
        unresolved: None,
        tls: None,
        weight: 1,
        status: Status::new(Phase::Serving, Instant::now()),
    }
}

/// Members in service at these addresses.
pub(crate) fn members(addresses: &[SocketAddr]) -> Vec<Member> {
    addresses.iter().map(|address| member(Address::Ip(*address))).collect()
}

pub(crate) fn pool(rule: PoolRule, members: Vec<Member>) -> Pool {
    let counters = Arc::new(PerCore::new(1));
    Pool::new(PoolName::new("web"), rule, members, false, counters, Arc::default(), Arc::default())
}

/// One listener, one route, one pool.
pub(crate) fn snapshot(rule: &ListenerRule, pool: Arc<Pool>) -> Snapshot {
    let rule_of_route = Rule {
        host: HostMatch::Any,
        path: PathMatch::Any,
        pool: pool.name.clone(),
        timeouts: pool.rule.timeouts,
        retry: pool.rule.retry.clone(),
    };
    let counters = Arc::new(PerCore::new(1));
    let route = Route { label: "*".into(), rule: rule_of_route, pool: 0, counters };
    let listener = Listener { rule: rule.clone(), counters: Arc::new(PerCore::new(1)) };
    Snapshot {
        generation: 1,
        epoch: 1,
        router: Router::new(vec![Arc::new(route)]).into(),
        pools: vec![pool],
        listeners: vec![Arc::new(listener)],
        forwarding: ForwardingRule::default(),
    }
}

pub(crate) fn listener() -> ListenerRule {
    ListenerRule::new("edge".into(), "127.0.0.1:0".parse().unwrap())
}

pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream
}

/// Waits for a condition.
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + DEADLINE;
    while !is_so() {
        assert!(Instant::now() < end, "waited in vain until {what}");
        thread::yield_now();
    }
}

/// One worker at work before one pool.
pub(crate) struct Proxy {
    pub(crate) pool: Arc<Pool>,
    rule: ListenerRule,
    forwarding: ForwardingRule,
    view: View,
    address: SocketAddr,
    readings: Vec<Readings>,
    fleet: Fleet,
}

impl Proxy {
    pub(crate) fn start(pool: Pool) -> Proxy {
        Proxy::start_on(listener(), pool)
    }

    pub(crate) fn start_on(rule: ListenerRule, pool: Pool) -> Proxy {
        let pool = Arc::new(pool);
        let view: View = Arc::new(ArcSwap::from_pointee(snapshot(&rule, pool.clone())));
        let group = ListenerGroup::open(&rule, 1).unwrap();
        let address = group.local_address();
        let access_log = AccessLog::start(None).unwrap();
        let mut fleet = Fleet::start(FleetOptions { workers: 1, view: view.clone(), access_log }).unwrap();
        fleet.open(group);
        let readings = pool.members.iter().map(|_| Readings::default()).collect();
        Proxy { pool, rule, forwarding: ForwardingRule::default(), view, address, readings, fleet }
    }

    /// Publishes the pool with members that were changed.
    pub(crate) fn publish(&mut self, change: impl FnOnce(&mut [Member])) {
        let mut members = self.pool.members.clone();
        change(&mut members);
        self.pool = Arc::new(pool(self.pool.rule.clone(), members));
        self.store();
    }

    /// Publishes a changed listener.
    pub(crate) fn publish_listener(&mut self, change: impl FnOnce(&mut ListenerRule)) {
        change(&mut self.rule);
        self.store();
    }

    /// Believes everybody on this machine.
    pub(crate) fn trust_all(&mut self) {
        self.forwarding.trusted_networks = vec!["127.0.0.0/8".parse().unwrap()];
        self.store();
    }

    fn store(&self) {
        let snapshot = snapshot(&self.rule, self.pool.clone());
        self.view.store(Arc::new(Snapshot { forwarding: self.forwarding.clone(), ..snapshot }));
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What the worker has counted since the listener was last published.
    pub(crate) fn counters(&self) -> Arc<PerCore<CoreListener>> {
        self.view.load().listener("edge").unwrap().counters.clone()
    }

    /// Closes the listener and lets what is open go on for `drain`.
    pub(crate) fn drain(&mut self, drain: Duration) {
        self.fleet.drain(drain);
    }

    /// Sends a request without a body on a connection of its own, which stands open.
    pub(crate) fn send(&self, method: &str, path: &str) -> TcpStream {
        let mut stream = connect(self.address);
        let framing = if method == "POST" { "Content-Length: 0\r\n" } else { "" };
        write!(stream, "{method} {path} HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n{framing}\r\n")
            .unwrap();
        stream
    }

    /// Sends a request, and reads the connection to its end.
    pub(crate) fn ask(&self, method: &str, path: &str) -> String {
        let mut answer = Vec::new();
        // An answer that breaks off may end in a reset.
        let _ = self.send(method, path).read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// What was recorded of a member since the last look.
    pub(crate) fn report(&mut self, member: usize) -> Report {
        self.pool.members[member].backend.read(&mut self.readings[member])
    }

    /// Connections to a member that wait for a request.
    pub(crate) fn idle(&self, member: usize) -> u64 {
        self.pool.members[member].backend.counters.sum(|cell| cell.idle.read())
    }
}
