//! TLS from files to plans: what is good, what is a problem at its key, and what is a warning.

use evenkeel_config::{Plan, Problems, parse_at, summary};
use evenkeel_tls::{ClientCertificates, Policy, Roots, UnknownName, Verify};
use rcgen::{BasicConstraints, DnType, ExtendedKeyUsagePurpose, IsCa};

use crate::certificates::{Authority, Folder, Made, now, self_signed};

fn read(text: &str) -> Result<Plan, Problems> {
    parse_at(text, "test.yaml", &|_| None, now())
}

fn plan(text: &str) -> Plan {
    read(text).unwrap_or_else(|problems| panic!("{problems}"))
}

/// A file with this TLS in its listener, in flow style; `DIR` is the folder.
fn listener(folder: &Folder, tls: &str) -> String {
    let text = format!(
        "listeners: [{{ name: edge, address: \"127.0.0.1:8443\", tls: {tls} }}]\n\
         pools: {{ web: {{ backends: [\"a:80\"] }} }}\n"
    );
    text.replace("DIR", folder.0.path().to_str().unwrap())
}

/// A file with these keys in its pool, in flow style.
fn pool(folder: &Folder, keys: &str) -> String {
    let text = format!("listeners: [{{ address: \"127.0.0.1:8080\" }}]\npools: {{ app: {{ {keys} }} }}\n");
    text.replace("DIR", folder.0.path().to_str().unwrap())
}

/// Code, path and the whole text of each problem.
fn problems(text: &str) -> Vec<(&'static str, String, String)> {
    let problems = read(text).err().unwrap_or_else(|| panic!("it loads: {text}"));
    let one = |problem: &evenkeel_config::Problem| {
        let help = problem.help.clone().unwrap_or_default();
        (problem.code.as_str(), problem.path.clone(), format!("{}\n{help}", problem.message))
    };
    problems.iter().map(one).collect()
}

/// The only problem, which says all of these.
fn check(text: &str, code: &str, path: &str, said: &[&str]) {
    let found = problems(text);
    let [(found_code, found_path, message)] = found.as_slice() else { panic!("{text}: {found:?}") };
    assert_eq!((*found_code, found_path.as_str()), (code, path), "{message}");
    for said in said {
        assert!(message.contains(said), "`{said}` is not in: {message}");
    }
}

/// Code and path of each warning.
fn warnings(text: &str) -> Vec<(&'static str, String)> {
    let warnings = plan(text).warnings;
    warnings.0.iter().map(|warning| (warning.code.as_str(), warning.path.clone())).collect()
}

fn site() -> (Folder, Authority, Made) {
    let (folder, authority) = (Folder::new(), Authority::new());
    let made = authority.sign(&["example.com", "*.example.com"]);
    folder.pair("site", &made);
    (folder, authority, made)
}

const SITE: &str = "certificates: [{ certificate: DIR/site.pem, key: DIR/site.key }]";

#[test]
fn a_certificate_with_its_key_is_enough() {
    let (folder, ..) = site();
    let plan = plan(&listener(&folder, &format!("{{ {SITE} }}")));
    let tls = plan.listeners[0].tls.as_ref().unwrap();
    let parts = tls.server.parts();
    assert_eq!(parts.identities.len(), 1);
    assert!(parts.identities[0].covers("www.example.com"));
    assert_eq!(
        (parts.default, parts.policy, parts.unknown_name),
        (0, Policy::Intermediate, UnknownName::Default)
    );
    assert!(parts.client.is_none());
    assert_eq!(parts.protocols, [b"http/1.1".to_vec(), b"http/1.0".to_vec()]);
    assert_eq!((tls.handshake_timeout.as_secs(), tls.handshakes), (5, 1000));
    assert!(plan.warnings.0.is_empty(), "{}", plan.warnings.0);
    assert_eq!(plan.watched(), [folder.path("site.pem"), folder.path("site.key")]);
}

