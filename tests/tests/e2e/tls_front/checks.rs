//! What `evenkeel check` says of certificate files, where, and with what help.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};
use std::time::Duration;

use evenkeel_tests::balancer;
use evenkeel_tests::certificates::{DAY, Kind, Validity, Wish};
use evenkeel_tests::tools::{run_within, tool};

use super::rig::{NAMES, Place};

/// A configuration whose certificate stands on line 4.
fn write(place: &Place, certificate: &str) -> String {
    let text = format!(
        "listeners:\n  - address: 127.0.0.1:443\n    tls:\n      certificates: [{certificate}]\n\
         pools: {{ web: {{ backends: [\"127.0.0.1:80\"] }} }}\n"
    );
    let file = place.file("evenkeel.yaml");
    fs::write(&file, text).unwrap();
    file
}

/// The exit code and what is said on standard error.
fn run(mut command: Command, file: &str) -> (Option<i32>, String) {
    command.args(["check", "-c", file]);
    let Output { status, stderr, .. } = run_within(Duration::from_secs(20), command, "");
    (status.code(), String::from_utf8(stderr).unwrap())
}

fn check(place: &Place, certificate: &str) -> (Option<i32>, String) {
    run(balancer::command(), &write(place, certificate))
}

#[track_caller]
fn expect(said: &(Option<i32>, String), code: i32, texts: &[&str]) {
    assert_eq!(said.0, Some(code), "{}", said.1);
    for text in texts {
        assert!(said.1.contains(text), "{text:?} is missing in:\n{}", said.1);
    }
}

#[test]
fn a_good_certificate_is_nothing_to_talk_about() {
    let place = Place::new();
    expect(&check(&place, &place.entry("site")), 0, &[]);
    assert_eq!(check(&place, &place.entry("site")).1, "");
}

#[test]
fn the_key_of_another_certificate_is_a_problem() {
    for kind in [Kind::Ecdsa, Kind::Rsa] {
        let place = Place::new();
        let other = place.authority.sign(&Wish::new(&NAMES).kind(kind));
        fs::write(&place.files.key, other.key).unwrap();
        let [certificate, key] = ["site.crt", "site.key"].map(|name| place.file(name));
        let message = format!("the key in `{key}` is not that of the certificate in `{certificate}`");
        let help = format!("`openssl x509 -in {certificate} -noout -pubkey`");
        let wanted =
            ["evenkeel.yaml:4:", "error[bad-value]", "listeners[0].tls.certificates[0].key", &message, &help];
        expect(&check(&place, &place.entry("site")), 1, &wanted);
    }
}

#[test]
fn a_file_that_is_missing_or_nothing_to_serve_with_is_a_problem() {
    let place = Place::new();
    let wanted = ["evenkeel.yaml:4:", "error[unreadable]", &place.file("gone.crt"), &place.file("gone.key")];
    expect(&check(&place, &place.entry("gone")), 1, &wanted);
    expect(
        &check(&place, &place.entry("gone")),
        1,
        &["No such file", "write the path of a file that is there"],
    );

    let text = fs::read_to_string(&place.files.certificate).unwrap();
    fs::write(&place.files.certificate, &text[..text.len() / 2]).unwrap();
    expect(&check(&place, &place.entry("site")), 1, &["evenkeel.yaml:4:", "error[", &place.file("site.crt")]);
    fs::write(&place.files.certificate, "").unwrap();
    let wanted = ["evenkeel.yaml:4:", "holds no certificate", "certificates[0].certificate"];
    expect(&check(&place, &place.entry("site")), 1, &wanted);
}

#[test]
fn an_encrypted_key_is_a_problem_with_the_command_that_decrypts_it() {
    let place = Place::new();
    let encrypted = place.file("encrypted.key");
    let mut command = Command::new(tool("openssl"));
    command.args(["pkcs8", "-topk8", "-passout", "pass:secret", "-in"]).arg(&place.files.key);
    command.args(["-out", &encrypted]);
    assert!(run_within(Duration::from_secs(20), command, "").status.success());
    fs::rename(encrypted, &place.files.key).unwrap();
    let wanted = ["evenkeel.yaml:4:", "is encrypted", "`openssl pkey -in ", "certificates[0].key"];
    expect(&check(&place, &place.entry("site")), 1, &wanted);
}

#[test]
fn a_validity_that_is_over_or_far_is_a_warning_and_refuses_nothing() {
    for (validity, code, text) in [
        (Validity::Expired, "expired", "expired on "),
        (Validity::NotYet, "not-yet-valid", "is not valid before "),
        (Validity::For(10 * DAY), "expires-soon", "expires in "),
    ] {
        let place = Place::new();
        place.authority.sign(&Wish::new(&NAMES).validity(validity)).write(place.path(), "site");
        let code = format!("warning[{code}]");
        let wanted = ["evenkeel.yaml:4:", &code, text, &place.file("site.crt"), "1 warning"];
        let said = check(&place, &place.entry("site"));
        expect(&said, 0, &wanted);
        expect(&said, 0, &["listeners[0].tls.certificates[0].certificate", "help:"]);
    }
}

