//! TLS before a backend: its scripts run behind it unchanged, and it can be wrong about TLS in ways of its own.
//!
//! Each connection whose handshake is done gets one to the backend; what one side ends or resets is ended or reset on the
//! other.

mod relay;
mod server;

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use rustls::pki_types::CertificateDer;
use rustls::{AlertDescription, HandshakeKind, ServerConfig, ServerConnection};
use socket2::Socket;

use crate::certificates::Files;
use crate::client::Ending;
use crate::nginx::Nginx;
use crate::raw::{Connection, RawBackend};

pub use self::server::TlsServer;

/// How a server treats its connections.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Manner {
    /// As it should: a close is announced (close_notify).
    #[default]
    Proper,
    /// Closes without a word before.
    Truncating,
    /// Sends so many bytes at a time.
    Dripping(usize),
    /// Answers the ClientHello with this alert, and closes.
    Alert(AlertDescription),
    /// Answers the ClientHello with these bytes, and closes.
    Says(Vec<u8>),
    /// Reads the ClientHello, and never answers.
    Stalling,
    /// Closes after the ClientHello.
    Closing,
    /// Resets after the ClientHello.
    Resetting,
}

impl Manner {
    /// An HTTP server on whose port somebody speaks TLS.
    pub fn plain_http() -> Manner {
        let answer = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        Manner::Says(answer.as_bytes().to_vec())
    }
}

/// What was seen of a connection whose handshake was done.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Whom the client asked for (SNI).
    pub name: Option<String>,
    /// The application protocol agreed on.
    pub alpn: Option<String>,
    /// Whether an earlier session went on.
    pub is_resumed: bool,
    /// The client's own certificate.
    pub certificate: Option<CertificateDer<'static>>,
    /// How the client ended it, once it has.
    pub ending: Option<Ending>,
}

/// A running server before a backend; it stops when dropped.
pub struct TlsBackend {
    raw: RawBackend,
    shared: Arc<Shared>,
}

struct Shared {
    backend: SocketAddr,
    server: Mutex<Arc<ServerConfig>>,
    manner: Mutex<Manner>,
    seen: Mutex<Vec<Seen>>,
    failures: Mutex<Vec<String>>,
}

impl TlsBackend {
    /// Listens on 127.0.0.1, before a backend at this address.
    pub fn before(backend: &str, server: &TlsServer) -> TlsBackend {
        TlsBackend::on([127, 0, 0, 1], backend, server)
    }

    /// As [`TlsBackend::before`], on this address of loopback.
    pub fn on(host: [u8; 4], backend: &str, server: &TlsServer) -> TlsBackend {
        let shared = Arc::new(Shared {
            backend: backend.parse().expect("a backend on TCP"),
            server: Mutex::new(Arc::new(server.config())),
            manner: Mutex::default(),
            seen: Mutex::default(),
            failures: Mutex::default(),
        });
        let talking = shared.clone();
        let raw = RawBackend::start_on(host, move |connection| talking.talk(connection));
        TlsBackend { raw, shared }
    }

    /// `IP:PORT`.
    pub fn address(&self) -> String {
        self.raw.address()
    }

    /// As a configuration names it: `https://IP:PORT`.
    pub fn url(&self) -> String {
        format!("https://{}", self.address())
    }

    /// From the next connection on, treat them so; also how those that are open end.
    pub fn set(&self, manner: Manner) {
        *self.shared.manner.lock().unwrap() = manner;
    }

    /// From the next connection on, present this. Earlier sessions do not go on.
    pub fn present(&self, server: &TlsServer) {
        *self.shared.server.lock().unwrap() = Arc::new(server.config());
    }

    /// Connections accepted so far.
    pub fn connections(&self) -> usize {
        self.raw.connections()
    }

    /// Connections open now.
    pub fn open(&self) -> usize {
        self.raw.open()
    }

    /// Those whose handshake was done, in that order.
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }

    /// What failed handshakes ended with, in the words of the library.
    pub fn failures(&self) -> Vec<String> {
        self.shared.failures.lock().unwrap().clone()
    }
}

impl Shared {
    fn talk(&self, connection: &mut Connection) -> io::Result<()> {
        let manner = self.manner.lock().unwrap().clone();
        let mut socket = connection.socket();
        match manner {
            Manner::Proper | Manner::Truncating => return self.serve(connection, usize::MAX),
            Manner::Dripping(most) => return self.serve(connection, most),
            Manner::Stalling => return connection.drain(),
            Manner::Alert(alert) => {
                hello(connection)?;
                // Fatal, and in the record version of TLS 1.2 (RFC 8446, sections 5.1 and 6).
                socket.write_all(&[21, 3, 3, 0, 2, 2, u8::from(alert)])?;
            }
            Manner::Says(bytes) => {
                hello(connection)?;
                socket.write_all(&bytes)?;
            }
            Manner::Closing => hello(connection)?,
            Manner::Resetting => {
                hello(connection)?;
                return connection.reset();
            }
        }
        // So that what the client still sends does not make a reset of it.
        connection.finish()
    }

