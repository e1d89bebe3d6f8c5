//! One connection: a request, what it is answered, and the next one, until something ends it.

use std::rc::Rc;

use evenkeel_http1::{BodyKind, Method};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::ask::Ask;
use super::backend::{Backend, KeepAlive};
use super::fault::Fault;
use super::reply::{CONTINUE, Reply};
use super::schedule::Standing;
use super::wire::{Gone, Request, Trouble, Wire, within};

/// A connection of a backend.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) wire: Wire,
    pub(crate) backend: Rc<Backend>,
    pub(crate) keep_alive: KeepAlive,
    /// Responses that were sent.
    pub(crate) answered: u32,
    /// What held when it was accepted.
    admitted: Standing,
    news: watch::Receiver<Standing>,
}

/// What becomes of a connection after a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum After {
    /// The next request may come.
    Next,
    Close,
    Reset,
    /// It is closed, but what the client still sends is read for a while.
    Linger,
}

impl Connection {
    /// A connection that was accepted while `admitted` held.
    pub(crate) fn new(stream: TcpStream, backend: Rc<Backend>, admitted: Standing) -> Self {
        let (keep_alive, news) = (backend.keep_alive, backend.watch());
        Connection { wire: Wire::new(stream), backend, keep_alive, answered: 0, admitted, news }
    }

    /// Serves it to its end.
    pub(crate) async fn serve(mut self) {
        match self.requests().await.unwrap_or(After::Close) {
            After::Next | After::Close => {}
            After::Reset => self.wire.reset(),
            After::Linger => self.wire.linger().await,
        }
    }

    async fn requests(&mut self) -> Result<After, Gone> {
        loop {
            self.next().await?;
            let request = match self.wire.request().await {
                Ok(request) => request,
                Err(Trouble::Gone) => return Err(Gone),
                Err(Trouble::Refused(refusal)) => {
                    let text = format!("{refusal}: {}\n", refusal.explain());
                    return self.last_word(refusal.status(), &text, false).await.map(|()| After::Linger);
                }
            };
            match self.answer(&request).await? {
                After::Next if request.keep_alive => {}
                After::Next => return Ok(After::Close),
                after => return Ok(after),
            }
        }
    }

    /// Waits for a request; not for longer than a connection may be idle, and not while idle ones are ended.
    async fn next(&mut self) -> Result<(), Gone> {
        // Reading loses nothing when it is dropped, and the news stay.
        tokio::select! {
            biased;
            read = within(self.keep_alive.idle, self.wire.ready()) => read.unwrap_or(Err(Gone)),
            _ = self.news.wait_for(Standing::ends_idle_connections) => Err(Gone),
        }
    }

    async fn answer(&mut self, request: &Request) -> Result<After, Gone> {
        let behaviour = match Ask::of(&request.path) {
            Ask::Whatever => self.backend.befalls(&self.admitted),
            Ask::Fault(behaviour) => behaviour,
            ask => {
                self.take_body(request).await?;
                return self.obey(request, ask).await;
            }
        };
        let fault = behaviour.map(|behaviour| behaviour.fault());
        if !matches!(fault, Some(Fault::NotReading | Fault::EarlyAnswer)) {
            self.take_body(request).await?;
        }
        match behaviour {
            None => self.well(request).await,
            Some(behaviour) => self.misbehave(request, &behaviour).await,
        }
    }

    async fn take_body(&mut self, request: &Request) -> Result<(), Gone> {
        if request.expects_continue && request.body != BodyKind::None {
            self.wire.write(CONTINUE).await?;
        }
        self.wire.body(request.body).await
    }

    /// Orders, and what is about them.
    async fn obey(&mut self, request: &Request, ask: Ask) -> Result<After, Gone> {
        let name = self.backend.name.clone();
        let (status, text) = match ask {
            Ask::Order(order) => {
                self.backend.order(order).await;
                let lasts = order.lasts.map_or("from now on".into(), |lasts| format!("for {lasts:?}"));
                (200, format!("{name}: {} {lasts}\n", order.standing))
            }
            Ask::Mistaken(mistake) => (404, format!("{mistake}\n")),
            Ask::Report | Ask::Whatever | Ask::Fault(_) => {
                (200, format!("{name}: {}\n", self.backend.standing()))
            }
        };
        self.reply(request, status, &text, None).await
    }

    /// The answer of a backend that is well.
    pub(crate) async fn well(&mut self, request: &Request) -> Result<After, Gone> {
        let text = format!("hello from {}\n", self.backend.name);
        self.reply(request, 200, &text, None).await
    }

    /// An answer of any status.
    pub(crate) async fn reply(
        &mut self,
        request: &Request,
        status: u16,
        text: &str,
        retry_after: Option<u32>,
    ) -> Result<After, Gone> {
        let reply = self.form(request, status, text, retry_after);
        self.send(&reply).await
    }

    /// The answer as it is to be sent.
    pub(crate) fn form<'a>(
        &self,
        request: &Request,
        status: u16,
        text: &'a str,
        retry_after: Option<u32>,
    ) -> Reply<'a> {
        let KeepAlive { idle, is_announced } = self.keep_alive;
        Reply {
            status,
            text,
            is_head: request.method == Method::Head,
            closes: !request.keep_alive || self.news.borrow().ends_idle_connections(),
            retry_after,
            keep_alive: is_announced.then(|| idle.as_secs().max(1)),
        }
    }

    /// Sends an answer, or its head if that is all there is to be sent.
    pub(crate) async fn send(&mut self, reply: &Reply<'_>) -> Result<After, Gone> {
        self.wire.write(&reply.bytes()).await?;
        self.answered = self.answered.saturating_add(1);
        Ok(if reply.closes { After::Close } else { After::Next })
    }

    /// An answer after which the connection ends.
    pub(crate) async fn last_word(&mut self, status: u16, text: &str, is_head: bool) -> Result<(), Gone> {
        let reply = Reply { status, text, is_head, closes: true, retry_after: None, keep_alive: None };
        self.wire.write(&reply.bytes()).await
    }
}
