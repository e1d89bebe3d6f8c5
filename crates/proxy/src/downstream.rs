//! The client's side of a connection: reading request heads, answering, closing so that the answer is read.

use std::cell::Cell;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use evenkeel_http1::{HeadLimits, Refusal};
use evenkeel_model::{CoreListener, Limit};
use evenkeel_routing::Listener;
use evenkeel_upstream::{Alarm, Socket};

use crate::core::Core;
use crate::headers::Sender;
use crate::input::{Input, LARGE};
use crate::request::Request;
use crate::scratch::Scratch;
use crate::secure::Secure;

/// How long a connection that is closed after an early answer goes on reading, so that the answer arrives.
const LINGER: Duration = Duration::from_secs(2);

/// How much it reads meanwhile.
const LINGER_BYTES: usize = 1 << 20;

/// What stays the same about a client over its requests.
pub(crate) struct Client {
    pub(crate) core: usize,
    pub(crate) listener: Arc<Listener>,
    pub(crate) peer: SocketAddr,
    pub(crate) sender: Sender,
    /// Its TLS; `None`: cleartext.
    pub(crate) secure: Option<Box<Secure>>,
    pub(crate) limits: HeadLimits,
    /// Whether the listener closes, so that each response is the connection's last.
    pub(crate) is_draining: Rc<Cell<bool>>,
}

/// A client's connection.
pub(crate) struct Downstream {
    pub(crate) socket: Socket,
    pub(crate) input: Input,
    pub(crate) alarm: Alarm,
    pub(crate) client: Rc<Client>,
    pub(crate) opened: Instant,
    /// When it began to wait for a request.
    pub(crate) since: Instant,
    /// Requests begun on it.
    pub(crate) requests: u64,
    /// Whether it waits for a request, so that an end of it is a clean one.
    pub(crate) is_between: bool,
    /// Whether part of a response was written, so that no other can take its place.
    pub(crate) has_answered: bool,
    /// Whether the client has closed its sending side.
    pub(crate) has_ended: bool,
}

/// What came of waiting for a request.
pub(crate) enum Arrival {
    /// A request stands in the scratch.
    Request(Request),
    /// Nothing, and nothing has to be said.
    Nothing,
    /// Something that is not a request.
    Refused(Request, Refusal),
    /// A request head that did not arrive in time.
    TooSlow(Request),
}

impl Client {
    /// The value of `Strict-Transport-Security`, which has no meaning in cleartext (RFC 6797, section 7.2).
    #[inline]
    pub(crate) fn hsts(&self) -> Option<&[u8]> {
        self.secure.as_ref().and(self.listener.rule.hsts.as_ref()).map(|value| value.as_bytes())
    }

    /// This core's counters of the listener.
    pub(crate) fn counters(&self) -> &CoreListener {
        &self.listener.counters[self.core]
    }

    /// Counts that the client reached a limit.
    #[cold]
    pub(crate) fn reached(&self, limit: Limit) {
        self.counters().limited[limit as usize].add(1);
    }
}

impl Downstream {
    /// Whether the connection may serve another request after this one. Asked once a response; a limit that says no
    /// is counted.
    pub(crate) fn may_go_on(&self, now: Instant) -> bool {
        let limits = &self.client.listener.rule.limits;
        let reached = if limits.requests > 0 && self.requests >= limits.requests {
            Limit::Requests
        } else if !limits.age.is_zero() && now.saturating_duration_since(self.opened) >= limits.age {
            Limit::Age
        } else {
            return !self.client.is_draining.get() && !self.socket.is_worn();
        };
        self.client.reached(reached);
        false
    }

    /// Waits for the next request; the head's deadline runs from its first byte.
    pub(crate) async fn arrival(&mut self, core: &Rc<Core>) -> Arrival {
        self.is_between = true;
        if self.input.is_empty() && !self.first_bytes(core).await {
            return Arrival::Nothing;
        }
        let started = Instant::now();
        let mut request = Request::new(core, &self.client, started);
        let limits = self.client.limits;
        let mut is_timed = false;
        let read = poll_fn(|cx| {
            loop {
                let parsed = match self.input.is_empty() {
                    true => Ok(false),
                    false => request.scratch().request.parse(self.input.filled(), &limits),
                };
                match parsed {
                    Ok(true) => return Poll::Ready(Ok(Ok(true))),
                    Ok(false) => {}
                    Err(refusal) => return Poll::Ready(Ok(Err(refusal))),
                }
                match self.poll_fill(cx, core, limits.head_bytes + LARGE) {
                    Poll::Ready(Ok(1..)) => continue,
                    Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(Ok(Ok(false))),
                    Poll::Pending => {}
                }
                if !is_timed {
                    is_timed = true;
                    self.alarm.set(started + self.client.listener.rule.timeouts.head, started);
                }
                return match self.alarm.poll_passed(cx) {
                    true => Poll::Ready(Err(())),
                    false => Poll::Pending,
                };
            }
        });
        let read = read.await;
        if is_timed {
            self.alarm.clear();
        }
        self.requests += 1;
        (self.is_between, self.has_answered) = (false, false);
        match read {
            Ok(Ok(true)) => {
                self.take_head(core, request.scratch());
                Arrival::Request(request)
            }
            // It went away in the middle of a head; the drop of the request tells it.
            Ok(Ok(false)) => Arrival::Nothing,
            Ok(Err(refusal)) => {
                // What was read of the head is told in the log.
                let read = self.input.filled();
                let heads = request.scratch();
                heads.head.extend_from_slice(&read[..read.len().min(limits.head_bytes)]);
                Arrival::Refused(request, refusal)
            }
            Err(()) => Arrival::TooSlow(request),
        }
    }

