//! What a backend and a client see of each other: methods, heads, forwarding fields, keep-alive, pipelining.

use evenkeel_tests::backend::{Backend, Next, Script};
use evenkeel_tests::balancer::Evenkeel;
use evenkeel_tests::client::Client;
use std::io::Write;

pub(crate) fn one_backend(script: Script) -> (Backend, Evenkeel) {
    one_backend_with(script, "")
}

/// `pool` is what the pool has besides its backend, with a comma in front.
pub(crate) fn one_backend_with(script: Script, pool: &str) -> (Backend, Evenkeel) {
    let backend = Backend::start("a", script);
    let evenkeel =
        Evenkeel::start(&format!("pools: {{ web: {{ backends: [\"{}\"]{pool} }} }}\n", backend.address()));
    (backend, evenkeel)
}

#[test]
fn one_connection_serves_requests_of_every_kind() {
    let (backend, evenkeel) = one_backend(Script::Echo);
    let mut client = Client::connect(evenkeel.address());
    let get = client.get("/a?b=c");
    assert_eq!(get.status, 200);
    assert!(get.text().starts_with("GET /a?b=c HTTP/1.1\r\n"), "{}", get.text());

    let post = client.post("/p", b"hello");
    assert_eq!(post.field("x-body-bytes"), Some("5"));

    let chunked = client
        .send("PUT /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;ext=1\r\n world\r\n0\r\n\r\n")
        .response("PUT");
    assert_eq!(chunked.field("x-body-bytes"), Some("11"));
    assert!(chunked.text().starts_with("PUT /c HTTP/1.1\r\n"));

    let delete = client.send("DELETE /d HTTP/1.1\r\nHost: x\r\n\r\n").response("DELETE");
    assert_eq!(delete.status, 200);
    assert_eq!(backend.requests().len(), 4);
    assert_eq!(backend.connections(), 1, "the backend's connection is kept");

    let head = client.send("HEAD /h HTTP/1.1\r\nHost: x\r\n\r\n").response("HEAD");
    assert_eq!(head.status, 200);
    let length: usize = head.field("content-length").unwrap().parse().unwrap();
    assert!(length > 0);
    // A backend that sends the announced body all the same would answer the next request with it.
    assert_eq!(client.get("/after").status, 200);
    assert_eq!(
        backend.connections(),
        2,
        "no connection is reused after the answer to a HEAD that announced a body"
    );
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let (_backend, evenkeel) = one_backend(Script::Echo);
    let mut client = Client::connect(evenkeel.address());
    let request = |number| match number % 3 {
        0 => format!("POST /{number} HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"),
        _ => format!("GET /{number} HTTP/1.1\r\nHost: x\r\n\r\n"),
    };
    client.send((0..20).map(request).collect::<String>());
    for number in 0..20 {
        let response = client.response("GET");
        let text = response.text();
        assert!(text.contains(&format!(" /{number} HTTP/1.1\r\n")), "{number}: {text}");
    }
}

#[test]
fn responses_without_a_body_leave_the_connection_usable() {
    let answers = |request: &evenkeel_tests::request::Request, socket: &mut socket2::Socket| {
        let status = request.target.trim_start_matches('/');
        let length = if status == "304" { "Content-Length: 1000\r\n" } else { "" };
        socket.write_all(format!("HTTP/1.1 {status} X\r\n{length}ETag: \"e\"\r\n\r\n").as_bytes())?;
        Ok(Next::Continue)
    };
    let (_backend, evenkeel) = one_backend(Script::custom(answers));
    let mut client = Client::connect(evenkeel.address());
    for status in [204, 304, 204, 304] {
        let response = client.get(&format!("/{status}"));
        assert_eq!(response.status, status);
        assert_eq!(response.field("etag"), Some("\"e\""));
    }
}

