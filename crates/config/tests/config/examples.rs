//! Every example loads, and the full one tells the truth about defaults.

use evenkeel_config::{AdminSocket, Plan, parse, summary};
use evenkeel_health::{HttpProbe, Policy, Probe, ProbeKind};
use evenkeel_routing::{ClientLimits, ClientTimeouts, PoolRule};

use crate::certificates::{Authority, Folder};
use crate::{all_examples, example};

fn plan(text: &str, environment: &[(&str, &str)]) -> Plan {
    let value =
        |name: &str| environment.iter().find(|(key, _)| *key == name).map(|(_, value)| value.to_string());
    parse(text, "example.yaml", &value).unwrap_or_else(|problems| panic!("{problems}"))
}

/// The files that examples expect where `CERTS` says.
fn certificates() -> Folder {
    let (folder, authority) = (Folder::new(), Authority::new());
    folder.pair("site", &authority.sign(&["example.com"]));
    folder.pair("more/example.org", &authority.sign(&["example.org"]));
    folder.write("backends-ca.pem", &authority.pem);
    folder
}

#[test]
fn every_example_loads() {
    let folder = certificates();
    let certs = folder.0.path().to_str().unwrap();
    for (path, text) in all_examples() {
        let environment = |name: &str| (name == "CERTS").then(|| certs.to_string());
        let plan = parse(&text, &path, &environment).unwrap_or_else(|problems| panic!("{problems}"));
        assert!(summary(&plan).contains("listener "), "{path}");
    }
}

#[test]
fn every_example_takes_its_addresses_from_the_environment() {
    let folder = certificates();
    let certs = folder.0.path().to_str().unwrap();
    for (path, text) in all_examples().into_iter().filter(|(path, _)| !path.ends_with("smallest.yaml")) {
        let plan = plan(&text, &[("LISTEN", "127.0.0.1:0"), ("ADMIN", "off"), ("CERTS", certs)]);
        assert_eq!(plan.listeners[0].address.port(), 0, "{path}");
        assert_eq!(plan.admin.address, None, "{path}");
    }
}

#[test]
fn the_full_example_shows_the_defaults() {
    let full = plan(&example("full.yaml"), &[]);
    let smallest = plan(&example("smallest.yaml"), &[]);
    assert_eq!(full.admin.address, smallest.admin.address);
    assert_eq!(full.admin.socket, AdminSocket::At("/run/evenkeel/admin.sock".into()));
    assert_eq!(full.dns, smallest.dns);
    assert_eq!(full.workers, smallest.workers);
    assert_eq!(full.access_log, smallest.access_log);
    assert_eq!(full.drain_timeout, smallest.drain_timeout);
    assert_eq!(full.forwarding, smallest.forwarding);
    assert_eq!(full.listeners[0].timeouts, ClientTimeouts::default());
    assert_eq!(full.listeners[0].limits, ClientLimits::default());
    assert_eq!(full.pools[0].rule, PoolRule::default());
    let probe = Probe { kind: ProbeKind::Http(HttpProbe::get("/healthz")), ..Probe::default() };
    assert_eq!(full.pools[0].health, Policy { probe: Some(probe), ..Policy::default() });
}

#[test]
fn the_environment_example_types_its_values_again() {
    let plan = plan(
        &example("environment.yaml"),
        &[
            ("WORKERS", "2"),
            ("VIA", "off"),
            ("SECOND_WEIGHT", "7"),
            ("BACKEND_HOST", "app"),
            ("DRAIN_TIMEOUT", "5s"),
        ],
    );
    assert_eq!(plan.workers, Some(2));
    assert_eq!(plan.forwarding.via, None);
    assert_eq!(plan.drain_timeout.as_secs(), 5);
    assert_eq!(plan.pools[0].backends[0].address.to_string(), "app:3000");
    assert_eq!(plan.pools[0].backends[1].weight, 7);
}
