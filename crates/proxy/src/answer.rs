//! Responses of evenkeel's own: short, with a cause token and the request id, and nothing internal.

use evenkeel_http1::{HeadWriter, Known, Method, Refusal, reason};
use evenkeel_model::{Cause, Limit};

use crate::attempt::Failure;
use crate::body_format::{Format, Notice};
use crate::downstream::{Client, Downstream};
use crate::gate::NoRoom;
use crate::headers;
use crate::proxy_status;
use crate::request::Request;
use crate::scratch::Scratch;

/// What a client is told to wait after a 503, in seconds.
const RETRY_AFTER_SECONDS: u64 = 1;

/// What passes by default; a backend may refuse any of it, and other methods pass, too.
const ALLOWED: &[u8] = b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/// The detail of a request that came over a connection which was made for another host.
pub(crate) const MISDIRECTED: &str = "misdirected";

/// What becomes of a client's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum After {
    /// It serves another request.
    KeepAlive,
    /// It is closed.
    Close,
    /// It is closed, but reads on for a while, so that the client reads the answer.
    Linger,
    /// It is dropped at once: the response is not whole.
    Abort,
}

/// Answers with a failure's own status, token and explanation.
pub(crate) async fn failure(
    down: &mut Downstream,
    request: &mut Request,
    failed: Failure,
    keep_alive: bool,
) -> After {
    request.cause = Some(failed.cause);
    request.detail = failed.detail;
    request.tls = failed.tls;
    if matches!(failed.cause, Cause::ClientError | Cause::SlowClient) {
        request.client.counters().bad_requests.add(1);
    }
    if failed.cause == Cause::ClientAbort {
        return After::Abort;
    }
    let status = failed.status.unwrap_or(failed.cause.facts().status);
    let token = match (failed.cause, failed.detail) {
        (Cause::ClientError | Cause::SlowClient, Some(detail)) => detail,
        (cause, _) => cause.token(),
    };
    send(down, request, status, token, explanation(&failed), keep_alive).await
}

/// Answers OPTIONS for evenkeel itself.
pub(crate) async fn options(down: &mut Downstream, request: &mut Request, keep_alive: bool) -> After {
    request.read_clock();
    request.answered(204);
    let mut out = std::mem::take(&mut request.scratch().to_client);
    out.clear();
    let mut writer = HeadWriter::response(&mut out, 204, reason(204).as_bytes());
    writer.field(b"Date", &request.core.date.text());
    writer.field(b"Allow", ALLOWED);
    writer.field(b"X-Request-Id", &request.heads().request_id);
    writer.field(b"Proxy-Status", proxy_status::of_answer(request).as_bytes());
    headers::hsts(&mut writer, request.client.hsts());
    headers::connection(&mut writer, keep_alive, request.version());
    writer.finish();
    write(down, request, out, keep_alive).await
}

/// Answers plain HTTP on a port that speaks HTTPS.
#[cold]
pub(crate) async fn plain_http(down: &mut Downstream, request: &mut Request) -> After {
    let failed = Failure::of_client(400, "plain_http_on_tls_port");
    failure(down, request, failed, false).await
}

/// Counts a connection that is not let in.
pub(crate) fn count_no_room(client: &Client, why: NoRoom) {
    match why {
        NoRoom::Connections => client.reached(Limit::Connections),
        NoRoom::ConnectionsPerClient => client.reached(Limit::ConnectionsPerClient),
        NoRoom::Descriptors => {}
    }
}

/// What it is told: the whole answer.
pub(crate) fn no_room(request: &mut Request, why: NoRoom) -> Vec<u8> {
    let (token, explanation) = match why {
        NoRoom::Connections => ("connection_limit", "this listener has as many connections as it may have"),
        NoRoom::ConnectionsPerClient => {
            ("client_connection_limit", "this client has as many connections as it may have")
        }
        NoRoom::Descriptors => ("out_of_descriptors", "the proxy has no descriptors left"),
    };
    request.cause = Some(Cause::LocalResource);
    request.detail = Some(token);
    request.answered(503);
    let mut out = Vec::new();
    write_notice(request, 503, token, explanation, false, &mut out);
    out
}

/// Answers a request that could not be read.
pub(crate) async fn refusal(down: &mut Downstream, request: &mut Request, refused: Refusal) -> After {
    match refused {
        Refusal::HeadTooLarge => down.client.reached(Limit::HeadBytes),
        Refusal::TooManyFields => down.client.reached(Limit::Fields),
        Refusal::UriTooLong => down.client.reached(Limit::UriBytes),
        _ => {}
    }
    request.cause = Some(Cause::ClientError);
    request.detail = Some(refused.token());
    request.client.counters().bad_requests.add(1);
    send(down, request, refused.status(), refused.token(), refused.explain(), false).await
}

/// Answers a request whose head did not arrive in time.
pub(crate) async fn too_slow(down: &mut Downstream, request: &mut Request) -> After {
    down.client.reached(Limit::Head);
    let failed = Failure::of_client(408, "head_timeout");
    failure(down, request, failed, false).await
}

async fn send(
    down: &mut Downstream,
    request: &mut Request,
    status: u16,
    token: &str,
    explanation: &str,
    keep_alive: bool,
) -> After {
    if down.has_answered {
        return After::Abort;
    }
    request.read_clock();
    request.answered(status);
    let mut out = std::mem::take(&mut request.scratch().to_client);
    out.clear();
    write_notice(request, status, token, explanation, keep_alive, &mut out);
    write(down, request, out, keep_alive).await
}

