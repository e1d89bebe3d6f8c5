//! Random bytes from both sides of the whole corridor: no panic, no hang, nothing ambiguous for a backend, and no client
//! ever sees the answer to another one's request.
//!
//! `EVENKEEL_FUZZ_SECONDS` says how long, `EVENKEEL_SEED` repeats the choices of one client.

use std::collections::HashSet;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use evenkeel_tests::balancer::Evenkeel;
use evenkeel_tests::client;
use evenkeel_tests::mutate::{Dice, corpus, cuts, first_seed, mutate, time};
use evenkeel_tests::strict;
use evenkeel_tests::wait;

use crate::turns::heavy;

/// Clients at once; most of them wait.
const CLIENTS: u64 = 24;
/// Far beyond every clock of the configuration, all of which may run out for each of a few requests.
const HANG: Duration = Duration::from_secs(20);
const SECONDS: u64 = 20;

/// What the backend found against a message, with the bytes that it read.
type Complaints = Arc<Mutex<Vec<String>>>;

#[test]
fn random_bytes_from_both_sides_neither_hang_nor_cross_nor_panic() {
    let _turn = heavy();
    let complaints = Complaints::default();
    let backends = [backend(&complaints), backend(&complaints)];
    let listener = |name: &str, half_close: bool| {
        format!(
            "{{ name: {name}, address: \"127.0.0.1:0\", half_close: {half_close}, limits: {{ head_bytes: 4KiB, \
             uri_bytes: 1KiB }}, timeouts: {{ head: 200ms, body_idle: 200ms, keep_alive: 200ms, continue: 50ms, \
             tunnel_idle: 200ms }} }}"
        )
    };
    let mut evenkeel = Evenkeel::start(&format!(
        "listeners: [{}, {}]\npools: {{ web: {{ backends: [\"{}\", \"{}\"], limits: {{ head_bytes: 4KiB }}, \
         health: {{ eject: off }}, timeouts: {{ head: 200ms, body_idle: 200ms, write: 200ms }} }} }}\n",
        listener("edge", false),
        listener("half", true),
        backends[0],
        backends[1]
    ));
    let addresses = ["edge", "half"].map(|name| evenkeel.listener(name));
    let (first, is_replay) = first_seed();
    let requests = corpus("requests");
    let (end, turns) = (Instant::now() + time(SECONDS), AtomicU64::new(0));
    let clients = if is_replay { 1 } else { CLIENTS };
    std::thread::scope(|scope| {
        for number in 0..clients {
            let (requests, turns) = (&requests, &turns);
            scope.spawn(move || {
                let mut seed = first.wrapping_add(number << 32);
                while Instant::now() < end {
                    let done = std::panic::catch_unwind(|| converse(addresses, seed, requests));
                    assert!(done.is_ok(), "EVENKEEL_SEED={seed} repeats it");
                    turns.fetch_add(1, Ordering::Relaxed);
                    if is_replay {
                        return;
                    }
                    seed = seed.wrapping_add(1);
                }
            });
        }
    });
    let metrics = evenkeel.metrics();
    let answers = |class| metrics.sum("evenkeel_listener_responses_total", &[("class", class)]);
    let classes = ["2xx", "4xx", "5xx"].map(answers);
    println!("{} conversations, {classes:?} answers of 2xx, 4xx, 5xx", turns.load(Ordering::Relaxed));
    assert!(is_replay || classes.iter().all(|count| *count > 100.0), "not all of the corridor was walked");
    assert!(evenkeel.is_running(), "{}", evenkeel.output());
    assert_eq!(evenkeel.metrics().sum("evenkeel_listener_panics_total", &[]), 0.0, "{}", evenkeel.output());
    let complaints = complaints.lock().unwrap();
    assert!(complaints.is_empty(), "{} complaints, such as {}", complaints.len(), complaints[0]);
    // Somebody is always served in the end: the backends answer well every other time.
    wait::until_true(HANG, "a good answer", || {
        client::try_get(addresses[0], "/0.0").is_ok_and(|response| response.status == 200)
    });
    let open = || evenkeel.metrics().sum("evenkeel_listener_open_connections", &[]);
    wait::until_true(HANG, "every connection to end", || open() == 0.0);
}

