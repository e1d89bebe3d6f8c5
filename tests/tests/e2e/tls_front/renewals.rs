//! Certificates that are renewed while they serve: by SIGHUP, and by themselves when their files change.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use evenkeel_tests::backend::Script;
use evenkeel_tests::balancer::workspace;
use evenkeel_tests::certificates::{Authority, Certificate, Wish};
use evenkeel_tests::client::Client;
use evenkeel_tests::tls_client::TlsClient;
use evenkeel_tests::wait;
use rustls::pki_types::CertificateDer;

use super::rig::{Front, NAMES, Place, Words};

/// Looked at every two seconds, and two looks have to agree.
const IN_TIME: Duration = Duration::from_secs(20);

/// What a new connection gets.
pub(super) fn presented(front: &Front, listener: &str) -> CertificateDer<'static> {
    let client = Client::secure(front.evenkeel.listener(listener), &front.client());
    client.tls().peer_certificates().unwrap()[0].clone().into_owned()
}

#[track_caller]
pub(super) fn wait_for(front: &Front, listener: &str, certificate: &Certificate) {
    let leaf = certificate.leaf();
    wait::until_true(IN_TIME, &format!("the new certificate at {listener}"), || {
        presented(front, listener) == leaf
    });
}

#[test]
fn sighup_reads_the_files_again() {
    let front = Front::start("");
    let mut open = front.connect();
    assert_eq!(open.get("/").status, 200);
    let new = front.place.authority.server(&NAMES);
    new.write(front.place.path(), "site");
    let text = front.place.configuration(&front.backend, Words::default());
    let metrics = front.evenkeel.reload(&text);
    assert_eq!(metrics.sum("evenkeel_config_last_reload_successful", &[]), 1.0);
    assert_eq!(presented(&front, "edge"), new.leaf());
    let accepted = front.event("configuration accepted");
    assert!(accepted["certificates"].as_str().unwrap().contains("a.test"), "{accepted}");
    assert_eq!(open.get("/").status, 200);
}

/// Puts a file into the place of another one, as most clients of ACME do.
pub(super) fn rename_over(path: &Path, text: &str) {
    let beside = path.with_extension("new");
    fs::write(&beside, text).unwrap();
    fs::rename(beside, path).unwrap();
}

/// A folder as the kubelet fills it: version `number` of a secret.
fn mount_secret(folder: &Path, number: u32, certificate: &Certificate) {
    let version = format!("..2026_{number}");
    fs::create_dir_all(folder.join(&version)).unwrap();
    fs::write(folder.join(&version).join("tls.crt"), &certificate.chain).unwrap();
    fs::write(folder.join(&version).join("tls.key"), &certificate.key).unwrap();
    symlink(&version, folder.join("..data_tmp")).unwrap();
    fs::rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
    for name in ["tls.crt", "tls.key"] {
        // There from the first version on.
        let _ = symlink(format!("..data/{name}"), folder.join(name));
    }
}

/// A folder as certbot has it: `live` leads to version `number` in `archive`.
fn renew_lineage(folder: &Path, number: u32, certificate: &Certificate) {
    let (archive, live) = (folder.join("archive/a.test"), folder.join("live/a.test"));
    for folder in [&archive, &live] {
        fs::create_dir_all(folder).unwrap();
    }
    for (name, text) in [("fullchain", &certificate.chain), ("privkey", &certificate.key)] {
        fs::write(archive.join(format!("{name}{number}.pem")), text).unwrap();
        let link = live.join(format!("{name}.pem"));
        // The first time there is none.
        let _ = fs::remove_file(&link);
        symlink(format!("../../archive/a.test/{name}{number}.pem"), link).unwrap();
    }
}

#[test]
fn files_that_change_are_read_again_and_open_connections_go_on() {
    let place = Place::new();
    let sign = || place.authority.server(&NAMES);
    let [secret, certbot] = ["secret", "letsencrypt"].map(|name| place.path().join(name));
    mount_secret(&secret, 1, &sign());
    renew_lineage(&certbot, 1, &sign());
    let listener = |name: &str, folder: &Path| {
        format!(
            "  - {{ name: {name}, address: \"127.0.0.1:0\", tls: {{ certificates: [{{ directory: \"{}\" }}] }} }}\n",
            folder.display()
        )
    };
    let listeners = listener("secret", &secret) + &listener("certbot", &certbot.join("live"));
    let words = Words { listeners: &listeners, ..Words::default() };
    let [renamed, swapped, relinked] = [(); 3].map(|()| sign());
    let front = Front::at(place, Script::Echo, words);
    let mut open = ["edge", "secret", "certbot"].map(|name| {
        let mut client = Client::secure(front.evenkeel.listener(name), &front.client());
        assert_eq!(client.get("/").status, 200);
        client
    });
    rename_over(&front.place.files.key, &renamed.key);
    rename_over(&front.place.files.certificate, &renamed.chain);
    mount_secret(&secret, 2, &swapped);
    renew_lineage(&certbot, 2, &relinked);
    for (listener, new) in [("edge", &renamed), ("secret", &swapped), ("certbot", &relinked)] {
        wait_for(&front, listener, new);
    }
    let reloaded = front.event("certificates reloaded");
    assert!(reloaded["certificates"].as_str().unwrap().contains("a.test (ecdsa, until "), "{reloaded}");
    for client in &mut open {
        assert_eq!(client.get("/").status, 200, "an open connection goes on");
    }
    let metrics = front.evenkeel.metrics();
    assert_eq!(metrics.sum("evenkeel_tls_files_last_reload_successful", &[]), 1.0);
}

