//! What everybody must accept, through evenkeel, HAProxy and nginx side by side: backends and clients see the same.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::process::Command;

use evenkeel_tests::backend::{Backend, Script};
use evenkeel_tests::balancer::Evenkeel;
use evenkeel_tests::client::Client;
use evenkeel_tests::nginx::{free_address, launch, wait_until_it_answers, write_configuration};
use evenkeel_tests::process::Process;
use evenkeel_tests::tools::tool;
use tempfile::TempDir;

/// Fields of one hop, and those that each proxy adds or replaces in its own way.
const NOT_COMPARED: [&str; 21] = [
    "host",
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "upgrade",
    "transfer-encoding",
    "content-length",
    "expect",
    "via",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-host",
    "x-request-id",
    "x-evenkeel-attempt",
    "date",
    "server",
    "max-forwards",
    "proxy-status",
    "x-a-hop",
];

/// A peer before its own backend.
struct Peer {
    name: &'static str,
    address: SocketAddr,
    backend: Backend,
    _process: Process,
    _folder: TempDir,
}

fn haproxy() -> Peer {
    let (address, backend, folder) =
        (free_address(), Backend::start("a", Script::Echo), tempfile::tempdir().unwrap());
    let configuration = format!(
        "global\n  maxconn 100\ndefaults\n  mode http\n  timeout connect 3s\n  timeout client 10s\n  timeout server 10s\n\
         frontend edge\n  bind {address}\n  default_backend web\nbackend web\n  server one {}\n",
        backend.address()
    );
    let file = folder.path().join("haproxy.cfg");
    std::fs::write(&file, configuration).unwrap();
    let mut command = Command::new(tool("haproxy"));
    command.arg("-db").arg("-f").arg(&file);
    let process = Process::start("haproxy", command, folder.path());
    wait_until_it_answers(address);
    Peer { name: "haproxy", address, backend, _process: process, _folder: folder }
}

fn nginx() -> Peer {
    let (address, backend, folder) =
        (free_address(), Backend::start("a", Script::Echo), tempfile::tempdir().unwrap());
    let servers = format!(
        "server {{ listen {address}; location / {{ proxy_pass http://{}; proxy_http_version 1.1; \
         proxy_set_header Host $http_host; proxy_set_header Connection \"\"; proxy_pass_request_headers on; }} }}",
        backend.address()
    );
    write_configuration(folder.path(), 1, &servers);
    let process = launch(folder.path());
    wait_until_it_answers(address);
    Peer { name: "nginx", address, backend, _process: process, _folder: folder }
}

/// Requests, and the peers that differ on purpose, with the reason.
fn requests() -> Vec<(String, &'static [&'static str])> {
    let get = |target: &str| (format!("GET {target} HTTP/1.1\r\nHost: a.test\r\n\r\n"), &[][..]);
    let with = |fields: &str| (format!("GET /f HTTP/1.1\r\nHost: a.test\r\n{fields}\r\n\r\n"), &[][..]);
    let method = |method: &str| {
        (format!("{method} /m HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0\r\n\r\n"), &[][..])
    };
    let body = |fields: &str, body: &str| {
        (format!("POST /b HTTP/1.1\r\nHost: a.test\r\n{fields}\r\n\r\n{body}"), &[][..])
    };
    let host = |host: &str| (format!("GET /h HTTP/1.1\r\nHost: {host}\r\n\r\n"), &[][..]);
    let chunked = "Transfer-Encoding: chunked";
    vec![
        get("/"),
        get("/a/b/c"),
        get("/a?b=c&d=e"),
        get("/?"),
        get("/a%20b%2Fc"),
        get("/a//b"),
        get("/a/./b"),
        get("/a;b=c"),
        get("/~a/-._!$&'()*+,;=:@"),
        get("/a?b=/?c"),
        get("/%7e"),
        get("/a?%00"),
        get(&format!("/{}", "x".repeat(2000))),
        method("POST"),
        method("PUT"),
        method("DELETE"),
        method("PATCH"),
        method("PROPFIND"),
        method("REPORT"),
        (String::from("HEAD /m HTTP/1.1\r\nHost: a.test\r\n\r\n"), &[]),
        (String::from("OPTIONS /m HTTP/1.1\r\nHost: a.test\r\n\r\n"), &[]),
        with("User-Agent: a (b; c) d/1.0"),
        with("Accept: text/html, */*;q=0.1"),
        with("X-A:b"),
        with("X-A:   b  "),
        with("X-A:"),
        with("X-A: b, c"),
        with("X-A: b\r\nX-A: c"),
        with("X-A: \u{e4}\u{f6}"),
        with("X-A: b\tc"),
        with("X-A: \"b:c\""),
        with("Cookie: a=b; c=d"),
        with("Authorization: Basic YTpi"),
        with("If-None-Match: \"a\", W/\"b\""),
        with("Range: bytes=0-1"),
        with("Connection: X-A-Hop, close\r\nX-A-Hop: b"),
        with("x-lower: b\r\nX-UPPER: C"),
        with("Accept-Encoding: gzip;q=0"),
        with(&format!("X-Long: {}", "y".repeat(3000))),
        with("Content-Type: text/plain"),
        with("Referer: http://b.test/?c#d"),
        with("Date: Mon, 23 Nov 2026 00:00:00 GMT"),
        with("Cache-Control: no-cache"),
        body("Content-Length: 5", "hello"),
        body("Content-Length: 0", ""),
        body("content-length:5", "hello"),
        body(chunked, "5\r\nhello\r\n0\r\n\r\n"),
        body(chunked, "2;a=b\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"),
        body(chunked, "0\r\n\r\n"),
        body("TRANSFER-ENCODING: Chunked", "00005\r\nhello\r\n00\r\n\r\n"),
        body(chunked, "A\r\n0123456789\r\n0\r\nX-T: v\r\n\r\n"),
        host("a.test:8080"),
        host("A.Test"),
        host("10.0.0.1"),
        host("[::1]"),
        host("[2001:db8::1]:81"),
        host("localhost"),
        (String::from("\r\nGET /e HTTP/1.1\r\nHost: a.test\r\n\r\n"), &[]),
        (String::from("GET /old HTTP/1.0\r\nHost: a.test\r\n\r\n"), &[]),
        // nginx drops a name with anything but letters, digits and hyphens.
        (String::from("GET /f HTTP/1.1\r\nHost: a.test\r\nX!#$%&'*+-.^`|~9: b\r\n\r\n"), &["nginx"]),
        // HAProxy forwards the absolute form as it came; a backend is no proxy.
        (String::from("GET http://a.test/abs?q HTTP/1.1\r\nHost: a.test\r\n\r\n"), &["haproxy"]),
    ]
}

