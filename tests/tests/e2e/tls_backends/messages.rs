//! What passes through TLS on its way to a backend and back: large bodies, trailers, tunnels.

use std::process::Command;

use evenkeel_tests::backend::{Next, Script};
use evenkeel_tests::balancer::{Evenkeel, SOON};
use evenkeel_tests::client::{Client, Ending};
use evenkeel_tests::nginx;
use evenkeel_tests::pattern::{Checksum, Pattern};
use evenkeel_tests::process::Process;
use evenkeel_tests::tls_backend::Manner;
use evenkeel_tests::tls_client::TlsClient;
use evenkeel_tests::tools::tool;
use evenkeel_tests::wait;

use super::site::{Scripted, Site, one, plan, start};
use crate::upgrades;

const LARGE: usize = 10 << 20;

fn scripted(script: Script) -> (Scripted, Evenkeel, Site) {
    let site = Site::new();
    let backend = Scripted::new(script, &site.local());
    let evenkeel = one(&backend.tls.address(), &site.believes());
    (backend, evenkeel, site)
}

#[test]
fn ten_mebibytes_go_both_ways() {
    let (backend, evenkeel, _site) = scripted(Script::Echo);
    let pattern = Pattern::default();
    let mut client = Client::connect(evenkeel.address());
    for _ in 0..2 {
        client.send(format!("GET /pattern/{LARGE} HTTP/1.1\r\nHost: x\r\n\r\n"));
        let mut received = 0;
        let take = |piece: &[u8]| {
            assert!(pattern.matches(received, piece), "a wrong byte after {received}");
            received += piece.len() as u64;
        };
        assert_eq!(client.response_into("GET", take).unwrap().status, 200);
        assert_eq!(received, LARGE as u64);
        let body = pattern.whole(LARGE);
        let post = client.post("/", &body);
        assert_eq!(post.field("x-body-checksum"), Some(Checksum::of(&body).as_str()));
        let mut chunked = b"PUT /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        for chunk in body.chunks(100_000) {
            chunked.extend(format!("{:x}\r\n", chunk.len()).bytes());
            chunked.extend(chunk);
            chunked.extend(b"\r\n");
        }
        chunked.extend(b"0\r\n\r\n");
        let put = client.send(chunked).response("PUT");
        assert_eq!(put.field("x-body-checksum"), Some(Checksum::of(&body).as_str()));
    }
    assert_eq!(backend.tls.connections(), 1);
}

#[test]
fn trailers_go_both_ways() {
    let script = Script::custom(|_, socket| {
        let answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 5\r\n\r\n";
        std::io::Write::write_all(socket, answer.as_bytes())?;
        Ok(Next::Continue)
    });
    let (backend, evenkeel, _site) = scripted(script);
    let mut client = Client::connect(evenkeel.address());
    let request = "POST / HTTP/1.1\r\nHost: x\r\nTE: trailers\r\nTransfer-Encoding: chunked\r\nTrailer: X-Mine\r\n\r\n\
                   2\r\nhi\r\n0\r\nX-Mine: 2\r\n\r\n";
    let response = client.send(request).response("POST");
    assert_eq!(response.text(), "hello");
    assert_eq!(response.trailers, ["X-Sum: 5"]);
    let received = String::from_utf8_lossy(&backend.backend.received()).into_owned();
    assert!(received.ends_with("2\r\nhi\r\n0\r\nX-Mine: 2\r\n\r\n"), "{received}");
}

#[test]
fn a_websocket_is_a_tunnel_both_ways() {
    let (backend, evenkeel, _site) = scripted(Script::Echo);
    let mut client = upgrades::open(&evenkeel);
    upgrades::exchange(&mut client, "GET / HTTP/1.1\r\n\r\n, which is no request here");
    for piece in Pattern::default().whole(1_000_000).chunks(50_000) {
        client.send(piece).expect(piece);
    }
    client.finish();
    assert_eq!(client.rest().unwrap(), b"");
    wait::until_true(SOON, "the tunnel to end", || backend.tls.open() == 0);
    let seen = backend.tls.seen();
    assert_eq!(seen[0].ending, Some(Ending::Clean), "its end is announced");
}

#[test]
fn a_websocket_that_its_backend_ends_is_ended() {
    let script = Script::custom(|_, socket| {
        let answer =
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nbye";
        std::io::Write::write_all(socket, answer.as_bytes())?;
        Ok(Next::Close)
    });
    let (_backend, evenkeel, _site) = scripted(script);
    let mut client = upgrades::open(&evenkeel);
    client.expect(b"bye");
    assert_eq!(client.rest().unwrap(), b"");
}

