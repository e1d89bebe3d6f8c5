//! `testssl.sh` finds nothing in evenkeel that it does not find in HAProxy as Debian configures it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use evenkeel_tests::backend::Script;
use evenkeel_tests::balancer::SOON;
use evenkeel_tests::client::Client;
use evenkeel_tests::nginx::free_address;
use evenkeel_tests::process::Process;
use evenkeel_tests::product::Product;
use evenkeel_tests::tools::{run_within, tool};
use evenkeel_tests::wait;
use serde_json::Value;

use super::rig::{Front, Place, Words};

/// Alone on two cores it takes 40 s for both.
const PATIENCE: Duration = Duration::from_secs(240);

/// Protocols, ciphers by category, forward secrecy, what the server presents, and every vulnerability. A complete run also
/// tries each cipher and imitates many clients.
const SECTIONS: [&str; 5] = ["-p", "-s", "-f", "-S", "-U"];

/// From good to bad. A check that could not be made is no good one.
const SEVERITIES: [&[&str]; 5] =
    [&["OK", "INFO", "DEBUG"], &["LOW", "WARN"], &["MEDIUM"], &["HIGH"], &["CRITICAL", "FATAL"]];

/// The worst that is accepted of a finding that HAProxy gives no occasion to.
const LOW: usize = 1;

/// What is not held against evenkeel, and why.
const EXPLAINED: [(&str, &str, &str); 1] = [(
    "sessionresumption_ticket",
    "WARN: check failed because of connect problem",
    "its `openssl s_client` hangs up as soon as its input ends, often before the ticket of TLS 1.3 comes",
)];

/// Findings by id: the worst severity, and what was found.
type Findings = BTreeMap<String, (usize, Vec<String>)>;

/// HAProxy with this certificate, and what Debian's `haproxy.cfg` says about TLS.
fn haproxy(place: &Place) -> (SocketAddr, Process) {
    let address = free_address();
    let both = place.files.both.display();
    let text = format!(
        "global
    ssl-default-bind-ciphers ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384
    ssl-default-bind-ciphersuites TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256
    ssl-default-bind-options ssl-min-ver TLSv1.2 no-tls-tickets
defaults
    mode http
    timeout connect 5s
    timeout client 50s
    timeout server 50s
frontend edge
    bind {address} ssl crt {both} alpn http/1.1
    http-request return status 200
"
    );
    let process = Product::Haproxy.launch(place.path(), &text);
    wait::until_true(SOON, "HAProxy", || Client::try_secure(address, &place.client()).is_ok());
    (address, process)
}

/// Everything that testssl.sh finds at an address.
fn audit(address: SocketAddr, place: &Place, name: &str) -> Findings {
    let file = place.file(name);
    let mut command = Command::new(tool("testssl"));
    command.args(SECTIONS);
    command.args(["--warnings", "batch", "--ip", "one", "--color", "0", "--add-ca", place.root()]);
    command.args(["--jsonfile", &file, &format!("https://{address}/")]);
    command.current_dir(place.path());
    let output = run_within(PATIENCE, command, "");
    read(Path::new(&file))
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stdout)))
}

fn read(file: &Path) -> Result<Findings, String> {
    let text = std::fs::read_to_string(file).map_err(|error| error.to_string())?;
    let list: Vec<Value> = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    let mut findings = Findings::new();
    for one in list {
        let part = |key: &str| one[key].as_str().map(str::to_owned).ok_or(format!("no {key} in {one}"));
        let severity = part("severity")?;
        let rank = SEVERITIES.iter().position(|names| names.contains(&&*severity));
        let rank = rank.ok_or(format!("{severity} is no severity"))?;
        let entry = findings.entry(part("id")?).or_default();
        entry.0 = entry.0.max(rank);
        entry.1.push(format!("{severity}: {}", part("finding")?));
    }
    Ok(findings)
}

#[test]
fn testssl_finds_nothing_that_it_does_not_find_in_haproxy() {
    let place = Place::new();
    // It does not send the name of an address, and looks for the address in the certificate.
    place.authority.server(&["a.test", "127.0.0.1"]).write(place.path(), "site");
    let front = Front::at(place, Script::Echo, Words::default());
    let place = &front.place;
    let (address, _haproxy) = haproxy(place);
    let [ours, theirs] = thread::scope(|scope| {
        let theirs = scope.spawn(|| audit(address, place, "haproxy.json"));
        let ours = audit(front.address(), place, "evenkeel.json");
        [ours, theirs.join().unwrap()]
    });
    // Both runs came to their end, and saw what is there.
    for (findings, whose) in [(&ours, "evenkeel"), (&theirs, "HAProxy")] {
        assert!(findings.len() > 60, "{whose}: {findings:#?}");
        for (id, text) in [
            ("TLS1_3", "offered with final"),
            ("TLS1_2", "offered"),
            ("TLS1_1", "not offered"),
            ("RC4", "not vulnerable"),
        ] {
            assert!(
                findings.get(id).is_some_and(|(_, all)| all[0].contains(text)),
                "{whose}, {id}: {findings:#?}"
            );
        }
    }
    let ids: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
    let worse = ids.into_iter().filter(|id| {
        if EXPLAINED
            .iter()
            .any(|(of, text, _)| of == id && ours.get(*id).is_some_and(|(_, all)| all == &[*text]))
        {
            return false;
        }
        let [ours, theirs] = [&ours, &theirs].map(|findings| findings.get(*id).map(|finding| finding.0));
        ours.is_some_and(|ours| ours > theirs.unwrap_or(LOW))
    });
    let worse: Vec<String> =
        worse.map(|id| format!("{id}: {:?}, HAProxy: {:?}", ours.get(id), theirs.get(id))).collect();
    assert!(worse.is_empty(), "{worse:#?}");
}