/// One client: some requests, good and bad, in pieces; then everything that comes back, which may only be for it.
fn converse(addresses: [SocketAddr; 2], seed: u64, corpus: &[Vec<u8>]) {
    let mut dice = Dice::new(seed);
    let (mut bytes, mut asked) = (Vec::new(), Vec::new());
    for number in 0..=dice.below(4) {
        let id = format!("{seed}.{number}");
        let mut request = fill(dice.pick::<Vec<u8>>(corpus), &id);
        if dice.chance(50) {
            mutate(&mut dice, &mut request, corpus);
        }
        bytes.extend_from_slice(&request);
        asked.push(id);
    }
    let stream = TcpStream::connect_timeout(dice.pick(&addresses), HANG).expect("evenkeel accepts");
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
    let (mut received, begun) = (Vec::new(), Instant::now());
    let mut is_open = true;
    let mut at = 0;
    for piece in cuts(&mut dice, bytes.len()) {
        if (&stream).write_all(&bytes[at..at + piece]).is_err()
            || (dice.chance(1) && !read(&stream, &mut received))
        {
            is_open = false;
            break;
        }
        at += piece;
    }
    match dice.below(8) {
        0 => return,
        1 | 2 => drop(stream.shutdown(Shutdown::Write)),
        _ => {}
    }
    while is_open && read(&stream, &mut received) {
        assert!(
            begun.elapsed() < HANG,
            "open after {:?}: {:?}",
            begun.elapsed(),
            String::from_utf8_lossy(&bytes)
        );
    }
    expect_own_answers(&received, &asked, &bytes);
}

/// Reads what there is; false once the connection has ended.
fn read(mut stream: &TcpStream, received: &mut Vec<u8>) -> bool {
    let mut buffer = [0; 16 * 1024];
    match stream.read(&mut buffer) {
        Ok(0) => false,
        Ok(count) => {
            received.extend_from_slice(&buffer[..count]);
            true
        }
        Err(error) => error.kind() == io::ErrorKind::WouldBlock,
    }
}

/// Every whole id in what came back was asked here, and they come in the order in which they were asked.
fn expect_own_answers(received: &[u8], asked: &[String], sent: &[u8]) {
    let text = String::from_utf8_lossy(received);
    let mut last = 0;
    for piece in text.split("id=").skip(1) {
        // A response that was mutated on its way may have lost a part of its id; the sum tells.
        let Some((id, rest)) = piece.split_once('/') else { continue };
        let Some((given, _)) = rest.split_once(';') else { continue };
        if given != sum(id) || id.is_empty() {
            continue;
        }
        // Its own id may have been mutated, too.
        assert!(
            sent.windows(id.len()).any(|bytes| bytes == id.as_bytes()),
            "{id} was not asked here: {}",
            shown(sent)
        );
        let Some(place) = asked.iter().position(|one| one == id) else { continue };
        assert!(place >= last, "{id} is out of order: {} for {}", shown(received), shown(sent));
        last = place;
    }
}

fn shown(bytes: &[u8]) -> String {
    format!("{:?}", String::from_utf8_lossy(&bytes[..bytes.len().min(1000)]))
}

fn sum(id: &str) -> String {
    let sum = id
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!("{sum:x}")
}

/// A file of the corpus, about this request.
fn fill(template: &[u8], id: &str) -> Vec<u8> {
    let mark = format!("{id}/{}", sum(id));
    let body = mark.len() + "id=;".len();
    let mut filled = Vec::new();
    let mut rest = template;
    while let Some(first) = rest.first() {
        let (token, value) = match rest {
            _ if rest.starts_with(b"id=ID;") => (6, format!("id={mark};")),
            _ if rest.starts_with(b"ID") => (2, id.to_owned()),
            _ if rest.starts_with(b"LEN") => (3, body.to_string()),
            _ if rest.starts_with(b"HEX") => (3, format!("{body:x}")),
            _ => (1, String::new()),
        };
        match token {
            1 => filled.push(*first),
            _ => filled.extend_from_slice(value.as_bytes()),
        }
        rest = &rest[token..];
    }
    filled
}