#[test]
fn a_name_that_is_added_to_a_folder_is_served() {
    let place = Place::new();
    let folder = place.path().join("certs");
    fs::create_dir(&folder).unwrap();
    place.authority.server(&NAMES).write(&folder, "first");
    fs::remove_file(folder.join("first.both.pem")).unwrap();
    let listeners = format!(
        "  - {{ name: folder, address: \"127.0.0.1:0\", tls: {{ certificates: [{{ directory: \"{}\" }}], unknown_name: refuse }} }}\n",
        folder.display()
    );
    let front = Front::at(place, Script::Echo, Words { listeners: &listeners, ..Words::default() });
    let address = front.evenkeel.listener("folder");
    let added = front.client().name("added.test");
    assert!(Client::try_secure(address, &added).is_err());
    let certificate = front.place.authority.server(&["added.test"]);
    rename_over(&folder.join("added.key"), &certificate.key);
    rename_over(&folder.join("added.crt"), &certificate.chain);
    wait::until_true(IN_TIME, "the name to be served", || Client::try_secure(address, &added).is_ok());
}

#[test]
fn who_is_believed_is_read_again_too() {
    let place = Place::new();
    let [old, new] = ["old", "new"].map(Authority::new);
    let ca = old.write(place.path(), "clients");
    let tls = format!("client: {{ ca: \"{}\" }}", ca.display());
    let front = Front::at(place, Script::Echo, Words { tls: &tls, ..Words::default() });
    let show = |authority: &Authority| {
        let certificate = authority.sign(&Wish::client("somebody"));
        front.client().certificate(&certificate)
    };
    let is_in = |client: &TlsClient| {
        Client::try_secure(front.address(), client).and_then(|mut client| client.try_get("/")).is_ok()
    };
    let [of_old, of_new] = [show(&old), show(&new)];
    assert!(is_in(&of_old) && !is_in(&of_new));
    let generation = || front.evenkeel.metrics().sum("evenkeel_config_generation", &[]);
    let before = generation();
    rename_over(&ca, &new.pem());
    wait::until_true(IN_TIME, "the new authority to be believed", || is_in(&of_new));
    assert!(!is_in(&of_old));
    front.event("certificates reloaded");
    assert_eq!(generation(), before + 1.0);
}

#[test]
fn a_new_revocation_list_is_read_by_itself() {
    let place = Place::new();
    let members = Authority::new("members");
    let [first, second] = ["first", "second"].map(|name| members.sign(&Wish::client(name)));
    let ca = members.write(place.path(), "members");
    let list = place.path().join("members.crl");
    fs::write(&list, members.revocations(&[&first])).unwrap();
    let tls = format!("client: {{ ca: \"{}\", crl: \"{}\" }}", ca.display(), list.display());
    let front = Front::at(place, Script::Echo, Words { tls: &tls, ..Words::default() });
    let client = front.client().certificate(&second);
    let is_in =
        || Client::try_secure(front.address(), &client).and_then(|mut client| client.try_get("/")).is_ok();
    assert!(is_in());
    rename_over(&list, &members.revocations(&[&first, &second]));
    wait::until_true(IN_TIME, "the new list to be heeded", || !is_in());
}

/// The hook for certbot in `docs/operations.md`, for another folder and a group that is there.
fn hook(certs: &Path) -> String {
    let manual = workspace().join("docs/operations.md");
    let manual = fs::read_to_string(manual).unwrap();
    let lines =
        manual.lines().skip_while(|line| *line != "    #!/bin/sh").take_while(|line| !line.is_empty());
    let script: Vec<&str> = lines.map(str::trim_start).collect();
    assert!(script.len() > 3, "there is no hook in the manual");
    let group = rustix::process::getegid().as_raw().to_string();
    let script = script.join("\n").replace("-g ssl-cert", &format!("-g {group}"));
    script.replace("/etc/evenkeel/certs", certs.to_str().unwrap())
}

#[test]
fn what_the_manuals_hook_for_certbot_hands_over_is_served() {
    let place = Place::new();
    let (letsencrypt, certs) = (place.path().join("letsencrypt"), place.path().join("certs"));
    let hand_over = |number: u32, certificate: &Certificate| {
        renew_lineage(&letsencrypt, number, certificate);
        let mut command = Command::new("sh");
        command.arg("-c").arg(hook(&certs)).env("RENEWED_LINEAGE", letsencrypt.join("live/a.test"));
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
    };
    let [first, second] = [(); 2].map(|()| place.authority.server(&NAMES));
    hand_over(1, &first);
    let listeners = format!(
        "  - {{ name: handed, address: \"127.0.0.1:0\", tls: {{ certificates: [{{ directory: \"{}\" }}] }} }}\n",
        certs.display()
    );
    let front = Front::at(place, Script::Echo, Words { listeners: &listeners, ..Words::default() });
    assert_eq!(presented(&front, "handed"), first.leaf());
    hand_over(2, &second);
    wait_for(&front, "handed", &second);
    assert_eq!(front.evenkeel.metrics().sum("evenkeel_tls_files_last_reload_successful", &[]), 1.0);
}
