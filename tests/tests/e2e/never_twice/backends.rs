//! Backends that leave to chance what they do with each delivery: the same chance for the same seed, request and delivery.

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::Duration;

use evenkeel_tests::mutate::Dice;
use evenkeel_tests::raw::{Connection, RawBackend};
use evenkeel_tests::request::Request;
use evenkeel_tests::wait;

use super::ledger::{Id, Ledger};

/// What becomes of a delivery.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Answer,
    /// After an interim one.
    AnswerTwice,
    AnswerAndClose,
    AnswerAndReset,
    AnswerLate(u64),
    /// Before the body has arrived.
    AnswerEarly,
    Status(u16, bool),
    Close,
    /// With the body unread, which makes it a reset.
    CloseOnHead,
    Reset,
    HalfHead,
    HalfHeadAndReset,
    Garbage,
    HalfBody,
    HalfBodyAndReset,
    RefuseForAMoment(u64),
    Hang,
}

/// Of so many in a hundred, in order; the rest is answered.
fn fate(dice: &mut Dice) -> Fate {
    match dice.below(100) {
        0..5 => Fate::AnswerAndClose,
        5..8 => Fate::AnswerAndReset,
        8..16 => Fate::AnswerLate(1 + dice.below(30) as u64),
        16 => Fate::AnswerLate(60 + dice.below(60) as u64),
        17 => Fate::AnswerEarly,
        18..20 => Fate::Status(502, false),
        20..22 => Fate::Status(503, false),
        22 => Fate::Status(503, true),
        23..27 => Fate::Close,
        27..29 => Fate::CloseOnHead,
        29..32 => Fate::Reset,
        32..34 => Fate::HalfHead,
        34 => Fate::HalfHeadAndReset,
        35..37 => Fate::Garbage,
        37..39 => Fate::HalfBody,
        39 => Fate::HalfBodyAndReset,
        40 => Fate::RefuseForAMoment(1 + dice.below(15) as u64),
        41 => Fate::Hang,
        42..46 => Fate::AnswerTwice,
        _ => Fate::Answer,
    }
}

/// One of three.
pub(super) fn start(number: usize, ledger: &Arc<Ledger>) -> RawBackend {
    let ledger = ledger.clone();
    RawBackend::start(move |connection| {
        while let Some(request) = connection.head()? {
            let Some(id) = Id::of(&request.target) else {
                return Err(ErrorKind::InvalidData.into());
            };
            let delivery = ledger.deliver(id, &request.method);
            let mut dice = Dice::new(id.chance(delivery));
            let answer = Answer { id, backend: number, delivery, filler: filler(&mut dice) };
            let is_chunked = dice.chance(40);
            act(connection, &request, &answer, is_chunked, fate(&mut dice), &ledger)?;
        }
        Ok(())
    })
}

