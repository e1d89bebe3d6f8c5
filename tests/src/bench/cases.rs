//! What is measured: five kinds of traffic.

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
    /// Whether each request has a connection of its own.
    pub(crate) is_fresh: bool,
    /// Requests of one measurement.
    pub(crate) requests: u64,
}

impl Case {
    /// Every kind with traffic; a quarter of the requests if it is to be quick.
    pub(crate) fn all(is_quick: bool) -> Vec<Case> {
        let mut all = vec![
            case("1 KiB GET, keep-alive", "GET /1k", "", 1024, 120_000),
            case("100 KiB GET, keep-alive", "GET /100k", "", 100 * 1024, 30_000),
            case("1 KiB GET, new connection each", "GET /1k", "Connection: close\r\n", 1024, 30_000),
            case("64 KiB POST, keep-alive", "POST /post", "Content-Length: 65536\r\n", 2, 30_000),
        ];
        all[2].is_fresh = true;
        all[3].request.extend_from_slice(&[b'x'; 64 * 1024]);
        if is_quick {
            all.iter_mut().for_each(|case| case.requests /= 4);
        }
        all
    }
}

fn case(name: &'static str, line: &str, field: &str, body_bytes: u64, requests: u64) -> Case {
    let head = format!(
        "{line} HTTP/1.1\r\nHost: bench.example\r\nUser-Agent: evenkeel-bench\r\nAccept: */*\r\n{field}\r\n"
    );
    Case { name, request: head.into_bytes(), body_bytes, is_fresh: false, requests }
}
