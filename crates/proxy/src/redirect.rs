//! A cleartext listener that sends everybody to HTTPS, but for those who came by it to a proxy before us.

use evenkeel_http1::{HeadWriter, authority, reason};

use crate::answer::{After, write};
use crate::attempt::Failure;
use crate::downstream::Downstream;
use crate::headers;
use crate::proxy_status;
use crate::request::Request;
use crate::scratch::Scratch;

/// Permanent, and the method stays (RFC 9110, section 15.4.9).
const STATUS: u16 = 308;

/// Whether a request says of which host it is; one of HTTP/1.0 may not.
pub(crate) fn check(heads: &Scratch) -> Result<(), Failure> {
    match heads.request.authority.is_empty() {
        true => Err(Failure::of_client(400, "host_missing_for_redirect")),
        false => Ok(()),
    }
}

/// Sends a request that was checked to HTTPS on `port`.
pub(crate) async fn answer(
    down: &mut Downstream,
    request: &mut Request,
    port: u16,
    keep_alive: bool,
) -> After {
    request.read_clock();
    request.answered(STATUS);
    let mut out = std::mem::take(&mut request.scratch().to_client);
    out.clear();
    let mut writer = HeadWriter::response(&mut out, STATUS, reason(STATUS).as_bytes());
    writer.field(b"Date", &request.core.date.text());
    writer.field(b"Location", &location(request.heads(), port));
    writer.number(b"Content-Length", 0);
    writer.field(b"X-Request-Id", &request.heads().request_id);
    writer.field(b"Proxy-Status", proxy_status::of_answer(request).as_bytes());
    headers::connection(&mut writer, keep_alive, request.version());
    writer.finish();
    write(down, request, out, keep_alive).await
}

/// The same host, path and query. The parser has let nothing pass as a host that could lead elsewhere.
fn location(heads: &Scratch, port: u16) -> Vec<u8> {
    let Scratch { request, head, .. } = heads;
    let host = authority(request.authority.of(head)).map_or(&b""[..], |(host, _)| host);
    let port = if port == 443 { String::new() } else { format!(":{port}") };
    [b"https://", host, port.as_bytes(), request.path_prefix(head), request.path.of(head)].concat()
}
