//! `/etc/hosts` and `/etc/resolv.conf`.

use std::fs;

use evenkeel_model::Rcode;

use super::*;

/// As `resolv_conf` says, but for where the server is.
fn searching(server: &Server, resolv_conf: &str) -> Resolver {
    let mut servers = Servers::read(resolv_conf.as_bytes());
    servers.addresses = [server.address].into();
    Resolver::with(Source::Given(Arc::new(servers)), Path::new("/dev/null"), LONG)
}

#[tokio::test]
async fn the_hosts_file_comes_first_and_is_read_anew() {
    let server = Server::following(|question| of_family(question, 30, &["10.0.0.9"])).await;
    let directory = tempfile::tempdir().unwrap();
    let hosts = directory.path().join("hosts");
    let source = Source::Given(Arc::new(Servers::given(&[server.address])));
    let resolver = Resolver::with(source, &hosts, LONG);
    assert_eq!(shown(&resolver.resolve("app", 80).await.unwrap()), ["10.0.0.9:80"]);
    fs::write(&hosts, "10.0.0.1 app\nfd00::1 App\n").unwrap();
    for name in ["app", "APP", "app."] {
        let resolved = resolver.resolve(name, 80).await.unwrap();
        assert_eq!(
            (shown(&resolved), resolved.ttl),
            (vec!["10.0.0.1:80".into(), "[fd00::1]:80".into()], FROM_HERE)
        );
    }
    fs::write(&hosts, "10.0.0.2 app\nfd00::1 App\n").unwrap();
    assert_eq!(resolver.resolve("app", 80).await.unwrap().endpoints[0].to_string(), "10.0.0.2:80");
    fs::remove_file(&hosts).unwrap();
    assert_eq!(shown(&resolver.resolve("app", 80).await.unwrap()), ["10.0.0.9:80"]);
}

#[tokio::test]
async fn localhost_and_addresses_need_no_server() {
    let server = Server::following(|_| Reply::Code(3)).await;
    let resolver = resolver(&[server.address], LONG);
    for (name, expected) in [
        ("localhost", &["[::1]:80", "127.0.0.1:80"][..]),
        ("app.LocalHost.", &["[::1]:80", "127.0.0.1:80"]),
        ("10.0.0.1", &["10.0.0.1:80"]),
        ("fd00::1", &["[fd00::1]:80"]),
    ] {
        assert_eq!(shown(&resolver.resolve(name, 80).await.unwrap()), expected);
    }
    assert_eq!(server.asked(), []);
}

#[tokio::test]
async fn the_system_servers_are_read_anew() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("resolv.conf");
    let source = Source::System(Watched::new(&file, Servers::read));
    assert_eq!(*source.read().addresses, ["127.0.0.1:53".parse().unwrap()]);
    fs::write(&file, "nameserver 10.0.0.1\n").unwrap();
    assert_eq!(*source.read().addresses, ["10.0.0.1:53".parse().unwrap()]);
    fs::write(&file, "nameserver 10.0.0.2\n").unwrap();
    assert_eq!(*source.read().addresses, ["10.0.0.2:53".parse().unwrap()]);
}

#[tokio::test]
async fn search_domains_are_tried_in_turn() {
    let server = Server::following(|question| match question.name.as_str() {
        "app.b.test." => of_family(question, 30, &["10.0.0.1"]),
        "app.a.test." => Reply::Code(2),
        _ => Reply::Code(3),
    })
    .await;
    let resolver = searching(&server, "search a.test b.test c.test\n");
    assert_eq!(shown(&resolver.resolve("app", 80).await.unwrap()), ["10.0.0.1:80"]);
    assert_eq!(server.names(), ["app.a.test.", "app.b.test."]);
}

#[tokio::test]
async fn a_name_that_ends_in_a_dot_is_absolute() {
    let server = Server::following(|_| Reply::Code(3)).await;
    let resolver = searching(&server, "search a.test\n");
    let failed = resolver.resolve("app.", 80).await.expect_err("there is no such name");
    assert_eq!(failed.rcode, Some(Rcode::NxDomain));
    assert_eq!(server.names(), ["app."]);
    resolver.resolve("other", 80).await.expect_err("there is no such name");
    assert_eq!(server.names(), ["app.", "other.a.test.", "other."]);
}

#[tokio::test]
async fn the_search_ends_where_a_server_says_nothing_of_the_name() {
    let server = Server::following(|_| Reply::Code(5)).await;
    let resolver = searching(&server, "search a.test b.test\n");
    let failed = resolver.resolve("app", 80).await.expect_err("the server refuses");
    assert_eq!(failed.rcode, Some(Rcode::Refused));
    assert_eq!(server.names(), ["app.a.test."]);
}
