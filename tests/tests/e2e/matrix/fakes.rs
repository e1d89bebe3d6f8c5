//! Ways in which a backend is wrong about TLS.

use evenkeel_tests::certificates::{Authority, Certificate, Validity, Wish};
use evenkeel_tests::tls_backend::{Manner, TlsServer};
use rustls::AlertDescription;
use rustls::version::{TLS12, TLS13};

use super::lines::{NAME, Papers};

/// What is wrong with a backend's TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fake {
    /// Never answers the ClientHello.
    Stalls,
    /// Speaks plain HTTP.
    PlainHttp,
    /// Speaks something else.
    Database,
    /// Chooses TLS 1.1.
    Old,
    Closes,
    Resets,
    Alert(AlertDescription),
    /// Speaks HTTP/2 alone.
    OtherProtocol,
    /// Wants a client certificate, and says so after its handshake is done on our side.
    WantsCertificateLate,
    /// Wants a client certificate in TLS 1.2, which says so within the handshake.
    WantsCertificate,
    Expired,
    NotYetValid,
    WrongName,
    Stranger,
    SelfSigned,
    OfClient,
    /// Good, but not the one that is pinned.
    OtherKey,
}

/// A ServerHello of TLS 1.1 that chooses ECDHE-RSA with AES-128-CBC.
const OLD_HELLO: &[u8] = b"\x16\x03\x02\x00\x2a\x02\x00\x00\x26\x03\x02\
    0123456789abcdef0123456789abcdef\x00\xc0\x13\x00";

/// How MySQL greets.
const GREETING: &[u8] = b"\x4a\x00\x00\x00\x0a8.0.36\x00\x08\x00\x00\x00";

impl Fake {
    /// What serves so.
    pub(super) fn served(self, papers: &Papers) -> (TlsServer, Manner) {
        let own = TlsServer::new(&papers.backend);
        let acts = |manner: Manner| (own.clone(), manner);
        let shows = |certificate: Certificate| (TlsServer::new(&certificate), Manner::Proper);
        let wish = || Wish::new(&[NAME, "127.0.0.1"]);
        let signed = |wish: Wish| shows(papers.authority.sign(&wish));
        match self {
            Fake::Stalls => acts(Manner::Stalling),
            Fake::PlainHttp => acts(Manner::plain_http()),
            Fake::Database => acts(Manner::Says(GREETING.to_vec())),
            Fake::Old => acts(Manner::Says(OLD_HELLO.to_vec())),
            Fake::Closes => acts(Manner::Closing),
            Fake::Resets => acts(Manner::Resetting),
            Fake::Alert(alert) => acts(Manner::Alert(alert)),
            Fake::OtherProtocol => (own.alpn(&["h2"]), Manner::Proper),
            Fake::WantsCertificateLate => (own.version(&TLS13).clients(&papers.authority), Manner::Proper),
            Fake::WantsCertificate => (own.version(&TLS12).clients(&papers.authority), Manner::Proper),
            Fake::Expired => signed(wish().validity(Validity::Expired)),
            Fake::NotYetValid => signed(wish().validity(Validity::NotYet)),
            Fake::WrongName => signed(Wish::new(&["other.example", "127.0.0.2"])),
            Fake::Stranger => shows(Authority::new("another one").sign(&wish())),
            Fake::SelfSigned => shows(wish().self_signed()),
            Fake::OfClient => signed(Wish::client(NAME).name(NAME).name("127.0.0.1")),
            Fake::OtherKey => signed(wish()),
        }
    }
}
