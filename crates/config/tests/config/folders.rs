//! Folders of certificates, as programs leave them.

use evenkeel_config::{Plan, Problems, parse_at};

use crate::certificates::{Authority, Folder, now};

fn text(folder: &Folder) -> String {
    format!(
        "listeners: [{{ address: \"127.0.0.1:8443\", tls: {{ certificates: [{{ directory: {} }}] }} }}]\n\
         pools: {{ web: {{ backends: [\"a:80\"] }} }}\n",
        folder.path("certs").display()
    )
}

fn read(folder: &Folder) -> Result<Plan, Problems> {
    parse_at(&text(folder), "test.yaml", &|_| None, now())
}

/// The first name of each certificate, in order.
fn names(folder: &Folder) -> Vec<String> {
    let plan = read(folder).unwrap_or_else(|problems| panic!("{problems}"));
    let identities = &plan.listeners[0].tls.as_ref().unwrap().server.parts().identities;
    identities.iter().map(|identity| identity.facts().names[0].to_string()).collect()
}

/// Code and message of each warning.
fn warnings(folder: &Folder) -> Vec<(&'static str, String)> {
    let plan = read(folder).unwrap_or_else(|problems| panic!("{problems}"));
    plan.warnings.0.iter().map(|warning| (warning.code.as_str(), warning.message.clone())).collect()
}

#[test]
fn names_that_are_alike_are_a_pair_and_order_is_by_name() {
    let (folder, authority) = (Folder::new(), Authority::new());
    for name in ["b.org", "a.org", "c.org"] {
        folder.pair(&format!("certs/{name}"), &authority.sign(&[name]));
    }
    let made = authority.sign(&["d.org"]);
    folder.write("certs/d.crt", &made.certificate);
    folder.write("certs/d.key", &made.key);
    folder.write("certs/README", "not for you");
    folder.write("certs/dhparam.pem", "-----BEGIN DH PARAMETERS-----\nAAAA\n-----END DH PARAMETERS-----\n");
    folder.pair("certs/.hidden", &authority.sign(&["hidden.org"]));
    folder.pair("certs/sub/e.org", &authority.sign(&["e.org"]));
    folder.pair("certs/sub/deep/f.org", &authority.sign(&["f.org"]));
    folder.link("..", "certs/sub/up");
    folder.link(".", "certs/itself");
    folder.link("nowhere", "certs/gone.pem");
    assert_eq!(names(&folder), ["a.org", "b.org", "c.org", "d.org", "e.org"]);
    assert_eq!(warnings(&folder), []);
}

#[test]
fn certbots_folders_are_pairs() {
    let (folder, authority) = (Folder::new(), Authority::new());
    for name in ["example.com", "other.org"] {
        let made = authority.sign(&[name]);
        let archive = format!("archive/{name}");
        folder.write(&format!("{archive}/cert1.pem"), &made.certificate);
        folder.write(&format!("{archive}/chain1.pem"), &authority.pem);
        folder.write(&format!("{archive}/fullchain1.pem"), made.certificate.clone() + &authority.pem);
        folder.write(&format!("{archive}/privkey1.pem"), &made.key);
        for file in ["cert", "chain", "fullchain", "privkey"] {
            folder.link(format!("../../archive/{name}/{file}1.pem"), &format!("certs/{name}/{file}.pem"));
        }
        folder.write(&format!("certs/{name}/README"), "This directory contains your keys and certificates.");
    }
    folder.write("certs/README", "This directory contains your keys and certificates.");
    assert_eq!(names(&folder), ["example.com", "other.org"]);
    assert_eq!(warnings(&folder), []);
    let watched = read(&folder).unwrap().watched();
    for name in ["certs", "certs/other.org", "certs/other.org/fullchain.pem", "certs/other.org/privkey.pem"] {
        assert!(watched.contains(&folder.path(name)), "{name}: {watched:?}");
    }
}

#[test]
fn a_secret_of_kubernetes_is_a_pair() {
    let (folder, authority) = (Folder::new(), Authority::new());
    let made = authority.sign(&["example.com"]);
    folder.write("certs/..2026_03_01/tls.crt", &made.certificate);
    folder.write("certs/..2026_03_01/tls.key", &made.key);
    folder.write("certs/..2026_03_01/ca.crt", &authority.pem);
    folder.link("..2026_03_01", "certs/..data");
    for file in ["tls.crt", "tls.key", "ca.crt"] {
        folder.link(format!("..data/{file}"), &format!("certs/{file}"));
    }
    assert_eq!(names(&folder), ["example.com"]);
    assert_eq!(warnings(&folder), []);
}

#[test]
fn a_file_with_both_is_a_pair() {
    let (folder, authority) = (Folder::new(), Authority::new());
    let made = authority.sign(&["example.com"]);
    folder.write("certs/site.pem", made.certificate + &authority.pem + &made.key);
    assert_eq!(names(&folder), ["example.com"]);
    assert_eq!(warnings(&folder), []);
}