fn write_notice(
    request: &mut Request,
    status: u16,
    token: &str,
    explanation: &str,
    keep_alive: bool,
    out: &mut Vec<u8>,
) {
    let fresh_id = request.core.random.request_id();
    let scratch = request.scratch();
    if scratch.request_id.is_empty() {
        scratch.request_id.extend_from_slice(&fresh_id);
    }
    let request_id = String::from_utf8_lossy(&scratch.request_id);
    let format = preferred_format(scratch);
    let notice = Notice { status, reason: reason(status), token, explanation, request_id: &request_id };
    let body = format.write(&notice);
    let is_head = scratch.request.method == Method::Head;
    write_head(request, status, (format, body.len()), keep_alive, out);
    if !is_head {
        out.extend_from_slice(body.as_bytes());
        request.bytes_out = body.len() as u64;
    }
}

/// As the fields say that have been read: of a request that was refused early there are none.
fn preferred_format(scratch: &Scratch) -> Format {
    let accept = scratch.request.fields.iter().filter(|field| field.known == Known::Accept);
    Format::preferred(
        accept.filter_map(|field| scratch.head.get(field.value.start as usize..field.value.end as usize)),
    )
}

/// Writes a whole answer.
pub(crate) async fn write(
    down: &mut Downstream,
    request: &mut Request,
    out: Vec<u8>,
    keep_alive: bool,
) -> After {
    debug_assert!(!down.has_answered, "one answer a request");
    down.has_answered = true;
    let written = down.write_all(&out).await;
    request.scratch().to_client = out;
    match (written, keep_alive) {
        (Err(_), _) => After::Abort,
        (Ok(()), true) => After::KeepAlive,
        (Ok(()), false) => After::Linger,
    }
}

fn write_head(
    request: &Request,
    status: u16,
    (format, length): (Format, usize),
    keep_alive: bool,
    out: &mut Vec<u8>,
) {
    let mut writer = HeadWriter::response(out, status, reason(status).as_bytes());
    writer.field(b"Date", &request.core.date.text());
    writer.field(b"Content-Type", format.content_type());
    writer.number(b"Content-Length", length as u64);
    writer.field(b"Vary", b"Accept");
    writer.field(b"Cache-Control", b"no-store");
    writer.field(b"X-Request-Id", &request.heads().request_id);
    writer.field(b"Proxy-Status", proxy_status::of_answer(request).as_bytes());
    headers::hsts(&mut writer, request.client.hsts());
    match status {
        405 => writer.field(b"Allow", ALLOWED),
        503 => writer.number(b"Retry-After", RETRY_AFTER_SECONDS),
        _ => {}
    }
    headers::connection(&mut writer, keep_alive, request.version());
    writer.finish();
}

/// One sentence for the client, which knows nothing of backends.
fn explanation(failed: &Failure) -> &'static str {
    match failed.cause {
        Cause::ClientError => match failed.detail {
            Some("body_too_large") => "the request body is too large",
            Some(
                "bad_chunk_size"
                | "bad_chunk_extension"
                | "bad_chunk_end"
                | "chunk_too_large"
                | "bad_trailer"
                | "trailers_too_large",
            ) => "the request body is malformed",
            Some("ambiguous_path") => "servers may read this path in different ways",
            Some("underscored_field_name") => "a field name has an underscore",
            Some("host_missing_for_redirect") => {
                "this is served over HTTPS alone, and a Host field must say where"
            }
            Some("plain_http_on_tls_port") => "this port speaks HTTPS: use https:// instead of http://",
            Some("bad_max_forwards") => "Max-Forwards must come once, as a decimal number",
            _ => "the request could not be understood",
        },
        Cause::ClientAbort => "the client has left",
        Cause::NoRoute if failed.detail == Some(MISDIRECTED) => {
            "the certificate of this connection is not for this host: make a new connection for it"
        }
        Cause::NoRoute => "nothing is served under this host and path",
        Cause::NoHealthyBackend => "no server is available for this request",
        Cause::LocalResource => "the proxy ran out of a local resource",
        Cause::LocalPermission => "the proxy may not connect to the server",
        Cause::DnsFailed | Cause::DnsTimeout => "the server's name could not be resolved",
        Cause::ConnectRefused | Cause::ConnectReset | Cause::Unroutable => "the server could not be reached",
        Cause::TlsProtocol | Cause::TlsAlert | Cause::TlsCertificate => {
            "no secure connection to the server could be made"
        }
        Cause::ConnectTimeout | Cause::TlsTimeout | Cause::WriteTimeout => {
            "the server did not take the request in time"
        }
        Cause::StaleReuse | Cause::ClosedBeforeResponse => {
            "the server closed the connection without an answer"
        }
        Cause::EofInHead | Cause::BodyTruncated | Cause::TlsTruncated => "the server's answer was cut short",
        Cause::BadHead | Cause::HeadTooLarge | Cause::BadChunk => "the server's answer was not valid HTTP",
        Cause::UpgradeFailed => "the server switched protocols against the rules",
        Cause::HeadTimeout
        | Cause::Deadline
        | Cause::AttemptTimeout
        | Cause::Stalled
        | Cause::BodyIdleTimeout => "the server did not answer in time",
        Cause::SlowClient => "the request did not arrive in time",
        Cause::UpstreamStatus => "the server reported an error",
        Cause::Internal => "the proxy failed; this is a bug, and it was logged",
    }
}
