//! A client that writes raw bytes and reads responses strictly.

mod duplex;

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use rustls::{ClientConnection, StreamOwned};
use socket2::{Domain, Socket, Type};

use self::duplex::Pending;
use crate::request::Reader;
use crate::response::{self, Response};
use crate::tls_client::TlsClient;

/// How long a client waits for anything, unless it says otherwise.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Whom the requests of a client ask for that has nobody else in mind.
const HOST: &str = "test.example";

/// One connection.
pub struct Client {
    reader: Reader<Line>,
    host: String,
}

/// How a peer ended a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// As it should: over TLS, it said so before (close_notify).
    Clean,
    /// Over TLS, without a word before.
    Truncated,
    /// With a reset.
    Reset,
}

/// A connection, in cleartext or not.
enum Line {
    Plain(Timed),
    Secure(Box<StreamOwned<ClientConnection, Timed>>),
}

/// A stream whose reads and writes all end by one deadline.
struct Timed {
    stream: TcpStream,
    deadline: Instant,
    pending: Option<Pending>,
}

impl Client {
    /// Connects, or panics.
    #[track_caller]
    pub fn connect(address: SocketAddr) -> Client {
        Client::try_connect(address).unwrap_or_else(|error| panic!("connect to {address}: {error}"))
    }

    /// Connects with a small receive buffer, as a client does that means to be slow. With the smallest that there is, newer
    /// kernels drop segments of loopback, and each waits for its retransmission.
    #[track_caller]
    pub fn narrow(address: SocketAddr) -> Client {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
        socket.set_recv_buffer_size(8 << 10).unwrap();
        socket.connect_timeout(&address.into(), PATIENCE).expect("the proxy accepts");
        socket.set_tcp_nodelay(true).unwrap();
        Client::on(socket.into())
    }

    /// Connects within [`PATIENCE`].
    pub fn try_connect(address: SocketAddr) -> io::Result<Client> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_nodelay(true)?;
        Ok(Client::on(stream))
    }

    fn on(stream: TcpStream) -> Client {
        let deadline = Instant::now() + PATIENCE;
        Client {
            reader: Reader::new(Line::Plain(Timed { stream, deadline, pending: None })),
            host: HOST.to_owned(),
        }
    }

    /// Connects over TLS and ends the handshake, or panics.
    #[track_caller]
    pub fn secure(address: SocketAddr, tls: &TlsClient) -> Client {
        Client::try_secure(address, tls).unwrap_or_else(|error| panic!("TLS with {address}: {error}"))
    }

    /// Connects over TLS and ends the handshake, each within [`PATIENCE`]. In TLS 1.3, a server that does not like the
    /// client's certificate says so later.
    pub fn try_secure(address: SocketAddr, tls: &TlsClient) -> io::Result<Client> {
        Client::try_connect(address)?.try_upgrade(tls)
    }

    /// Begins TLS on a connection on which nothing has been read, and ends the handshake.
    pub fn try_upgrade(self, tls: &TlsClient) -> io::Result<Client> {
        let mut stream = match self.reader.stream {
            Line::Plain(timed) => StreamOwned::new(tls.connection(), timed),
            Line::Secure(_) => return Err(io::Error::other("TLS within TLS")),
        };
        stream.sock.deadline = Instant::now() + PATIENCE;
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        stream.flush()?;
        let host = tls.host().unwrap_or(HOST).to_owned();
        Ok(Client { reader: Reader::new(Line::Secure(Box::new(stream))), host })
    }

    /// Whom requests ask for from now on: `test.example`, or over TLS the server's name, if this is never called.
    pub fn host(&mut self, host: &str) -> &mut Self {
        self.host = host.to_owned();
        self
    }

    /// Everything from now on has to end within `patience`.
    pub fn wait_at_most(&mut self, patience: Duration) -> &mut Self {
        self.reader.stream.timed_mut().deadline = Instant::now() + patience;
        self
    }

    /// Sends raw bytes.
    #[track_caller]
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.try_send(bytes.as_ref()).expect("the proxy reads");
        self
    }

    /// Sends raw bytes.
    pub fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.wait_at_most(PATIENCE);
        self.reader.stream.write_all(bytes)
    }

    /// Sends these while it reads from now on, as far as the peer takes them.
    pub fn send_beside(&mut self, bytes: Vec<u8>) {
        self.wait_at_most(PATIENCE);
        self.reader.stream.timed_mut().pending = Some(Pending::new(bytes));
    }

    /// Reads the next response (an interim one too), as an answer to `method`.
    #[track_caller]
    pub fn response(&mut self, method: &str) -> Response {
        self.try_response(method).unwrap_or_else(|error| panic!("no valid response to {method}: {error}"))
    }

    /// Reads the next response (an interim one too), as an answer to `method`.
    pub fn try_response(&mut self, method: &str) -> io::Result<Response> {
        response::read(&mut self.reader, method)
    }

    /// Reads the next response and hands its body on in pieces.
    pub fn response_into(&mut self, method: &str, take: impl FnMut(&[u8])) -> io::Result<Response> {
        response::read_into(&mut self.reader, method, take)
    }

    /// A whole exchange: `GET target`.
    #[track_caller]
    pub fn get(&mut self, target: &str) -> Response {
        self.try_get(target).unwrap_or_else(|error| panic!("no valid response to GET: {error}"))
    }

    /// A whole exchange: `GET target`.
    pub fn try_get(&mut self, target: &str) -> io::Result<Response> {
        self.try_send(format!("GET {target} HTTP/1.1\r\nHost: {}\r\n\r\n", self.host).as_bytes())?;
        self.try_response("GET")
    }

    /// A whole exchange: `POST target` with a body of known length.
    #[track_caller]
    pub fn post(&mut self, target: &str, body: &[u8]) -> Response {
        self.try_post(target, body).unwrap_or_else(|error| panic!("no valid response to POST: {error}"))
    }

    /// A whole exchange: `POST target` with a body of known length.
    pub fn try_post(&mut self, target: &str, body: &[u8]) -> io::Result<Response> {
        let (host, length) = (&self.host, body.len());
        let head = format!("POST {target} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n\r\n");
        self.try_send(&[head.as_bytes(), body].concat())?;
        self.try_response("POST")
    }

    /// Reads raw bytes: exactly as many as `expected` has, and they must be equal.
    #[track_caller]
    pub fn expect(&mut self, expected: &[u8]) {
        self.wait_at_most(PATIENCE);
        let mut got = Vec::new();
        self.reader
            .exact(expected.len() as u64, |piece| got.extend_from_slice(piece))
            .unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(got, expected);
    }

    /// Everything up to the peer's close; a reset is an error.
    pub fn rest(&mut self) -> io::Result<Vec<u8>> {
        let mut rest = Vec::new();
        self.reader.until_close(|piece| rest.extend_from_slice(piece))?;
        Ok(rest)
    }

    /// Hands on everything up to the peer's close; a reset is an error.
    pub fn rest_into(&mut self, take: impl FnMut(&[u8])) -> io::Result<()> {
        self.wait_at_most(PATIENCE);
        self.reader.until_close(take)
    }

    /// Reads to the peer's close, and says what it was like.
    pub fn ending(&mut self) -> io::Result<Ending> {
        self.wait_at_most(PATIENCE);
        match self.reader.until_close(|_| {}) {
            Ok(()) => Ok(Ending::Clean),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(Ending::Truncated),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(Ending::Reset),
            Err(error) => Err(error),
        }
    }

    /// Asserts that the peer closes, having sent nothing more.
    #[track_caller]
    pub fn expect_close(&mut self) {
        match self.rest() {
            Ok(rest) => assert_eq!(String::from_utf8_lossy(&rest), "", "more was sent"),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {}
            Err(error) => panic!("the proxy does not close: {error}"),
        }
    }

    /// Says that nothing more will be sent.
    pub fn finish(&mut self) {
        // A connection that is already gone has also finished.
        let _ = self.notify();
        let _ = self.stream().shutdown(Shutdown::Write);
    }

    /// Says over TLS that nothing more will be sent (close_notify), and leaves the connection open.
    pub fn notify(&mut self) -> io::Result<()> {
        match &mut self.reader.stream {
            Line::Plain(_) => Ok(()),
            Line::Secure(stream) => {
                stream.conn.send_close_notify();
                stream.flush()
            }
        }
    }

    /// The connection itself, below TLS.
    pub fn stream(&self) -> &TcpStream {
        &self.reader.stream.timed().stream
    }

    /// What TLS has agreed on; panics in cleartext.
    #[track_caller]
    pub fn tls(&self) -> &ClientConnection {
        match &self.reader.stream {
            Line::Plain(_) => panic!("a connection in cleartext"),
            Line::Secure(stream) => &stream.conn,
        }
    }

    /// The local address.
    pub fn local_address(&self) -> SocketAddr {
        self.stream().local_addr().expect("a bound socket")
    }
}

