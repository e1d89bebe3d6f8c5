//! One probe: a fresh connection, and for HTTP a `GET` whose status decides.

use std::time::Instant;

use evenkeel_health::{HttpProbe, Probe, ProbeKind, ProbeResult};
use evenkeel_model::{Cause, Endpoint, ProbeFailure};
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;

use crate::{Socket, connect};

/// Most bytes of a probe's response body that are read before the connection is dropped.
const MOST_BODY_BYTES: usize = 64 * 1024;

/// Runs one probe to its verdict, in at most `probe.timeout`. `host` goes into the `Host` field.
///
// A timer per probe is fine off the request path.
#[allow(clippy::disallowed_methods)]
pub async fn probe(endpoint: &Endpoint, probe: &Probe, host: &str) -> ProbeResult {
    let asked = ask(endpoint, probe, host);
    match tokio::time::timeout(probe.timeout, asked).await {
        Ok(Ok(result)) => result,
        Ok(Err(cause)) => ProbeResult::Failed(ProbeFailure::Failed(cause)),
        Err(_) => ProbeResult::Failed(ProbeFailure::Failed(match probe.kind {
            ProbeKind::Tcp(_) => Cause::ConnectTimeout,
            ProbeKind::Http(_) => Cause::HeadTimeout,
        })),
    }
}

async fn ask(endpoint: &Endpoint, probe: &Probe, host: &str) -> Result<ProbeResult, Cause> {
    let connected = connect(std::slice::from_ref(endpoint), Instant::now()).await;
    let socket = connected.map_err(|error| error.cause)?.socket;
    match &probe.kind {
        ProbeKind::Tcp(_) => Ok(ProbeResult::Passed),
        ProbeKind::Http(HttpProbe { path, .. }) => match socket {
            Socket::Tcp(stream) => get(TokioIo::new(stream), path, host).await,
            Socket::Unix(stream) => get(TokioIo::new(stream), path, host).await,
        },
    }
}

async fn get<S>(stream: S, path: &str, host: &str) -> Result<ProbeResult, Cause>
where
    S: hyper::rt::Read + hyper::rt::Write + Unpin,
{
    let request = Request::get(path)
        .header("host", host)
        .header("user-agent", concat!("evenkeel/", env!("CARGO_PKG_VERSION"), " (probe)"))
        .header("connection", "close")
        .body(Empty::<Bytes>::new())
        .map_err(|_| Cause::Internal)?;
    let (mut sender, connection) = http1::handshake(stream).await.map_err(|error| cause_of(&error))?;
    let answered = async {
        let response = sender.send_request(request).await.map_err(|error| cause_of(&error))?;
        let status = response.status().as_u16();
        let mut body = response.into_body();
        let mut left = MOST_BODY_BYTES;
        // A body that is cut short fails the probe: a backend that cannot finish is not well.
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| Cause::BodyTruncated)?;
            let bytes = frame.data_ref().map_or(0, Bytes::len);
            match left.checked_sub(bytes) {
                Some(rest) => left = rest,
                None => break,
            }
        }
        match status {
            200..=399 => Ok(ProbeResult::Passed),
            status => Ok(ProbeResult::Failed(ProbeFailure::Status(status))),
        }
    };
    // Both live in this task; dropping either closes the connection, so cancelling is safe.
    let mut answered = std::pin::pin!(answered);
    tokio::select! {
        biased;
        result = &mut answered => result,
        _ = connection => answered.await,
    }
}

fn cause_of(error: &hyper::Error) -> Cause {
    if error.is_parse() {
        Cause::BadHead
    } else if error.is_incomplete_message() {
        Cause::EofInHead
    } else {
        Cause::ClosedBeforeResponse
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    async fn answering(answer: &'static [u8]) -> Endpoint {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).await;
            stream.write_all(answer).await.unwrap();
        });
        Endpoint::Tcp(address)
    }

    fn failed(cause: Cause) -> ProbeResult {
        ProbeResult::Failed(ProbeFailure::Failed(cause))
    }

    fn http() -> Probe {
        let kind = ProbeKind::Http(HttpProbe::get("/healthz"));
        Probe { kind, timeout: Duration::from_millis(500), ..Probe::default() }
    }

    async fn verdict(answer: &'static [u8]) -> ProbeResult {
        probe(&answering(answer).await, &http(), "a.test").await
    }

    #[tokio::test]
    async fn a_status_below_400_passes() {
        assert_eq!(verdict(b"HTTP/1.1 204 No Content\r\n\r\n").await, ProbeResult::Passed);
        assert_eq!(verdict(b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n").await, ProbeResult::Passed);
    }

    #[tokio::test]
    async fn each_failure_is_named() {
        let unwell = verdict(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n").await;
        assert_eq!(unwell, ProbeResult::Failed(ProbeFailure::Status(503)));
        assert_eq!(verdict(b"SSH-2.0-OpenSSH\r\n\r\n").await, failed(Cause::BadHead));
        assert_eq!(verdict(b"").await, failed(Cause::EofInHead));
        assert_eq!(
            verdict(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf").await,
            failed(Cause::BodyTruncated)
        );
    }

    #[tokio::test]
    async fn silence_fails_in_time() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = Endpoint::Tcp(listener.local_addr().unwrap());
        assert_eq!(probe(&endpoint, &http(), "a.test").await, failed(Cause::HeadTimeout));
        let tcp = Probe { kind: ProbeKind::Tcp(Default::default()), ..http() };
        assert_eq!(probe(&endpoint, &tcp, "a.test").await, ProbeResult::Passed);
    }

    #[tokio::test]
    async fn a_closed_port_is_refused() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = Endpoint::Tcp(listener.local_addr().unwrap());
        drop(listener);
        assert_eq!(probe(&endpoint, &http(), "a.test").await, failed(Cause::ConnectRefused));
    }
}