#[test]
fn whatever_the_pieces_are_in_which_they_come() {
    for most in [1, 7] {
        let (backend, evenkeel, _site) = scripted(Script::Echo);
        backend.tls.set(Manner::Dripping(most));
        let mut client = Client::connect(evenkeel.address());
        let pattern = Pattern::default();
        for _ in 0..2 {
            let get = client.get("/pattern/20000");
            assert!(get.status == 200 && pattern.matches(0, &get.body) && get.body.len() == 20_000);
            let body = pattern.whole(20_000);
            assert_eq!(client.post("/", &body).field("x-body-checksum"), Some(Checksum::of(&body).as_str()));
        }
        assert_eq!(backend.tls.connections(), 1);
    }
}

#[test]
fn a_client_of_http_1_0_is_not_told_that_half_a_body_is_whole() {
    // It has nothing but the end of its connection to go by.
    let script = Script::ReplyThenClose(b"HTTP/1.1 200 OK\r\n\r\nhalf".to_vec());
    let site = Site::new();
    let backend = Scripted::new(script, &site.local());
    let edge = site.write("edge", &site.authority.server(&["test.example"]));
    let listeners = format!(
        "listeners: [{{ name: edge, address: \"127.0.0.1:0\" }}, {{ name: secure, address: \"127.0.0.1:0\", \
         tls: {{ certificates: [{{ certificate: {} }}] }} }}]\n",
        edge.both.display()
    );
    let evenkeel =
        Evenkeel::start(&(plan(&[("a", backend.tls.address())], &site.believes(), &[]) + &listeners));
    let trusting = TlsClient::new(&site.authority, "test.example");
    for manner in [Manner::Proper, Manner::Truncating] {
        let is_whole = manner == Manner::Proper;
        backend.tls.set(manner.clone());
        let clients = [
            Client::connect(evenkeel.listener("edge")),
            Client::secure(evenkeel.listener("secure"), &trusting),
        ];
        for (mut client, is_secure) in clients.into_iter().zip([false, true]) {
            client.send("GET / HTTP/1.0\r\nHost: test.example\r\n\r\n");
            let ending = client.ending().unwrap();
            assert_eq!(ending == Ending::Clean, is_whole, "{manner:?}, secure: {is_secure}: {ending:?}");
        }
    }
}

#[test]
fn a_server_of_http_1_0_is_understood_although_it_only_ends() {
    let site = Site::new();
    let files = site.write("server", &site.local());
    let address = nginx::free_address();
    let mut command = Command::new(tool("openssl"));
    command.args(["s_server", "-www", "-quiet", "-accept", &address.to_string()]);
    command.arg("-cert").arg(&files.certificate).arg("-key").arg(&files.key);
    let _server = Process::start("openssl", command, site.folder.path());
    wait::until_true(SOON, "openssl to listen", || Client::try_connect(address).is_ok());
    let evenkeel = one(&address.to_string(), &site.believes());
    for _ in 0..3 {
        let response = Client::connect(evenkeel.address()).get("/");
        assert_eq!(response.status, 200, "{}", response.text());
        assert!(response.text().trim_end().to_lowercase().ends_with("</html>"), "{}", response.text());
    }
}

#[test]
fn a_handshake_that_stalls_costs_no_request_with_the_smallest_configuration() {
    let site = Site::new();
    let [bad, good] = [(); 2].map(|()| Scripted::new(Script::Echo, &site.local()));
    bad.tls.set(Manner::Stalling);
    let backends = [("bad", bad.tls.address()), ("good", good.tls.address())];
    let evenkeel = start(&backends, &site.believes(), &[]);
    let address = evenkeel.address();
    std::thread::scope(|scope| {
        for number in 0..8 {
            scope.spawn(move || {
                let mut client = Client::connect(address);
                assert_eq!(client.get(&format!("/get/{number}")).status, 200);
                assert_eq!(client.post(&format!("/post/{number}"), b"order").status, 200);
            });
        }
    });
    wait::until_true(SOON, "the ejection", || evenkeel.phase(&bad.tls.address()) == "ejected");
    let evidence = evenkeel.backend(&bad.tls.address())["evidence"].to_string();
    assert!(evidence.contains("tls_timeout"), "{evidence}");
    let twice = (0..8).filter(|number| good.backend.deliveries(&format!("/post/{number}")) != 1).count();
    assert_eq!(twice, 0);
}