#[test]
fn every_key_of_a_listener_has_its_effect() {
    let (folder, authority, made) = site();
    folder.write("both.pem", made.certificate.clone() + &made.key);
    folder.pair("other", &authority.sign(&["other.org"]));
    folder.write("clients.pem", &authority.pem);
    let (pem, der) = authority.revocation_list();
    folder.write("clients.crl", der);
    folder.write("clients.crl.pem", pem);
    let text = listener(
        &folder,
        "{ certificates: [{ certificate: DIR/both.pem }, { certificate: DIR/other.pem, key: DIR/other.key }], \
         default: Other.org, policy: modern, unknown_name: refuse, handshake_timeout: 1s, handshakes: off, \
         client: { ca: DIR/clients.pem, crl: DIR/clients.crl, required: false } }",
    );
    let plan = plan(&text);
    let tls = plan.listeners[0].tls.as_ref().unwrap();
    let parts = tls.server.parts();
    assert_eq!((parts.default, parts.policy, parts.unknown_name), (1, Policy::Modern, UnknownName::Refuse));
    assert_eq!((tls.handshake_timeout.as_secs(), tls.handshakes), (1, 0));
    let client = parts.client.as_ref().unwrap();
    assert_eq!((client.ca.len(), client.crls.len()), (1, 1));
    assert_eq!(client.certificates, ClientCertificates::Optional);
    let pem = read(&text.replace("clients.crl,", "clients.crl.pem,")).unwrap();
    assert_eq!(pem.listeners[0].tls, plan.listeners[0].tls, "a list as PEM is the same list");
    let watched = ["both.pem", "other.pem", "other.key", "clients.pem", "clients.crl"];
    assert_eq!(plan.watched(), watched.map(|name| folder.path(name)));
}

#[test]
fn folders_are_told_without_a_look_at_them() {
    let (folder, authority, made) = site();
    for name in ["one/a", "one/b", "two/sub/c"] {
        folder.pair(name, &made);
    }
    folder.write("three/ca.pem", &authority.pem);
    let text = listener(
        &folder,
        "{ certificates: [{ certificate: DIR/one/a.pem, key: DIR/one/a.key }, { directory: DIR/two }], \
         client: { ca: DIR/three/ca.pem } }",
    );
    let text = text.replace("[\"a:80\"]", "[\"https://a\"], tls: { ca: DIR/three/ca.pem }");
    let plan = plan(&text.replace("DIR", folder.0.path().to_str().unwrap()));
    drop(std::fs::remove_dir_all(folder.path("two")));
    assert_eq!(plan.folders(), ["one", "two", "three"].map(|name| folder.path(name)));
}

#[test]
fn clients_are_brought_to_https() {
    let (folder, ..) = site();
    let hsts = |keys: &str| {
        let text = listener(&folder, &format!("{{ {SITE} }}, hsts: {keys}"));
        plan(&text).listeners[0].hsts.clone()
    };
    assert_eq!(hsts("true").as_deref(), Some("max-age=31536000"));
    assert_eq!(hsts("off"), None);
    assert_eq!(hsts("{ max_age: 0s }").as_deref(), Some("max-age=0"), "browsers forget it");
    assert_eq!(hsts("{ max_age: 730d }").as_deref(), Some("max-age=63072000"));
    let all = hsts("{ max_age: 365d, include_subdomains: true, preload: true }");
    assert_eq!(all.as_deref(), Some("max-age=31536000; includeSubDomains; preload"));
    for (keys, port) in [("true", Some(443)), ("9443", Some(9443)), ("off", None)] {
        let text = listener(&folder, &format!("off, redirect_to_https: {keys}"));
        assert_eq!(plan(&text).listeners[0].redirect_to_https, port, "{keys}");
    }
}

#[test]
fn a_redirect_to_the_port_that_it_comes_from_is_a_problem_unless_somebody_else_speaks_https_there() {
    let text = listener(&Folder::new(), "off, redirect_to_https: 8443");
    check(&text, "conflict", "listeners[0].redirect_to_https", &["this very port", "`trusted_networks`"]);
    plan(&format!("trusted_networks: [10.0.0.0/8]\n{text}"));
}

