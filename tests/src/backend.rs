//! Scripted backends on raw sockets: a thread per connection, a script that can be changed while it runs.
//!
//! Every byte that arrives is kept, so that a test can assert that nothing arrived.

mod journal;
mod script;
mod silent;

use std::collections::HashMap;
use std::io::Read;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use socket2::{Domain, SockAddr, Socket, Type};

use self::journal::Journal;
use crate::request::{Reader, Request};

pub use script::{Answer, Next, Script, reset};
pub use silent::{FullQueue, Refusing};

/// Longest that a backend waits for bytes: a test is over by then.
const IDLE: Duration = Duration::from_secs(120);

/// What the kernel may hold of a backend's answer on one connection, bytes. By itself it takes megabytes, and hundreds of
/// readers that do not read fill what it has for TCP; then it drops segments of everybody's.
const SEND_BUFFER: usize = 128 << 10;

/// A running backend; it stops when dropped.
pub struct Backend {
    shared: Arc<Shared>,
    address: Where,
    acceptor: Option<JoinHandle<()>>,
}

/// What the connections of a backend share.
pub(crate) struct Shared {
    pub(crate) name: String,
    script: Mutex<Script>,
    connections: AtomicUsize,
    pub(crate) pattern_bytes: AtomicU64,
    open: Mutex<HashMap<usize, Socket>>,
    received: Journal,
    requests: Mutex<Vec<Request>>,
    stopped: AtomicBool,
}

#[derive(Clone)]
enum Where {
    Tcp(SocketAddr),
    Unix(Box<Path>),
}

impl Backend {
    /// Listens on 127.0.0.1, on a port of the kernel's choice.
    pub fn start(name: &str, script: Script) -> Backend {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("the kernel has a free port");
        let address = socket.local_addr().unwrap().as_socket().unwrap();
        Backend::serve(name, script, socket, Where::Tcp(address))
    }

    /// Listens on an address of the test's own choice, even if that is held by a socket that does not listen.
    pub fn start_at(name: &str, address: SocketAddr, script: Script) -> Backend {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
        socket.set_reuse_address(true).unwrap();
        socket.bind(&address.into()).expect("the test's own address is free");
        Backend::serve(name, script, socket, Where::Tcp(address))
    }

    /// Listens on a Unix socket.
    pub fn start_unix(name: &str, path: &Path, script: Script) -> Backend {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
        socket.bind(&SockAddr::unix(path).expect("a short path")).expect("a free path");
        Backend::serve(name, script, socket, Where::Unix(path.into()))
    }

    fn serve(name: &str, script: Script, socket: Socket, address: Where) -> Backend {
        socket.set_send_buffer_size(SEND_BUFFER).unwrap();
        socket.listen(1024).expect("a bound socket listens");
        let shared = Arc::new(Shared {
            name: name.to_owned(),
            script: Mutex::new(script),
            connections: AtomicUsize::new(0),
            pattern_bytes: AtomicU64::new(0),
            open: Mutex::default(),
            received: Journal::default(),
            requests: Mutex::default(),
            stopped: AtomicBool::new(false),
        });
        let accepting = shared.clone();
        let acceptor = std::thread::spawn(move || accept(&accepting, &socket));
        Backend { shared, address, acceptor: Some(acceptor) }
    }

    /// As a configuration names it: `IP:PORT` or `unix:/path`.
    pub fn address(&self) -> String {
        match &self.address {
            Where::Tcp(address) => address.to_string(),
            Where::Unix(path) => format!("unix:{}", path.display()),
        }
    }

    /// From the next request on (the next connection, for scripts of connections), do this.
    pub fn set(&self, script: Script) {
        *self.shared.script.lock().unwrap() = script;
    }

    /// Connections accepted so far.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Acquire)
    }

    /// Connections open now.
    pub fn open(&self) -> usize {
        self.shared.open.lock().unwrap().len()
    }

    /// Bytes of pattern that the kernel has taken from it, on all connections.
    pub fn pattern_bytes(&self) -> u64 {
        self.shared.pattern_bytes.load(Ordering::Acquire)
    }

    /// Everything that has arrived, on all connections (the first mebibyte).
    pub fn received(&self) -> Vec<u8> {
        self.shared.received.all()
    }

    /// The targets of the whole requests on each connection, as a strict reader that shares nothing with the scripts
    /// finds them; a test fails if anything is against the grammar.
    #[track_caller]
    pub fn judged(&self) -> Vec<Vec<String>> {
        journal::judged(&self.shared.received.by_connection(self.connections()))
            .unwrap_or_else(|fault| panic!("{fault}"))
    }

    /// Every whole request that has arrived.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.requests.lock().unwrap().clone()
    }

    /// How often a request with this target arrived.
    pub fn deliveries(&self, target: &str) -> usize {
        let requests = self.shared.requests.lock().unwrap();
        requests.iter().filter(|one| one.target == target).count()
    }

    /// Closes every open connection, as a backend does with idle ones.
    pub fn close_connections(&self) {
        for socket in self.shared.open.lock().unwrap().values() {
            // One that its peer has closed already is closed.
            let _ = socket.shutdown(std::net::Shutdown::Both);
        }
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Release);
        match &self.address {
            Where::Tcp(address) => drop(std::net::TcpStream::connect(address)),
            Where::Unix(path) => drop(std::os::unix::net::UnixStream::connect(path)),
        }
        self.close_connections();
        if let Some(acceptor) = self.acceptor.take() {
            // Its panic has been printed; dropping must not panic again.
            let _ = acceptor.join();
        }
    }
}

