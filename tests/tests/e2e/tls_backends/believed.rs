//! Who is not believed gets nothing, and what was believed before is not when that changes.

use evenkeel_tests::backend::{Backend, Script};
use evenkeel_tests::balancer::{Evenkeel, SOON};
use evenkeel_tests::certificates::{Authority, Validity, Wish};
use evenkeel_tests::client::Client;
use evenkeel_tests::tls_backend::{Manner, TlsBackend, TlsServer};
use evenkeel_tests::wait;

use super::site::{Scripted, Site, ask, expect_failure, one, plan, start};
use crate::named::sum;

#[test]
fn no_byte_of_a_request_reaches_whom_nobody_believes() {
    let site = Site::new();
    let other = Authority::new("another").write(site.folder.path(), "other");
    let one = Scripted::new(Script::Echo, &site.local());
    let tls = format!("ca: {}", other.display());
    let settings = ["health: { probe: { path: /healthz, interval: 200ms, timeout: 200ms } }"];
    for manner in [Manner::Proper, Manner::plain_http(), Manner::Closing, Manner::Says(b"\0".to_vec())] {
        one.tls.set(manner.clone());
        let evenkeel = start(&[("a", one.tls.address())], &tls, &settings);
        for number in 0..3 {
            let mut client = Client::connect(evenkeel.address());
            let (get, post) = (client.get(&format!("/{number}")), client.post("/order", b"order"));
            assert!([502, 503].contains(&get.status) && [502, 503].contains(&post.status), "{manner:?}");
        }
        wait::until_true(SOON, "probes", || one.tls.connections() > 8);
        assert_eq!(String::from_utf8_lossy(&one.backend.received()), "", "{manner:?}");
        assert_eq!((one.backend.connections(), one.tls.seen().len()), (0, 0), "{manner:?}");
    }
}

#[test]
fn a_change_of_what_is_believed_closes_what_was_believed_before() {
    let site = Site::new();
    let other = Authority::new("another").write(site.folder.path(), "other");
    let wrong = format!("ca: {}", other.display());
    let right = site.believes();
    let one = Scripted::new(Script::Echo, &site.local());
    let backends = [("a", one.tls.address())];
    for before in ["verify: off", &right] {
        let evenkeel = start(&backends, before, &[]);
        let mut client = Client::connect(evenkeel.address());
        assert_eq!(client.get("/").status, 200);
        let (requests, connections) = (one.backend.requests().len(), one.tls.connections());
        evenkeel.reload(&plan(&backends, &wrong, &[]));
        for _ in 0..3 {
            assert_eq!(client.get("/").status, 502, "before it was {before}");
        }
        assert_eq!(one.backend.requests().len(), requests);
        assert!(one.tls.connections() > connections);
        wait::until_true(SOON, "the idle connection to close", || one.tls.open() == 0);
        // And back: the name that is not proved is no reason to keep anything, either.
        evenkeel.reload(&plan(&backends, &right, &[]));
        assert_eq!(client.get("/").status, 200);
        evenkeel.reload(&plan(&backends, &format!("{right}, server_name: other.test"), &[]));
        assert_eq!(client.get("/").status, 502);
    }
}

#[test]
fn a_change_of_something_else_keeps_what_is_idle() {
    let site = Site::new();
    let one = Scripted::new(Script::Echo, &site.local());
    let backends = [("a", one.tls.address())];
    let evenkeel = start(&backends, &site.believes(), &[]);
    let mut client = Client::connect(evenkeel.address());
    for head in 5..8 {
        assert_eq!(client.get("/").status, 200);
        evenkeel.reload(&plan(&backends, &site.believes(), &[&format!("timeouts: {{ head: {head}s }}")]));
    }
    assert_eq!(client.get("/").status, 200);
    assert_eq!(one.tls.connections(), 1);
}