    /// Waits for the first byte of a request; false if none came.
    async fn first_bytes(&mut self, core: &Core) -> bool {
        let timeouts = &self.client.listener.rule.timeouts;
        let longest = if self.requests == 0 { timeouts.head } else { timeouts.keep_alive };
        let mut is_timed = false;
        let arrived = poll_fn(|cx| {
            match self.input.poll_fill(cx, &mut self.socket, &core.buffers, LARGE) {
                Poll::Ready(read) => return Poll::Ready(matches!(read, Ok(1..))),
                Poll::Pending => {}
            }
            if !is_timed {
                is_timed = true;
                self.alarm.set(self.since + longest, self.since);
            }
            if !self.alarm.poll_passed(cx) {
                return Poll::Pending;
            }
            let reached = if self.requests == 0 { Limit::Head } else { Limit::KeepAlive };
            self.client.reached(reached);
            Poll::Ready(false)
        });
        let arrived = arrived.await;
        if is_timed {
            self.alarm.clear();
        }
        arrived
    }

    fn take_head(&mut self, core: &Core, scratch: &mut Scratch) {
        let length = scratch.request.length;
        scratch.head.clear();
        scratch.head.extend_from_slice(&self.input.filled()[..length]);
        self.input.consume(length, &core.buffers);
    }

    fn poll_fill(&mut self, cx: &mut Context<'_>, core: &Core, most: usize) -> Poll<io::Result<usize>> {
        self.input.poll_fill(cx, &mut self.socket, &core.buffers, most)
    }

    /// Whether the client has gone, as far as can be told while it has nothing to say. What it says early is kept,
    /// up to one buffer. One that has only closed its sending side is gone, too, unless the listener says otherwise.
    #[inline]
    pub(crate) fn poll_gone(&mut self, cx: &mut Context<'_>, core: &Core) -> bool {
        while self.input.len() < LARGE && !self.has_ended {
            match self.input.poll_fill(cx, &mut self.socket, &core.buffers, LARGE) {
                Poll::Pending => return false,
                Poll::Ready(Ok(0)) => {
                    self.has_ended = true;
                    return !self.client.listener.rule.half_close;
                }
                Poll::Ready(Err(_)) => return true,
                Poll::Ready(Ok(_)) => {}
            }
        }
        // No more is read until somebody takes what there is.
        self.socket.settle();
        false
    }

    /// Waits until `due`; true if the client leaves first.
    pub(crate) async fn pause(&mut self, core: &Core, due: Instant, now: Instant) -> bool {
        self.alarm.set(due, now);
        let is_gone = poll_fn(|cx| match (self.poll_gone(cx, core), self.alarm.poll_passed(cx)) {
            (true, _) => Poll::Ready(true),
            (false, true) => Poll::Ready(false),
            (false, false) => Poll::Pending,
        });
        let is_gone = is_gone.await;
        self.alarm.clear();
        is_gone
    }

    /// Writes all of `bytes`, or fails at the latest after the listener's `body_idle` without progress.
    pub(crate) async fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let longest = self.client.listener.rule.timeouts.body_idle;
        let mut written = 0;
        let mut timed_at = None;
        let result = poll_fn(|cx| {
            while written < bytes.len() {
                match self.socket.poll_write(cx, &[IoSlice::new(&bytes[written..])]) {
                    Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                    Poll::Ready(Ok(count)) => written += count,
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Pending => {
                        let progress = written as u64 + self.socket.flushed();
                        if timed_at != Some(progress) {
                            timed_at = Some(progress);
                            let now = Instant::now();
                            self.alarm.set(now + longest, now);
                        }
                        if !self.alarm.poll_passed(cx) {
                            return Poll::Pending;
                        }
                        self.client.reached(Limit::BodyIdle);
                        return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
                    }
                }
            }
            Poll::Ready(Ok(()))
        });
        let result = result.await;
        if timed_at.is_some() {
            self.alarm.clear();
        }
        result
    }

    /// Ends our side and reads on for a while: a close with unread bytes would reset the connection, and the
    /// client would never see the answer.
    pub(crate) async fn linger(&mut self, core: &Core) {
        let now = Instant::now();
        self.alarm.set(now + LINGER, now);
        self.input.clear(&core.buffers);
        let mut is_shut = false;
        let mut left = LINGER_BYTES;
        poll_fn(|cx| {
            if !is_shut {
                match self.socket.poll_shutdown(cx) {
                    Poll::Ready(Ok(())) => is_shut = true,
                    Poll::Ready(Err(_)) => return Poll::Ready(()),
                    Poll::Pending => {}
                }
            }
            loop {
                match self.input.poll_fill(cx, &mut self.socket, &core.buffers, LARGE) {
                    Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(()),
                    Poll::Ready(Ok(count)) if count >= left => return Poll::Ready(()),
                    Poll::Ready(Ok(count)) => left -= count,
                    Poll::Pending => break,
                }
                self.input.clear(&core.buffers);
            }
            if self.alarm.poll_passed(cx) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    /// Says to the peer of a TLS connection that the answer is whole, before the close.
    pub(crate) async fn leave(&mut self) {
        if self.socket.tls().is_none() {
            return;
        }
        let now = Instant::now();
        self.alarm.set(now + LINGER, now);
        poll_fn(|cx| match self.socket.poll_shutdown(cx).is_ready() || self.alarm.poll_passed(cx) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        })
        .await;
    }
}

impl Drop for Downstream {
    fn drop(&mut self) {
        if self.is_between {
            self.socket.take_leave();
        }
    }
}
