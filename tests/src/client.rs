//! A client that writes raw bytes and reads responses strictly, in cleartext or over TLS.

mod duplex;
mod line;

use std::io::{self, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use rustls::ClientConnection;
use socket2::{Domain, Socket, Type};

use self::line::Line;
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
        Client { reader: Reader::new(Line::plain(stream, PATIENCE)), host: HOST.to_owned() }
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
        let line = self.reader.stream.upgrade(tls.connection(), PATIENCE)?;
        let host = tls.host().unwrap_or(HOST).to_owned();
        Ok(Client { reader: Reader::new(line), host })
    }

    /// Whom requests ask for from now on: `test.example`, or over TLS the server's name, if this is never called.
    pub fn host(&mut self, host: &str) -> &mut Self {
        self.host = host.to_owned();
        self
    }

    /// Everything from now on has to end within `patience`.
    pub fn wait_at_most(&mut self, patience: Duration) -> &mut Self {
        self.reader.stream.end_within(patience);
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
        self.reader.stream.send_beside(bytes);
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
        self.reader.stream.notify()
    }

    /// The connection itself, below TLS.
    pub fn stream(&self) -> &TcpStream {
        self.reader.stream.socket()
    }

    /// What TLS has agreed on; panics in cleartext.
    #[track_caller]
    pub fn tls(&self) -> &ClientConnection {
        self.reader.stream.tls().expect("a connection over TLS")
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
