//! One request as the access log tells it: a line of JSON.
//!
//! Field names are public API. A field without a value is left out.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, SystemTime};

use evenkeel_model::{Blame, Cause, Class};

use crate::json;
use crate::time::{Clock, digits};

/// One request, when it is over. Byte slices are as the network sent them.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// When the request's first byte arrived.
    pub started: SystemTime,
    /// The peer that sent it.
    pub client: SocketAddr,
    /// The listener's name.
    pub listener: &'a str,
    /// The route's label; `None` if none matched.
    pub route: Option<&'a str>,
    /// The pool's name; `None` if no route matched.
    pub pool: Option<&'a str>,
    /// The label of the backend that was tried last; `None` if none was.
    pub backend: Option<&'a str>,
    /// As sent; empty if the request line could not be read.
    pub method: &'a [u8],
    /// The authority as sent, with its port; empty if there was none.
    pub host: &'a [u8],
    /// The path as sent, with its query.
    pub path: &'a [u8],
    /// Such as `HTTP/1.1`.
    pub protocol: &'static str,
    /// The TLS that the client spoke; `None`: cleartext.
    pub tls: Option<ClientTls<'a>>,
    /// What the client was answered, or 499 if it left first.
    pub status: u16,
    /// Why it failed, if it did; its blame is shown as the origin.
    pub cause: Option<Cause>,
    /// More about the cause, such as the token of a refused request.
    pub detail: Option<&'static str>,
    /// How far the last attempt got, if it failed.
    pub class: Option<Class>,
    /// Attempts in all, the last included; 0 if no backend was chosen.
    pub attempts: u8,
    /// The failed attempts before the last one, in order.
    pub tries: &'a [Try<'a>],
    /// Whether the last attempt used a connection that was open already.
    pub reused: bool,
    /// Bytes of the request body.
    pub bytes_in: u64,
    /// Bytes of the response body.
    pub bytes_out: u64,
    /// From the request's first byte to the end of its response.
    pub took: Duration,
    /// From the request's first byte to the response head; `None` if there was none.
    pub head_after: Option<Duration>,
    /// `X-Request-Id`, as forwarded.
    pub request_id: &'a [u8],
}

/// The TLS of a client's connection.
#[derive(Clone, Copy, Debug)]
pub struct ClientTls<'a> {
    /// Such as `TLSv1.3`.
    pub version: &'static str,
    /// Whether it went on with an earlier session.
    pub resumed: bool,
    /// Whom the client asked for (SNI).
    pub server_name: Option<&'a str>,
}

/// An attempt that another one followed, or ran beside.
#[derive(Clone, Copy, Debug)]
pub struct Try<'a> {
    /// The backend's label.
    pub backend: &'a str,
    /// Why it failed; `None` if it was only cancelled, because another one had answered.
    pub cause: Option<Cause>,
    /// More about the cause.
    pub detail: Option<&'a str>,
    /// How far it got.
    pub class: Class,
    /// Whether it used a connection that was open already.
    pub reused: bool,
    /// From the pick to its end.
    pub took: Duration,
}

impl Entry<'_> {
    /// Appends the entry as one line.
    pub(crate) fn write(&self, out: &mut Vec<u8>, clock: &mut Clock) {
        out.extend_from_slice(b"{\"time\":\"");
        clock.write(out, self.started);
        out.extend_from_slice(b"\",\"request_id\":");
        json::bytes(out, self.request_id);
        out.extend_from_slice(b",\"client\":\"");
        client(out, self.client);
        out.extend_from_slice(b"\",\"listener\":");
        json::text(out, self.listener);
        self.write_request(out);
        self.write_way(out);
        self.write_result(out);
        out.extend_from_slice(b"}\n");
    }

    fn write_request(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b",\"method\":");
        json::bytes(out, self.method);
        out.extend_from_slice(b",\"host\":");
        json::bytes(out, self.host);
        out.extend_from_slice(b",\"path\":");
        json::bytes(out, self.path);
        out.extend_from_slice(b",\"protocol\":");
        json::text(out, self.protocol);
        if let Some(tls) = self.tls {
            optional(out, b",\"tls\":", Some(tls.version));
            flag(out, b",\"tls_resumed\":", tls.resumed);
            optional(out, b",\"server_name\":", tls.server_name);
        }
    }

    fn write_way(&self, out: &mut Vec<u8>) {
        optional(out, b",\"route\":", self.route);
        optional(out, b",\"pool\":", self.pool);
        optional(out, b",\"backend\":", self.backend);
        number(out, b",\"attempts\":", self.attempts.into());
        if let Some((first, others)) = self.tries.split_first() {
            out.extend_from_slice(b",\"tries\":[");
            first.write(out);
            for other in others {
                out.push(b',');
                other.write(out);
            }
            out.push(b']');
        }
        if self.backend.is_some() {
            flag(out, b",\"reused\":", self.reused);
        }
    }

    fn write_result(&self, out: &mut Vec<u8>) {
        number(out, b",\"status\":", self.status.into());
        optional(out, b",\"cause\":", self.cause.map(Cause::token));
        // An error without a cause of ours is what a backend answered of its own accord.
        let relayed = (self.status >= 500).then_some("backend");
        optional(out, b",\"origin\":", self.cause.map(origin).or(relayed));
        optional(out, b",\"class\":", self.class.map(Class::token));
        optional(out, b",\"detail\":", self.detail);
        number(out, b",\"bytes_in\":", self.bytes_in);
        number(out, b",\"bytes_out\":", self.bytes_out);
        if let Some(head_after) = self.head_after {
            seconds(out, b",\"head_seconds\":", head_after);
        }
        seconds(out, b",\"duration_seconds\":", self.took);
    }
}

