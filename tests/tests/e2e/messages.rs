//! What becomes of a message's parts: options of a listener, trailers, OPTIONS, and answers of evenkeel's own.

use std::time::Duration;

use evenkeel_tests::backend::{Backend, Script};
use evenkeel_tests::balancer::{Evenkeel, SOON};
use evenkeel_tests::client::Client;
use evenkeel_tests::wait;

use crate::forwarding::{one_backend, one_backend_with};

/// One echoing backend behind a listener with these settings.
fn listener(settings: &str) -> (Backend, Evenkeel) {
    let backend = Backend::start("a", Script::Echo);
    let evenkeel = Evenkeel::start(&format!(
        "workers: 1\nlisteners: [{{ name: edge, address: \"127.0.0.1:0\", {settings} }}]\n\
         pools: {{ web: {{ backends: [\"{}\"] }} }}\n",
        backend.address()
    ));
    (backend, evenkeel)
}

const UNDERSCORED: &str = "GET / HTTP/1.1\r\nHost: x\r\nX_One: 1\r\nX-Two: 2\r\nx_three_: 3\r\n\r\n";

#[test]
fn fields_with_an_underscore_are_dropped_and_counted() {
    let (backend, evenkeel) = one_backend(Script::Echo);
    assert_eq!(Client::connect(evenkeel.address()).send(UNDERSCORED).response("GET").status, 200);
    let request = backend.requests().remove(0);
    assert!(!request.head.contains('_'), "{}", request.head);
    assert_eq!(request.fields("x-two"), ["2"]);
    let dropped = evenkeel.metrics().sum("evenkeel_listener_dropped_fields_total", &[("listener", "edge")]);
    assert_eq!(dropped, 2.0);
}

#[test]
fn fields_with_an_underscore_pass_or_are_refused_if_the_listener_says_so() {
    let (backend, evenkeel) = listener("underscores: pass");
    let mut client = Client::connect(evenkeel.address());
    assert_eq!(client.send(UNDERSCORED).response("GET").status, 200);
    let request = backend.requests().remove(0);
    assert_eq!((request.fields("x_one"), request.fields("x_three_")), (vec!["1"], vec!["3"]));
    let forged = "GET / HTTP/1.1\r\nHost: x\r\nX_Forwarded_For: 6.6.6.6\r\n\r\n";
    let refused = client.send(forged).response("GET");
    assert_eq!(refused.status, 400, "{}", refused.text());

    let (backend, evenkeel) = listener("underscores: refuse");
    let refused = Client::connect(evenkeel.address()).send(UNDERSCORED).response("GET");
    assert_eq!(refused.status, 400);
    assert!(refused.text().contains("underscored_field_name"), "{}", refused.text());
    assert_eq!(backend.received(), b"");
}

#[test]
fn a_listener_lets_the_upgrades_pass_that_it_names() {
    let upgrade = |protocols: &str| {
        format!(
            "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: {protocols}\r\nHTTP2-Settings: AAMA\r\n\r\n"
        )
    };
    for (settings, asked, forwarded) in [
        ("upgrades: [websocket]", "h2c", vec![]),
        ("upgrades: [websocket]", "irc/6.9", vec![]),
        ("upgrades: [websocket]", "h2c, WebSocket", vec!["WebSocket"]),
        ("upgrades: [irc/6.9]", "IRC/6.9, websocket", vec!["IRC/6.9"]),
        ("upgrades: off", "websocket", vec![]),
    ] {
        let (backend, evenkeel) = listener(settings);
        backend.set(Script::Status(403));
        let response = Client::connect(evenkeel.address()).send(upgrade(asked)).response("GET");
        assert_eq!(response.status, 403, "{settings}");
        let request = backend.requests().remove(0);
        assert_eq!(request.fields("upgrade"), forwarded, "{settings}, {asked}");
        assert_eq!(request.fields("connection").len(), forwarded.len(), "{settings}, {asked}");
        assert!(request.fields("http2-settings").is_empty(), "{settings}, {asked}");
    }
}

