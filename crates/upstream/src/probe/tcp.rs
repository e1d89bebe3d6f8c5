//! A TCP probe: a connection, and perhaps a few bytes each way.

use std::future::poll_fn;
use std::io::IoSlice;

use evenkeel_health::{ProbeResult, TcpProbe};
use evenkeel_model::{Cause, ProbeFailure};

use super::{Asked, Prober, Verdict, fresh};
use crate::{Socket, TlsFailure};

const CLOSED: ProbeFailure = ProbeFailure::Failed(Cause::ClosedBeforeResponse);

/// Connects, speaks, listens. `waiting` is what a timeout would mean.
pub(super) async fn ask(
    prober: &Prober,
    asked: &Asked<'_>,
    probe: &TcpProbe,
    waiting: &mut Cause,
) -> Result<Verdict, ProbeFailure> {
    let mut socket = fresh(asked.endpoints, asked.dial(), &prober.turnstile, waiting).await?;
    *waiting = Cause::HeadTimeout;
    // Who closes while it is written to may have said why.
    let sent = send(&mut socket, &probe.send).await;
    expect(&mut socket, &probe.expect).await?;
    sent.map_err(|_| CLOSED)?;
    socket.take_leave();
    Ok(Verdict { result: ProbeResult::Passed, drain: None })
}

/// Writes all of `bytes`.
pub(super) async fn send(socket: &mut Socket, mut bytes: &[u8]) -> std::io::Result<()> {
    while !bytes.is_empty() {
        let written = poll_fn(|cx| socket.poll_write(cx, &[IoSlice::new(bytes)])).await?;
        bytes = &bytes[written..];
    }
    Ok(())
}

/// The reply may come in pieces; the first wrong byte ends the wait.
async fn expect(socket: &mut Socket, mut expected: &[u8]) -> Result<(), ProbeFailure> {
    let mut buffer = vec![0; expected.len()];
    let whole = expected.len();
    while !expected.is_empty() {
        let room = &mut buffer[..expected.len()];
        match poll_fn(|cx| socket.poll_read(cx, room)).await {
            Ok(count @ 1..) => {
                expected = expected.strip_prefix(&buffer[..count]).ok_or(ProbeFailure::Reply)?;
            }
            Ok(0) | Err(_) if expected.len() < whole => return Err(ProbeFailure::Reply),
            Ok(_) => return Err(CLOSED),
            Err(error) => return Err(TlsFailure::of(&error).map_or(CLOSED, ProbeFailure::from)),
        }
    }
    Ok(())
}
