//! Where a backend behind TLS may be: at a name, on a Unix socket, at an IPv6 address.

use evenkeel_tests::backend::Script;
use evenkeel_tests::balancer::Evenkeel;
use evenkeel_tests::dns::Dns;
use evenkeel_tests::nginx::Nginx;

use super::site::{Scripted, Site, ask, expect_failure, one, plan};

#[test]
fn a_name_is_what_is_proved_and_asked_for() {
    let site = Site::new();
    let server = Scripted::new(Script::Echo, &site.authority.server(&["app.test"]));
    let dns = Dns::start(&[("app.test", "127.0.0.1"), ("other.test", "127.0.0.1")]);
    let address = server.tls.address();
    let (_, port) = address.rsplit_once(':').unwrap();
    let at = |host: &str| {
        let backends = [("a", format!("{host}:{port}"))];
        Evenkeel::start(&(plan(&backends, &site.believes(), &[]) + &dns.setting("5s")))
    };
    assert_eq!(ask(&at("app.test"), "/").0, 200);
    assert_eq!(server.tls.seen()[0].name.as_deref(), Some("app.test"));
    assert_eq!(server.backend.requests()[0].fields("host"), ["test.example"]);
    expect_failure(&at("other.test"), "tls_certificate", "wrong_name");
    assert_eq!(server.backend.requests().len(), 1);
}

#[test]
fn a_unix_socket_proves_the_name_that_is_given() {
    let site = Site::new();
    let socket = site.folder.path().join("nginx.sock");
    let server = site.server("app.test", &site.authority.server(&["app.test"]), "");
    let more = server.replace("ADDRESS", &format!("unix:{}", socket.display()));
    let _nginx = Nginx::start_with("unix", |address, _| {
        format!("server {{ listen {address}; location / {{ return 200; }} }}\n{more}")
    });
    let address = format!("unix:{}", socket.display());
    let (status, text) = ask(&one(&address, &format!("{}, server_name: app.test", site.believes())), "/");
    assert!(status == 200 && text.starts_with("app.test "), "{status} {text}");
    let other = format!("{}, server_name: other.test", site.believes());
    expect_failure(&one(&address, &other), "tls_certificate", "wrong_name");
}

#[test]
fn an_ipv6_address_is_proved_as_one() {
    let site = Site::new();
    let serve = |name: &str| {
        let server = site.server("six", &site.authority.server(&[name]), "");
        Nginx::start_with("six", |address, _| {
            let six = format!("[::1]:{}", address.port());
            format!(
                "server {{ listen {address}; location / {{ return 200; }} }}\n{}",
                server.replace("ADDRESS", &six)
            )
        })
    };
    for (proved, is_good) in [("::1", true), ("127.0.0.1", false)] {
        let nginx = serve(proved);
        let address = nginx.address().replace("127.0.0.1", "[::1]");
        let evenkeel = one(&address, &site.believes());
        match is_good {
            true => assert_eq!(ask(&evenkeel, "/").0, 200),
            false => expect_failure(&evenkeel, "tls_certificate", "wrong_name"),
        }
    }
}
