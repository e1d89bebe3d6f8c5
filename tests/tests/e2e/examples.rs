//! Every configuration in `examples/` is checked and run.

use std::path::{Path, PathBuf};

use evenkeel_tests::balancer::{self, Evenkeel};
use evenkeel_tests::certificates::Authority;
use evenkeel_tests::client;

fn examples() -> Vec<PathBuf> {
    let folder = balancer::workspace().join("examples");
    let entries = std::fs::read_dir(folder).expect("examples/ is there");
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut examples: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|ending| ending == "yaml")).collect();
    examples.sort();
    assert!(!examples.is_empty());
    examples
}

/// Writes the files that examples expect where `CERTS` says.
fn write_certificates(folder: &Path) {
    let authority = Authority::new("examples");
    let site = authority.server(&["example.com"]).write(folder, "site");
    std::fs::rename(site.certificate, folder.join("site.pem")).unwrap();
    let more = folder.join("more");
    std::fs::create_dir(&more).unwrap();
    let example = authority.server(&["example.org"]).write(&more, "example.org");
    std::fs::remove_file(example.both).unwrap();
    authority.write(folder, "backends-ca");
}

#[test]
fn every_example_passes_the_check() {
    let certificates = tempfile::tempdir().unwrap();
    write_certificates(certificates.path());
    for example in examples() {
        let mut command = balancer::command();
        command.env("CERTS", certificates.path());
        let output = command.arg("check").arg("-c").arg(&example).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{}:\n{text}", example.display());
    }
}

#[test]
fn every_example_runs() {
    let certificates = tempfile::tempdir().unwrap();
    write_certificates(certificates.path());
    for example in examples() {
        let text = std::fs::read_to_string(&example).unwrap();
        let evenkeel = Evenkeel::start_with(&with_free_ports(&text), |command| {
            command.env("LISTEN", "127.0.0.1:0").env("LISTEN_HTTP", "127.0.0.1:0");
            command.env("ADMIN", "127.0.0.1:0").env("CERTS", certificates.path());
        });
        let address = evenkeel.address();
        // Its backends are not there; the question is whether it serves.
        let response = client::get(address, "/");
        assert!((200..600).contains(&response.status), "{}", example.display());
        let response = client::get(evenkeel.admin(), "/healthz");
        assert_eq!(response.status, 200, "{}", example.display());
    }
}

/// Fixed addresses of listeners and of the admin listener, made free for the kernel to choose.
fn with_free_ports(text: &str) -> String {
    let lines = text.lines().map(|line| {
        let is_listener = line.contains("address") || line.contains("listeners");
        match is_listener && !line.contains("${") {
            true => free_port(line),
            false => line.to_owned(),
        }
    });
    lines.map(|line| line + "\n").collect()
}

/// `127.0.0.1:8080` and `0.0.0.0:8080` become `127.0.0.1:0`.
fn free_port(line: &str) -> String {
    let mut line = line.to_owned();
    for (port, host) in
        [8080, 8081, 9180].into_iter().flat_map(|port| [(port, "127.0.0.1"), (port, "0.0.0.0")])
    {
        line = line.replace(&format!("{host}:{port}"), "127.0.0.1:0");
    }
    line
}