    fn serve(&self, connection: &mut Connection, most: usize) -> io::Result<()> {
        let config = self.server.lock().unwrap().clone();
        let mut tls = ServerConnection::new(config).map_err(io::Error::other)?;
        let mut socket = Drip { socket: connection.socket(), most };
        while tls.is_handshaking() {
            if let Err(error) = tls.complete_io(&mut socket) {
                self.failures.lock().unwrap().push(error.to_string());
                // The alert, behind whatever was not sent yet.
                while tls.wants_write() && tls.write_tls(&mut socket).is_ok() {}
                return connection.finish();
            }
        }
        let place = {
            let mut seen = self.seen.lock().unwrap();
            seen.push(Seen::of(&tls));
            seen.len() - 1
        };
        let is_announced = || !matches!(*self.manner.lock().unwrap(), Manner::Truncating);
        let ending = relay::run(tls, socket, self.backend, is_announced)?;
        self.seen.lock().unwrap()[place].ending = ending;
        Ok(())
    }
}

/// A socket that takes no more than so many bytes at a time.
#[derive(Clone, Copy)]
struct Drip<'a> {
    socket: &'a Socket,
    most: usize,
}

impl Read for Drip<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = self.most.min(buffer.len());
        (&*self.socket).read(&mut buffer[..most])
    }
}

impl Write for Drip<'_> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        (&*self.socket).write(&buffer[..self.most.min(buffer.len())])
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seen {
    fn of(tls: &ServerConnection) -> Seen {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Seen {
            name: tls.server_name().map(str::to_owned),
            alpn: tls.alpn_protocol().map(text),
            is_resumed: tls.handshake_kind() == Some(HandshakeKind::Resumed),
            certificate: tls.peer_certificates().and_then(|chain| chain.first().cloned()),
            ending: None,
        }
    }
}

/// Reads a record: the ClientHello.
fn hello(connection: &Connection) -> io::Result<()> {
    let mut socket = connection.socket();
    let mut head = [0; 5];
    socket.read_exact(&mut head)?;
    let mut body = vec![0; usize::from(u16::from_be_bytes([head[3], head[4]]))];
    socket.read_exact(&mut body)
}

