//! What a request with a fault is answered, if it is.

use std::time::Duration;

use evenkeel_http1::Method;

use super::backend::KeepAlive;
use super::behaviour::Behaviour;
use super::connection::{After, Connection};
use super::fault::Fault;
use super::options::{Ending, Options};
use super::reply::{HINTS, Raw, Reply};
use super::wire::{Gone, Request};

/// Longest that a request is held which is never answered.
const LONGEST_HOLD: Duration = Duration::from_secs(600);

/// Longest that a request is held whose body nobody reads: whether its client has gone cannot be seen.
const LONGEST_UNREAD: Duration = Duration::from_secs(120);

impl Connection {
    /// Does to a request what this fault does. Its body was read, unless that is the fault.
    pub(crate) async fn misbehave(
        &mut self,
        request: &Request,
        behaviour: &Behaviour,
    ) -> Result<After, Gone> {
        let (fault, options) = (behaviour.fault(), behaviour.options);
        let is_reused = self.answered > 0;
        match fault {
            Fault::Close => Ok(After::Close),
            Fault::Reset => Ok(After::Reset),
            // This connection was accepted before it began.
            Fault::Refuse | Fault::AcceptFull | Fault::CloseOnAccept => Ok(After::Close),
            Fault::ResetOnAccept => Ok(After::Reset),
            Fault::StaleClose if is_reused => Ok(After::Close),
            Fault::LateTimeout if is_reused => self.end(request, 408, "too late\n").await,
            Fault::EarlyAnswer => self.end(request, 413, "too much\n").await,
            Fault::IdleClose => {
                self.keep_alive = KeepAlive { idle: options.after, is_announced: options.announces };
                self.well(request).await
            }
            Fault::CloseAfter => self.close_after(request, options).await,
            Fault::Hang => self.hold(LONGEST_HOLD).await,
            Fault::NotReading => self.hold(LONGEST_UNREAD).await,
            Fault::Slow => {
                self.wire.pause(options.after).await?;
                self.well(request).await
            }
            Fault::HugeHead => self.raw(request, &Raw::huge(options.bytes)).await,
            Fault::WrongUpgrade if !request.upgrades => self.well(request).await,
            Fault::HalfHead
            | Fault::Garbage
            | Fault::BadStatusLine
            | Fault::BadField
            | Fault::BareLineFeed
            | Fault::ConflictingLength
            | Fault::UnsolicitedUpgrade
            | Fault::WrongUpgrade
            | Fault::BadChunk => self.raw(request, &Raw::of(fault)).await,
            Fault::FoldedField | Fault::SpaceBeforeColon => {
                self.raw(request, &Raw::of(fault)).await?;
                self.answered = self.answered.saturating_add(1);
                Ok(After::Next)
            }
            Fault::HalfBody | Fault::HalfChunked => {
                let after = self.raw(request, &Raw::of(fault)).await?;
                self.wire.pause(options.after).await.map(|()| after)
            }
            Fault::BodyStall => {
                self.raw(request, &Raw::of(fault)).await?;
                self.hold(LONGEST_HOLD).await
            }
            Fault::Drip => self.drip(request, options).await,
            Fault::ManyInterim => {
                for _ in 0..options.count {
                    self.wire.write(HINTS).await?;
                }
                self.well(request).await
            }
            Fault::Status => {
                let text = format!("{} answers {}\n", self.backend.name, behaviour.status);
                self.reply(request, behaviour.status, &text, options.retry_after).await
            }
            // On a fresh connection.
            Fault::StaleClose | Fault::LateTimeout => self.well(request).await,
        }
    }

    /// An answer that ends the connection, whatever the client still sends.
    async fn end(&mut self, request: &Request, status: u16, text: &str) -> Result<After, Gone> {
        self.last_word(status, text, request.method == Method::Head).await?;
        Ok(After::Linger)
    }

    async fn close_after(&mut self, request: &Request, options: Options) -> Result<After, Gone> {
        let after = self.well(request).await?;
        Ok(match options.ending {
            _ if self.answered < options.count => after,
            Ending::Fin => After::Close,
            Ending::Reset => After::Reset,
        })
    }

    async fn raw(&mut self, request: &Request, raw: &Raw) -> Result<After, Gone> {
        self.wire.write(&raw.head).await?;
        if request.method != Method::Head {
            self.wire.write(raw.body).await?;
        }
        Ok(After::Close)
    }

    /// Holds the connection until the client leaves it.
    async fn hold(&mut self, longest: Duration) -> Result<After, Gone> {
        self.wire.pause(longest).await.map(|()| After::Reset)
    }

    async fn drip(&mut self, request: &Request, options: Options) -> Result<After, Gone> {
        let text = ".".repeat(options.bytes);
        let reply = self.form(request, 200, &text, None);
        let after = self.send(&Reply { is_head: true, ..reply }).await?;
        let bytes = if reply.is_head { 0 } else { options.bytes };
        for _ in 0..bytes {
            self.wire.pause(options.every).await?;
            self.wire.write(b".").await?;
        }
        Ok(after)
    }
}
