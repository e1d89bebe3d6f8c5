//! Two ends of a connection, and what carries bytes between them.

use std::io::{Read as _, Write as _};
use std::sync::Arc;

use evenkeel_tls::{Dial, Error, Read, Server, ServerName, Session, Step};
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConnection, SupportedProtocolVersion};

use crate::authority::Authority;

/// One end of a connection.
pub(crate) trait End {
    /// Computes what it can; whether its handshake is done.
    fn step(&mut self) -> Result<bool, Error>;
    /// What it has to say.
    fn take(&mut self) -> Vec<u8>;
    fn give(&mut self, bytes: &[u8]);
}

impl End for Session {
    fn step(&mut self) -> Result<bool, Error> {
        Session::step(self).map(|step| step == Step::Done)
    }

    fn take(&mut self) -> Vec<u8> {
        let bytes = self.outgoing().to_vec();
        self.sent(bytes.len());
        bytes
    }

    fn give(&mut self, bytes: &[u8]) {
        let room = self.room();
        assert!(room.len() >= bytes.len(), "tests give what there is room for");
        room[..bytes.len()].copy_from_slice(bytes);
        self.received(bytes.len());
    }
}

/// rustls with its own buffers, on either side.
macro_rules! strange_end {
    ($connection:ty) => {
        impl End for $connection {
            fn step(&mut self) -> Result<bool, Error> {
                self.process_new_packets()?;
                Ok(!self.is_handshaking())
            }

            fn take(&mut self) -> Vec<u8> {
                let mut bytes = Vec::new();
                while self.wants_write() {
                    self.write_tls(&mut bytes).unwrap();
                }
                bytes
            }

            fn give(&mut self, mut bytes: &[u8]) {
                while !bytes.is_empty() {
                    self.read_tls(&mut bytes).unwrap();
                    // An error is found again by the next step.
                    let _ = self.process_new_packets();
                }
            }
        }
    };
}

strange_end!(ClientConnection);
strange_end!(ServerConnection);

/// What became of the two handshakes.
#[derive(Debug)]
pub(crate) struct Ends {
    pub(crate) client: Result<(), Error>,
    pub(crate) server: Result<(), Error>,
}

impl Ends {
    #[track_caller]
    pub(crate) fn unwrap(self) {
        self.client.unwrap();
        self.server.unwrap();
    }

    #[track_caller]
    pub(crate) fn client_error(self) -> Error {
        self.client.unwrap_err()
    }
}

/// Carries everything at once, both ways, until nobody has anything to say.
pub(crate) fn shake(client: &mut dyn End, server: &mut dyn End) -> Ends {
    shake_in(client, server, &mut |left| left)
}

/// As [`shake`], in pieces whose size `cut` says for what is left.
pub(crate) fn shake_in(
    client: &mut dyn End,
    server: &mut dyn End,
    cut: &mut dyn FnMut(usize) -> usize,
) -> Ends {
    let (mut of_client, mut of_server) = (client.step(), server.step());
    for _ in 0..16 {
        let is_quiet =
            carry(client, server, &mut of_server, cut) & carry(server, client, &mut of_client, cut);
        if is_quiet {
            break;
        }
    }
    let end = |step: Result<bool, Error>| {
        step.map(|is_done| assert!(is_done, "a handshake has not come to its end"))
    };
    match (&of_client, &of_server) {
        (Ok(_), Err(_)) => Ends { client: of_client.map(|_| ()), server: end(of_server) },
        (Err(_), Ok(_)) => Ends { client: end(of_client), server: of_server.map(|_| ()) },
        _ => Ends { client: end(of_client), server: end(of_server) },
    }
}

/// Whether there was nothing to carry.
fn carry(
    from: &mut dyn End,
    to: &mut dyn End,
    state: &mut Result<bool, Error>,
    cut: &mut dyn FnMut(usize) -> usize,
) -> bool {
    let bytes = from.take();
    let mut left = &bytes[..];
    while !left.is_empty() {
        let (piece, rest) = left.split_at(cut(left.len()).clamp(1, left.len()));
        to.give(piece);
        if state.is_ok() {
            *state = to.step();
        }
        left = rest;
    }
    bytes.is_empty()
}

/// A handshake of our own client with our own server.
pub(crate) fn meet(dial: &Dial, server: &Server) -> (Session, Session, Ends) {
    let (mut client, mut server) = (Session::connect(dial).unwrap(), Session::accept(server).unwrap());
    let ends = shake(&mut client, &mut server);
    (client, server, ends)
}

/// As [`meet`], where nothing may go wrong, and with whatever comes behind the handshake.
pub(crate) fn join(dial: &Dial, server: &Server) -> (Session, Session) {
    let (mut client, server, ends) = meet(dial, server);
    ends.unwrap();
    assert_eq!(read(&mut client), b"");
    (client, server)
}

/// All plaintext that has come.
pub(crate) fn read(session: &mut Session) -> Vec<u8> {
    let (mut all, mut room) = (Vec::new(), [0; 1000]);
    while let Read::Bytes(count) = session.read(&mut room).unwrap() {
        all.extend_from_slice(&room[..count]);
    }
    all
}

pub(crate) fn write(session: &mut Session, bytes: &[u8]) {
    let mut left = bytes;
    while !left.is_empty() {
        let count = session.write(&[std::io::IoSlice::new(left)]).unwrap();
        left = &left[count..];
    }
}

/// rustls with its own buffers, as other people's client.
pub(crate) struct Strange {
    pub(crate) provider: CryptoProvider,
    pub(crate) versions: Vec<&'static SupportedProtocolVersion>,
    pub(crate) protocols: Vec<Vec<u8>>,
}

impl Strange {
    pub(crate) fn new() -> Self {
        Strange {
            provider: default_provider(),
            versions: rustls::ALL_VERSIONS.to_vec(),
            protocols: Vec::new(),
        }
    }

    pub(crate) fn config(self, authority: &Authority) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(authority.der()).unwrap();
        let mut config = ClientConfig::builder_with_provider(Arc::new(self.provider))
            .with_protocol_versions(&self.versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = self.protocols;
        config
    }

    pub(crate) fn connect(self, authority: &Authority, name: &str) -> ClientConnection {
        connect(&Arc::new(self.config(authority)), name)
    }
}

pub(crate) fn connect(config: &Arc<ClientConfig>, name: &str) -> ClientConnection {
    ClientConnection::new(config.clone(), ServerName::try_from(name.to_owned()).unwrap()).unwrap()
}

/// Plaintext that a strange client has got.
pub(crate) fn read_strange(client: &mut ClientConnection) -> Vec<u8> {
    let (mut all, mut room) = (Vec::new(), [0; 1000]);
    while let Ok(count @ 1..) = client.reader().read(&mut room) {
        all.extend_from_slice(&room[..count]);
    }
    all
}

pub(crate) fn write_strange(client: &mut ClientConnection, bytes: &[u8]) -> Vec<u8> {
    client.writer().write_all(bytes).unwrap();
    client.take()
}