impl Try<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"backend\":");
        json::text(out, self.backend);
        optional(out, b",\"cause\":", self.cause.map(Cause::token));
        optional(out, b",\"detail\":", self.detail);
        optional(out, b",\"class\":", Some(self.class.token()));
        flag(out, b",\"reused\":", self.reused);
        seconds(out, b",\"duration_seconds\":", self.took);
        out.push(b'}');
    }
}

fn origin(cause: Cause) -> &'static str {
    match cause.facts().blame {
        Blame::Proxy => "proxy",
        Blame::Backend => "backend",
        Blame::Client => "client",
    }
}

/// IPv4 by hand: the formatter of the standard library costs more than the rest of the line.
fn client(out: &mut Vec<u8>, client: SocketAddr) {
    match client.ip().to_canonical() {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            for (octet, after) in [(a, b'.'), (b, b'.'), (c, b'.'), (d, b':')] {
                digits(out, octet.into(), 1);
                out.push(after);
            }
            digits(out, client.port().into(), 1);
        }
        IpAddr::V6(_) => out.extend_from_slice(client.to_string().as_bytes()),
    }
}

fn optional(out: &mut Vec<u8>, key: &[u8], value: Option<&str>) {
    if let Some(value) = value {
        out.extend_from_slice(key);
        json::text(out, value);
    }
}

fn flag(out: &mut Vec<u8>, key: &[u8], value: bool) {
    out.extend_from_slice(key);
    out.extend_from_slice(if value { b"true" } else { b"false" });
}

fn number(out: &mut Vec<u8>, key: &[u8], value: u64) {
    out.extend_from_slice(key);
    digits(out, value, 1);
}

/// Seconds with six decimals, exactly the microseconds measured.
fn seconds(out: &mut Vec<u8>, key: &[u8], value: Duration) {
    number(out, key, value.as_secs());
    out.push(b'.');
    digits(out, value.subsec_micros().into(), 6);
}

#[cfg(test)]
pub(crate) mod tests {
    use std::time::UNIX_EPOCH;

    use serde_json::{Value, json};

    use super::*;

