//! What a certificate says of itself.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use rustls::pki_types::{CertificateDer, DnsName};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey;
use x509_parser::time::ASN1Time;

use super::{IdentityError, KeyKind, name};
use crate::crypto::{provider, sha256};

/// The sizes of RSA keys that TLS here uses, in bits.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// What the leaf of a chain says, and how long the rest of it is good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// DNS names that it is for, in lower case, in its order; `*.example.com` among them. From subjectAltName alone.
    pub names: Vec<Box<str>>,
    /// IP addresses that it is for.
    pub addresses: Vec<IpAddr>,
    /// First moment of its validity.
    pub not_before: SystemTime,
    /// Last moment of the validity of the leaf.
    pub not_after: SystemTime,
    /// Subject, by RFC 4514.
    pub subject: String,
    /// Issuer, by RFC 4514.
    pub issuer: String,
    /// SHA-256 of its DER.
    pub fingerprint: [u8; 32],
    /// The kind of its key.
    pub key: KeyKind,
    /// Whether it signed itself.
    pub is_self_signed: bool,
    /// Whether it is a CA's, which may sign others.
    pub is_ca: bool,
    /// Whether it may be a server's; its extended key usage, if it has one, says so.
    pub is_for_servers: bool,
    /// Whether it may be a client's.
    pub is_for_clients: bool,
    /// Of those behind it in the chain the one that ends first. Roots do not count: nobody believes one for being sent.
    pub first_issuer_to_end: Option<IssuerEnd>,
}

/// The end of a certificate that signed another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerEnd {
    /// Its subject, by RFC 4514.
    pub subject: String,
    /// Last moment of its validity.
    pub not_after: SystemTime,
}

impl Facts {
    /// Whether the leaf is valid at this moment.
    pub fn is_valid(&self, now: SystemTime) -> bool {
        (self.not_before..=self.not_after).contains(&now)
    }

    /// Reads a chain, leaf first.
    pub(super) fn read(
        der: &[u8],
        rest: &[CertificateDer<'static>],
        key: KeyKind,
    ) -> Result<Facts, IdentityError> {
        let leaf = parse(der).map_err(IdentityError::BadCertificate)?;
        // One that cannot be read is no reason to refuse it here: clients judge it.
        let usage = leaf.extended_key_usage().ok().flatten().map(|extension| extension.value);
        let mut facts = Facts {
            names: Vec::new(),
            addresses: Vec::new(),
            not_before: moment(leaf.validity().not_before),
            not_after: moment(leaf.validity().not_after),
            subject: name::to_text(leaf.subject()),
            issuer: name::to_text(leaf.issuer()),
            fingerprint: sha256(der),
            key,
            is_self_signed: signed_itself(&leaf),
            is_ca: leaf.is_ca(),
            is_for_servers: usage.is_none_or(|usage| usage.any || usage.server_auth),
            is_for_clients: usage.is_none_or(|usage| usage.any || usage.client_auth),
            first_issuer_to_end: rest
                .iter()
                .filter_map(|der| issuer_end(der))
                .min_by_key(|end| end.not_after),
        };
        facts.add_names(&leaf);
        Ok(facts)
    }

    fn add_names(&mut self, leaf: &X509Certificate<'_>) {
        for name in alternative_names(leaf) {
            match *name {
                GeneralName::DNSName(name) => {
                    let name = name.to_ascii_lowercase().into_boxed_str();
                    if is_usable(&name) && !self.names.contains(&name) {
                        self.names.push(name);
                    }
                }
                GeneralName::IPAddress(bytes) => self.addresses.extend(address(bytes)),
                _ => {}
            }
        }
    }
}

fn issuer_end(der: &[u8]) -> Option<IssuerEnd> {
    let issuer = parse(der).ok()?;
    let is_root = issuer.subject().as_raw() == issuer.issuer().as_raw();
    let not_after = moment(issuer.validity().not_after);
    (!is_root).then(|| IssuerEnd { subject: name::to_text(issuer.subject()), not_after })
}

/// Whether a certificate signed itself.
pub fn is_self_signed(certificate: &[u8]) -> bool {
    parse(certificate).is_ok_and(|certificate| signed_itself(&certificate))
}

/// A whole certificate, and nothing behind it.
pub(crate) fn parse(der: &[u8]) -> Result<X509Certificate<'_>, String> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Ok(certificate),
        Ok(_) => Err("there is more behind it".into()),
        Err(error) => Err(error.to_string()),
    }
}

/// What stands in subjectAltName.
pub(crate) fn alternative_names<'a>(
    leaf: &'a X509Certificate<'_>,
) -> impl Iterator<Item = &'a GeneralName<'a>> {
    leaf.subject_alternative_name()
        .ok()
        .flatten()
        .into_iter()
        .flat_map(|extension| extension.value.general_names.iter())
}

/// A moment; those that the system's clock cannot tell are moved to where it begins or nearly ends.
pub(crate) fn moment(time: ASN1Time) -> SystemTime {
    let seconds = time.timestamp();
    let distance = Duration::from_secs(seconds.unsigned_abs());
    if seconds < 0 {
        SystemTime::UNIX_EPOCH.checked_sub(distance).unwrap_or(SystemTime::UNIX_EPOCH)
    } else {
        let far = SystemTime::UNIX_EPOCH + Duration::from_secs(u64::from(u32::MAX));
        SystemTime::UNIX_EPOCH.checked_add(distance).unwrap_or(far)
    }
}

/// Whether it is a certificate with a key that can be used; rustls says of one of a wrong size only that it is none.
pub(super) fn check(der: &[u8]) -> Result<(), String> {
    let certificate = parse(der)?;
    if let Ok(PublicKey::RSA(key)) = certificate.public_key().parsed()
        && let bits = bits(key.modulus)
        && !RSA_BITS.contains(&bits)
    {
        let (least, most) = (RSA_BITS.start(), RSA_BITS.end());
        return Err(format!("its RSA key has {bits} bits, and {least} to {most} are taken"));
    }
    Ok(())
}

/// Length of a big-endian number.
fn bits(number: &[u8]) -> usize {
    let zeros = number.iter().take_while(|digit| **digit == 0).count();
    match number[zeros..] {
        [] => 0,
        [first, ref rest @ ..] => 8 - first.leading_zeros() as usize + 8 * rest.len(),
    }
}

/// Many name a CA as their issuer that is called as they are, so the signature decides.
fn signed_itself(certificate: &X509Certificate<'_>) -> bool {
    let key = &certificate.public_key().subject_public_key.data;
    let (signed, signature) = (certificate.tbs_certificate.as_ref(), &certificate.signature_value.data);
    let algorithms = provider().signature_verification_algorithms.all;
    certificate.subject().as_raw() == certificate.issuer().as_raw()
        && algorithms.iter().any(|algorithm| algorithm.verify_signature(key, signed, signature).is_ok())
}

/// Whether any client would take it: a name, or one label that is free and a name behind it.
fn is_usable(name: &str) -> bool {
    let fixed = name.strip_prefix("*.").unwrap_or(name);
    !fixed.ends_with('.') && DnsName::try_from(fixed).is_ok()
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
        16 => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
        _ => None,
    }
}