#[test]
fn each_slip_about_tls_is_one_problem_at_its_place() {
    let (folder, authority, _) = site();
    let ca = folder.write("ca.pem", &authority.pem);
    let tls = "listeners[0].tls";
    for (keys, code, path) in [
        (format!("{{ {SITE}, default: other.org }}"), "unknown-name", format!("{tls}.default")),
        (format!("{{ {SITE}, default: \"a b\" }}"), "bad-value", format!("{tls}.default")),
        (format!("{{ {SITE}, policy: old }}"), "bad-value", format!("{tls}.policy")),
        (format!("{{ {SITE}, unknown_name: reject }}"), "bad-value", format!("{tls}.unknown_name")),
        (format!("{{ {SITE}, client: {{}} }}"), "missing-key", format!("{tls}.client")),
        (format!("{{ {SITE}, handshakes: -1 }}"), "bad-value", format!("{tls}.handshakes")),
        (format!("{{ {SITE}, handshake_timeout: 0s }}"), "bad-value", format!("{tls}.handshake_timeout")),
        (
            format!("{{ {SITE} }}, redirect_to_https: true"),
            "conflict",
            "listeners[0].redirect_to_https".into(),
        ),
        (format!("{{ {SITE} }}, hsts: {{ preload: true }}"), "conflict", "listeners[0].hsts.preload".into()),
        (
            format!("{{ {SITE} }}, hsts: {{ max_age: 3651d }}"),
            "bad-value",
            "listeners[0].hsts.max_age".into(),
        ),
        (format!("{{ {SITE} }}, hsts: 365d"), "wrong-type", "listeners[0].hsts".into()),
        ("off, hsts: true".into(), "conflict", "listeners[0].hsts".into()),
        ("off, redirect_to_https: 70000".into(), "bad-value", "listeners[0].redirect_to_https".into()),
        ("true".into(), "wrong-type", tls.into()),
        ("{}".into(), "missing-key", tls.into()),
        ("{ certificates: [] }".into(), "empty", format!("{tls}.certificates")),
        ("{ certificates: [{}] }".into(), "missing-key", format!("{tls}.certificates[0]")),
        ("{ certificates: [{ key: DIR/site.key }] }".into(), "missing-key", format!("{tls}.certificates[0]")),
        (
            "{ certificates: [{ certificate: site.pem }] }".into(),
            "bad-value",
            format!("{tls}.certificates[0].certificate"),
        ),
        (
            "{ certificates: [{ certificate: DIR/site.pem, directory: DIR }] }".into(),
            "conflict",
            format!("{tls}.certificates[0].certificate"),
        ),
        (
            "{ certificates: [{ key: DIR/site.key, directory: DIR }] }".into(),
            "conflict",
            format!("{tls}.certificates[0].key"),
        ),
    ] {
        let text = listener(&folder, &keys);
        let found: Vec<_> = problems(&text).into_iter().map(|(code, path, _)| (code, path)).collect();
        assert_eq!(found, [(code, path)], "{text}");
    }
    let text = listener(&folder, &format!("{{ {SITE}, default: other.org }}"));
    check(&text, "unknown-name", "listeners[0].tls.default", &["`example.com` and `*.example.com`"]);
    drop(ca);
}

