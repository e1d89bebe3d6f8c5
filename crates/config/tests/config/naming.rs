//! What `dns`, `resolve` and `admin.socket` come to, and what is said about slips in them.

use std::time::Duration;

use evenkeel_config::{AdminSocket, DnsRule, Plan, Resolve};

use crate::{parse, with_pool, with_top};

fn plan(text: &str) -> Plan {
    parse(text).unwrap_or_else(|problems| panic!("{problems}"))
}

/// Path, column, message and help of the only problem.
fn said(text: &str) -> (String, usize, String, String) {
    let problems = parse(text).expect_err("there is a slip in it");
    assert_eq!(problems.len(), 1, "{problems}");
    let problem = problems.iter().next().expect("one is in there");
    let help = problem.help.clone().unwrap_or_default();
    (problem.path.clone(), problem.column, problem.message.clone(), help)
}

#[test]
fn servers_are_asked_in_the_order_of_the_file() {
    let dns = plan(&with_top(
        "dns: { servers: [10.0.0.2, \"10.0.0.3:5353\", \"[::1]:53\", \"::2\"], timeout: 2s }",
    ))
    .dns;
    let servers: Vec<String> = dns.servers.iter().map(ToString::to_string).collect();
    assert_eq!(servers, ["10.0.0.2:53", "10.0.0.3:5353", "[::1]:53", "[::2]:53"]);
    assert_eq!(dns.timeout, Duration::from_secs(2));
}

#[test]
fn without_servers_the_system_knows_whom_to_ask() {
    for top in ["", "dns: {}", "dns:", "dns: { servers: [] }", "dns: { timeout: 5s }"] {
        assert_eq!(plan(&with_top(top)).dns, DnsRule::default(), "{top}");
    }
    assert_eq!(plan(&with_top("dns: { timeout: 100ms }")).dns.timeout, Duration::from_millis(100));
    assert_eq!(plan(&with_top("dns: { timeout: 60s }")).dns.timeout, Duration::from_secs(60));
}

#[test]
fn slips_about_servers_are_explained() {
    let nine: Vec<String> = (1..=9).map(|host| format!("10.0.0.{host}")).collect();
    for (dns, path, column, message, help) in [
        (
            "servers: [10.0.0.2, \"10.0.0.2:53\"]",
            "dns.servers[1]",
            28,
            "`10.0.0.2:53` is in the list already",
            "asking it again says nothing new; remove it",
        ),
        (
            &format!("servers: [{}]", nine.join(", ")),
            "dns.servers",
            8,
            "9 servers are too many",
            "write at most 8",
        ),
        (
            "servers: [\"10.0.0.2:0\"]",
            "dns.servers[0]",
            18,
            "`10.0.0.2:0` has port 0, where nobody listens",
            "write `10.0.0.2`, or another port",
        ),
        (
            "servers: [dns.internal]",
            "dns.servers[0]",
            18,
            "`dns.internal` is no address of a DNS server",
            "write an IP address, like `10.0.0.2`, `10.0.0.3:5353` or `[::1]:53`",
        ),
        ("timeout: 61s", "dns.timeout", 17, "`61s` is too long", "write at most `1m`"),
        ("timeout: 99ms", "dns.timeout", 17, "`99ms` is too short", "write at least `100ms`"),
        (
            "sever: [10.0.0.2]",
            "dns.sever",
            8,
            "unknown key `sever`",
            "did you mean `servers`? valid here: `servers` and `timeout`",
        ),
    ] {
        let found = said(&with_top(&format!("dns: {{ {dns} }}")));
        assert_eq!(found, (path.into(), column, message.into(), help.into()), "{dns}");
    }
    assert_eq!(
        plan(&with_top(&format!("dns: {{ servers: [{}] }}", nine[..8].join(", ")))).dns.servers.len(),
        8
    );
}

#[test]
fn a_backend_resolves_as_it_says_else_as_its_pool_does() {
    let resolved = |pool: &str| {
        let text = format!(
            "listeners: [{{ address: \"127.0.0.1:80\" }}]\npools: {{ web: {{ {pool} backends: [\"a:80\", \
             {{ address: \"b:80\", resolve: once }}, {{ address: \"c:80\", resolve: each }}, \"10.0.0.1:80\", \
             \"unix:/run/a.sock\"] }} }}\n"
        );
        plan(&text).pools[0].backends.iter().map(|backend| backend.resolve).collect::<Vec<_>>()
    };
    use Resolve::{Each, Once};
    assert_eq!(resolved(""), [Once, Once, Each, Once, Once]);
    assert_eq!(resolved("resolve: once,"), [Once, Once, Each, Once, Once]);
    assert_eq!(resolved("resolve: each,"), [Each, Once, Each, Once, Once]);
}

#[test]
fn what_is_no_name_cannot_be_resolved() {
    for address in ["10.0.0.1:80", "[::1]:80", "unix:/run/a.sock"] {
        let backend = |resolve| {
            format!(
                "listeners: [{{ address: \"127.0.0.1:80\" }}]\npools:\n  web:\n    backends:\n      - address: \"{address}\"\n        \
                 resolve: {resolve}\n"
            )
        };
        let message = format!("`{address}` is no name, so there is nothing to resolve");
        let help = "remove it, or write a name as the address";
        let expected = ("pools.web.backends[0].resolve".into(), 18, message, help.into());
        assert_eq!(said(&backend("each")), expected);
        assert_eq!(plan(&backend("once")).pools[0].backends[0].resolve, Resolve::Once);
    }
    let (path, _, message, help) = said(&with_pool("resolve: eech"));
    assert_eq!((path.as_str(), message.as_str()), ("pools.web.resolve", "unknown value `eech`"));
    assert_eq!(help, "did you mean `each`? valid here: `once` and `each`");
}

#[test]
fn the_admin_socket_is_somewhere_or_off() {
    let socket = |admin: &str| plan(&with_top(&format!("admin: {{ {admin} }}"))).admin.socket;
    assert_eq!(socket("address: off"), AdminSocket::Usual);
    assert_eq!(socket("socket: off"), AdminSocket::Off);
    assert_eq!(socket("socket: false"), AdminSocket::Off);
    assert_eq!(socket("socket: /run/a.sock"), AdminSocket::At("/run/a.sock".into()));
    assert_eq!(plan(&with_top("")).admin.socket, AdminSocket::Usual);
    let longest = format!("/{}", "a".repeat(106));
    assert_eq!(socket(&format!("socket: {longest}")), AdminSocket::At(longest.into()));
}

#[test]
fn a_socket_without_a_place_is_explained() {
    let absolute = "write the absolute path of a file, like `/run/evenkeel/admin.sock`; or `off`";
    let long = format!("/{}", "a".repeat(107));
    for (socket, message, help) in [
        ("run/a.sock", "`run/a.sock` is no place for a socket", absolute),
        ("/run/evenkeel/", "`/run/evenkeel/` is no place for a socket", absolute),
        ("\"/run/a\\0b\"", "`/run/a\\0b` is no place for a socket", absolute),
        (
            "\"unix:/run/a.sock\"",
            "`unix:/run/a.sock` is no place for a socket",
            "write the path alone: `/run/a.sock`",
        ),
        (
            &long,
            &format!("`{}...` is longer than 107 bytes", &long[..60]),
            "Linux has no longer addresses of sockets; write a shorter path",
        ),
    ] {
        let found = said(&with_top(&format!("admin: {{ socket: {socket} }}")));
        assert_eq!(found, ("admin.socket".into(), 18, message.into(), help.into()), "{socket}");
    }
}
