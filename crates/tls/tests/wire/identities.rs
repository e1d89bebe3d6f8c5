//! Certificates and keys out of files.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use evenkeel_tls::{Identity, IdentityError, KeyKind, PemError, certificates_from_pem, crls_from_pem};
use proptest::prelude::*;
use rcgen::{DnType, KeyPair, date_time_ymd};

use crate::authority::{Authority, ECDSA, ED25519, Issued, RSA, params, self_signed};

fn read(certificate: &str, key: &str) -> Result<std::sync::Arc<Identity>, IdentityError> {
    Identity::from_pem(certificate.as_bytes(), key.as_bytes())
}

fn issued(names: &[&str]) -> Issued {
    Authority::new("ca").sign(&params("leaf", names), ECDSA)
}

#[test]
fn the_facts_are_those_of_the_leaf() {
    let ca = Authority::new("ca");
    let mut params =
        params("Ein \"Name\", GmbH", &["A.test", "*.B.test", "192.0.2.1", "2001:db8::1", "a.test"]);
    params.distinguished_name.push(DnType::OrganizationName, " #Zoë\n");
    params.distinguished_name.push(DnType::CountryName, "DE");
    (params.not_before, params.not_after) = (date_time_ymd(1960, 1, 1), date_time_ymd(2049, 12, 31));
    for (kind, expected) in [(ECDSA, KeyKind::Ecdsa), (ED25519, KeyKind::Ed25519), (RSA, KeyKind::Rsa)] {
        let leaf = ca.sign(&params, kind);
        let identity = leaf.identity(&[&ca]);
        let facts = identity.facts();
        assert_eq!(facts.names, ["a.test".into(), "*.b.test".into()]);
        let addresses: [IpAddr; 2] = ["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()];
        assert_eq!(facts.addresses, addresses);
        assert_eq!(facts.key, expected);
        assert_eq!(facts.issuer, "CN=ca");
        assert_eq!(facts.subject, r#"C=DE,O=\20#Zo\C3\AB\0A,CN=Ein \22Name\22\2C GmbH"#);
        assert_eq!(facts.not_before, SystemTime::UNIX_EPOCH - Duration::from_secs(3653 * 86_400));
        assert_eq!(facts.not_after, SystemTime::UNIX_EPOCH + Duration::from_secs(2_524_521_600));
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, leaf.certificate.der());
        assert_eq!(facts.fingerprint, digest.as_ref());
        assert_eq!(identity.chain(), [leaf.certificate.der().clone(), ca.der()]);
        assert!(!facts.is_self_signed);
    }
}

#[test]
fn a_name_counts_only_as_an_alternative_name() {
    let leaf = self_signed(&params("www.a.test", &[]));
    let identity = leaf.identity(&[]);
    assert!(identity.facts().names.is_empty() && identity.facts().addresses.is_empty());
    assert!(!identity.covers("www.a.test"));
    assert!(identity.facts().is_self_signed);
}

#[test]
fn a_certificate_covers_hosts() {
    let identity = issued(&["a.test", "*.b.test", "192.0.2.1", "2001:db8::1"]).identity(&[]);
    for host in [
        "a.test",
        "A.TEST",
        "a.test.",
        "x.b.test",
        "X.B.Test.",
        "192.0.2.1",
        "2001:db8::1",
        "[2001:db8::1]",
        "[2001:DB8:0::1]",
    ] {
        assert!(identity.covers(host), "{host}");
    }
    for host in [
        "",
        ".",
        "test",
        "x.a.test",
        "b.test",
        ".b.test",
        "x.x.b.test",
        "192.0.2.2",
        "[2001:db8::2]",
        "a.test..",
        "[a.test]",
        "a.test:443",
        "xb.test",
        "ä.test",
    ] {
        assert!(!identity.covers(host), "{host}");
    }
}

#[test]
fn one_file_can_hold_both_and_more() {
    let leaf = issued(&["a.test"]);
    let (certificate, key) = (leaf.certificate.pem(), leaf.key.serialize_pem());
    let (other, ca) = (KeyPair::generate().unwrap().serialize_pem(), Authority::new("x").certificate.pem());
    for both in [
        format!("{certificate}{key}"),
        format!("{key}{certificate}{ca}"),
        format!("\u{feff}Bag Attributes\n  friendlyName: x\n{certificate}\r\n\r\n{key}"),
        format!("{certificate}{key}").replace('\n', "\r\n"),
        format!("{certificate}{key}").replace('\n', "\n    "),
        format!("{certificate}{other}{key}"),
        format!(
            "{certificate}-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n{key}"
        ),
        format!("{certificate}-----BEGIN DH PARAMETERS-----\nnothing\n-----END DH PARAMETERS-----\n{key}"),
        format!(
            "{certificate}-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n{key}"
        ),
    ] {
        let identity = read(&both, &both).unwrap_or_else(|error| panic!("{error}\n{both}"));
        assert_eq!(&identity.chain()[0], leaf.certificate.der());
    }
    assert_eq!(read(&certificate, &key), read(&format!("{certificate}{key}"), &format!("{other}{key}")));
    assert_ne!(read(&certificate, &key), read(&format!("{certificate}{ca}"), &key));
}

#[test]
fn what_is_wrong_is_said_of_the_right_file() {
    let leaf = issued(&["a.test"]);
    let (certificate, key) = (leaf.certificate.pem(), leaf.key.serialize_pem());
    let other = KeyPair::generate().unwrap().serialize_pem();
    let cut = &certificate[..certificate.len() - 30];
    let broken = certificate.replace("MII", "!!!");
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let old = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nAAAA\n\
               -----END RSA PRIVATE KEY-----\n";
    let foreign = "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n";
    let unusable = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    let not_x509 = "-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE-----\n";
    type Expected = fn(&IdentityError) -> bool;
    let table: [(&str, &str, Expected, bool); 17] = [
        ("", &key, |e| matches!(e, IdentityError::BadPem(_)), false),
        ("nothing", &key, |e| matches!(e, IdentityError::BadPem(_)), false),
        (cut, &key, |e| matches!(e, IdentityError::BadPem(_)), false),
        (&broken, &key, |e| matches!(e, IdentityError::BadPem(_)), false),
        (&key, &key, |e| *e == IdentityError::NoCertificate, false),
        (not_x509, &key, |e| matches!(e, IdentityError::BadCertificate(_)), false),
        (&certificate, "", |e| matches!(e, IdentityError::BadKeyPem(_)), true),
        (&certificate, "nothing", |e| matches!(e, IdentityError::BadKeyPem(_)), true),
        (&certificate, &key[..key.len() - 30], |e| matches!(e, IdentityError::BadKeyPem(_)), true),
        (&certificate, &certificate, |e| *e == IdentityError::NoKey, true),
        (&certificate, encrypted, |e| *e == IdentityError::EncryptedKey, true),
        (&certificate, old, |e| *e == IdentityError::EncryptedKey, true),
        (&certificate, foreign, |e| matches!(e, IdentityError::BadKey(why) if why.contains("OPENSSH")), true),
        (&certificate, unusable, |e| matches!(e, IdentityError::BadKey(_)), true),
        (&certificate, &other, |e| *e == IdentityError::Mismatch, true),
        (&certificate, &(other.clone() + unusable), |e| *e == IdentityError::Mismatch, true),
        (&(not_x509.to_owned() + old), old, |e| matches!(e, IdentityError::BadCertificate(_)), false),
    ];
    for (certificate, key, expected, is_of_key) in table {
        let error = read(certificate, key).unwrap_err();
        assert!(expected(&error), "{error:?}\n{certificate}\n{key}");
        assert_eq!(error.is_of_key(), is_of_key, "{error:?}");
    }
    let middle = read(&(certificate.clone() + not_x509), &key).unwrap_err();
    assert!(middle.to_string().contains("number 2"), "{middle}");
}

#[test]
fn der_is_recognized() {
    let leaf = issued(&["a.test"]);
    let error = Identity::from_pem(leaf.certificate.der(), leaf.key.serialized_der()).unwrap_err();
    assert!(error.to_string().contains("DER"), "{error}");
    let crl = Authority::new("ca").revoke(&[1], (2020, 2030));
    assert_eq!(crls_from_pem(&crl).unwrap(), [crl]);
    assert_eq!(crls_from_pem(leaf.certificate.pem().as_bytes()), Err(PemError::Missing("revocation list")));
}

#[test]
fn keys_in_their_own_formats_are_read() {
    for (certificate, key) in [
        (include_str!("files/rsa.pem"), include_str!("files/rsa-pkcs1.key")),
        (include_str!("files/rsa.pem"), include_str!("files/rsa-pkcs8.key")),
        (include_str!("files/ec.pem"), include_str!("files/ec-sec1.key")),
        (include_str!("files/ec.pem"), include_str!("files/ec-pkcs8.key")),
        (include_str!("files/ed25519.pem"), include_str!("files/ed25519.key")),
    ] {
        let identity = read(certificate, key).unwrap();
        assert!(identity.facts().is_self_signed);
        assert_eq!(identity.facts().names, ["files.test".into()]);
    }
    for key in [include_str!("files/rsa-encrypted.key"), include_str!("files/rsa-old-encrypted.key")] {
        assert_eq!(read(include_str!("files/rsa.pem"), key), Err(IdentityError::EncryptedKey));
    }
    let small = read(include_str!("files/rsa1024.pem"), include_str!("files/rsa1024.key")).unwrap_err();
    assert!(small.to_string().contains("1024 bits"), "{small}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_bytes_are_a_reason_to_panic(
        places in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..5),
        cut in any::<prop::sample::Index>(),
        is_der: bool,
        noise in proptest::collection::vec(any::<u8>(), 0..100),
    ) {
        thread_local! {
            static LEAF: Issued = Authority::new("ca").sign(
                &params("leaf", &["a.test", "*.b.test", "192.0.2.1", "2001:db8::1"]),
                ECDSA,
            );
        }
        LEAF.with(|leaf| {
            let key = leaf.key.serialize_pem();
            let change = |bytes: &[u8]| {
                let mut bytes = bytes.to_vec();
                for (place, byte) in &places {
                    let length = bytes.len();
                    bytes[place.index(length)] = *byte;
                }
                bytes
            };
            let pem = if is_der {
                // Good PEM around a certificate that was changed.
                let der = change(leaf.certificate.der());
                evenkeel_tls::forwarded_client_cert(&der.clone().into());
                evenkeel_tls::is_self_signed(&der);
                encode(&der)
            } else {
                change(format!("{}{key}", leaf.certificate.pem()).as_bytes())
            };
            if let Ok(identity) = Identity::from_pem(&pem, key.as_bytes()) {
                let _ = (identity.covers("a.test"), format!("{identity:?} {:?}", identity.facts()));
            }
            let _ = Identity::from_pem(leaf.certificate.pem().as_bytes(), &pem);
            let short = &pem[..cut.index(pem.len())];
            let _ = (Identity::from_pem(short, short), certificates_from_pem(&noise), crls_from_pem(&noise));
            let _ = Identity::from_pem(&noise, &noise);
        });
    }

    #[test]
    fn no_host_is_a_reason_to_panic(host in ".{0,40}") {
        thread_local! {
            static IDENTITY: std::sync::Arc<Identity> = issued(&["a.test", "*.b.test"]).identity(&[]);
        }
        IDENTITY.with(|identity| identity.covers(&host));
    }
}

fn encode(der: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = b"-----BEGIN CERTIFICATE-----\n".to_vec();
    for chunk in der.chunks(3) {
        let bits =
            chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * place)) as usize & 63];
            text.push(if place <= chunk.len() { digit } else { b'=' });
        }
    }
    text.extend(b"\n-----END CERTIFICATE-----\n");
    text
}