/// A backend that answers well every other time, and judges whatever it reads.
fn backend(complaints: &Complaints) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let complaints = complaints.clone();
    std::thread::spawn(move || {
        let responses = Arc::new(corpus("responses"));
        for stream in listener.incoming().flatten() {
            let (responses, complaints) = (responses.clone(), complaints.clone());
            std::thread::spawn(move || {
                let served = std::panic::catch_unwind(|| serve(&stream, &responses));
                let served = served.unwrap_or_else(|_| Err("the backend of this test panicked".into()));
                if let Err(complaint) = served {
                    complaints.lock().unwrap().push(complaint);
                }
            });
        }
    });
    address
}

/// Serves one connection; an error is about what evenkeel sent.
fn serve(mut stream: &TcpStream, responses: &[Vec<u8>]) -> Result<(), String> {
    let _ = (stream.set_nodelay(true), stream.set_read_timeout(Some(HANG)));
    let (mut received, mut buffer) = (Vec::new(), [0; 16 * 1024]);
    loop {
        let complaint = |fault| format!("{fault} in {}", shown(&received));
        let (requests, length) = strict::requests(&received).map_err(complaint)?;
        if let [request, behind @ ..] = &requests[..] {
            if !behind.is_empty() || length < received.len() {
                return Err(complaint("two requests before an answer".into()));
            }
            judge(request).map_err(complaint)?;
            received.clear();
            if !answer(stream, request, responses) {
                return Ok(());
            }
            continue;
        }
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return Ok(()),
            Ok(count) => received.extend_from_slice(&buffer[..count]),
        }
    }
}

/// What no request of evenkeel's may have, and what each has.
fn judge(request: &strict::Request) -> Result<(), String> {
    let head = &request.head;
    let names: HashSet<String> =
        head.fields.iter().map(|(name, _)| String::from_utf8_lossy(name).to_ascii_lowercase()).collect();
    for gone in ["keep-alive", "proxy-connection", "http2-settings"] {
        if names.contains(gone) {
            return Err(format!("{gone} was forwarded"));
        }
    }
    if let Some(name) = names.iter().find(|name| name.contains('_')) {
        return Err(format!("{name} was forwarded"));
    }
    let nominates =
        |value: &&[u8]| !value.eq_ignore_ascii_case(b"upgrade") && !value.eq_ignore_ascii_case(b"te");
    if head.values("connection").iter().any(nominates) {
        return Err("Connection nominates".into());
    }
    if head.values("upgrade").iter().any(|value| !value.eq_ignore_ascii_case(b"websocket")) {
        return Err("another upgrade than to websocket".into());
    }
    for once in ["host", "x-request-id", "x-forwarded-for", "x-forwarded-proto", "via"] {
        if head.values(once).len() != 1 {
            return Err(format!("{once} does not come once"));
        }
    }
    Ok(())
}

/// Answers as chance has it; false if the connection is over.
fn answer(mut stream: &TcpStream, request: &strict::Request, responses: &[Vec<u8>]) -> bool {
    let target = String::from_utf8_lossy(&request.head.first[1]).into_owned();
    let id = target.trim_start_matches('/').split(|byte: char| !byte.is_ascii_digit() && byte != '.').next();
    let id = id.unwrap_or_default();
    // The same request has the same chances, but not always: a retry may fare better.
    let port = stream.peer_addr().map_or(0, |peer| peer.port());
    let seed = sum(&format!("{id} {port}"));
    let mut dice = Dice::new(u64::from_str_radix(&seed, 16).unwrap_or_default());
    let template = match dice.chance(50) {
        true => &b"HTTP/1.1 200 OK\r\nContent-Length: LEN\r\n\r\nid=ID;"[..],
        false => dice.pick(responses),
    };
    let mut response = fill(template, id);
    if dice.chance(30) {
        mutate(&mut dice, &mut response, responses);
    }
    let mut at = 0;
    for piece in cuts(&mut dice, response.len()) {
        if stream.write_all(&response[at..at + piece]).is_err() {
            return false;
        }
        at += piece;
    }
    match dice.below(12) {
        // What follows is no HTTP any more.
        _ if response.starts_with(b"HTTP/1.1 101") => false,
        0 => evenkeel_tests::backend::reset(&socket2::Socket::from(stream.try_clone().unwrap())).is_err(),
        1 | 2 => false,
        // An answer that only the close ends.
        _ => {
            !template.windows(9).any(|bytes| bytes == b"OK\r\n\r\nid=") && !template.starts_with(b"HTTP/1.0")
        }
    }
}