fn act(
    connection: &mut Connection,
    request: &Request,
    answer: &Answer,
    is_chunked: bool,
    fate: Fate,
    ledger: &Ledger,
) -> io::Result<()> {
    match fate {
        Fate::CloseOnHead => return end(),
        Fate::AnswerEarly if request.method != "HEAD" => {
            connection.send(answer.whole(413, "Connection: close\r\n", false))?;
            connection.finish()?;
            return end();
        }
        _ => {}
    }
    let is_head = request.method == "HEAD";
    if request.field("expect").is_some() && !answer.filler.is_multiple_of(3) {
        connection.send("HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    let mut body = Vec::new();
    connection.body_into(request, |piece| body.extend_from_slice(piece))?;
    let line = format!("{}\n", answer.id);
    if body.chunks(line.len()).any(|piece| piece != line.as_bytes()) {
        ledger.complain(answer.id, "a body that is not its own");
    }
    if is_head {
        // It has no body that could be cut.
        return connection.send(answer.head(200, "", is_chunked));
    }
    match fate {
        Fate::Answer | Fate::AnswerEarly => connection.send(answer.whole(200, "", is_chunked)),
        Fate::AnswerTwice => {
            connection.send("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")?;
            connection.send(answer.whole(200, "", is_chunked))
        }
        Fate::AnswerLate(milliseconds) => {
            wait::pause(Duration::from_millis(milliseconds));
            connection.send(answer.whole(200, "", is_chunked))
        }
        Fate::AnswerAndClose => {
            connection.send(answer.whole(200, "", is_chunked))?;
            end()
        }
        Fate::AnswerAndReset => {
            connection.send(answer.whole(200, "", is_chunked))?;
            reset(connection)
        }
        Fate::Status(status, true) => connection.send(answer.whole(status, "Retry-After: 1\r\n", is_chunked)),
        Fate::Status(status, false) => connection.send(answer.whole(status, "", is_chunked)),
        Fate::Close | Fate::CloseOnHead => end(),
        Fate::Reset => reset(connection),
        Fate::HalfHead => {
            connection.send("HTTP/1.1 200 OK\r\nX-Answ")?;
            end()
        }
        Fate::HalfHeadAndReset => {
            connection.send("HTTP/1.1 2")?;
            reset(connection)
        }
        Fate::Garbage => {
            connection.send("SSH-2.0-OpenSSH_9.2\r\n\r\n")?;
            end()
        }
        Fate::HalfBody => {
            connection.send(answer.half(is_chunked))?;
            end()
        }
        Fate::HalfBodyAndReset => {
            connection.send(answer.half(is_chunked))?;
            reset(connection)
        }
        Fate::RefuseForAMoment(milliseconds) => {
            connection.refuse_for(Duration::from_millis(milliseconds));
            end()
        }
        Fate::Hang => connection.drain(),
    }
}

/// Ends the connection.
fn end() -> io::Result<()> {
    Err(ErrorKind::ConnectionAborted.into())
}

fn reset(connection: &mut Connection) -> io::Result<()> {
    connection.reset()?;
    end()
}

/// Small, or more than one read takes.
fn filler(dice: &mut Dice) -> usize {
    if dice.chance(5) { 20_000 + dice.below(100_000) } else { dice.below(3000) }
}

/// An answer that says, in its head and at both ends of its body, whose it is.
struct Answer {
    id: Id,
    backend: usize,
    delivery: u32,
    filler: usize,
}

impl Answer {
    fn tag(&self) -> String {
        format!("{} backend={} delivery={};", self.id, self.backend, self.delivery)
    }

    fn body(&self) -> String {
        format!("{}{}{}", self.tag(), "x".repeat(self.filler), self.tag())
    }

    fn head(&self, status: u16, fields: &str, is_chunked: bool) -> String {
        let framing = match is_chunked {
            true => "Transfer-Encoding: chunked".to_owned(),
            false => format!("Content-Length: {}", self.body().len()),
        };
        format!("HTTP/1.1 {status} Own\r\nX-Answer: {}\r\n{fields}{framing}\r\n\r\n", self.tag())
    }

    fn whole(&self, status: u16, fields: &str, is_chunked: bool) -> String {
        let mut message = self.head(status, fields, is_chunked);
        let body = self.body();
        match is_chunked {
            true => {
                let (first, second) = body.split_at(body.len() / 2);
                for chunk in [first, second] {
                    message.push_str(&format!("{:x}\r\n{chunk}\r\n", chunk.len()));
                }
                message.push_str("0\r\n\r\n");
            }
            false => message.push_str(&body),
        }
        message
    }

    /// Without its second half.
    fn half(&self, is_chunked: bool) -> String {
        let mut message = self.head(200, "", is_chunked);
        let body = self.body();
        let half = &body[..body.len() / 2];
        match is_chunked {
            true => message.push_str(&format!("{:x}\r\n{half}\r\n", half.len())),
            false => message.push_str(half),
        }
        message
    }
}
