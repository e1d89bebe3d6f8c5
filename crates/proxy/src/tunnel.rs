//! Bytes both ways after an upgrade, each direction with its own back-pressure, until both sides have ended.

use std::future::poll_fn;
use std::io::IoSlice;
use std::task::{Context, Poll};
use std::time::Instant;

use evenkeel_model::Limit;
use evenkeel_upstream::Socket;

use crate::core::Core;
use crate::downstream::Downstream;
use crate::exchange::Exchange;
use crate::input::{Buffers, Input, LARGE};

/// One direction.
#[derive(Default)]
struct Pipe {
    moved: u64,
    has_ended: bool,
    is_shut: bool,
}

/// Bytes moved, from the client and to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Moved {
    pub(crate) from_client: u64,
    pub(crate) to_client: u64,
    /// Whether both sides have said their last, so that the close misleads nobody.
    pub(crate) is_whole: bool,
}

/// Runs until both sides have ended, one has failed, or neither has said a byte for `tunnel_idle`; once one side has
/// ended, for `body_idle`.
pub(crate) async fn tunnel(core: &Core, down: &mut Downstream, exchange: &mut Exchange) -> Moved {
    let timeouts = down.client.listener.rule.timeouts;
    let (mut up, mut back) = (Pipe::default(), Pipe::default());
    let mut timed = None;
    poll_fn(|cx| {
        let (client, backend) = (&mut down.socket, &mut exchange.connection.socket);
        let sent = up.poll(cx, client, &mut down.input, backend, &core.buffers);
        let received = back.poll(cx, backend, &mut exchange.input, client, &core.buffers);
        if sent.is_err() || received.is_err() || (up.is_shut && back.is_shut) {
            return Poll::Ready(());
        }
        let flushed = down.socket.flushed() + exchange.connection.socket.flushed();
        let (progress, is_ending) = (up.moved + back.moved + flushed, up.has_ended || back.has_ended);
        if timed != Some((progress, is_ending)) {
            timed = Some((progress, is_ending));
            let now = Instant::now();
            // A side that has ended says no more: the other one has as long as any body to say the rest.
            let longest = match is_ending {
                true => timeouts.tunnel_idle.min(timeouts.body_idle),
                false => timeouts.tunnel_idle,
            };
            down.alarm.set(now + longest, now);
        }
        if !down.alarm.poll_passed(cx) {
            return Poll::Pending;
        }
        down.client.reached(if is_ending { Limit::BodyIdle } else { Limit::TunnelIdle });
        Poll::Ready(())
    })
    .await;
    down.alarm.clear();
    Moved { from_client: up.moved, to_client: back.moved, is_whole: up.is_shut && back.is_shut }
}

/// The other side is gone.
struct Broken;

impl Pipe {
    /// Moves what can be moved now.
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        source: &mut Socket,
        input: &mut Input,
        sink: &mut Socket,
        buffers: &Buffers,
    ) -> Result<(), Broken> {
        loop {
            while !input.is_empty() {
                match sink.poll_write(cx, &[IoSlice::new(input.filled())]) {
                    Poll::Pending => return Ok(()),
                    Poll::Ready(Ok(0) | Err(_)) => return Err(Broken),
                    Poll::Ready(Ok(count)) => {
                        self.moved += count as u64;
                        input.consume(count, buffers);
                    }
                }
            }
            if self.has_ended {
                self.is_shut = self.is_shut || sink.poll_shutdown(cx).is_ready();
                return Ok(());
            }
            match input.poll_fill(cx, source, buffers, LARGE) {
                Poll::Pending => return Ok(()),
                Poll::Ready(Err(_)) => return Err(Broken),
                Poll::Ready(Ok(0)) => self.has_ended = true,
                Poll::Ready(Ok(_)) => {}
            }
        }
    }
}