    pub(crate) fn entry(path: &[u8]) -> Entry<'_> {
        Entry {
            started: UNIX_EPOCH + Duration::from_millis(1_795_382_220_007),
            client: "192.0.2.7:50000".parse().unwrap(),
            listener: "edge",
            route: Some("*"),
            pool: Some("web"),
            backend: Some("blue"),
            method: b"GET",
            host: b"example.com:8080",
            path,
            protocol: "HTTP/1.1",
            tls: None,
            status: 200,
            cause: None,
            detail: None,
            class: None,
            attempts: 1,
            tries: &[],
            reused: true,
            bytes_in: 0,
            bytes_out: 1024,
            took: Duration::from_micros(1_000_250),
            head_after: Some(Duration::from_micros(900)),
            request_id: b"0af7",
        }
    }

    fn line(entry: &Entry<'_>) -> Value {
        let mut out = Vec::new();
        entry.write(&mut out, &mut Clock::default());
        assert_eq!(out.iter().filter(|byte| **byte == b'\n').count(), 1);
        assert_eq!(out.last(), Some(&b'\n'));
        serde_json::from_slice(&out).unwrap()
    }

    #[test]
    fn a_plain_request_is_one_line_of_json() {
        let expected = json!({
            "time": "2026-11-22T21:17:00.007Z", "request_id": "0af7", "client": "192.0.2.7:50000",
            "listener": "edge", "method": "GET", "host": "example.com:8080", "path": "/a?b=c",
            "protocol": "HTTP/1.1", "route": "*", "pool": "web", "backend": "blue", "attempts": 1,
            "reused": true, "status": 200, "bytes_in": 0, "bytes_out": 1024,
            "head_seconds": 0.0009, "duration_seconds": 1.00025,
        });
        assert_eq!(line(&entry(b"/a?b=c")), expected);
    }

    #[test]
    fn a_failure_names_its_cause_its_origin_and_every_try() {
        let tries = [
            Try {
                backend: "green",
                cause: Some(Cause::TlsCertificate),
                detail: Some("expired"),
                class: Class::NotSent,
                reused: false,
                took: Duration::from_micros(120),
            },
            Try {
                backend: "red",
                cause: None,
                detail: None,
                class: Class::Maybe,
                reused: true,
                took: Duration::from_secs(1),
            },
        ];
        let failed = line(&Entry {
            cause: Some(Cause::ConnectTimeout),
            detail: Some("last_attempt"),
            class: Some(Class::NotSent),
            status: 504,
            attempts: 3,
            tries: &tries,
            head_after: None,
            ..entry(b"/")
        });
        assert_eq!(failed["cause"], "connect_timeout");
        assert_eq!(failed["origin"], "backend");
        assert_eq!(failed["detail"], "last_attempt");
        assert_eq!(failed["class"], "not_sent");
        assert_eq!(failed["head_seconds"], Value::Null);
        assert_eq!(
            failed["tries"],
            json!([
                {"backend": "green", "cause": "tls_certificate", "detail": "expired", "class": "not_sent",
                 "reused": false, "duration_seconds": 0.00012},
                {"backend": "red", "class": "maybe", "reused": true, "duration_seconds": 1.0},
            ])
        );
    }

    #[test]
    fn a_backends_own_error_has_an_origin_and_no_cause() {
        let relayed = line(&Entry { status: 500, ..entry(b"/") });
        assert_eq!((&relayed["origin"], relayed.get("cause")), (&json!("backend"), None));
        assert_eq!(line(&Entry { status: 404, ..entry(b"/") }).get("origin"), None);
    }

    #[test]
    fn hostile_bytes_stay_inside_their_string() {
        let hostile = line(&Entry {
            method: b"G\"ET",
            host: b"\xff\x00\x1b[2J",
            request_id: b"\r\n{}",
            client: "[2001:db8::1]:1".parse().unwrap(),
            ..entry(b"/\",\"status\":200}\n")
        });
        assert_eq!(hostile["host"], "\u{ff}\0\u{1b}[2J");
        assert_eq!(hostile["path"], "/\",\"status\":200}\n");
        assert_eq!(hostile["client"], "[2001:db8::1]:1");
    }

    #[test]
    fn the_manual_explains_every_field() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/operations.md");
        let manual = std::fs::read_to_string(path).unwrap();
        let cause = Some(Cause::ConnectRefused);
        let took = Duration::ZERO;
        let class = Class::Maybe;
        let tries = [Try { backend: "green", cause, detail: None, class, reused: true, took }];
        let detail = Some("x");
        let tls = Some(ClientTls { version: "TLSv1.3", resumed: true, server_name: Some("a.test") });
        let full = line(&Entry { cause, detail, class: Some(class), tries: &tries, tls, ..entry(b"/") });
        assert_eq!((&full["tls"], &full["server_name"]), (&json!("TLSv1.3"), &json!("a.test")));
        let tried = full["tries"][0].as_object().unwrap();
        for field in full.as_object().unwrap().keys().chain(tried.keys()) {
            assert!(manual.contains(&format!("`{field}`")), "{field}");
        }
    }

    #[test]
    fn what_is_not_known_is_left_out() {
        let refused = line(&Entry {
            route: None,
            pool: None,
            backend: None,
            attempts: 0,
            status: 400,
            cause: Some(Cause::ClientError),
            detail: Some("bad_request_line"),
            client: "[::ffff:192.0.2.7]:50000".parse().unwrap(),
            ..entry(b"")
        });
        for key in ["route", "pool", "backend", "reused", "tries"] {
            assert_eq!(refused.get(key), None, "{key}");
        }
        assert_eq!(refused["origin"], "client");
        assert_eq!(refused["client"], "192.0.2.7:50000");
    }
}