fn accept(shared: &Arc<Shared>, socket: &Socket) {
    while let Ok((connection, _)) = socket.accept() {
        if shared.stopped.load(Ordering::Acquire) {
            return;
        }
        let number = shared.connections.fetch_add(1, Ordering::AcqRel);
        let handle = connection.try_clone().expect("descriptors left");
        shared.open.lock().unwrap().insert(number, handle);
        let shared = shared.clone();
        std::thread::spawn(move || {
            converse(&shared, number, connection);
            shared.open.lock().unwrap().remove(&number);
        });
    }
}

/// Serves one connection until its script or its peer ends it.
fn converse(shared: &Arc<Shared>, number: usize, connection: Socket) {
    let _ = connection.set_read_timeout(Some(IDLE));
    let _ = connection.set_write_timeout(Some(IDLE));
    let _ = connection.set_tcp_nodelay(true);
    let script = shared.script.lock().unwrap().clone();
    if let Next::Close = script.on_accept(&connection) {
        return;
    }
    let mut reader = Reader::new(Logged { socket: connection, number, shared: shared.clone() });
    while let Ok(Some(request)) = request(&mut reader) {
        shared.requests.lock().unwrap().push(request.clone());
        let script = shared.script.lock().unwrap().clone();
        match script.on_request(shared, &request, &mut reader) {
            Ok(Next::Continue) => {}
            Ok(Next::Close) | Err(_) => return,
        }
    }
}

/// Reads one request with its body; answers `Expect: 100-continue` first.
fn request(reader: &mut Reader<Logged>) -> std::io::Result<Option<Request>> {
    let invite =
        |logged: &mut Logged| std::io::Write::write_all(&mut logged.socket, b"HTTP/1.1 100 Continue\r\n\r\n");
    Request::read(reader, invite)
}

/// A socket whose incoming bytes are kept.
pub(crate) struct Logged {
    pub(crate) socket: Socket,
    number: usize,
    shared: Arc<Shared>,
}

impl Read for Logged {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.socket.read(buffer)?;
        self.shared.received.add(self.number, &buffer[..read]);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Client;
    use crate::pattern::Checksum;

    fn client(backend: &Backend) -> Client {
        Client::connect(backend.address().parse().unwrap())
    }

    #[test]
    fn an_echo_tells_what_it_received() {
        let backend = Backend::start("a", Script::Echo);
        let mut client = client(&backend);
        assert!(client.get("/x").text().starts_with("GET /x HTTP/1.1\r\n"));
        let post = client.post("/", b"hello");
        assert_eq!(post.field("x-body-checksum"), Some(Checksum::of(b"hello").as_str()));
        let chunked = client
            .send("PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5;x\r\nhello\r\n0\r\n\r\n")
            .response("PUT");
        assert_eq!(chunked.field("x-body-bytes"), Some("5"));
        assert_eq!(client.get("/pattern/1000000").body.len(), 1_000_000);
        client.send("GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\nearly");
        assert_eq!(client.response("GET").status, 101);
        client.expect(b"early");
        client.send("late").expect(b"late");
        assert_eq!((backend.connections(), backend.open()), (1, 1));
        assert_eq!(backend.deliveries("/x"), 1);
        assert!(backend.received().starts_with(b"GET /x HTTP/1.1\r\n"));
    }

    #[test]
    fn faults_look_like_what_they_are_called() {
        let backend = Backend::start("a", Script::CloseOnRequest);
        let closed = client(&backend).try_get("/").unwrap_err();
        assert_eq!(closed.kind(), std::io::ErrorKind::UnexpectedEof);
        backend.set(Script::ResetOnRequest);
        let reset = client(&backend).try_get("/").unwrap_err();
        assert_eq!(reset.kind(), std::io::ErrorKind::ConnectionReset);
        let refusing: SocketAddr = Refusing::default().address().parse().unwrap();
        assert!(Client::try_connect(refusing).is_err());
    }
}
