//! The DNS server hangs, is gone, or has forgotten a name: the last good answer stays in use.

use evenkeel_tests::backend::{Backend, Script};
use evenkeel_tests::balancer::{Evenkeel, SOON};
use evenkeel_tests::dns::Dns;
use evenkeel_tests::wait;
use serde_json::json;

use super::place::Port;
use super::{KEPT, load, said, start_with, until_at, until_said};

const OLD: &str = "127.0.0.2";
const NEW: &str = "127.0.0.3";

struct Scene {
    port: Port,
    app: String,
    new: Backend,
    _old: Backend,
    dns: Dns,
    evenkeel: Evenkeel,
}

/// `app.test`, which resolves to the old address.
fn scene() -> Scene {
    let port = Port::on(&[OLD, NEW]);
    let (old, new) = (port.backend(OLD, Script::Echo), port.backend(NEW, Script::Echo));
    let dns = Dns::start(&[("app.test", OLD)]);
    let app = port.of("app.test");
    let evenkeel = start_with(&dns, "1s", &[("app", &app)], &[]);
    until_at(&evenkeel, &app, &[port.of(OLD)]);
    Scene { port, app, new, _old: old, dns, evenkeel }
}

impl Scene {
    /// That the name does not resolve is said once, and is no harm.
    #[track_caller]
    fn expect_outage(&self, cause: &str) {
        let line = until_said(&self.evenkeel, "app.test", 1);
        assert_eq!((&line["message"], &line["cause"]), (&json!(KEPT), &json!(cause)));
        assert_eq!((&line["level"], &line["endpoints"]), (&json!("WARN"), &json!(1)));
        let backend = self.evenkeel.backend(&self.app);
        assert_eq!(
            (&backend["endpoints"], &backend["unresolved"]),
            (&json!([self.port.of(OLD)]), &json!(null))
        );
        assert_eq!(backend["in_service"], true);
    }

    /// That it resolves again is said once, and where it is now is where requests go.
    #[track_caller]
    fn expect_return(&self) {
        let line = until_said(&self.evenkeel, "app.test", 2);
        assert_eq!((&line["message"], &line["level"]), (&json!("name resolves"), &json!("INFO")));
        until_at(&self.evenkeel, &self.app, &[self.port.of(NEW)]);
    }
}

#[test]
fn a_dns_server_that_hangs_costs_nothing_and_is_believed_again_afterwards() {
    let scene = scene();
    let crowd = load(&scene.evenkeel);
    scene.dns.freeze();
    scene.expect_outage("dns_timeout");
    crowd.wait_for(50);
    scene.dns.thaw();
    scene.dns.set(&[("app.test", NEW)]);
    scene.expect_return();
    crowd.wait_for(50);
    crowd.expect_no_failure();
    assert_eq!(scene.evenkeel.phase(&scene.app), "serving");
}

#[test]
fn a_dns_server_that_is_gone_costs_nothing_and_is_believed_again_afterwards() {
    let mut scene = scene();
    let crowd = load(&scene.evenkeel);
    scene.dns.kill();
    scene.expect_outage("dns_failed");
    crowd.wait_for(50);
    scene.dns.run(&[("app.test", NEW)]);
    scene.expect_return();
    crowd.wait_for(50);
    crowd.expect_no_failure();
    let mut client = evenkeel_tests::client::Client::connect(scene.evenkeel.address());
    wait::until_true(SOON, "the new address", || client.get("/").field("x-backend") == Some(NEW));
    assert!(!scene.new.requests().is_empty());
}

#[test]
fn a_name_that_is_gone_stays_where_it_was_and_only_one_line_says_so() {
    let scene = scene();
    let crowd = load(&scene.evenkeel);
    scene.dns.set(&[]);
    scene.expect_outage("dns_failed (NXDOMAIN)");
    let before = scene.dns.asked("app.test");
    wait::until_true(SOON, "another look-up", || scene.dns.asked("app.test") > before);
    crowd.wait_for(20);
    crowd.expect_no_failure();
    assert_eq!(said(&scene.evenkeel, "app.test").len(), 1);
}
