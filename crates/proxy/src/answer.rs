//! Responses of evenkeel's own: short, with a cause token and the request id, and nothing internal.

use evenkeel_http1::{HeadWriter, Method, Refusal, Version, reason};
use evenkeel_model::Cause;

use crate::attempt::Failure;
use crate::downstream::Downstream;
use crate::headers;
use crate::request::Request;

/// What a client is told to wait after a 503, in seconds.
const RETRY_AFTER_SECONDS: u64 = 1;

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
    if failed.cause == Cause::ClientAbort {
        return After::Abort;
    }
    let status = failed.status.unwrap_or(failed.cause.facts().status);
    let token = match (failed.cause, failed.detail) {
        (Cause::ClientError | Cause::SlowClient, Some(detail)) => detail,
        (cause, _) => cause.token(),
    };
    send(down, request, status, token, explanation(failed.cause), keep_alive).await
}

/// Answers a request that could not be read.
pub(crate) async fn refusal(down: &mut Downstream, request: &mut Request, refused: Refusal) -> After {
    request.cause = Some(Cause::ClientError);
    request.detail = Some(refused.token());
    request.client.counters().bad_requests.add(1);
    send(down, request, refused.status(), refused.token(), refused.explain(), false).await
}

/// Answers a request whose head did not arrive in time.
pub(crate) async fn too_slow(down: &mut Downstream, request: &mut Request) -> After {
    request.client.counters().bad_requests.add(1);
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
    let fresh_id = request.core.random.request_id();
    let scratch = request.scratch();
    if scratch.request_id.is_empty() {
        scratch.request_id.extend_from_slice(&fresh_id);
    }
    let id = String::from_utf8_lossy(&scratch.request_id);
    let body = format!("{status} {token}: {explanation}\nrequest {id}\n");
    let version = scratch.request.version;
    let is_head = scratch.request.method == Method::Head;
    let mut out = std::mem::take(&mut scratch.to_client);
    out.clear();
    write_head(down, request, status, body.len(), keep_alive, version, &mut out);
    if !is_head {
        out.extend_from_slice(body.as_bytes());
        request.bytes_out = body.len() as u64;
    }
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
    down: &Downstream,
    request: &Request,
    status: u16,
    length: usize,
    keep_alive: bool,
    version: Version,
    out: &mut Vec<u8>,
) {
    let mut writer = HeadWriter::response(out, status, reason(status).as_bytes());
    writer.field(b"Date", &request.core.date.text());
    writer.field(b"Content-Type", b"text/plain; charset=utf-8");
    writer.number(b"Content-Length", length as u64);
    writer.field(b"Cache-Control", b"no-store");
    writer.field(b"X-Request-Id", &request.heads().request_id);
    match status {
        405 => writer.field(b"Allow", b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"),
        503 => writer.number(b"Retry-After", RETRY_AFTER_SECONDS),
        _ => {}
    }
    debug_assert!(!down.has_answered, "one answer a request");
    headers::connection(&mut writer, keep_alive, version);
    writer.finish();
}

/// One sentence for the client, which knows nothing of backends.
fn explanation(cause: Cause) -> &'static str {
    match cause {
        Cause::NoRoute => "nothing is served under this host and path",
        Cause::NoHealthyBackend => "no server is available for this request",
        Cause::LocalResource => "the proxy ran out of a local resource",
        Cause::LocalPermission => "the proxy may not connect to the server",
        Cause::DnsFailed | Cause::DnsTimeout => "the server's name could not be resolved",
        Cause::ConnectRefused | Cause::ConnectReset | Cause::Unroutable => "the server could not be reached",
        Cause::ConnectTimeout | Cause::WriteTimeout => "the server did not take the request in time",
        Cause::StaleReuse | Cause::ClosedBeforeResponse => {
            "the server closed the connection without an answer"
        }
        Cause::EofInHead | Cause::BodyTruncated => "the server's answer was cut short",
        Cause::BadHead | Cause::HeadTooLarge | Cause::BadChunk => "the server's answer was not valid HTTP",
        Cause::UpgradeFailed => "the server switched protocols against the rules",
        Cause::HeadTimeout | Cause::Deadline | Cause::AttemptTimeout | Cause::BodyIdleTimeout => {
            "the server did not answer in time"
        }
        Cause::ClientAbort | Cause::ClientError => "the request could not be understood",
        Cause::SlowClient => "the request did not arrive in time",
        Cause::UpstreamStatus => "the server reported an error",
        Cause::Internal => "the proxy failed; this is a bug, and it was logged",
    }
}