/// What a backend received, as far as it is compared.
fn received(backend: &Backend) -> String {
    let request = backend.requests().pop().expect("the request arrived");
    let host = request.fields("host").join(" and ");
    let (fields, checksum) = (compared(&request.head), request.checksum.text());
    format!(
        "{} {} at {host}, {} bytes of {checksum}, {fields:?}",
        request.method, request.target, request.body_bytes
    )
}

fn compared(head: &str) -> BTreeSet<String> {
    let fields = head.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
    let fields = fields.map(|(name, value)| (name.to_ascii_lowercase(), value.trim()));
    fields
        .filter(|(name, _)| !NOT_COMPARED.contains(&name.as_str()))
        .map(|(name, value)| format!("{name}: {value}"))
        .collect()
}

#[test]
fn backends_receive_through_evenkeel_what_they_receive_through_others() {
    let (peers, backend) = ([haproxy(), nginx()], Backend::start("a", Script::Echo));
    let evenkeel =
        Evenkeel::start(&format!("pools: {{ web: {{ backends: [\"{}\"] }} }}\n", backend.address()));
    let requests = requests();
    assert!(requests.len() > 50);
    for (request, differs) in &requests {
        let method = request.trim_start().split(' ').next().unwrap();
        let ask = |address| Client::connect(address).send(latin1(request)).response(method).status;
        assert_eq!(ask(evenkeel.address()), 200, "{request:?}");
        let ours = received(&backend);
        for peer in &peers {
            assert_eq!(ask(peer.address), 200, "{}: {request:?}", peer.name);
            let theirs = received(&peer.backend);
            let is_expected = (ours == theirs) != differs.contains(&peer.name);
            assert!(is_expected, "{request:?}\nevenkeel: {ours}\n{}: {theirs}", peer.name);
        }
    }
}

/// One byte for each character.
fn latin1(text: &str) -> Vec<u8> {
    text.chars().map(|character| character as u8).collect()
}

#[test]
fn clients_receive_through_evenkeel_what_they_receive_through_others() {
    let (peers, backend) = ([haproxy(), nginx()], Backend::start("a", Script::Echo));
    let evenkeel =
        Evenkeel::start(&format!("pools: {{ web: {{ backends: [\"{}\"] }} }}\n", backend.address()));
    let ok = |fields: &str, body: &str| format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n{body}");
    let status = |line: &str| format!("HTTP/1.1 {line}\r\nContent-Length: 2\r\n\r\nok");
    let bare = |line: &str| format!("HTTP/1.1 {line}\r\nX-A: b\r\n\r\n");
    let chunked = "Transfer-Encoding: chunked";
    for (response, closes) in [
        (ok("Content-Length: 2", "ok"), false),
        (ok("Content-Length: 0", ""), false),
        (ok(chunked, "2\r\nok\r\n0\r\n\r\n"), false),
        (ok(chunked, "1\r\no\r\n1;a=b\r\nk\r\n0\r\n\r\n"), false),
        (ok("X-A: b", "to the end"), true),
        (status("201 Created"), false),
        (status("202 \u{41}nything at all"), false),
        (status("301 Moved Permanently\r\nLocation: http://b.test/"), false),
        (status("400 Bad Request"), false),
        (status("401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"a\""), false),
        (status("404 Not Found"), false),
        (status("418 I'm a teapot"), false),
        (status("500 Internal Server Error"), false),
        (status("501 Not Implemented"), false),
        (bare("204 No Content"), false),
        (bare("304 Not Modified"), false),
        (ok("Set-Cookie: a=b; Path=/\r\nSet-Cookie: c=d\r\nContent-Length: 2", "ok"), false),
        (ok("Content-Type: text/html; charset=utf-8\r\nContent-Length: 2", "ok"), false),
        (ok("ETag: W/\"a\"\r\nCache-Control: max-age=1\r\nVary: Accept\r\nContent-Length: 2", "ok"), false),
        (ok("Connection: X-A-Hop\r\nX-A-Hop: b\r\nKeep-Alive: timeout=5\r\nContent-Length: 2", "ok"), false),
    ] {
        let script = match closes {
            true => Script::ReplyThenClose(response.clone().into_bytes()),
            false => Script::Reply(response.clone().into_bytes()),
        };
        let ask = |address, backend: &Backend| {
            backend.set(script.clone());
            let answer = Client::connect(address).get("/");
            (answer.status, compared(&answer.head), answer.text())
        };
        let ours = ask(evenkeel.address(), &backend);
        for peer in &peers {
            assert_eq!(
                ours,
                ask(peer.address, &peer.backend),
                "{} has the second of {response:?}",
                peer.name
            );
        }
    }
}
