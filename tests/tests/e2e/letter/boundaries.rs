//! Where one request ends and the next begins: client, evenkeel and a strict backend agree, however bodies look.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use evenkeel_tests::balancer::{Evenkeel, SOON};
use evenkeel_tests::client::Client;
use evenkeel_tests::mutate::{Dice, cuts, first_seed};
use evenkeel_tests::strict;

/// What bodies are made of: pieces that look like messages.
const PIECES: [&[u8]; 8] = [
    b"\r\n\r\n",
    b"0\r\n\r\n",
    b"GET /hidden HTTP/1.1\r\nHost: a.test\r\n\r\n",
    b"5\r\nhello\r\n",
    b"\n",
    b"\0\xff",
    b"HTTP/1.1 200 OK\r\n\r\n",
    b"Content-Length: 5\r\n",
];

/// A request, and the body that its backend has to read.
struct Asked {
    target: String,
    bytes: Vec<u8>,
}

fn request(dice: &mut Dice, number: usize) -> Asked {
    let body: Vec<u8> = (0..dice.below(12)).flat_map(|_| dice.pick(&PIECES).to_vec()).collect();
    let target = format!("/{number}/{}", hexadecimal(&body));
    let method = *dice.pick(&["POST", "PUT", "DELETE", "GET"]);
    let mut bytes = format!("{method} {target} HTTP/1.1\r\nHost: a.test\r\n").into_bytes();
    match dice.below(3) {
        0 if body.is_empty() => bytes.extend_from_slice(b"\r\n"),
        0 | 1 => {
            bytes.extend_from_slice(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
            bytes.extend_from_slice(&body);
        }
        _ => {
            bytes.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
            let mut at = 0;
            for piece in cuts(dice, body.len()) {
                bytes.extend_from_slice(
                    format!("{piece:x}{}\r\n", dice.pick(&["", ";a", " ;a=\"b\""])).as_bytes(),
                );
                bytes.extend_from_slice(&body[at..at + piece]);
                bytes.extend_from_slice(b"\r\n");
                at += piece;
            }
            bytes.extend_from_slice(dice.pick(&["0\r\n\r\n", "00;x\r\nX-Trailer: y\r\n\r\n"]).as_bytes());
        }
    }
    Asked { target, bytes }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn everybody_agrees_where_each_request_ends() {
    let backend = backend();
    let evenkeel = Evenkeel::start(&format!("pools: {{ web: {{ backends: [\"{backend}\"] }} }}\n"));
    let (seed, _) = first_seed();
    for turn in 0..150 {
        let seed = seed.wrapping_add(turn);
        let mut dice = Dice::new(seed);
        let asked: Vec<Asked> = (0..1 + dice.below(6)).map(|number| request(&mut dice, number)).collect();
        let bytes: Vec<u8> = asked.iter().flat_map(|one| one.bytes.clone()).collect();
        let (mut client, mut at) = (Client::connect(evenkeel.address()), 0);
        for piece in cuts(&mut dice, bytes.len()) {
            client.send(&bytes[at..at + piece]);
            at += piece;
        }
        for one in &asked {
            let answer =
                client.try_response("GET").unwrap_or_else(|error| panic!("EVENKEEL_SEED={seed}: {error}"));
            assert_eq!(answer.text(), one.target, "EVENKEEL_SEED={seed}");
        }
        client.finish();
        client.expect_close();
    }
}

/// A backend that answers each request with its target, if the body is the one that the target tells.
fn backend() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || serve(stream));
        }
    });
    address
}

fn serve(mut stream: TcpStream) {
    stream.set_read_timeout(Some(SOON)).unwrap();
    let (mut received, mut buffer) = (Vec::new(), [0; 16 * 1024]);
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        received.extend_from_slice(&buffer[..count]);
        let (requests, length) = match strict::requests(&received) {
            Ok(read) => read,
            Err(fault) => return drop(respond(&mut stream, 500, &fault)),
        };
        for request in requests {
            let target = String::from_utf8_lossy(&request.head.first[1]).into_owned();
            let is_whole = target.ends_with(&format!("/{}", hexadecimal(&request.body)));
            let answer = if is_whole { target } else { format!("{target} came with {:?}", request.body) };
            if respond(&mut stream, 200, &answer).is_err() {
                return;
            }
        }
        received.drain(..length);
    }
}

fn respond(stream: &mut TcpStream, status: u16, text: &str) -> std::io::Result<()> {
    stream
        .write_all(format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{text}", text.len()).as_bytes())
}
