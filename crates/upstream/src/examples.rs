//! TLS backends for tests, with a CA of their own. The proxy's tests use this file, too.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use aws_lc_rs::digest::{SHA256, digest};
use evenkeel_tls::{CertificateDer, Client, ClientParts, Dial, Identity, Pin, Roots, Verify};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, PublicKeyData};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{
    ALL_VERSIONS, RootCertStore, ServerConfig, ServerConnection, StreamOwned, SupportedProtocolVersion,
};

/// The name that backends have unless they say otherwise.
pub(crate) const NAME: &str = "app.test";

/// A backend's side of a connection.
pub(crate) type Stream = StreamOwned<ServerConnection, TcpStream>;

/// Somebody who signs certificates.
pub(crate) struct Ca {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
}

/// A certificate with its key.
pub(crate) struct Leaf {
    certificate: CertificateDer<'static>,
    pem: String,
    key: KeyPair,
}

impl Ca {
    pub(crate) fn new() -> Ca {
        Ca::named("the CA of a test")
    }

    pub(crate) fn named(name: &str) -> Ca {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().der().clone();
        Ca { issuer: Issuer::new(params, key), certificate }
    }

    /// A good certificate.
    pub(crate) fn leaf(&self) -> Leaf {
        self.leaf_with(|_| {})
    }

    pub(crate) fn leaf_with(&self, change: impl FnOnce(&mut CertificateParams)) -> Leaf {
        let mut params = CertificateParams::new([NAME.to_owned()]).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Leaf { certificate: certificate.der().clone(), pem: certificate.pem(), key }
    }

    /// What a client is made of that believes this CA alone.
    pub(crate) fn parts(&self) -> ClientParts {
        ClientParts {
            roots: Roots::Given(vec![self.certificate.clone()]),
            verify: Verify::On,
            pins: Vec::new(),
            identity: None,
        }
    }

    /// To a backend of this CA.
    pub(crate) fn dial(&self) -> Arc<Dial> {
        dial(self.parts())
    }
}

impl Leaf {
    /// One that signed itself.
    pub(crate) fn self_signed() -> Leaf {
        let params = CertificateParams::new([NAME.to_owned()]).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Leaf { certificate: certificate.der().clone(), pem: certificate.pem(), key }
    }

    pub(crate) fn certificate(&self) -> CertificateDer<'static> {
        self.certificate.clone()
    }

    pub(crate) fn pin(&self) -> Pin {
        let digest = digest(&SHA256, &self.key.subject_public_key_info());
        Pin(digest.as_ref().try_into().unwrap())
    }

    /// As a client presents it.
    pub(crate) fn identity(&self) -> Arc<Identity> {
        Identity::from_pem(self.pem.as_bytes(), self.key.serialize_pem().as_bytes()).unwrap()
    }

    /// A server that presents it, in any version.
    pub(crate) fn server(&self) -> ServerConfig {
        self.server_with(None, ALL_VERSIONS)
    }

    /// The same, for clients with a certificate of that CA alone.
    pub(crate) fn server_for(&self, clients: Option<&Ca>) -> ServerConfig {
        self.server_with(clients, ALL_VERSIONS)
    }

    /// The same, in some versions.
    pub(crate) fn server_with(
        &self,
        clients: Option<&Ca>,
        versions: &[&'static SupportedProtocolVersion],
    ) -> ServerConfig {
        let builder = ServerConfig::builder_with_provider(provider()).with_protocol_versions(versions);
        let builder = match clients {
            None => builder.unwrap().with_no_client_auth(),
            Some(ca) => {
                let mut roots = RootCertStore::empty();
                roots.add(ca.certificate.clone()).unwrap();
                let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider());
                builder.unwrap().with_client_cert_verifier(verifier.build().unwrap())
            }
        };
        let key = PrivateKeyDer::try_from(self.key.serialize_der()).unwrap();
        builder.with_single_cert(vec![self.certificate.clone()], key).unwrap()
    }
}

pub(crate) fn dial(parts: ClientParts) -> Arc<Dial> {
    Arc::new(Dial::new(Client::new(parts).unwrap(), NAME.try_into().unwrap()))
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// A backend that does with each connection what `script` says, in a thread of its own.
pub(crate) fn listening(script: impl Fn(TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let script = Arc::new(script);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, script) = (stream.unwrap(), script.clone());
            thread::spawn(move || script(stream));
        }
    });
    address
}

/// A backend that speaks TLS, and writes what `answer` makes of each request head. It keeps the connection if that says so,
/// and else drops it without a word.
pub(crate) fn secure_server(
    config: ServerConfig,
    answer: impl Fn(&str, &mut Stream) -> bool + Send + Sync + 'static,
) -> SocketAddr {
    let config = Arc::new(config);
    listening(move |stream| {
        let mut stream = StreamOwned::new(ServerConnection::new(config.clone()).unwrap(), stream);
        while let Some(head) = read_head(&mut stream) {
            if !answer(&head, &mut stream) {
                return;
            }
        }
    })
}

/// Ends TLS in order.
pub(crate) fn take_leave(stream: &mut Stream) {
    stream.conn.send_close_notify();
    let _ = stream.flush();
}

/// Reads what ends with an empty line; `None` at the end, however it comes.
pub(crate) fn read_head(stream: &mut impl Read) -> Option<String> {
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
