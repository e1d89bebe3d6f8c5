//! Who a client is, as backends are told.

use evenkeel_tls::{CertificateDer, forwarded_client_cert};
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
        r#"Hash={};Subject="O=One\, Two\; Three,CN=me \\"myself\\"";URI=spiffe://a.test/ns/default;URI="http://a.test/?a=b;c,d\"e";DNS=me.test;DNS=*.me.test"#,
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
    assert!(field.contains(r#"URI="x:%0D%0AX-Evil: yes\",Hash=0""#), "{field}");
    assert!(field.contains(r#"DNS="a%0D%0Ab;DNS=c""#), "{field}");
    assert!(field.contains(r#"Subject="O=Zo\C3\AB\\,CN=me\0D\0AX-Evil: yes\00\7F""#), "{field}");
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
