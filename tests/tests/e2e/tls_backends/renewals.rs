//! What a pool's TLS is made of changes while requests are on their way: none of them notices.

use std::time::Duration;

use evenkeel_tests::backend::{Backend, Script};
use evenkeel_tests::balancer::SOON;
use evenkeel_tests::certificates::{Authority, Wish};
use evenkeel_tests::client::Client;
use evenkeel_tests::load::{Crowd, Load};
use evenkeel_tests::tls_backend::{TlsBackend, TlsServer};
use evenkeel_tests::wait;

use super::site::{Scripted, Site, plan, start};
use crate::turns::paced;

#[test]
fn reloads_of_what_is_believed_cost_no_request() {
    let _turn = paced();
    let site = Site::new();
    let certificate = site.local();
    let both = [(); 2].map(|()| Scripted::new(Script::Echo, &certificate));
    let backends = [("a", both[0].tls.address()), ("b", both[1].tls.address())];
    let plans = [
        site.believes(),
        format!("verify: off, pins: [\"{}\"]", certificate.pin()),
        format!("{}, pins: [\"{}\"]", site.believes(), certificate.pin()),
        "verify: off".to_owned(),
    ];
    let evenkeel = start(&backends, &plans[0], &[]);
    let gets = Load { connections: 16, pace: Duration::from_millis(5), ..Load::on(evenkeel.address()) };
    let posts = Load { is_post: true, ..gets.clone() };
    let crowds = [gets.start(), posts.start()];
    for turn in 1..=20 {
        let after = evenkeel.reload(&plan(&backends, &plans[turn % plans.len()], &[]));
        assert_eq!(after.sum("evenkeel_config_last_reload_successful", &[]), 1.0, "{}", evenkeel.output());
        crowds.iter().for_each(|crowd| crowd.wait_for(50));
    }
    for crowd in crowds {
        crowd.expect_no_failure();
    }
}

#[test]
fn a_ca_that_is_renewed_is_believed_by_itself_and_the_old_one_no_more() {
    let site = Site::new();
    let new = Authority::new("the next one");
    let backend = Backend::start("a", Script::Echo);
    let old = TlsBackend::before(&backend.address(), &TlsServer::new(&site.local()));
    let ca = site.ca();
    let evenkeel = start(&[("a", old.address())], &format!("ca: {}", ca.display()), &[]);
    let mut client = Client::connect(evenkeel.address());
    assert_eq!(client.get("/").status, 200);
    // Both, as one does on the way from one to the other: what stands is believed again.
    std::fs::write(&ca, site.authority.pem() + &new.pem()).unwrap();
    old.present(&TlsServer::new(&new.server(&["127.0.0.1"])));
    backend.close_connections();
    wait::until_true(SOON, "the new one to be believed", || client.get("/").status == 200);
    std::fs::write(&ca, site.authority.pem()).unwrap();
    let requests = || backend.requests().len();
    wait::until_true(SOON, "the new one not to be believed", || {
        let before = requests();
        client.get("/").status == 502 && requests() == before
    });
    // A file that is no good changes nothing.
    std::fs::write(&ca, "-----BEGIN CERTIFICATE-----\nno\n-----END CERTIFICATE-----\n").unwrap();
    wait::until_true(SOON, "the bad file to be told", || {
        evenkeel.metrics().sum("evenkeel_tls_files_last_reload_successful", &[]) == 0.0
    });
    assert_eq!(client.get("/").status, 502);
    std::fs::write(&ca, new.pem()).unwrap();
    wait::until_true(SOON, "the new one to be believed again", || client.get("/").status == 200);
    assert_eq!(evenkeel.metrics().sum("evenkeel_tls_files_last_reload_successful", &[]), 1.0);
}

#[test]
fn a_client_certificate_that_is_renewed_is_shown_by_itself_and_costs_no_request() {
    let _turn = paced();
    let site = Site::new();
    let server = TlsServer::new(&site.local()).clients(&site.authority);
    let backend = Backend::start("a", Script::Echo);
    let tls = TlsBackend::before(&backend.address(), &server);
    let me = |name: &str| site.authority.sign(&Wish::client(name));
    let (first, second) = (me("first"), me("second"));
    let both = site.write("me", &first).both;
    let keys = format!("{}, certificate: {}", site.believes(), both.display());
    let evenkeel = start(&[("a", tls.address())], &keys, &[]);
    let crowd: Crowd = Load {
        connections: 8,
        pace: Duration::from_millis(5),
        is_post: true,
        ..Load::on(evenkeel.address())
    }
    .start();
    crowd.wait_for(50);
    // In one step, as one should.
    site.write("next", &second);
    std::fs::rename(site.folder.path().join("next.both.pem"), &both).unwrap();
    wait::until_true(SOON, "the second one to be shown", || {
        tls.seen().iter().any(|seen| seen.certificate == Some(second.leaf()))
    });
    crowd.wait_for(50);
    crowd.expect_no_failure();
    assert_eq!(tls.seen()[0].certificate, Some(first.leaf()));
}
