//! Backends that are a function over one connection: heads and bodies apart, closes and resets on purpose.
//!
//! For what [`crate::backend`]'s scripts cannot do: to act before a body has arrived, to cut a message where the
//! kernel would not, and to refuse connections for a while.

use std::collections::HashMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use crate::request::{Reader, Request};
use crate::wait;

/// Longest that a backend waits for anything: a test is over by then.
const IDLE: Duration = Duration::from_secs(120);
/// Between two looks at whether to go on accepting.
const GLANCE: Duration = Duration::from_millis(20);
/// Longest that [`Connection::finish`] waits for the peer's end.
const FINISH: Duration = Duration::from_secs(2);

/// A running backend; it stops when dropped, and with it all its connections.
pub struct RawBackend {
    shared: Arc<Shared>,
    address: SocketAddr,
    acceptor: Option<JoinHandle<()>>,
    /// Bound beside the listening socket: keeps the port while that one is closed.
    _holder: Socket,
}

struct Shared {
    open: Mutex<HashMap<usize, Arc<Socket>>>,
    accepted: AtomicUsize,
    refuses_until: Mutex<Option<Instant>>,
    stopped: AtomicBool,
}

/// A connection that a backend accepted.
pub struct Connection {
    /// Counted from 0.
    pub number: usize,
    /// Requests whose head was read.
    pub requests: usize,
    reader: Reader<Line>,
    shared: Arc<Shared>,
}

/// A socket that whoever stops the backend may shut down; it takes one descriptor.
struct Line(Arc<Socket>);

impl Read for Line {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.as_ref().read(buffer)
    }
}

impl RawBackend {
    /// Listens on 127.0.0.1 and calls `talk` for each connection, on a thread of its own. The connection is closed
    /// when `talk` returns.
    pub fn start(talk: impl Fn(&mut Connection) -> io::Result<()> + Send + Sync + 'static) -> RawBackend {
        RawBackend::start_on([127, 0, 0, 1], talk)
    }

    /// As [`RawBackend::start`], on this address of loopback.
    pub fn start_on(
        host: [u8; 4],
        talk: impl Fn(&mut Connection) -> io::Result<()> + Send + Sync + 'static,
    ) -> RawBackend {
        let holder = bound(SocketAddr::from((host, 0)));
        let address = holder.local_addr().unwrap().as_socket().unwrap();
        let shared = Arc::new(Shared {
            open: Mutex::default(),
            accepted: AtomicUsize::new(0),
            refuses_until: Mutex::default(),
            stopped: AtomicBool::new(false),
        });
        let (accepting, listener) = (shared.clone(), listening(address));
        let acceptor = std::thread::spawn(move || accept(&accepting, address, listener, Arc::new(talk)));
        RawBackend { shared, address, acceptor: Some(acceptor), _holder: holder }
    }

    /// As a configuration names it.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Whether it still accepts connections: it ends with a panic when this process runs out of something.
    pub fn is_accepting(&self) -> bool {
        self.acceptor.as_ref().is_some_and(|acceptor| !acceptor.is_finished())
    }

    /// Connections accepted so far.
    pub fn connections(&self) -> usize {
        self.shared.accepted.load(Ordering::Acquire)
    }

    /// Connections open now.
    pub fn open(&self) -> usize {
        self.shared.open.lock().unwrap().len()
    }
}

impl Drop for RawBackend {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Release);
        for socket in self.shared.open.lock().unwrap().values() {
            // One that its peer has closed already is closed.
            let _ = socket.shutdown(Shutdown::Both);
        }
        if let Some(acceptor) = self.acceptor.take() {
            // Its panic has been printed; dropping must not panic again.
            let _ = acceptor.join();
        }
    }
}

impl Connection {
    /// The next request, without its body; `None` once the peer has closed.
    pub fn head(&mut self) -> io::Result<Option<Request>> {
        let head = self.reader.head()?;
        self.requests += usize::from(head.is_some());
        Ok(head.map(Request::of_head))
    }

    /// As [`Connection::head`], but gives up, as if the peer had closed, when nothing comes for so long.
    pub fn head_within(&mut self, longest: Duration) -> io::Result<Option<Request>> {
        self.socket().set_read_timeout(Some(longest))?;
        let head = match self.head() {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
            head => head,
        };
        self.socket().set_read_timeout(Some(IDLE))?;
        head
    }

    /// Reads the body of a request, to its end.
    pub fn body(&mut self, request: &mut Request) -> io::Result<()> {
        self.reader.body_of(request)
    }

    /// Reads the body of a request, to its end, and hands it on in pieces.
    pub fn body_into(&mut self, request: &Request, take: impl FnMut(&[u8])) -> io::Result<()> {
        self.reader.body_into(request, take)
    }

