//! A browser: Debian's Chromium without a screen.

use std::process::{Command, Output};
use std::time::Duration;

use evenkeel_tests::backend::Script;
use evenkeel_tests::tools::{run_within, tool};

use super::rig::{Front, Words};

/// A browser starts slowly where others work, too.
const PATIENCE: Duration = Duration::from_secs(60);

const PAGE: &str = "<!doctype html><title>x</title><body><script>\
                    document.body.append('spoken: ' + location.protocol + '//' + location.host + location.pathname)\
                    </script></body>";

/// The base64 of the SHA-256 of the certificate's public key.
fn pin(front: &Front) -> String {
    let script = "openssl x509 -in \"$1\" -noout -pubkey | openssl pkey -pubin -outform der \
                  | openssl dgst -sha256 -binary | openssl base64 -A";
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh"]).arg(&front.place.files.certificate);
    String::from_utf8(run_within(PATIENCE, command, "").stdout).unwrap()
}

/// What a page is like once its script has run.
fn visit(front: &Front, url: &str) -> String {
    let [tls, plain] = ["edge", "plain"].map(|name| front.evenkeel.listener(name));
    let mut command = Command::new(tool("chromium"));
    command.args([
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-default-apps",
        "--disable-sync",
        "--no-proxy-server",
        &format!("--user-data-dir={}", front.place.file("profile")),
        &format!("--ignore-certificate-errors-spki-list={}", pin(front)),
        &format!("--host-resolver-rules=MAP a.test:80 {plain}, MAP a.test:443 {tls}, MAP * ~NOTFOUND"),
        "--dump-dom",
        url,
    ]);
    command.env("HOME", front.place.path());
    let Output { stdout, stderr, .. } = run_within(PATIENCE, command, "");
    let page = String::from_utf8_lossy(&stdout).into_owned();
    assert!(!page.is_empty(), "{}", String::from_utf8_lossy(&stderr));
    page
}

#[test]
fn chromium_loads_a_page_over_tls_and_is_redirected_to_it() {
    let answer =
        format!("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\r\n{PAGE}", PAGE.len());
    let listeners = "  - { name: plain, address: \"127.0.0.1:0\", redirect_to_https: true }\n";
    let words =
        Words { listeners, listener: "hsts: true", top: "access_log: { path: stdout }", ..Words::default() };
    let front = Front::before(Script::Reply(answer.into()), words);
    let page = visit(&front, "http://a.test/page");
    assert!(page.contains("spoken: https://a.test/page"), "{page}");
    let of_page = |listener: &str| {
        let events = front.evenkeel.events();
        events.into_iter().find(|event| event["path"] == "/page" && event["listener"] == listener)
    };
    let [plain, tls] = ["plain", "edge"].map(|listener| of_page(listener).expect("a line in the access log"));
    assert_eq!(plain["status"], 308, "{plain}");
    assert_eq!((&tls["status"], &tls["tls"]), (&200.into(), &"TLSv1.3".into()), "{tls}");
}
