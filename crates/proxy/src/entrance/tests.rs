//! TLS towards clients: one worker, real sockets, and clients that know nothing of evenkeel.

mod closing;
mod failures;
mod requests;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_model::{CoreListener, HandshakeFailure};
use evenkeel_routing::{ListenerRule, ListenerTls, PoolRule};
use evenkeel_tls::{ClientAuth, ClientCertificates, Identity, Policy, Server, ServerParts, UnknownName};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::examples::{DEADLINE, Proxy, connect, listener, members, pool, server, server_of, wait_until};

/// Who signs certificates in these tests.
struct Ca {
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key, PEM.
struct Pair {
    certificate: String,
    key: KeyPair,
}

/// A client's connection.
type Client = StreamOwned<ClientConnection, TcpStream>;

impl Ca {
    fn new() -> Ca {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap().der().clone();
        Ca { certificate, issuer: Issuer::new(params, key) }
    }

    fn sign(&self, names: &[&str]) -> Pair {
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &self.issuer).unwrap();
        Pair { certificate: certificate.pem(), key }
    }

    /// A client's rules: it believes this CA, and shows `own` if it is asked.
    fn client(&self, own: Option<&Pair>) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = builder.unwrap().with_root_certificates(roots);
        Arc::new(match own {
            None => builder.with_no_client_auth(),
            Some(pair) => builder.with_client_auth_cert(vec![pair.der()], pair.key_der()).unwrap(),
        })
    }
}

impl Pair {
    fn identity(&self) -> Arc<Identity> {
        Identity::from_pem(self.certificate.as_bytes(), self.key.serialize_pem().as_bytes()).unwrap()
    }

    fn der(&self) -> CertificateDer<'static> {
        self.identity().chain()[0].clone()
    }

    fn key_der(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::try_from(self.key.serialize_der()).unwrap()
    }
}

/// For `a.test` and `*.wild.test`.
fn parts(ca: &Ca) -> ServerParts {
    ServerParts {
        identities: vec![ca.sign(&["a.test", "*.wild.test"]).identity()],
        default: 0,
        policy: Policy::default(),
        unknown_name: UnknownName::Default,
        client: None,
        protocols: vec![b"http/1.1".to_vec()],
    }
}

fn tls(parts: ServerParts) -> ListenerTls {
    let server = Server::new(parts).unwrap();
    ListenerTls { server, handshake_timeout: DEADLINE, handshakes: 0 }
}

fn asks_for_certificates(ca: &Ca, certificates: ClientCertificates) -> Option<ClientAuth> {
    Some(ClientAuth { ca: vec![ca.certificate.clone()], crls: Vec::new(), certificates })
}

fn secured(tls: ListenerTls) -> ListenerRule {
    ListenerRule { tls: Some(tls), ..listener() }
}

/// Before a backend that answers every request with the same bytes.
fn proxy_before(rule: ListenerRule, answer: &'static str) -> Proxy {
    Proxy::start_on(rule, pool(PoolRule::default(), members(&[server_of(answer)])))
}

/// Before a backend that answers with the head that it got.
fn proxy_before_echo(rule: ListenerRule) -> Proxy {
    Proxy::start_on(rule, pool(PoolRule::default(), members(&[echo()])))
}

/// A backend that answers with the head that it got.
fn echo() -> std::net::SocketAddr {
    server(|head, stream| {
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{head}", head.len()).is_ok()
    })
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

fn session(config: &Arc<ClientConfig>, name: &'static str) -> ClientConnection {
    ClientConnection::new(config.clone(), ServerName::try_from(name).unwrap()).unwrap()
}

/// A client that asks for `name`; the handshake comes with its first bytes.
fn dial(proxy: &Proxy, config: &Arc<ClientConfig>, name: &'static str) -> Client {
    StreamOwned::new(session(config, name), connect(proxy.address()))
}

/// Asks, and reads one answer with a Content-Length.
fn ask(client: &mut (impl Read + Write), request: &str) -> String {
    client.write_all(request.as_bytes()).unwrap();
    read_answer(client)
}

fn read_answer(client: &mut impl Read) -> String {
    let mut answer = Vec::new();
    let head = loop {
        let mut byte = [0];
        client.read_exact(&mut byte).unwrap();
        answer.push(byte[0]);
        if answer.ends_with(b"\r\n\r\n") {
            break String::from_utf8(answer).unwrap();
        }
    };
    let lower = head.to_lowercase();
    let length = lower.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    client.read_exact(&mut body).unwrap();
    head + &String::from_utf8(body).unwrap()
}

/// Reads to the end, which TLS has to announce.
fn read_to_end(client: &mut impl Read) -> String {
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    answer
}

fn get(host: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")
}

fn count(proxy: &Proxy, of: impl Fn(&CoreListener) -> u64) -> u64 {
    proxy.counters().sum(of)
}

fn wait_for_failure(proxy: &Proxy, why: HandshakeFailure) {
    wait_until(why.token(), || count(proxy, |core| core.handshake_failures[why as usize].read()) > 0);
    wait_until("nobody shakes hands", || count(proxy, |core| core.handshakes_open.read()) == 0);
}
