//! Connections that are used again, and sessions that go on.

use std::time::Duration;

use evenkeel_tests::client::Client;
use evenkeel_tests::load::{Crowd, Load};
use evenkeel_tests::nginx::Nginx;
use evenkeel_tests::wait;

use super::site::{Site, ask, one, start};
use crate::named::sum;
use crate::turns::paced;

fn handshakes(evenkeel: &evenkeel_tests::balancer::Evenkeel, kind: &str) -> f64 {
    sum(evenkeel, "backend_tls_handshakes_total", &[("kind", kind)])
}

#[test]
fn a_connection_is_used_again() {
    let site = Site::new();
    let nginx = site.nginx("nginx", &site.local(), "");
    let evenkeel = one(&nginx.address(), &site.believes());
    let mut client = Client::connect(evenkeel.address());
    for number in 1..=10 {
        let text = client.get("/").text();
        assert!(text.contains(&format!(" requests={number} ")), "{text}");
    }
    assert_eq!((handshakes(&evenkeel, "full"), handshakes(&evenkeel, "resumed")), (1.0, 0.0));
}

#[test]
fn a_session_goes_on_over_new_connections() {
    let site = Site::new();
    for version in ["TLSv1.2", "TLSv1.3"] {
        let more = format!("keepalive_timeout 0; ssl_protocols {version}; ssl_session_cache shared:all:1m;");
        let nginx = site.nginx("nginx", &site.local(), &more);
        let evenkeel = one(&nginx.address(), &site.believes());
        let said: Vec<_> = (0..5).map(|number| ask(&evenkeel, &format!("/{number}")).1).collect();
        let resumed = said.iter().filter(|text| text.contains("reused=r")).count();
        assert_eq!(resumed, 4, "{version}: {said:?}");
        assert_eq!(
            (handshakes(&evenkeel, "full"), handshakes(&evenkeel, "resumed")),
            (1.0, 4.0),
            "{version}"
        );
    }
}

#[test]
fn idle_connections_that_are_closed_cost_no_request() {
    let _turn = paced();
    let site = Site::new();
    let nginx = ["a", "b"]
        .map(|name| site.nginx(name, &site.local(), "keepalive_timeout 1s; ssl_session_tickets on;"));
    let backends = [("a", nginx[0].address()), ("b", nginx[1].address())];
    let evenkeel = start(&backends, &site.believes(), &[]);
    let crowd = |is_post: bool, millis: u64| {
        let pace = Duration::from_millis(millis);
        Load { connections: 8, pace, is_post, ..Load::on(evenkeel.address()) }.start()
    };
    // Until it is known when they close, a POST may be on its way just then.
    let first = crowd(false, 1600);
    let is_known = |one: &Nginx| evenkeel.backend(&one.address())["idle_limit_seconds"].is_f64();
    wait::until_true(Duration::from_secs(20), "the limit to be learned", || nginx.iter().all(is_known));
    // Around the time after which they are closed, since there it is a race.
    let paces = [(false, 990), (true, 1000), (false, 1010), (true, 1003), (true, 1700)];
    let crowds = paces.map(|(is_post, pace)| crowd(is_post, pace));
    wait::pause(Duration::from_secs(7));
    let answered: u64 = crowds.into_iter().map(Crowd::expect_no_failure).sum();
    assert!(answered > 150, "{answered}");
    first.expect_no_failure();
    assert!(handshakes(&evenkeel, "resumed") > 0.0);
}