/// An nginx that speaks these versions alone, as its `ssl_protocols` calls them, `TLSv1.1` say; it answers with `NAME URI`.
pub fn old(name: &str, files: &Files, versions: &str) -> Nginx {
    let [certificate, key] = [&files.certificate, &files.key].map(|file| file.display().to_string());
    Nginx::start_with(name, |address: SocketAddr, _: &Path| {
        format!(
            "server {{ listen {address} ssl; ssl_certificate {certificate}; ssl_certificate_key {key};
               ssl_protocols {versions}; ssl_ciphers DEFAULT@SECLEVEL=0;
               location / {{ return 200 \"{name} $request_uri\"; }} }}"
        )
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rustls::version::{TLS12, TLS13};

    use super::*;
    use crate::backend::{Backend, Script};
    use crate::certificates::{Authority, Wish};
    use crate::client::Client;
    use crate::tls_client::{TlsClient, alert, curl, openssl};
    use crate::wait;

    const REPLY: &[u8] = b"HTTP/1.1 200 OK\r\n\r\nuntil the end";

    struct Stage {
        authority: Authority,
        backend: Backend,
        tls: TlsBackend,
        address: SocketAddr,
        client: TlsClient,
    }

    fn stage(change: impl FnOnce(TlsServer, &Authority) -> TlsServer) -> Stage {
        let authority = Authority::new("authority");
        let backend = Backend::start("a", Script::Echo);
        let server = TlsServer::new(&authority.intermediate("below").server(&["a.example"]));
        let tls = TlsBackend::before(&backend.address(), &change(server, &authority));
        let address = tls.address().parse().unwrap();
        let client = TlsClient::new(&authority, "a.example");
        Stage { authority, backend, tls, address, client }
    }

    #[test]
    fn scripts_run_behind_tls_as_they_do_without() {
        let stage = stage(|server, _| server.alpn(&["http/1.1"]));
        let mut client = Client::secure(stage.address, &stage.client.clone().alpn(&["h2", "http/1.1"]));
        assert!(client.get("/x").text().starts_with("GET /x HTTP/1.1\r\n"));
        assert_eq!(client.post("/", &[b'x'; 300_000]).field("x-body-bytes"), Some("300000"));
        assert_eq!(client.get("/pattern/1000000").body.len(), 1_000_000);
        client.send("GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n");
        assert_eq!(client.response("GET").status, 101);
        client.send("late").expect(b"late");
        client.finish();
        assert_eq!(client.ending().unwrap(), Ending::Clean);
        wait::until_true(Duration::from_secs(10), "the end", || stage.tls.open() == 0);
        let seen = &stage.tls.seen()[0];
        assert_eq!(seen.name.as_deref(), Some("a.example"));
        assert_eq!(seen.alpn.as_deref(), Some("http/1.1"));
        assert_eq!((seen.is_resumed, seen.ending), (false, Some(Ending::Clean)));
        assert_eq!((stage.backend.connections(), stage.tls.connections()), (1, 1));
    }

    #[test]
    fn a_close_is_announced_or_not() {
        let stage = stage(|server, _| server);
        stage.backend.set(Script::ReplyThenClose(REPLY.to_vec()));
        for version in [&TLS12, &TLS13] {
            stage.tls.set(Manner::Proper);
            let connect = || Client::secure(stage.address, &stage.client.clone().version(version));
            assert_eq!(connect().get("/").text(), "until the end");
            stage.tls.set(Manner::Truncating);
            let error = connect().try_get("/").unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        }
        stage.backend.set(Script::ResetOnRequest);
        let error = Client::secure(stage.address, &stage.client).try_get("/").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    }

    #[test]
    fn handshakes_fail_in_the_way_that_is_wanted() {
        let stage = stage(|server, _| server);
        let fails = |manner: &Manner| {
            stage.tls.set(manner.clone());
            Client::try_secure(stage.address, &stage.client).map(drop).unwrap_err()
        };
        let refusal = AlertDescription::ProtocolVersion;
        assert_eq!(alert(&fails(&Manner::Alert(refusal))), Some(refusal));
        assert_eq!(fails(&Manner::plain_http()).kind(), io::ErrorKind::InvalidData);
        assert_eq!(fails(&Manner::Closing).kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(fails(&Manner::Resetting).kind(), io::ErrorKind::ConnectionReset);
        stage.tls.set(Manner::Stalling);
        let mut client = Client::connect(stage.address);
        client.send(stage.client.hello());
        wait::until_true(Duration::from_secs(10), "a connection", || stage.tls.open() == 1);
        assert_eq!((stage.tls.seen().len(), stage.backend.connections()), (0, 0));
    }

    #[test]
    fn sessions_go_on_and_clients_show_who_they_are() {
        let stage = stage(|server, authority| server.clients(authority));
        let certificate = stage.authority.sign(&Wish::client("somebody"));
        let client = stage.client.clone().certificate(&certificate).resuming();
        for _ in 0..2 {
            assert_eq!(Client::secure(stage.address, &client).get("/").status, 200);
        }
        let seen = stage.tls.seen();
        assert_eq!(seen.iter().map(|one| one.is_resumed).collect::<Vec<_>>(), [false, true]);
        assert_eq!(seen[0].certificate, Some(certificate.leaf()));
        let mut stranger = Client::secure(stage.address, &stage.client);
        let error = stranger.try_get("/").unwrap_err();
        assert_eq!(alert(&error), Some(AlertDescription::CertificateRequired));
        wait::until_true(Duration::from_secs(10), "a failure", || stage.tls.failures().len() == 1);
    }

    #[test]
    fn openssl_and_curl_are_clients() {
        let stage = stage(|server, _| server);
        let folder = tempfile::tempdir().unwrap();
        let root = stage.authority.write(folder.path(), "root");
        let root = root.to_str().unwrap();
        let said = openssl(stage.address, &["-CAfile", root, "-servername", "a.example"], "");
        assert!(String::from_utf8_lossy(&said.stdout).contains("Verify return code: 0 (ok)"), "{said:?}");
        let port = stage.address.port();
        let resolve = format!("a.example:{port}:127.0.0.1");
        let url = format!("https://a.example:{port}/x");
        let said = curl(&["--cacert", root, "--resolve", &resolve, &url]);
        assert!(said.stdout.starts_with(b"GET /x HTTP/1.1\r\n"), "{said:?}");
    }

    #[test]
    fn an_old_server_speaks_old_versions_alone() {
        let authority = Authority::new("authority");
        let folder = tempfile::tempdir().unwrap();
        let files = authority.server(&["a.example"]).write(folder.path(), "a");
        let old = old("a", &files, "TLSv1.1");
        let address = old.address().parse().unwrap();
        let error =
            Client::try_secure(address, &TlsClient::new(&authority, "a.example")).map(drop).unwrap_err();
        assert_eq!(alert(&error), Some(AlertDescription::ProtocolVersion));
        let said = openssl(address, &["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"], "");
        assert!(String::from_utf8_lossy(&said.stdout).contains("Protocol  : TLSv1.1"), "{said:?}");
    }
}
