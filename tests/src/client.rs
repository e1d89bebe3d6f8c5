//! A client that writes raw bytes and reads responses strictly.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use crate::request::Reader;
use crate::response::{self, Response};

/// How long a client waits for anything, unless it says otherwise.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// One connection.
pub struct Client {
    reader: Reader<Timed>,
}

/// A stream whose reads and writes all end by one deadline.
struct Timed {
    stream: TcpStream,
    deadline: Instant,
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
        let deadline = Instant::now() + PATIENCE;
        Client { reader: Reader::new(Timed { stream: socket.into(), deadline }) }
    }

    /// Connects within [`PATIENCE`].
    pub fn try_connect(address: SocketAddr) -> io::Result<Client> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_nodelay(true)?;
        let deadline = Instant::now() + PATIENCE;
        Ok(Client { reader: Reader::new(Timed { stream, deadline }) })
    }

    /// Everything from now on has to end within `patience`.
    pub fn wait_at_most(&mut self, patience: Duration) -> &mut Self {
        self.reader.stream.deadline = Instant::now() + patience;
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
        self.send(format!("GET {target} HTTP/1.1\r\nHost: test.example\r\n\r\n")).response("GET")
    }

    /// A whole exchange: `GET target`.
    pub fn try_get(&mut self, target: &str) -> io::Result<Response> {
        self.try_send(format!("GET {target} HTTP/1.1\r\nHost: test.example\r\n\r\n").as_bytes())?;
        self.try_response("GET")
    }

    /// A whole exchange: `POST target` with a body of known length.
    #[track_caller]
    pub fn post(&mut self, target: &str, body: &[u8]) -> Response {
        self.try_post(target, body).unwrap_or_else(|error| panic!("no valid response to POST: {error}"))
    }

    /// A whole exchange: `POST target` with a body of known length.
    pub fn try_post(&mut self, target: &str, body: &[u8]) -> io::Result<Response> {
        let length = body.len();
        let head =
            format!("POST {target} HTTP/1.1\r\nHost: test.example\r\nContent-Length: {length}\r\n\r\n");
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
        let _ = self.reader.stream.stream.shutdown(Shutdown::Write);
    }

    /// The connection itself.
    pub fn stream(&self) -> &TcpStream {
        &self.reader.stream.stream
    }

    /// The local address.
    pub fn local_address(&self) -> SocketAddr {
        self.reader.stream.stream.local_addr().expect("a bound socket")
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