#[test]
fn a_request_tells_its_way() {
    let (backend, evenkeel) = one_backend(Script::Echo);
    let mut client = Client::connect(evenkeel.address());
    client
        .send(
            "GET / HTTP/1.1\r\nHost: shop.example:8080\r\nX-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\n\
             X-Forwarded-Host: evil.example\r\nForwarded: for=6.6.6.6\r\nX-Request-Id: forged\r\nVia: 1.0 earlier\r\n\
             X-Custom: kept as it is\r\n\r\n",
        )
        .response("GET");
    let request = backend.requests().remove(0);
    assert_eq!(request.fields("host"), ["shop.example:8080"]);
    assert_eq!(request.fields("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(request.fields("x-forwarded-proto"), ["http"]);
    assert_eq!(request.fields("x-forwarded-host"), ["shop.example:8080"]);
    assert!(request.fields("forwarded").is_empty());
    assert_eq!(request.fields("via").join(", "), "1.0 earlier, 1.1 evenkeel");
    assert_eq!(request.fields("x-custom"), ["kept as it is"]);
    let id = request.field("x-request-id").unwrap();
    assert!(id != "forged" && id.len() >= 16, "{id}");
}

#[test]
fn a_trusted_peer_is_believed_and_via_can_be_off() {
    let backend = Backend::start("a", Script::Echo);
    let evenkeel = Evenkeel::start(&format!(
        "trusted_networks: [127.0.0.0/8]\nvia: off\npools: {{ web: {{ backends: [\"{}\"] }} }}\n",
        backend.address()
    ));
    let mut client = Client::connect(evenkeel.address());
    client
        .send(
            "GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 9.9.9.9\r\nX-Forwarded-Proto: https\r\n\
             X-Forwarded-Host: shop.example\r\nX-Request-Id: id-of-the-edge\r\n\r\n",
        )
        .response("GET");
    let request = backend.requests().remove(0);
    assert_eq!(request.fields("x-forwarded-for").join(", "), "9.9.9.9, 127.0.0.1");
    assert_eq!(request.fields("x-forwarded-proto"), ["https"]);
    assert_eq!(request.fields("x-forwarded-host"), ["shop.example"]);
    assert_eq!(request.fields("x-request-id"), ["id-of-the-edge"]);
    assert!(request.fields("via").is_empty());
}

#[test]
fn fields_of_one_hop_end_there() {
    let response = "HTTP/1.1 200 OK\r\nConnection: X-Hop, keep-alive\r\nX-Hop: secret\r\nKeep-Alive: timeout=5\r\n\
                    Proxy-Connection: keep-alive\r\nX-End: kept\r\nContent-Length: 2\r\n\r\nok";
    let (backend, evenkeel) = one_backend(Script::Reply(response.into()));
    let mut client = Client::connect(evenkeel.address());
    let answer = client
        .send(
            "GET / HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, X-Private\r\nX-Private: secret\r\nKeep-Alive: 5\r\n\
             Proxy-Connection: keep-alive\r\nTE: gzip\r\nUpgrade: h2c\r\nX-End: kept\r\n\r\n",
        )
        .response("GET");
    let request = backend.requests().remove(0);
    for gone in ["x-private", "keep-alive", "proxy-connection", "te", "upgrade"] {
        assert!(request.fields(gone).is_empty(), "{gone} in {}", request.head);
    }
    assert_eq!(request.fields("x-end"), ["kept"]);
    for gone in ["x-hop", "keep-alive", "proxy-connection"] {
        assert!(answer.fields(gone).is_empty(), "{gone} in {}", answer.head);
    }
    assert_eq!(answer.fields("x-end"), ["kept"]);
    assert_eq!(answer.body, b"ok");
}

#[test]
fn the_raw_target_reaches_the_backend() {
    let (backend, evenkeel) = one_backend(Script::Echo);
    let mut client = Client::connect(evenkeel.address());
    for (sent, received) in [
        ("/a/../b/./%2e%2E//c%2Fd?x=%zz&y=[1]", "/a/../b/./%2e%2E//c%2Fd?x=%zz&y=[1]"),
        ("http://test.example/absolute?q", "/absolute?q"),
        ("http://test.example", "/"),
    ] {
        client.get(sent);
        assert_eq!(backend.requests().last().unwrap().target, received);
    }
}

#[test]
fn http_1_0_is_served_and_closed() {
    let (_backend, evenkeel) = one_backend(Script::Echo);
    let mut client = Client::connect(evenkeel.address());
    let response = client.send("GET /old HTTP/1.0\r\nHost: x\r\n\r\n").response("GET");
    assert_eq!(response.status, 200);
    client.expect_close();
}

#[test]
fn a_client_that_says_close_is_closed() {
    let (_backend, evenkeel) = one_backend(Script::Echo);
    let mut client = Client::connect(evenkeel.address());
    let response = client.send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").response("GET");
    assert_eq!(response.status, 200);
    assert!(response.closes(), "{}", response.head);
    client.expect_close();
}
