//! One connection from its accept to its end: the TLS handshake if the listener wants one, and then its requests.

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use evenkeel_model::{CoreListener, HandshakeFailure, Limit};
use evenkeel_routing::{Listener, ListenerTls};
use evenkeel_tls::Session;
use evenkeel_upstream::{Alarm, Handshake, Socket};
use tokio::net::TcpStream;

use crate::answer;
use crate::client_limit::ClientPlace;
use crate::downstream::{Arrival, Downstream};
use crate::gate::{Accepted, Gate};
use crate::handshake::{Failed, shake_hands};
use crate::input::Input;
use crate::lobby::{Seat, Wait};
use crate::secure::Secure;
use crate::serve::serve;

/// A connection in its gate's list and count, until it is dropped.
pub(crate) struct Entry {
    pub(crate) gate: Rc<Gate>,
    pub(crate) listener: Arc<Listener>,
    pub(crate) id: u64,
    pub(crate) opened: Instant,
}

/// A handshake in the listener's count, until it is dropped: it is over, or whom it refused is gone.
struct Open<'a>(&'a CoreListener);

impl Entry {
    /// Serves the connection to its end.
    pub(crate) async fn run(self, accepted: Accepted, client_place: Option<ClientPlace>) {
        let Accepted { stream, peer, place } = accepted;
        let mut down = match &self.listener.rule.tls {
            None => Some(self.cleartext(stream, peer)),
            // Boxed, so that a connection takes no more room than its requests need.
            Some(tls) => Box::pin(self.secured(tls, stream, peer)).await,
        };
        if let Some(down) = &mut down {
            serve(&self.gate.core, down).await;
        }
        drop((down, client_place, place));
    }

    fn cleartext(&self, stream: TcpStream, peer: SocketAddr) -> Downstream {
        self.downstream(Socket::Tcp(stream), peer, self.gate.core.sweep.alarm(), self.opened)
    }

    fn downstream(&self, socket: Socket, peer: SocketAddr, alarm: Alarm, since: Instant) -> Downstream {
        let secure = socket.tls().map(|tls| Secure::of(tls.session()));
        Downstream {
            socket,
            input: Input::default(),
            alarm,
            client: Rc::new(self.gate.client(self.listener.clone(), peer, secure)),
            opened: self.opened,
            since,
            requests: 0,
            is_between: true,
            has_answered: false,
            has_ended: false,
        }
    }

    async fn secured(&self, tls: &ListenerTls, stream: TcpStream, peer: SocketAddr) -> Option<Downstream> {
        let (alarm, counters) = (self.gate.core.sweep.alarm(), self.counters());
        let lobby = &self.gate.lobby;
        if lobby.is_full(tls.handshakes, &self.listener.counters) && !lobby.make_room(self.opened) {
            self.cut(HandshakeFailure::Displaced, peer);
            return None;
        }
        let seat = lobby.enter();
        let _open = Open::count(counters);
        match self.shake_hands(tls, stream, &seat, &alarm).await {
            Ok(socket) => {
                let is_resumed = socket.tls().is_some_and(|tls| tls.session().is_resumed());
                let count = if is_resumed { &counters.resumptions } else { &counters.handshakes };
                count.add(1);
                Some(self.downstream(socket, peer, alarm, Instant::now()))
            }
            Err(failed) => {
                // It keeps its seat: a flood of clients that are refused and do not close is bounded, too.
                seat.waits_for(Wait::Idle, Instant::now());
                let mut parting = pin!(self.part(failed, peer, alarm));
                // The parting first: what failed is counted before anything is waited for.
                poll_fn(|cx| match parting.as_mut().poll(cx) {
                    Poll::Pending if !seat.poll_displaced(cx) => Poll::Pending,
                    _ => Poll::Ready(()),
                })
                .await;
                None
            }
        }
    }

    async fn shake_hands(
        &self,
        tls: &ListenerTls,
        stream: TcpStream,
        seat: &Seat,
        alarm: &Alarm,
    ) -> Result<Socket, Failed> {
        let session = Session::accept(&tls.server).map_err(|error| {
            tracing::error!(listener = &*self.listener.rule.name, %error, "no TLS session can begin; this is a bug");
            Failed::Cut(HandshakeFailure::Malformed)
        })?;
        let handshake = Handshake::new(Socket::Tcp(stream), session);
        alarm.set(self.opened + tls.handshake_timeout, self.opened);
        let shaken = shake_hands(&self.gate.core, handshake, seat, alarm).await;
        alarm.clear();
        shaken
    }

    /// Counts a handshake that has failed, and closes so that the client learns why, if there is anything to learn.
    #[cold]
    async fn part(&self, failed: Failed, peer: SocketAddr, alarm: Alarm) {
        let core = &self.gate.core;
        match failed {
            Failed::Panicked => self.counters().panics.add(1),
            Failed::Silent => self.count(HandshakeFailure::Closed),
            Failed::Cut(why) => self.cut(why, peer),
            Failed::Tls(why, text, socket) => {
                self.count(why);
                self.complain(why, text, peer);
                self.downstream(socket, peer, alarm, Instant::now()).linger(core).await;
            }
            Failed::PlainHttp(socket, bytes) => {
                self.count(HandshakeFailure::PlainHttp);
                let mut down = self.downstream(socket, peer, alarm, Instant::now());
                down.input = Input::holding(bytes);
                let (Arrival::Request(mut request)
                | Arrival::Refused(mut request, _)
                | Arrival::TooSlow(mut request)) = down.arrival(core).await
                else {
                    return;
                };
                answer::plain_http(&mut down, &mut request).await;
                drop(request);
                down.linger(core).await;
            }
        }
    }

    fn cut(&self, why: HandshakeFailure, peer: SocketAddr) {
        self.count(why);
        self.complain(why, explanation(why).to_owned(), peer);
    }

    fn count(&self, why: HandshakeFailure) {
        let counters = self.counters();
        counters.handshake_failures[why as usize].add(1);
        match why {
            HandshakeFailure::Timeout => counters.limited[Limit::Handshake as usize].add(1),
            HandshakeFailure::Displaced => counters.limited[Limit::Handshakes as usize].add(1),
            _ => {}
        }
    }

    fn complain(&self, why: HandshakeFailure, text: String, peer: SocketAddr) {
        self.gate.complaints.note(&self.listener.rule.name, why, text, peer, Instant::now());
    }

    fn counters(&self) -> &CoreListener {
        &self.listener.counters[self.gate.core.index]
    }
}

/// What the log says of a handshake that was cut.
fn explanation(why: HandshakeFailure) -> &'static str {
    match why {
        HandshakeFailure::Timeout => "it was not over in tls.handshake_timeout",
        HandshakeFailure::Displaced => "there were more at once than tls.handshakes",
        HandshakeFailure::Closed => "the client went away in the middle of it",
        HandshakeFailure::NotTls => "the client speaks neither TLS nor HTTP",
        HandshakeFailure::PlainHttp => "the client speaks plain HTTP",
        HandshakeFailure::UnknownName
        | HandshakeFailure::NothingInCommon
        | HandshakeFailure::NoCertificate
        | HandshakeFailure::BadCertificate
        | HandshakeFailure::Alert
        | HandshakeFailure::Malformed => "TLS failed",
    }
}

impl<'a> Open<'a> {
    fn count(counters: &'a CoreListener) -> Self {
        counters.handshakes_open.add(1);
        Open(counters)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.handshakes_open.subtract(1);
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.listener.counters[self.gate.core.index].open.subtract(1);
        self.gate.left(self.id);
    }
}

#[cfg(test)]
mod tests;