#[test]
fn half_a_pair_is_a_warning() {
    let (folder, authority) = (Folder::new(), Authority::new());
    folder.pair("certs/a", &authority.sign(&["a.org"]));
    let made = authority.sign(&["b.org"]);
    folder.write("certs/b.crt", &made.certificate);
    folder.write("certs/c.key", &made.key);
    folder.write("certs/d.pem", &made.key);
    let messages: Vec<String> = warnings(&folder).into_iter().map(|(_, message)| message).collect();
    let path = |name: &str| folder.path(name).display().to_string();
    assert_eq!(
        messages,
        [
            format!("`{}` is a certificate without a key", path("certs/b.crt")),
            format!("`{}` is a key without a certificate", path("certs/d.pem")),
            format!("`{}` is a key without a certificate", path("certs/c.key")),
        ]
    );
}

#[test]
fn a_file_that_holds_nothing_of_use_is_a_warning() {
    let (folder, authority) = (Folder::new(), Authority::new());
    folder.pair("certs/a", &authority.sign(&["a.org"]));
    folder.write("certs/b.pem", "");
    folder.write("certs/c.crt", b"\x30\x82\x05\x10\x30\x82\x03\x03");
    // A secret whose issuer does not know its CA has this one.
    folder.write("certs/ca.crt", "");
    let path = |name: &str| folder.path(name).display().to_string();
    let expected = [
        format!("`{}` holds neither a certificate nor a key: it is empty", path("certs/b.pem")),
        format!("`{}` holds neither a certificate nor a key: it is DER, not PEM", path("certs/c.crt")),
    ];
    assert_eq!(warnings(&folder), expected.map(|message| ("unpaired", message)));
}

#[test]
fn what_cannot_be_looked_at_in_a_folder_is_told_and_keeps_nothing_else_from_service() {
    let (folder, authority) = (Folder::new(), Authority::new());
    folder.pair("certs/a", &authority.sign(&["a.org"]));
    // Not even root can follow these; to anybody else a closed folder is the same.
    folder.link("lost", "certs/lost");
    assert_eq!(names(&folder), ["a.org"]);
    let [(code, message)] = &warnings(&folder)[..] else { panic!("{:?}", warnings(&folder)) };
    assert_eq!(*code, "passed-over");
    assert!(message.contains("certs/lost` cannot be read by the user "), "{message}");
    folder.link("chain.pem", "certs/chain.pem");
    assert_eq!(warnings(&folder).len(), 1, "nobody wants a companion");
    folder.link("b.pem", "certs/b.pem");
    folder.link("a.pem/c", "certs/nowhere.pem");
    let problems = read(&folder).unwrap_err();
    let found: Vec<_> = problems.iter().map(|problem| (problem.code.as_str(), &*problem.message)).collect();
    assert!(matches!(found[..], [("unreadable", message)] if message.contains("b.pem")), "{found:?}");
}

#[test]
fn companions_need_no_key() {
    let (folder, authority) = (Folder::new(), Authority::new());
    folder.pair("certs/a", &authority.sign(&["a.org"]));
    for name in ["ca", "ca-bundle", "ca-chain", "cacert", "chain", "cert"] {
        folder.write(&format!("certs/{name}.crt"), &authority.pem);
    }
    assert_eq!(names(&folder), ["a.org"]);
    assert_eq!(warnings(&folder), []);
    folder.write("certs/other.crt", &authority.pem);
    assert_eq!(warnings(&folder).len(), 1);
}

#[test]
fn each_pair_that_is_no_good_is_a_problem() {
    let (folder, authority) = (Folder::new(), Authority::new());
    folder.pair("certs/a", &authority.sign(&["a.org"]));
    folder.pair("certs/b", &authority.sign(&["b.org"]));
    folder.write("certs/b.key", authority.sign(&["c.org"]).key);
    folder.pair("certs/c", &authority.sign(&["c.org"]));
    folder.write("certs/c.key", "");
    let problems = read(&folder).unwrap_err();
    let found: Vec<(&str, &str)> =
        problems.iter().map(|problem| (problem.code.as_str(), problem.path.as_str())).collect();
    assert_eq!(found, [("bad-value", "listeners[0].tls.certificates[0].directory"); 2]);
    let text = problems.to_string();
    assert!(
        text.contains("b.key` is not that of the certificate in") && text.contains("c.key` holds no"),
        "{text}"
    );
}

#[test]
fn a_folder_without_a_pair_or_with_too_many_is_a_problem() {
    let folder = Folder::new();
    let code = |folder: &Folder| {
        let problems = read(folder).unwrap_err();
        problems.iter().map(|problem| (problem.code.as_str(), problem.path.clone())).collect::<Vec<_>>()
    };
    let path = "listeners[0].tls.certificates[0].directory".to_string();
    assert_eq!(code(&folder), [("unreadable", path.clone())]);
    folder.write("certs/README", "");
    assert_eq!(code(&folder), [("empty", path.clone())]);
    for index in 0..=1000 {
        folder.write(&format!("certs/{index}.crt"), "");
        folder.write(&format!("certs/{index}.key"), "");
    }
    assert_eq!(code(&folder), [("too-large", path)]);
}