#[test]
fn a_file_that_is_no_good_says_how_to_mend_it() {
    let (folder, authority, made) = site();
    let other = authority.sign(&["other.org"]);
    folder.write("other.key", &other.key);
    folder.write("only.pem", &made.certificate);
    folder.write("encrypted.key", ENCRYPTED);
    folder.write("site.p12", b"\x30\x82\x05\x10\x02\x01\x03\x30\x82");
    folder.write("site.der", b"\x30\x82\x05\x10\x30\x82\x03\x03");
    folder.write("key.der", b"\x30\x41\x02\x01\x00\x30\x13");
    folder
        .write("site.csr", "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n");
    folder.write("empty.pem", "\n");
    folder.write("broken.pem", "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n");
    folder.write("junk.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    folder.write("broken.key", "-----BEGIN PRIVATE KEY-----\n!!!!\n-----END PRIVATE KEY-----\n");
    folder.write("large.pem", vec![b'x'; (1 << 20) + 1]);
    for (certificate, key, blamed, said) in [
        (
            "none.pem",
            "site.key",
            "certificate",
            &["none.pem", "No such file", "the user ", "that is there"][..],
        ),
        ("site.pem", "none.key", "key", &["none.key", "No such file"]),
        ("only.pem", "", "certificate", &["only.pem", "no private key", "write `key`"]),
        ("site.pem", "only.pem", "key", &["only.pem", "no private key"]),
        ("site.pem", "other.key", "key", &["site.pem", "other.key", "-noout -pubkey", "comes first"]),
        ("site.pem", "encrypted.key", "key", &["is encrypted", "openssl pkey -in", "encrypted.key -out"]),
        ("site.p12", "site.key", "certificate", &["PKCS#12", "openssl pkcs12 -in", "site.p12 -nodes"]),
        ("site.der", "site.key", "certificate", &["DER", "openssl x509 -inform DER -in"]),
        ("site.pem", "key.der", "key", &["DER", "openssl pkey -inform DER -in"]),
        ("site.csr", "site.key", "certificate", &["request for a certificate", "what the CA gave"]),
        ("empty.pem", "site.key", "certificate", &["empty.pem", "it is empty"]),
        (
            "broken.pem",
            "site.key",
            "certificate",
            &["broken.pem", "not valid PEM", "openssl x509 -in", "copy it again"],
        ),
        ("junk.pem", "site.key", "certificate", &["junk.pem", "cannot be used", "openssl x509 -in"]),
        ("site.pem", "broken.key", "key", &["broken.key", "not valid PEM", "openssl pkey -in"]),
        ("large.pem", "site.key", "certificate", &["larger than 1 MiB"]),
        ("site.key", "site.pem", "certificate", &["swapped", "write `", "site.pem` as the certificate"]),
        ("", "site.key", "certificate", &["is a folder", "`directory` instead"]),
    ] {
        let key = if key.is_empty() { String::new() } else { format!(", key: DIR/{key}") };
        let keys = format!("{{ certificates: [{{ certificate: DIR/{certificate}{key} }}] }}");
        let text = listener(&folder, &keys);
        let found = problems(&text);
        assert_eq!(found.len(), 1, "{found:?}");
        let path = format!("listeners[0].tls.certificates[0].{blamed}");
        check(&text, found[0].0, &path, said);
    }
}

#[test]
fn what_cannot_be_read_is_told_with_the_user() {
    let (folder, ..) = site();
    // Not even root can look into a file as if it were a folder.
    let text =
        listener(&folder, "{ certificates: [{ certificate: DIR/site.pem/x.pem, key: DIR/site.key }] }");
    check(
        &text,
        "unreadable",
        "listeners[0].tls.certificates[0].certificate",
        &["by the user ", "(os error"],
    );
    folder.link("loop.pem", "loop.pem");
    let text = listener(&folder, "{ certificates: [{ certificate: DIR/loop.pem, key: DIR/site.key }] }");
    check(&text, "unreadable", "listeners[0].tls.certificates[0].certificate", &["symbolic links"]);
    let text = listener(&folder, "{ certificates: [{ certificate: /dev/zero, key: DIR/site.key }] }");
    check(&text, "unreadable", "listeners[0].tls.certificates[0].certificate", &["`/dev/zero` is no file"]);
}

#[test]
fn every_certificate_is_looked_at_in_one_go() {
    let (folder, ..) = site();
    let text = listener(
        &folder,
        "{ certificates: [{ certificate: DIR/a.pem }, { certificate: DIR/site.pem, key: DIR/b.key }, \
         { directory: DIR/c }], default: nobody.org, client: { ca: DIR/d.pem, crl: DIR/e.crl } }",
    );
    let paths: Vec<String> = problems(&text).into_iter().map(|(_, path, _)| path).collect();
    let tls = "listeners[0].tls";
    let expected = [
        "certificates[0].certificate",
        "certificates[1].key",
        "certificates[2].directory",
        "client.ca",
        "client.crl",
    ];
    assert_eq!(paths, expected.map(|path| format!("{tls}.{path}")));
}

#[test]
fn cas_and_revocation_lists_are_looked_at() {
    let (folder, authority, made) = site();
    folder.write("ca.pem", &authority.pem);
    folder.write(
        "request.pem",
        "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n",
    );
    folder.write("ca.der", b"\x30\x82\x05\x10\x30\x82\x03\x03");
    folder.write("empty.pem", "");
    folder.write("junk.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    folder.write("broken.pem", "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n");
    folder.write("broken.crl", "-----BEGIN X509 CRL-----\n!!!!\n-----END X509 CRL-----\n");
    folder.write("junk.crl", "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n");
    folder.write("leaf.pem", &made.certificate);
    for (ca, crl, blamed, said) in [
        ("empty.pem", None, "ca", &["no CA certificate", "it is empty"][..]),
        ("ca.der", None, "ca", &["DER", "openssl x509 -inform DER"]),
        ("request.pem", None, "ca", &["request"]),
        (
            "junk.pem",
            None,
            "ca",
            &["in `", "/junk.pem` cannot be used", "openssl storeutl -certs", "copy them again"],
        ),
        ("broken.pem", None, "ca", &["/broken.pem` cannot be used: it is not valid PEM", "openssl storeutl"]),
        ("ca.pem", Some("ca.pem"), "crl", &["no revocation list", "X509 CRL"]),
        ("ca.pem", Some("empty.pem"), "crl", &["empty.pem"]),
        ("ca.pem", Some("junk.crl"), "crl", &["/junk.crl` cannot be used", "openssl crl -in", "from its CA"]),
        (
            "ca.pem",
            Some("broken.crl"),
            "crl",
            &["/broken.crl` cannot be used: it is not valid PEM", "openssl crl"],
        ),
    ] {
        let crl = crl.map_or(String::new(), |crl| format!(", crl: DIR/{crl}"));
        let text = listener(&folder, &format!("{{ {SITE}, client: {{ ca: DIR/{ca}{crl} }} }}"));
        check(&text, "bad-value", &format!("listeners[0].tls.client.{blamed}"), said);
    }
}

#[test]
fn what_is_too_large_for_what_it_is_said_to_be_is_a_problem() {
    let (folder, authority, _) = site();
    let many = |bytes: usize| " ".repeat(bytes - 1) + "\n";
    let list = authority.revocation_list().0;
    folder.write("ca.pem", &authority.pem);
    folder.write("large.pem", many(1 << 20) + &authority.pem);
    folder.write("long.crl", many(1 << 22) + &list);
    folder.write("large.crl", many(1 << 24) + &list);
    let text = |ca: &str, crl: &str| {
        listener(&folder, &format!("{{ {SITE}, client: {{ ca: DIR/{ca}, crl: DIR/{crl} }} }}"))
    };
    plan(&text("ca.pem", "long.crl"));
    check(&text("large.pem", "long.crl"), "too-large", "listeners[0].tls.client.ca", &["larger than 1 MiB"]);
    check(&text("ca.pem", "large.crl"), "too-large", "listeners[0].tls.client.crl", &["larger than 16 MiB"]);
}

#[test]
fn what_works_but_is_worth_a_look_is_a_warning() {
    let (folder, authority, made) = site();
    let path = "listeners[0].tls.certificates[0].certificate";
    for (made, code) in [
        (authority.sign_until(&["a.org"], (2026, 2, 1)), "expired"),
        (authority.sign_until(&["a.org"], (2026, 3, 10)), "expires-soon"),
        (authority.sign_within(&["a.org"], (2027, 1, 1), (2028, 1, 1)), "not-yet-valid"),
        (authority.sign(&[]), "no-name"),
        (self_signed(&["a.org"]), "self-signed"),
    ] {
        folder.pair("one", &made);
        let text = listener(&folder, "{ certificates: [{ certificate: DIR/one.pem, key: DIR/one.key }] }");
        assert_eq!(warnings(&text), [(code, path.to_string())]);
    }
    let both =
        "{ certificates: [{ certificate: DIR/site.pem, key: DIR/site.key }, { certificate: DIR/both.pem }] }";
    let both_pem = folder.write("both.pem", made.certificate.clone() + &made.key);
    std::fs::set_permissions(&both_pem, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let path = "listeners[0].tls.certificates[1].certificate";
    assert_eq!(
        warnings(&listener(&folder, both)),
        [("permissions", path.to_string()), ("duplicate-name", path.to_string())]
    );
}

/// Warnings of `one.pem` at a listener, and as what backends are shown: code and message of each.
fn warnings_of(made: &Made) -> [Vec<(&'static str, String)>; 2] {
    let (folder, authority, _) = site();
    folder.pair("one", made);
    folder.write("ca.pem", &authority.pem);
    let one = "certificate: DIR/one.pem, key: DIR/one.key";
    let at_listener = listener(&folder, &format!("{{ certificates: [{{ {one} }}] }}"));
    let at_pool = pool(&folder, &format!("backends: [\"https://a\"], tls: {{ ca: DIR/ca.pem, {one} }}"));
    [at_listener, at_pool].map(|text| {
        let warnings = plan(&text).warnings;
        let one = |warning: &evenkeel_config::Problem| {
            let help = warning.help.clone().unwrap_or_default();
            (warning.code.as_str(), format!("{}\n{help}", warning.message))
        };
        warnings.0.iter().map(one).collect()
    })
}

#[test]
fn a_certificate_for_another_use_is_a_warning() {
    let authority = Authority::new();
    let with_usages = |usages: &[ExtendedKeyUsagePurpose]| {
        authority.sign_with(&["a.org"], |params| params.extended_key_usages = usages.to_vec())
    };
    use ExtendedKeyUsagePurpose::{Any, ClientAuth, ServerAuth};
    for (usages, is_for) in [
        (&[][..], [true, true]),
        (&[ServerAuth, ClientAuth], [true, true]),
        (&[Any], [true, true]),
        (&[ServerAuth], [true, false]),
        (&[ClientAuth], [false, true]),
    ] {
        let found = warnings_of(&with_usages(usages));
        for ((found, is_right), lacking) in found.iter().zip(is_for).zip(["`serverAuth`", "`clientAuth`"]) {
            match &found[..] {
                [] if is_right => {}
                [("purpose", message)] if !is_right => assert!(message.contains(lacking), "{message}"),
                found => panic!("{usages:?}: {found:?}"),
            }
        }
    }
    let ca =
        authority.sign_with(&["a.org"], |params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained));
    let [at_listener, at_pool] = warnings_of(&ca);
    assert!(
        matches!(&at_listener[..], [("purpose", message)] if message.contains("is a CA's")),
        "{at_listener:?}"
    );
    assert!(at_pool.is_empty(), "{at_pool:?}");
}

/// A certificate, and behind it one of an issuer that ends on this day.
fn with_issuer(authority: &Authority, leaf: &Made, until: (i32, u8, u8)) -> Made {
    let issuer = authority.sign_with(&[], |params| {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "Issuer");
        params.not_after = rcgen::date_time_ymd(until.0, until.1, until.2);
    });
    Made { certificate: leaf.certificate.clone() + &issuer.certificate, key: leaf.key.clone() }
}

#[test]
fn a_chain_that_ends_before_its_certificate_is_a_warning() {
    let authority = Authority::new();
    let leaf = authority.sign(&["a.org"]);
    let behind = |until| with_issuer(&authority, &leaf, until);
    for (until, code, said) in [
        ((2026, 2, 1), "expired", "one.pem` expired on 2026-02-01"),
        ((2026, 3, 10), "expires-soon", "one.pem` expires in 8 days, on 2026-03-10"),
    ] {
        for found in warnings_of(&behind(until)) {
            let [(found, message)] = &found[..] else { panic!("{found:?}") };
            assert!(*found == code && message.contains("Issuer` in the chain of `"), "{message}");
            assert!(message.contains(said) && message.contains("put the chain there"), "{message}");
        }
    }
    for found in warnings_of(&behind((2027, 1, 1))) {
        assert!(found.is_empty(), "{found:?}");
    }
}

#[test]
fn a_certificate_that_ends_soon_hides_no_issuer_that_has_ended() {
    let authority = Authority::new();
    let leaf = authority.sign_until(&["a.org"], (2026, 3, 10));
    for found in warnings_of(&with_issuer(&authority, &leaf, (2026, 2, 1))) {
        let [("expires-soon", own), ("expired", issuers)] = &found[..] else { panic!("{found:?}") };
        assert!(own.starts_with("the certificate in `") && own.contains("renew it"), "{own}");
        assert!(issuers.contains("Issuer` in the chain of `"), "{issuers}");
    }
}

#[test]
fn many_warnings_hide_no_other() {
    let (folder, authority, made) = site();
    for index in 0..120 {
        folder.write(&format!("certs/{index:03}.crt"), &made.certificate);
    }
    folder.pair("certs/site", &made);
    folder.pair("old", &authority.sign_until(&["a.org"], (2026, 2, 1)));
    let tls = "{ certificates: [{ directory: DIR/certs }, { certificate: DIR/old.pem, key: DIR/old.key }] }";
    let text = listener(&folder, tls).replace("[\"a:80\"]", "[\"https://a\"], tls: { verify: off }");
    let found = warnings(&text);
    assert_eq!(found.len(), 122, "{found:?}");
    for code in ["expired", "unverified"] {
        assert!(found.iter().any(|(found, _)| *found == code), "{code} is missing");
    }
    assert!(plan(&text).warnings.0.to_string().ends_with("test.yaml: 122 warnings"));
}

#[test]
fn warnings_are_shown_like_problems() {
    let (folder, authority, _) = site();
    folder.pair("site", &authority.sign_until(&["a.org"], (2026, 3, 10)));
    let warnings = plan(&listener(&folder, &format!("{{ {SITE} }}"))).warnings.0.to_string();
    assert!(
        warnings.starts_with("warning[expires-soon]: listeners[0].tls.certificates[0].certificate: "),
        "{warnings}"
    );
    assert!(warnings.contains("expires in 8 days, on 2026-03-10"), "{warnings}");
    assert!(warnings.contains("test.yaml:1:"), "{warnings}");
    assert!(warnings.ends_with("test.yaml: 1 warning"), "{warnings}");
}

#[test]
fn an_https_backend_has_to_prove_its_own_host() {
    let folder = Folder::new();
    folder.write("ca.pem", Authority::new().pem);
    let backends =
        "\"https://App.internal\", \"https://10.0.0.5:8443\", \"https://[::1]:8443\", \"http://b\"";
    let plan = plan(&pool(&folder, &format!("backends: [{backends}], tls: {{ ca: DIR/ca.pem }}")));
    let shown = |backend: &evenkeel_config::BackendPlan| {
        let name = backend.tls.as_ref().map(|dial| dial.name().to_str().into_owned());
        (backend.address.to_string(), name)
    };
    let backends: Vec<_> = plan.pools[0].backends.iter().map(shown).collect();
    let expected = [
        ("app.internal:443", Some("app.internal")),
        ("10.0.0.5:8443", Some("10.0.0.5")),
        ("[::1]:8443", Some("::1")),
        ("b:80", None),
    ];
    assert_eq!(backends, expected.map(|(address, name)| (address.to_string(), name.map(str::to_string))));
    let parts = plan.pools[0].backends[0].tls.as_ref().unwrap().client().parts();
    assert_eq!(parts.verify, Verify::On);
    assert!(matches!(&parts.roots, Roots::Given(roots) if roots.len() == 1));
    assert_eq!(plan.pools[0].rule.host, None);
    assert_eq!(plan.watched(), [folder.path("ca.pem")]);
}

#[test]
fn every_key_of_a_pool_has_its_effect() {
    let folder = Folder::new();
    let authority = Authority::new();
    folder.write("ca.pem", &authority.pem);
    folder.pair("me", &authority.sign(&["me.internal"]));
    let plan = plan(&pool(
        &folder,
        "backends: [\"https://10.0.0.5\", \"https://unix:/run/app.sock\"], timeouts: { tls: 1s }, \
         health: { probe: { path: /, tls: off } }, \
         tls: { ca: DIR/ca.pem, server_name: App.internal, host: app.internal, certificate: DIR/me.pem, \
         key: DIR/me.key, pins: [\"sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\"] }",
    ));
    let pool = &plan.pools[0];
    assert_eq!(pool.rule.timeouts.tls.as_secs(), 1);
    assert_eq!(pool.rule.host.as_deref(), Some("app.internal"));
    let probe = pool.health.probe.as_ref().unwrap();
    assert!(probe.is_cleartext);
    let evenkeel_health::ProbeKind::Http(http) = &probe.kind else { panic!("{probe:?}") };
    assert_eq!(http.host.as_deref(), Some("app.internal"));
    for backend in &pool.backends {
        let dial = backend.tls.as_ref().unwrap();
        assert_eq!(dial.name().to_str(), "app.internal");
        assert_eq!(dial.client().parts().pins.len(), 1);
        assert!(dial.client().parts().identity.as_ref().unwrap().covers("me.internal"));
    }
    assert_eq!(plan.watched(), ["ca.pem", "me.pem", "me.key"].map(|name| folder.path(name)));
    assert!(plan.warnings.0.is_empty(), "{}", plan.warnings.0);
}

#[test]
fn each_slip_about_backends_with_tls_is_one_problem_at_its_place() {
    let folder = Folder::new();
    let authority = Authority::new();
    folder.write("ca.pem", &authority.pem);
    folder.write("none.pem", "");
    folder.pair("me", &authority.sign(&["me.internal"]));
    let app = "backends: [\"https://app\"]";
    for (keys, code, path) in [
        ("backends: [\"a:80\"], tls: { ca: DIR/ca.pem }".into(), "conflict", "tls"),
        ("backends: [\"a:80\"], timeouts: { tls: 1s }".into(), "conflict", "timeouts.tls"),
        (
            "backends: [\"a:80\"], health: { probe: { tcp: true, tls: off } }".into(),
            "conflict",
            "health.probe.tls",
        ),
        (format!("{app}, tls: off"), "conflict", "tls"),
        (format!("{app}, tls: {{ ca: DIR/none.pem }}"), "bad-value", "tls.ca"),
        (format!("{app}, tls: {{ ca: DIR/gone.pem }}"), "unreadable", "tls.ca"),
        (format!("{app}, tls: {{ ca: DIR/ca.pem, key: DIR/me.key }}"), "missing-key", "tls.key"),
        (
            format!("{app}, tls: {{ ca: DIR/ca.pem, certificate: DIR/me.pem }}"),
            "bad-value",
            "tls.certificate",
        ),
        (format!("{app}, tls: {{ pins: [\"sha256/abc\"] }}"), "bad-value", "tls.pins[0]"),
        (format!("{app}, tls: {{ server_name: \"https://app\" }}"), "bad-value", "tls.server_name"),
        (format!("{app}, tls: {{ host: \"a b\" }}"), "bad-value", "tls.host"),
        (format!("{app}, tls: {{ ca: DIR/ca.pem, verify: off }}"), "conflict", "tls.ca"),
        (format!("{app}, tls: {{ verify: none }}"), "wrong-type", "tls.verify"),
        (format!("{app}, tls: {{ sni: app }}"), "unknown-key", "tls.sni"),
        ("backends: [\"https://unix:/a\"], tls: { ca: DIR/ca.pem }".into(), "missing-key", "backends[0]"),
        ("backends: [\"https://a:80\", \"a:80\"], tls: { ca: DIR/ca.pem }".into(), "conflict", "backends[1]"),
        ("backends: [\"https://a/b\"]".into(), "bad-value", "backends[0]"),
        ("backends: [\"https+unix:///a\"]".into(), "bad-value", "backends[0]"),
    ] {
        let text = pool(&folder, &keys);
        let found: Vec<_> = problems(&text).into_iter().map(|(code, path, _)| (code, path)).collect();
        assert_eq!(found, [(code, format!("pools.app.{path}"))], "{text}");
    }
}

#[test]
fn a_route_has_no_tls_to_wait_for_where_its_pool_has_none() {
    let text = "listeners: [{ address: \"127.0.0.1:8080\" }]\nroutes: [{ pool: web, timeouts: { tls: 1s } }]\n\
                pools: { web: { backends: [\"a:80\"] } }\n";
    check(text, "conflict", "routes[0].timeouts.tls", &["`web`"]);
}

#[test]
fn whoever_answers_is_believed_only_with_a_warning() {
    let folder = Folder::new();
    let text = pool(&folder, "backends: [\"https://app\"], tls: { verify: off }");
    assert_eq!(warnings(&text), [("unverified", "pools.app.tls.verify".to_string())]);
    let plan = plan(&text);
    assert_eq!(plan.pools[0].backends[0].tls.as_ref().unwrap().client().parts().verify, Verify::Off);
    assert!(summary(&plan).contains("https backends: NOT VERIFIED"), "{}", summary(&plan));
}

#[test]
fn a_summary_shows_certificates_and_how_backends_are_verified() {
    let (folder, authority, _) = site();
    folder.write("ca.pem", &authority.pem);
    let text = format!(
        "listeners: [{{ name: edge, address: \"127.0.0.1:8443\", tls: {{ {SITE} }} }}, \
         {{ address: \"127.0.0.1:8080\", redirect_to_https: 8443 }}]\n\
         pools: {{ app: {{ backends: [\"https://app\", \"b:80\"], tls: {{ ca: DIR/ca.pem }} }} }}\n"
    );
    let plan = plan(&text.replace("DIR", folder.0.path().to_str().unwrap()));
    let expected = "listener edge 127.0.0.1:8443, TLS\n\
                    \x20 certificate example.com, *.example.com: until 2028-01-01\n\
                    listener 127.0.0.1:8080, to HTTPS on port 8443\n\
                    route * -> app\n\
                    pool app: 2 backends: https://app:443, b:80\n\
                    \x20 https backends: verified by `ca`\n\
                    admin 127.0.0.1:9180\n\
                    access log stdout";
    assert_eq!(summary(&plan), expected);
}

/// From `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -aes256 -pass pass:secret`.
const ENCRYPTED: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAg=\n-----END ENCRYPTED PRIVATE KEY-----\n";
