//! A certificate that is wanted: its names, its key, when it is valid.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, SanType, SerialNumber,
};

use super::Certificate;

/// A day.
pub const DAY: Duration = Duration::from_secs(24 * 3600);

/// How long a certificate is valid that nobody wants otherwise.
pub(super) const VALIDITY: Duration = Duration::from_secs(90 * 24 * 3600);

/// What kind of key a certificate has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Kind {
    /// ECDSA on P-256.
    #[default]
    Ecdsa,
    /// RSA of 2048 bits; a test program has one such key, because they take long to make.
    Rsa,
}

/// When a certificate is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Validity {
    /// From yesterday on, for three months.
    #[default]
    Now,
    /// From yesterday on, until so long from now.
    For(Duration),
    /// Until yesterday.
    Expired,
    /// From tomorrow on.
    NotYet,
}

/// A certificate that is wanted: see [`Wish::new`].
#[derive(Clone, Debug, Default)]
pub struct Wish {
    names: Vec<String>,
    uris: Vec<String>,
    subject: Option<Vec<(DnType, String)>>,
    pub(super) kind: Kind,
    validity: Validity,
    is_for_clients: bool,
}

impl Wish {
    /// A server's certificate for these names, DNS names (with wildcards) or addresses; the first is its common name.
    pub fn new(names: &[&str]) -> Wish {
        Wish { names: names.iter().map(|name| (*name).to_owned()).collect(), ..Wish::default() }
    }

    /// A client's certificate with this common name.
    pub fn client(name: &str) -> Wish {
        let subject = Some(vec![(DnType::CommonName, name.to_owned())]);
        Wish { subject, is_for_clients: true, ..Wish::default() }
    }

    /// Also for this DNS name or address.
    pub fn name(mut self, name: &str) -> Wish {
        self.names.push(name.to_owned());
        self
    }

    /// Also for this URI.
    pub fn uri(mut self, uri: &str) -> Wish {
        self.uris.push(uri.to_owned());
        self
    }

    /// Its subject, in the order in which it is encoded (the most general first).
    pub fn subject(mut self, parts: &[(DnType, &str)]) -> Wish {
        self.subject = Some(parts.iter().map(|(kind, text)| (kind.clone(), (*text).to_owned())).collect());
        self
    }

    /// Its kind of key.
    pub fn kind(mut self, kind: Kind) -> Wish {
        self.kind = kind;
        self
    }

    /// When it is valid.
    pub fn validity(mut self, validity: Validity) -> Wish {
        self.validity = validity;
        self
    }

    /// It, signed by itself.
    pub fn self_signed(&self) -> Certificate {
        let key = key(self.kind);
        let (params, serial) = self.params();
        let leaf = params.self_signed(&key).expect("a key signs");
        Certificate { chain: leaf.pem(), key: key.serialize_pem(), serial }
    }

    pub(super) fn params(&self) -> (CertificateParams, Vec<u8>) {
        let mut params = CertificateParams::new(self.names.clone()).expect("the test's own names are names");
        let uri = |uri: &String| SanType::URI(uri.as_str().try_into().expect("the test's own URI is ASCII"));
        params.subject_alt_names.extend(self.uris.iter().map(uri));
        params.distinguished_name = match (&self.subject, self.names.first()) {
            (Some(parts), _) => distinguished(parts),
            (None, Some(name)) => distinguished(&[(DnType::CommonName, name.clone())]),
            (None, None) => DistinguishedName::new(),
        };
        let [from, until] = self.validity.span(SystemTime::now());
        (params.not_before, params.not_after) = (from.into(), until.into());
        params.is_ca = IsCa::ExplicitNoCa;
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![match self.is_for_clients {
            true => ExtendedKeyUsagePurpose::ClientAuth,
            false => ExtendedKeyUsagePurpose::ServerAuth,
        }];
        let serial = serial();
        params.serial_number = Some(SerialNumber::from_slice(&serial));
        (params, serial)
    }
}

impl Validity {
    fn span(self, now: SystemTime) -> [SystemTime; 2] {
        match self {
            Validity::Now => [now - DAY, now + VALIDITY],
            Validity::For(length) => [now - DAY, now + length],
            Validity::Expired => [now - VALIDITY, now - DAY],
            Validity::NotYet => [now + DAY, now + VALIDITY],
        }
    }
}

pub(super) fn distinguished(parts: &[(DnType, String)]) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    parts.iter().for_each(|(kind, text)| name.push(kind.clone(), text.as_str()));
    name
}

/// A new key; of RSA always the same.
pub(super) fn key(kind: Kind) -> KeyPair {
    static RSA: OnceLock<String> = OnceLock::new();
    match kind {
        Kind::Ecdsa => KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key is made"),
        Kind::Rsa => {
            let new = || KeyPair::generate_for(&PKCS_RSA_SHA256).expect("a key is made").serialize_pem();
            KeyPair::from_pem(RSA.get_or_init(new)).expect("a key of ours is one")
        }
    }
}

/// A serial number that no other certificate of this program has, and one of another program hardly.
fn serial() -> Vec<u8> {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let next = NEXT.fetch_add(1, Ordering::AcqRel).to_be_bytes();
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("it is after 1970");
    // Positive, and without zeros in front.
    [&[1], &since.as_nanos().to_be_bytes()[8..], &next[4..]].concat()
}