#[test]
fn other_doubts_about_a_certificate_are_warnings() {
    let place = Place::new();
    Wish::new(&NAMES).self_signed().write(place.path(), "site");
    expect(&check(&place, &place.entry("site")), 0, &["warning[self-signed]", "have a CA sign it"]);
    place.authority.sign(&Wish::new(&[])).write(place.path(), "site");
    expect(&check(&place, &place.entry("site")), 0, &["warning[no-name]", "subjectAltName"]);
    for name in ["site", "twin"] {
        place.authority.server(&NAMES).write(place.path(), name);
    }
    let both = format!("{}, {}", place.entry("site"), place.entry("twin"));
    let wanted = ["warning[duplicate-name]", "a.test", &place.file("twin.crt"), &place.file("site.crt")];
    expect(&check(&place, &both), 0, &wanted);
}

#[test]
fn a_key_that_everybody_may_read_is_a_warning_and_one_that_we_may_not_a_problem() {
    let place = Place::new();
    let key = &place.files.key;
    fs::set_permissions(key, Permissions::from_mode(0o644)).unwrap();
    let help = format!("`chmod o= {}`", key.display());
    let wanted = ["evenkeel.yaml:4:", "warning[permissions]", "certificates[0].key", &help];
    expect(&check(&place, &place.entry("site")), 0, &wanted);
    fs::set_permissions(key, Permissions::from_mode(0o640)).unwrap();
    assert_eq!(check(&place, &place.entry("site")).1, "");

    // Nobody is allowed to read it; the one who runs the tests may be allowed everything.
    fs::set_permissions(key, Permissions::from_mode(0o000)).unwrap();
    let file = write(&place, &place.entry("site"));
    let command = as_nobody(&place);
    let said = run(command, &file);
    let wanted = [
        "evenkeel.yaml:4:",
        "error[unreadable]",
        "certificates[0].key",
        "Permission denied",
        "setfacl -m u:",
    ];
    expect(&said, 1, &wanted);
}

/// The program, run by somebody who may read only what everybody may, if root runs the tests.
fn as_nobody(place: &Place) -> Command {
    if !rustix::process::geteuid().is_root() {
        return balancer::command();
    }
    let mut command = Command::new(tool("setpriv"));
    command.args(["--bounding-set", "-all", "--inh-caps", "-all", "--no-new-privs"]);
    // The program may stand where only root comes.
    let program = place.path().join("evenkeel");
    fs::copy(balancer::program(), &program).unwrap();
    fs::set_permissions(place.path(), Permissions::from_mode(0o755)).unwrap();
    command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]).arg(program);
    command
}

#[test]
fn a_closed_folder_in_a_folder_is_a_warning_and_links_into_one_are_problems() {
    let place = Place::new();
    let (certs, closed) = (place.path().join("certs"), place.path().join("certs/lost+found"));
    fs::create_dir_all(&closed).unwrap();
    for name in ["site.crt", "site.key"] {
        fs::copy(place.file(name), certs.join(name)).unwrap();
        fs::set_permissions(certs.join(name), Permissions::from_mode(0o644)).unwrap();
    }
    fs::set_permissions(&closed, Permissions::from_mode(0o000)).unwrap();
    let file = write(&place, &format!("{{ directory: \"{}\" }}", certs.display()));
    let said = run(as_nobody(&place), &file);
    let help = format!(":rx {}`", closed.display());
    expect(
        &said,
        0,
        &["warning[passed-over]", "certificates[0].directory", "lost+found", "setfacl -m u:", &help],
    );
    // As certbot's `live`, where `archive` is closed.
    for name in ["fullchain.pem", "privkey.pem"] {
        std::os::unix::fs::symlink(closed.join(name), certs.join(name)).unwrap();
    }
    let said = run(as_nobody(&place), &file);
    expect(&said, 1, &["error[unreadable]", "fullchain.pem` cannot be read", "Permission denied"]);
    fs::set_permissions(&closed, Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn a_start_refuses_what_check_refuses_and_logs_what_it_warns_of() {
    let place = Place::new();
    fs::rename(&place.files.key, place.file("site.key.gone")).unwrap();
    let mut command = balancer::command();
    command.args(["run", "-c", &write(&place, &place.entry("site"))]);
    let Output { status, stderr, .. } = run_within(Duration::from_secs(20), command, "");
    let said = (status.code(), String::from_utf8(stderr).unwrap());
    expect(&said, 1, &["error[unreadable]", "certificates[0].key", "No such file"]);
    place.authority.sign(&Wish::new(&NAMES).validity(Validity::Expired)).write(place.path(), "site");
    let front = super::rig::Front::at(place, evenkeel_tests::backend::Script::Echo, Default::default());
    let logged = evenkeel_tests::wait::until(balancer::SOON, "the warning in the log", || {
        front.evenkeel.events().into_iter().find(|event| event["code"] == "expired")
    });
    assert_eq!(logged["level"], "ERROR", "{logged}");
    assert!(
        logged["help"].is_string() && logged["message"].as_str().unwrap().contains("site.crt"),
        "{logged}"
    );
    let warnings = &front.evenkeel.status()["warnings"];
    assert_eq!(warnings[0]["code"], "expired", "{warnings}");
}
