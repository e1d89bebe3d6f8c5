//! The client's side of TLS: whom it trusts and what it offers; and Debian's `openssl s_client` and `curl`.
//!
//! [`Client::secure`](crate::client::Client::secure) makes a connection with it, on which everything is as in cleartext.

use std::io;
use std::net::SocketAddr;
use std::process::{Command, Output};
use std::sync::{Arc, OnceLock};

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, SupportedKxGroup, aws_lc_rs};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    AlertDescription, ClientConfig, ClientConnection, DigitallySignedStruct, Error, RootCertStore,
    SignatureScheme, SupportedCipherSuite, SupportedProtocolVersion,
};

use crate::certificates::{Authority, Certificate};
use crate::client::PATIENCE;
use crate::tools::{run_within, tool};

/// Whom a client trusts, whom it asks for, and what it offers. Its clones remember the same sessions.
#[derive(Clone, Debug)]
pub struct TlsClient {
    trust: Trust,
    name: ServerName<'static>,
    sends_name: bool,
    alpn: Vec<Vec<u8>>,
    versions: Vec<&'static SupportedProtocolVersion>,
    provider: Arc<CryptoProvider>,
    certificate: Option<Certificate>,
    resumption: Resumption,
    /// Shared by clones: the library lets a session go on only with the verifier that it began with.
    config: Arc<OnceLock<Arc<ClientConfig>>>,
}

#[derive(Clone, Debug)]
enum Trust {
    Roots(Arc<RootCertStore>),
    Anybody,
}

impl TlsClient {
    /// One that trusts this authority alone, and asks for `name`: a DNS name, which is sent too, or an address. It offers
    /// TLS 1.2 and 1.3, and no application protocol, and begins a new session each time.
    pub fn new(authority: &Authority, name: &str) -> TlsClient {
        TlsClient::with(Trust::Roots(Arc::new(authority.roots())), name)
    }

    /// One that takes any certificate, and looks at no signature.
    pub fn trusting_anybody(name: &str) -> TlsClient {
        TlsClient::with(Trust::Anybody, name)
    }

    fn with(trust: Trust, name: &str) -> TlsClient {
        TlsClient {
            trust,
            name: ServerName::try_from(name.to_owned()).expect("the test's own name is one"),
            sends_name: true,
            alpn: Vec::new(),
            versions: rustls::ALL_VERSIONS.to_vec(),
            provider: Arc::new(aws_lc_rs::default_provider()),
            certificate: None,
            resumption: Resumption::disabled(),
            config: Arc::default(),
        }
    }

    /// Asks for somebody else.
    pub fn name(mut self, name: &str) -> TlsClient {
        self.name = ServerName::try_from(name.to_owned()).expect("the test's own name is one");
        self.changed()
    }

    /// Does not say whom it asks for (no SNI).
    pub fn nameless(mut self) -> TlsClient {
        self.sends_name = false;
        self.changed()
    }

    /// Offers these application protocols (ALPN).
    pub fn alpn(mut self, protocols: &[&str]) -> TlsClient {
        self.alpn = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        self.changed()
    }

    /// Speaks this version alone: `rustls::version::TLS12` or `TLS13`.
    pub fn version(mut self, version: &'static SupportedProtocolVersion) -> TlsClient {
        self.versions = vec![version];
        self.changed()
    }

    /// Offers these ciphers and groups alone.
    pub fn crypto(
        mut self,
        ciphers: &[SupportedCipherSuite],
        groups: &[&'static dyn SupportedKxGroup],
    ) -> TlsClient {
        let provider = Arc::make_mut(&mut self.provider);
        (provider.cipher_suites, provider.kx_groups) = (ciphers.to_vec(), groups.to_vec());
        self.changed()
    }

    /// Shows this certificate if it is asked for one.
    pub fn certificate(mut self, certificate: &Certificate) -> TlsClient {
        self.certificate = Some(certificate.clone());
        self.changed()
    }

    /// Goes on with earlier sessions (tickets), which this client and its clones remember from now on.
    pub fn resuming(self) -> TlsClient {
        self.sessions(Resumption::in_memory_sessions(256))
    }

    /// Goes on with sessions that are remembered so.
    pub fn sessions(mut self, resumption: Resumption) -> TlsClient {
        self.resumption = resumption;
        self.changed()
    }

    /// The DNS name that it asks for.
    pub fn host(&self) -> Option<&str> {
        match &self.name {
            ServerName::DnsName(name) => Some(name.as_ref()),
            _ => None,
        }
    }

    /// A connection's state, before its first byte.
    pub fn connection(&self) -> ClientConnection {
        let config = self.config.get_or_init(|| Arc::new(self.build()));
        ClientConnection::new(config.clone(), self.name.clone()).expect("a configuration of ours works")
    }

    /// The first bytes that it sends: a ClientHello in its records.
    pub fn hello(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.connection().write_tls(&mut bytes).expect("memory takes bytes");
        bytes
    }

    fn changed(mut self) -> TlsClient {
        self.config = Arc::default();
        self
    }

    fn build(&self) -> ClientConfig {
        let builder = ClientConfig::builder_with_provider(self.provider.clone());
        let builder = builder.with_protocol_versions(&self.versions).expect("ciphers for the versions");
        let builder = match &self.trust {
            Trust::Roots(roots) => builder.with_root_certificates(roots.clone()),
            Trust::Anybody => {
                builder.dangerous().with_custom_certificate_verifier(Arc::new(Anybody(self.provider.clone())))
            }
        };
        let mut config = match &self.certificate {
            None => builder.with_no_client_auth(),
            Some(one) => builder
                .with_client_auth_cert(one.chain_der(), one.key_der())
                .expect("a certificate of ours fits its key"),
        };
        config.enable_sni = self.sends_name;
        config.alpn_protocols = self.alpn.clone();
        config.resumption = self.resumption.clone();
        config
    }
}

/// Believes everybody.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _leaf: &CertificateDer<'_>,
        _between: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _leaf: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _leaf: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// What TLS has to say in an error of a connection, if it is TLS that failed.
pub fn failure(error: &io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref()
}

/// The alert that the peer sent, if that is the error.
pub fn alert(error: &io::Error) -> Option<AlertDescription> {
    match failure(error)? {
        Error::AlertReceived(alert) => Some(*alert),
        _ => None,
    }
}

/// `openssl s_client -connect ADDRESS` with more arguments, which sends `input` and reads until the server closes if
/// `-ign_eof` is among them, else ends with its input.
#[track_caller]
pub fn openssl(address: SocketAddr, arguments: &[&str], input: impl AsRef<[u8]>) -> Output {
    let mut command = Command::new(tool("openssl"));
    command.args(["s_client", "-connect", &address.to_string()]).args(arguments);
    run_within(PATIENCE, command, input)
}

/// `curl`, quiet but for errors, with these arguments.
#[track_caller]
pub fn curl(arguments: &[&str]) -> Output {
    let mut command = Command::new(tool("curl"));
    command.args(["-q", "-sS", "--noproxy", "*"]).args(arguments);
    run_within(PATIENCE, command, "")
}