    /// Sends bytes.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.reader.stream.0.as_ref().write_all(bytes.as_ref())
    }

    /// Sends bytes and the end of the connection in one segment, if `talk` returns next.
    pub fn send_last(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.socket().set_tcp_cork(true)?;
        self.send(bytes)
    }

    /// Ends the connection with a FIN, although the peer may be sending: its bytes are read and dropped.
    pub fn finish(&mut self) -> io::Result<()> {
        self.socket().shutdown(Shutdown::Write)?;
        self.socket().set_read_timeout(Some(FINISH))?;
        self.drain()
    }

    /// Makes the coming close a reset.
    pub fn reset(&mut self) -> io::Result<()> {
        crate::backend::reset(self.socket())
    }

    /// Reads and drops what comes, until the peer closes.
    pub fn drain(&mut self) -> io::Result<()> {
        self.reader.rest();
        let mut buffer = vec![0; 64 * 1024];
        while self.reader.stream.read(&mut buffer)? > 0 {}
        Ok(())
    }

    /// Refuses new connections for so long; those that stand go on.
    pub fn refuse_for(&self, length: Duration) {
        *self.shared.refuses_until.lock().unwrap() = Some(Instant::now() + length);
    }

    /// The socket itself.
    pub fn socket(&self) -> &Socket {
        &self.reader.stream.0
    }
}

fn bound(address: SocketAddr) -> Socket {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_reuse_address(true).unwrap();
    socket.set_reuse_port(true).unwrap();
    socket.bind(&address.into()).expect("the kernel has a free port");
    socket
}

fn listening(address: SocketAddr) -> Socket {
    let socket = bound(address);
    socket.listen(1024).expect("a bound socket listens");
    // Of accepting, so that somebody looks whether to go on.
    socket.set_read_timeout(Some(GLANCE)).unwrap();
    socket
}

type Talk = dyn Fn(&mut Connection) -> io::Result<()> + Send + Sync;

fn accept(shared: &Arc<Shared>, address: SocketAddr, mut listener: Socket, talk: Arc<Talk>) {
    while !shared.stopped.load(Ordering::Acquire) {
        if let Ok((socket, _)) = listener.accept() {
            serve(shared, socket, talk.clone());
        }
        let refuses_until = shared.refuses_until.lock().unwrap().take();
        if let Some(until) = refuses_until {
            drop(listener);
            wait::pause(until.saturating_duration_since(Instant::now()));
            listener = listening(address);
        }
    }
}

fn serve(shared: &Arc<Shared>, socket: Socket, talk: Arc<Talk>) {
    let number = shared.accepted.fetch_add(1, Ordering::AcqRel);
    let socket = Arc::new(socket);
    shared.open.lock().unwrap().insert(number, socket.clone());
    let shared = shared.clone();
    std::thread::spawn(move || {
        let _ = socket.set_read_timeout(Some(IDLE));
        let _ = socket.set_write_timeout(Some(IDLE));
        let _ = socket.set_tcp_nodelay(true);
        let (reader, of_connection) = (Reader::new(Line(socket)), shared.clone());
        let mut connection = Connection { number, requests: 0, reader, shared: of_connection };
        // A peer that leaves ends the talk; what it means is judged elsewhere.
        let _ = talk(&mut connection);
        drop(connection);
        shared.open.lock().unwrap().remove(&number);
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Client;

    fn answering(then: fn(&mut Connection) -> io::Result<()>) -> RawBackend {
        RawBackend::start(move |connection| {
            while let Some(mut request) = connection.head()? {
                connection.body(&mut request)?;
                connection.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")?;
                then(connection)?;
            }
            Ok(())
        })
    }

    #[test]
    fn a_connection_serves_request_after_request() {
        let backend = answering(|_| Ok(()));
        let mut client = Client::connect(backend.address);
        assert_eq!(client.get("/").status, 200);
        assert_eq!(client.post("/", b"body").status, 200);
        assert_eq!((backend.connections(), backend.open()), (1, 1));
    }

    #[test]
    fn a_backend_that_refuses_for_a_while_keeps_its_port() {
        let backend = answering(|connection| {
            connection.refuse_for(Duration::from_millis(100));
            Ok(())
        });
        assert_eq!(Client::connect(backend.address).get("/").status, 200);
        let refused = || Client::try_connect(backend.address).is_err();
        wait::until_true(Duration::from_secs(10), "a refusal", refused);
        let accepts = || Client::try_connect(backend.address).is_ok();
        wait::until_true(Duration::from_secs(10), "an end of the refusals", accepts);
    }
}