#[test]
fn a_refused_upgrade_keeps_its_body() {
    let response = "HTTP/1.1 426 Upgrade Required\r\nUpgrade: irc/7\r\nConnection: Upgrade\r\nContent-Length: 4\r\n\r\nnope";
    let (_backend, evenkeel) = one_backend(Script::Reply(response.into()));
    let mut client = Client::connect(evenkeel.address());
    for _ in 0..2 {
        let refused = client
            .send("GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
            .response("GET");
        assert_eq!((refused.status, refused.text().as_str()), (426, "nope"));
        assert!(refused.fields("upgrade").is_empty(), "{}", refused.head);
    }
}

#[test]
fn a_client_that_has_finished_sending_is_gone_unless_the_listener_says_otherwise() {
    for (settings, is_answered) in [("half_close: false", false), ("half_close: true", true)] {
        let (backend, evenkeel) = listener(settings);
        let pause = Duration::from_millis(300);
        backend.set(Script::ReplySlowly(
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_vec(),
            38,
            pause,
        ));
        let mut client = Client::connect(evenkeel.address());
        client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").finish();
        let rest = client.rest().map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let got_it = rest.as_ref().is_ok_and(|text| text.ends_with("ok"));
        assert_eq!(got_it, is_answered, "{settings}: {rest:?}");
        let aborted = || evenkeel.metrics().sum("evenkeel_listener_aborted_requests_total", &[]);
        assert_eq!(aborted(), f64::from(u8::from(!is_answered)), "{settings}");
    }
}

#[test]
fn ambiguous_paths_pass_as_they_are_or_are_refused() {
    let paths = ["/a/../b", "/%2e%2E/b", "/a%2fb", "/a%5Cb", "/..;/b", "/a%00"];
    let (backend, evenkeel) = one_backend(Script::Echo);
    for path in paths {
        assert_eq!(Client::connect(evenkeel.address()).get(path).status, 200);
        assert_eq!(backend.requests().last().unwrap().target, path);
    }
    let (backend, evenkeel) = listener("refuse_ambiguous_paths: true");
    for path in paths {
        let refused = Client::connect(evenkeel.address()).get(path);
        assert_eq!(refused.status, 400, "{path}");
        assert!(refused.text().contains("ambiguous_path"), "{}", refused.text());
    }
    assert_eq!(backend.received(), b"");
    assert_eq!(Client::connect(evenkeel.address()).get("/a//b?c=../%2f").status, 200);
}

#[test]
fn interim_responses_are_relayed_up_to_the_limit() {
    let response =
        [b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n".repeat(2), b"HTTP/1.1 204 X\r\n\r\n".to_vec()];
    for (limit, status) in [(2, 204), (1, 502), (0, 502)] {
        let pool = format!(", limits: {{ informational: {limit} }}");
        let (_backend, evenkeel) = one_backend_with(Script::Reply(response.concat()), &pool);
        let mut client = Client::connect(evenkeel.address());
        client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
        for _ in 0..limit {
            assert_eq!(client.response("POST").field("link"), Some("</a>"));
        }
        let last = client.response("POST");
        assert_eq!(last.status, status, "{limit}: {}", last.text());
    }
}

#[test]
fn options_are_answered_where_nobody_else_can() {
    let (backend, evenkeel) = one_backend(Script::Echo);
    let mut client = Client::connect(evenkeel.address());
    let mut options = |target: &str, fields: &str| {
        client.send(format!("OPTIONS {target} HTTP/1.1\r\nHost: x\r\n{fields}\r\n")).response("OPTIONS")
    };
    for (target, fields) in [("*", ""), ("http://x", ""), ("/a", "Max-Forwards: 0\r\n")] {
        let response = options(target, fields);
        assert_eq!((response.status, response.closes()), (204, false), "{target}");
        assert!(response.field("allow").unwrap().contains("DELETE"), "{}", response.head);
    }
    assert_eq!(backend.received(), b"");
    assert_eq!(options("/a", "Max-Forwards: 7\r\n").status, 200);
    assert_eq!(backend.requests()[0].fields("max-forwards"), ["6"]);
    for bad in ["Max-Forwards: -1\r\n", "Max-Forwards:\r\n", "Max-Forwards: 1\r\nMax-Forwards: 1\r\n"] {
        let refused = options("/a", bad);
        assert_eq!(refused.status, 400, "{bad}");
        assert!(refused.text().contains("bad_max_forwards"), "{}", refused.text());
    }
    let get = client.send("GET /b HTTP/1.1\r\nHost: x\r\nMax-Forwards: 0\r\n\r\n").response("GET");
    assert_eq!(get.status, 200);
    assert_eq!(backend.requests()[1].fields("max-forwards"), ["0"]);
}

#[test]
fn trailers_pass_without_what_connection_nominated() {
    let (backend, evenkeel) = one_backend(Script::Echo);
    let mut client = Client::connect(evenkeel.address());
    let body = "3\r\nabc\r\n0\r\nX-Hop: 1\r\nX-End: 2\r\nX_Own: 3\r\nHost: y\r\n\r\n";
    let head = "POST / HTTP/1.1\r\nHost: x\r\nConnection: X-Hop\r\nTrailer: X-End\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(client.send([head, body].concat()).response("POST").status, 200);
    let received = String::from_utf8(backend.received()).unwrap();
    assert!(received.ends_with("\r\n0\r\nX-End: 2\r\n\r\n"), "{received}");
    assert_eq!(backend.requests()[0].fields("trailer"), ["X-End"]);

    let response =
        "HTTP/1.1 200 OK\r\nConnection: X-Hop\r\nTrailer: X-End\r\nTransfer-Encoding: chunked\r\n\r\n";
    backend.set(Script::Reply([response, body].concat().into_bytes()));
    let answer = client.get("/");
    assert_eq!(answer.trailers, ["X-End: 2", "X_Own: 3"]);
    assert_eq!(answer.fields("trailer"), ["X-End"]);
    let old = client.send("GET / HTTP/1.0\r\nHost: x\r\n\r\n").response("GET");
    assert_eq!((old.text().as_str(), old.fields("trailer").len()), ("abc", 0), "{}", old.head);

    backend.set(Script::Echo);
    let mut client = Client::connect(evenkeel.address());
    client
        .send("POST / HTTP/1.1\r\nHost: x\r\nTrailer: X-End\r\nContent-Length: 1\r\n\r\nx")
        .response("POST");
    assert!(backend.requests().last().unwrap().fields("trailer").is_empty());
}

#[test]
fn an_error_is_told_in_the_format_that_the_client_prefers() {
    let evenkeel = Evenkeel::start(&format!(
        "pools: {{ web: {{ backends: [\"{}\"] }} }}\n",
        evenkeel_tests::backend::Refusing::default().address()
    ));
    for (accept, kind, body) in [
        ("*/*", "text/plain; charset=utf-8", "502 connect_refused: the server could not be reached\n"),
        ("application/json", "application/json", "{\"status\":502,\"cause\":\"connect_refused\","),
        ("text/html,*/*;q=0.8", "text/html; charset=utf-8", "<h1>502 Bad Gateway</h1>"),
    ] {
        let mut client = Client::connect(evenkeel.address());
        client.send(format!("GET / HTTP/1.1\r\nHost: x\r\nAccept: {accept}\r\n\r\n"));
        let response = client.response("GET");
        assert_eq!((response.status, response.field("content-type")), (502, Some(kind)), "{accept}");
        assert!(response.text().contains(body), "{}", response.text());
        let id = response.field("x-request-id").unwrap();
        assert!(response.text().contains(id), "{}", response.text());
        assert_eq!(response.field("vary"), Some("Accept"));
    }
    // What is refused while it is read is told in the same way, as far as it was read.
    let mut client = Client::connect(evenkeel.address());
    client.send("GET / HTTP/1.1\r\nAccept: application/json\r\n\r\n");
    assert!(client.response("GET").text().starts_with("{\"status\":400,\"cause\":\"missing_host\""));
}

#[test]
fn an_expectation_goes_on_where_it_means_something() {
    let (backend, evenkeel) = one_backend(Script::Echo);
    for (request, is_forwarded) in [
        ("POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx", true),
        ("POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n", false),
        ("GET / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n\r\n", false),
        ("POST / HTTP/1.0\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx", false),
    ] {
        let mut client = Client::connect(evenkeel.address());
        client.send(request);
        let statuses: Vec<u16> =
            (0..=usize::from(is_forwarded)).map(|_| client.response("POST").status).collect();
        assert_eq!(statuses.last(), Some(&200), "{request:?}");
        let request = backend.requests().pop().unwrap();
        assert_eq!(request.field("expect").is_some(), is_forwarded, "{}", request.head);
    }
}

#[test]
fn an_old_client_that_names_no_host_is_served_under_the_address_that_it_asked() {
    let (backend, evenkeel) = one_backend(Script::Echo);
    let response = Client::connect(evenkeel.address()).send("GET /old HTTP/1.0\r\n\r\n").response("GET");
    assert_eq!(response.status, 200);
    let request = backend.requests().remove(0);
    assert_eq!(request.fields("host"), [evenkeel.address().to_string()]);
    assert!(request.fields("x-forwarded-host").is_empty());
}

#[test]
fn a_client_is_told_when_descriptors_run_out_and_served_when_they_return() {
    let backend = Backend::start("a", Script::Echo);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("evenkeel.yaml");
    let configuration = format!(
        "admin: {{ address: \"127.0.0.1:0\" }}\naccess_log: off\nworkers: 1\n\
         listeners: [{{ name: edge, address: \"127.0.0.1:0\" }}]\npools: {{ web: {{ backends: [\"{}\"] }} }}\n",
        backend.address()
    );
    std::fs::write(&file, configuration).unwrap();
    let mut command = std::process::Command::new("sh");
    let program = evenkeel_tests::balancer::program();
    command.args(["-c", "ulimit -n 40; exec \"$0\" run -c \"$1\""]).arg(program).arg(&file);
    let evenkeel = Evenkeel::launch(command, folder);
    let address = evenkeel.address();
    let mut clients: Vec<Client> = (0..40).map(|_| Client::connect(address)).collect();
    let refused = clients.iter_mut().rev().take(5).map(|client| client.response("GET")).collect::<Vec<_>>();
    for refused in refused {
        assert_eq!((refused.status, refused.field("retry-after")), (503, Some("1")));
        assert!(refused.text().contains("out_of_descriptors"), "{}", refused.text());
    }
    // Those that got in hold every descriptor, and no request has one for its backend.
    let shortage = clients[0].get("/");
    assert_eq!(shortage.status, 503, "{}", shortage.text());
    assert!(shortage.text().contains("local_resource"), "{}", shortage.text());
    drop(clients);
    wait::until_true(SOON, "to be served again", || {
        Client::connect(address).try_get("/").is_ok_and(|response| response.status == 200)
    });
}

#[test]
fn proxy_status_tells_what_became_of_a_request() {
    let gone = evenkeel_tests::backend::Refusing::default();
    let address = gone.address();
    for (backend, pool, via, expected) in [
        (
            format!("\"{address}\""),
            "",
            "",
            "evenkeel; error=connection_refused; next-hop=\"web\"; details=\"connect_refused\"".to_owned(),
        ),
        (
            format!("{{ name: blue, address: \"{address}\" }}"),
            "",
            "via: edge-1\n",
            "edge-1; error=connection_refused; next-hop=\"web/blue\"; details=\"connect_refused\"".to_owned(),
        ),
        (
            format!("\"{address}\""),
            ", proxy_status: { addresses: true }",
            "via: 1edge\n",
            format!(
                "\"1edge\"; error=connection_refused; next-hop=\"{address}\"; details=\"connect_refused\""
            ),
        ),
    ] {
        let evenkeel =
            Evenkeel::start(&format!("{via}pools: {{ web: {{ backends: [{backend}]{pool} }} }}\n"));
        let answer = Client::connect(evenkeel.address()).get("/");
        assert_eq!((answer.status, answer.fields("proxy-status")), (502, vec![&*expected]));
    }
}

#[test]
fn proxy_status_of_refusals_and_of_a_backends_own_errors() {
    let relayed =
        "HTTP/1.1 503 X\r\nProxy-Status: origin-proxy; error=dns_error\r\nContent-Length: 0\r\n\r\n";
    let (_backend, evenkeel) = one_backend(Script::Reply(relayed.into()));
    let mut client = Client::connect(evenkeel.address());
    let own = client.get("/");
    assert_eq!(own.status, 503);
    let expected = ["origin-proxy; error=dns_error", "evenkeel; next-hop=\"web\"; received-status=503"];
    assert_eq!(own.fields("proxy-status"), expected);
    let options = client.send("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n").response("OPTIONS");
    assert_eq!(options.fields("proxy-status"), ["evenkeel"]);
    let refused = client.send("GET / HTTP/1.1\r\n\r\n").response("GET");
    assert_eq!(
        refused.fields("proxy-status"),
        ["evenkeel; error=http_request_error; details=\"missing_host\""]
    );
    let fine = one_backend(Script::Status(404));
    assert!(Client::connect(fine.1.address()).get("/").fields("proxy-status").is_empty());
}
