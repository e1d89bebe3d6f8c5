//! Who a client is, as backends are told.

use evenkeel_tls::{CertificateDer, forwarded_client_cert};
use proptest::prelude::*;
use rcgen::{DnType, SanType};

use crate::authority::{params, self_signed};

fn hash(der: &[u8]) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, der);
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_certificate_is_told_as_envoy_tells_it() {
    let mut params = params("me \"myself\"", &["me.test", "*.me.test", "192.0.2.1"]);
    params.distinguished_name.push(DnType::OrganizationName, "One, Two; Three");
    params.subject_alt_names.push(SanType::URI("spiffe://a.test/ns/default".try_into().unwrap()));
    params.subject_alt_names.push(SanType::URI("http://a.test/?a=b;c,d\"e".try_into().unwrap()));
    let leaf = self_signed(&params);
    let expected = format!(
        r#"Hash={};Subject="O=One\2C Two\3B Three,CN=me \22myself\22";URI=spiffe://a.test/ns/default;URI="http://a.test/?a=b%3Bc%2Cd%22e";DNS=me.test;DNS=*.me.test"#,
        hash(leaf.certificate.der())
    );
    assert_eq!(forwarded_client_cert(leaf.certificate.der()), expected);
}

#[test]
fn nothing_in_it_can_leave_its_field() {
    let mut params = params("me\r\nX-Evil: yes\0\u{7f}", &[]);
    params.distinguished_name.push(DnType::OrganizationName, "Zoë\\");
    params.subject_alt_names.push(SanType::URI("x:\r\nX-Evil: yes\",Hash=0".try_into().unwrap()));
    params.subject_alt_names.push(SanType::DnsName("a\r\nb;DNS=c".try_into().unwrap()));
    let field = forwarded_client_cert(self_signed(&params).certificate.der());
    assert!(field.bytes().all(|byte| (0x20..0x7f).contains(&byte)), "{field}");
    assert!(field.contains(r#"URI="x:%0D%0AX-Evil:%20yes%22%2CHash=0""#), "{field}");
    assert!(field.contains(r#"DNS="a%0D%0Ab%3BDNS=c""#), "{field}");
    assert!(field.contains(r#"Subject="O=Zo\C3\AB\5C,CN=me\0D\0AX-Evil: yes\00\7F""#), "{field}");
}

/// The elements of the field, as a reader finds them for whom a quote begins and ends a string; `knows_escapes`: but not
/// behind a backslash, which is removed.
fn elements(field: &str, knows_escapes: bool) -> Vec<(String, String)> {
    let mut elements = vec![String::new()];
    let (mut is_quoted, mut signs) = (false, field.chars());
    while let Some(sign) = signs.next() {
        let last = elements.last_mut().unwrap();
        match sign {
            '"' => is_quoted = !is_quoted,
            '\\' if knows_escapes => last.extend(signs.next()),
            // Between two certificates stands a comma.
            ';' | ',' if !is_quoted => elements.push(String::new()),
            _ => last.push(sign),
        }
    }
    assert!(!is_quoted, "{field}");
    let pair = |element: &String| {
        let (key, value) = element.split_once('=').unwrap_or_else(|| panic!("{field}"));
        (key.to_owned(), value.to_owned())
    };
    elements.iter().map(pair).collect()
}

/// The parts of a name, as a reader finds them for whom a backslash is a sign like any other.
fn parts(name: &str) -> Vec<&str> {
    name.split([',', '+']).map(|part| part.split_once('=').unwrap().0).collect()
}

fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[ -~]{0,3}",
        Just("\"".to_owned()),
        Just("\\".to_owned()),
        Just(";".to_owned()),
        Just(",".to_owned()),
        Just("=".to_owned()),
        Just("\\\"".to_owned()),
        Just("\";URI=spiffe://a.test/admin;X=\"".to_owned()),
        Just(",O=admin".to_owned()),
    ];
    proptest::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn every_reader_finds_the_elements_that_were_meant(
        common in hostile(),
        organization in hostile(),
        uri in hostile(),
        name in hostile(),
    ) {
        let mut params = params(&common, &[]);
        params.distinguished_name.push(DnType::OrganizationName, organization.as_str());
        params.subject_alt_names.push(SanType::URI(uri.as_str().try_into().unwrap()));
        params.subject_alt_names.push(SanType::DnsName(name.as_str().try_into().unwrap()));
        let leaf = self_signed(&params);
        let field = forwarded_client_cert(leaf.certificate.der());
        prop_assert!(!field.contains("\\\"") && !field.contains("\\\\"), "{field}");
        for knows_escapes in [false, true] {
            let found = elements(&field, knows_escapes);
            let keys: Vec<&str> = found.iter().map(|(key, _)| key.as_str()).collect();
            prop_assert_eq!(keys, ["Hash", "Subject", "URI", "DNS"], "{}", field);
            prop_assert_eq!(&found[0].1, &hash(leaf.certificate.der()));
            prop_assert_eq!(parts(&found[1].1), ["O", "CN"], "{}", field);
            prop_assert!(found.iter().all(|(_, value)| !value.ends_with('\\')), "{field}");
            for (found, meant) in [(&found[2].1, &uri), (&found[3].1, &name)] {
                prop_assert_eq!(&decoded(found), &decoded(meant), "{}", field);
            }
        }
    }
}

/// Without percent-encoding.
fn decoded(text: &str) -> String {
    let mut pieces = text.split('%');
    let mut decoded = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        match piece.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => decoded.extend([char::from(byte).to_string().as_str(), &piece[2..]]),
            None => decoded.extend(["%", piece]),
        }
    }
    decoded
}

#[test]
fn it_has_an_end() {
    let mut params = params("me", &[]);
    for place in 0..2000 {
        let name = format!("name-{place}.test");
        params.subject_alt_names.push(SanType::DnsName(name.as_str().try_into().unwrap()));
    }
    let field = forwarded_client_cert(self_signed(&params).certificate.der());
    assert!(field.len() <= 4096 && field.len() > 4000);
    assert!(field.ends_with(".test") && field.contains("DNS=name-0.test"));
    params.distinguished_name.push(DnType::OrganizationName, "x".repeat(5000));
    let field = forwarded_client_cert(self_signed(&params).certificate.der());
    assert!(field.len() <= 4096 && !field.contains("Subject"), "{field}");
}

#[test]
fn what_is_no_certificate_has_a_hash() {
    let der = CertificateDer::from(b"nothing".to_vec());
    assert_eq!(forwarded_client_cert(&der), format!("Hash={}", hash(b"nothing")));
}