/// One `GET` on a connection of its own.
#[track_caller]
pub fn get(address: SocketAddr, target: &str) -> Response {
    Client::connect(address).get(target)
}

/// One `GET` on a connection of its own.
pub fn try_get(address: SocketAddr, target: &str) -> io::Result<Response> {
    Client::try_connect(address)?.try_get(target)
}

impl Line {
    fn timed(&self) -> &Timed {
        match self {
            Line::Plain(timed) => timed,
            Line::Secure(stream) => &stream.sock,
        }
    }

    fn timed_mut(&mut self) -> &mut Timed {
        match self {
            Line::Plain(timed) => timed,
            Line::Secure(stream) => &mut stream.sock,
        }
    }
}

impl Read for Line {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Line::Plain(timed) => timed.read(buffer),
            Line::Secure(stream) => {
                let StreamOwned { conn, sock } = &mut **stream;
                match &mut sock.pending {
                    Some(pending) => pending.read(&mut sock.stream, Some(conn), buffer, sock.deadline),
                    None => stream.read(buffer),
                }
            }
        }
    }
}

impl Write for Line {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match self {
            Line::Plain(timed) => timed.write(buffer),
            Line::Secure(stream) => stream.write(buffer),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Line::Plain(timed) => timed.flush(),
            Line::Secure(stream) => stream.flush(),
        }
    }
}

impl Timed {
    fn left(&self) -> io::Result<Duration> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        match left.is_zero() {
            true => Err(io::Error::new(io::ErrorKind::TimedOut, "out of patience")),
            false => Ok(left),
        }
    }
}

impl Read for Timed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(pending) = &mut self.pending {
            return pending.read(&mut self.stream, None, buffer, self.deadline);
        }
        self.stream.set_read_timeout(Some(self.left()?))?;
        self.stream.read(buffer).map_err(patience)
    }
}

impl Write for Timed {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(Some(self.left()?))?;
        self.stream.write(buffer).map_err(patience)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// `EAGAIN` of a socket with a timeout reads as what it is.
fn patience(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::WouldBlock => io::Error::new(io::ErrorKind::TimedOut, "out of patience"),
        _ => error,
    }
}