#[test]
fn from_cleartext_to_tls_no_idle_connection_is_kept() {
    let site = Site::new();
    let one = Scripted::new(Script::Echo, &site.local());
    let address = one.tls.address();
    let evenkeel = Evenkeel::start(&crate::named::pool(&[("a", one.backend.address())], &[]));
    let mut client = Client::connect(evenkeel.address());
    assert_eq!(client.get("/").status, 200);
    evenkeel.reload(&plan(&[("a", address.clone())], &site.believes(), &[]));
    assert_eq!(client.get("/").status, 200);
    assert_eq!(one.tls.seen().len(), 1);
    // The same address in cleartext: nobody is asked over what was made for the other.
    evenkeel.reload(&crate::named::pool(&[("a", address)], &[]));
    assert_ne!(client.get("/").status, 200);
}

/// Three backends on addresses of their own, with one authority.
fn three(site: &Site, backend: &Backend) -> [TlsBackend; 3] {
    let certificate = site.authority.server(&["127.0.0.1", "127.0.0.2", "127.0.0.3"]);
    [1, 2, 3].map(|last| TlsBackend::on([127, 0, 0, last], &backend.address(), &TlsServer::new(&certificate)))
}

#[test]
fn what_a_whole_pool_is_refused_for_ejects_nobody() {
    let site = Site::new();
    let backend = Backend::start("a", Script::Echo);
    let all = three(&site, &backend);
    let backends: Vec<_> = ["a", "b", "c"].into_iter().zip(all.iter().map(TlsBackend::address)).collect();
    let eject = ["health: { eject: { consecutive: 1, wait: 60s } }"];
    // The CA file is the old one, or the clock is wrong.
    let other = Authority::new("another").write(site.folder.path(), "other");
    let evenkeel = start(&backends, &format!("ca: {}", other.display()), &eject);
    for number in 0..6 {
        let (status, text) = ask(&evenkeel, &format!("/{number}"));
        assert!(status == 502 && text.starts_with("502 tls_certificate: "), "{status} {text}");
    }
    let is_told =
        |event: &serde_json::Value| event.to_string().contains("tls_certificate") && event["path"].is_null();
    wait::until_true(SOON, "an event about it", || evenkeel.events().iter().any(is_told));
    // Longer than a first failure waits for the others.
    wait::pause(std::time::Duration::from_millis(1200));
    assert_eq!(sum(&evenkeel, "backend_ejections_total", &[]), 0.0);
    // And with the right one, at once.
    evenkeel.reload(&plan(&backends, &site.believes(), &eject));
    assert_eq!(ask(&evenkeel, "/mended").0, 200);
}

#[test]
fn one_of_a_pool_that_is_refused_is_ejected() {
    let site = Site::new();
    let backend = Backend::start("a", Script::Echo);
    let all = three(&site, &backend);
    let expired = Wish::new(&["127.0.0.2"]).validity(Validity::Expired);
    all[1].present(&TlsServer::new(&site.authority.sign(&expired)));
    let backends: Vec<_> = ["a", "b", "c"].into_iter().zip(all.iter().map(TlsBackend::address)).collect();
    let evenkeel = start(&backends, &site.believes(), &["health: { eject: { consecutive: 1, wait: 60s } }"]);
    wait::until_true(SOON, "its ejection", || {
        assert_eq!(ask(&evenkeel, "/").0, 200);
        evenkeel.phase(&all[1].address()) == "ejected"
    });
    assert_eq!(sum(&evenkeel, "backend_ejections_total", &[]), 1.0);
}

#[test]
fn a_name_that_is_not_the_pools_is_not_believed_although_the_ca_is() {
    let site = Site::new();
    let server = Scripted::new(Script::Echo, &site.authority.server(&["app.test"]));
    expect_failure(&one(&server.tls.address(), &site.believes()), "tls_certificate", "wrong_name");
    let tls = format!("{}, server_name: other.test", site.believes());
    expect_failure(&one(&server.tls.address(), &tls), "tls_certificate", "wrong_name");
    assert_eq!(server.backend.connections(), 0);
    let tls = format!("{}, server_name: app.test", site.believes());
    assert_eq!(ask(&one(&server.tls.address(), &tls), "/").0, 200);
}
