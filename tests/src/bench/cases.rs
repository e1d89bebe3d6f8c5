//! What is measured: kinds of traffic.

use crate::setting::Setting;

/// Connections at once, in every case but the idle one.
pub(crate) const CONNECTIONS: usize = 32;

/// One kind of traffic.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    /// As the report calls it.
    pub(crate) name: &'static str,
    /// The request's bytes.
    pub(crate) request: Vec<u8>,
    /// Bytes of the response's body.
    pub(crate) body_bytes: u64,
    /// What becomes of connections.
    pub(crate) connections: Connections,
    /// Requests of one measurement.
    pub(crate) requests: u64,
    /// Most that it may cost, as a multiple of what it costs HAProxy.
    pub(crate) target: Option<f64>,
}

/// What becomes of a connection after a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Connections {
    /// It is used for the next one.
    Kept,
    /// It is closed; over TLS, the next one has a full handshake.
    Fresh,
    /// It is closed; over TLS, the next one goes on with its session.
    Resumed,
}

impl Case {
    /// Every kind of traffic in this setting; a quarter of the requests if it is to be quick.
    pub(crate) fn all(setting: Setting, is_quick: bool) -> Vec<Case> {
        let mut all = match setting {
            Setting::Plain | Setting::Logging => cleartext(),
            Setting::Tls => tls(),
            Setting::TlsToBackends => {
                vec![case("TLS to the backend: 1 KiB GET, keep-alive", KEPT, "GET /1k", 1024, 100_000)]
            }
        };
        if is_quick {
            all.iter_mut().for_each(|case| case.requests /= 4);
        }
        all
    }
}

const KEPT: Connections = Connections::Kept;

fn cleartext() -> Vec<Case> {
    let mut all = vec![
        case("1 KiB GET, keep-alive", KEPT, "GET /1k", 1024, 120_000),
        case("100 KiB GET, keep-alive", KEPT, "GET /100k", 100 * 1024, 30_000),
        case("1 KiB GET, new connection each", Connections::Fresh, "GET /1k", 1024, 30_000),
        case("64 KiB POST, keep-alive", KEPT, "POST /post", 2, 30_000),
    ];
    all[3].request.extend_from_slice(&[b'x'; BODY]);
    all
}

fn tls() -> Vec<Case> {
    let mut all = vec![
        case("TLS 1.3: 1 KiB GET, keep-alive", KEPT, "GET /1k", 1024, 100_000),
        case("TLS 1.3: 100 KiB GET, keep-alive", KEPT, "GET /100k", 100 * 1024, 20_000),
        case("TLS 1.3: 1 KiB GET, full handshake each", Connections::Fresh, "GET /1k", 1024, 6_000),
        case("TLS 1.3: 1 KiB GET, resumed handshake each", Connections::Resumed, "GET /1k", 1024, 8_000),
    ];
    for (case, target) in all.iter_mut().zip([0.80, 0.70, 0.60, 0.60]) {
        case.target = Some(target);
    }
    all
}

/// Bytes of a POST's body.
const BODY: usize = 64 * 1024;

fn case(name: &'static str, connections: Connections, line: &str, body_bytes: u64, requests: u64) -> Case {
    let close = if connections == KEPT { "" } else { "Connection: close\r\n" };
    let length =
        if line.starts_with("POST ") { format!("Content-Length: {BODY}\r\n") } else { String::new() };
    let head = format!(
        "{line} HTTP/1.1\r\nHost: bench.example\r\nUser-Agent: evenkeel-bench\r\nAccept: */*\r\n{close}{length}\r\n"
    );
    Case { name, request: head.into_bytes(), body_bytes, connections, requests, target: None }
}
