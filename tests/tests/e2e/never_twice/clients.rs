//! Clients that ask all kinds of requests, sometimes leave, and look closely at what they get.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use evenkeel_tests::client::Client;
use evenkeel_tests::mutate::Dice;
use evenkeel_tests::response::Response;
use evenkeel_tests::structured;
use evenkeel_tests::tls_client::TlsClient;
use evenkeel_tests::wait;

use super::POOLS;
use super::ledger::{Id, Ledger, Tally};

/// Lines of a body that is larger than what is kept for a second attempt.
const LARGE: usize = 5_000;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Get,
    /// Two at once.
    TwoGets,
    Head,
    Delete,
    SmallPut,
    ChunkedPut,
    LargePut,
    /// Sends its body when it is asked for it.
    PolitePut,
    Post,
    ChunkedPost,
    PolitePost,
}

/// The bytes of a request.
struct Message {
    head: String,
    body: String,
}

impl Kind {
    fn roll(dice: &mut Dice) -> Kind {
        match dice.below(100) {
            0..32 => Kind::Get,
            32..35 => Kind::TwoGets,
            35..38 => Kind::Head,
            38..42 => Kind::Delete,
            42..54 => Kind::SmallPut,
            54..58 => Kind::ChunkedPut,
            58..62 => Kind::LargePut,
            62..64 => Kind::PolitePut,
            64..82 => Kind::Post,
            82..98 => Kind::ChunkedPost,
            _ => Kind::PolitePost,
        }
    }

    fn method(self) -> &'static str {
        match self {
            Kind::Get | Kind::TwoGets => "GET",
            Kind::Head => "HEAD",
            Kind::Delete => "DELETE",
            Kind::SmallPut | Kind::ChunkedPut | Kind::LargePut | Kind::PolitePut => "PUT",
            Kind::Post | Kind::ChunkedPost | Kind::PolitePost => "POST",
        }
    }

    /// The request; each line of its body is its id.
    fn request(self, id: Id, dice: &mut Dice) -> Message {
        let line = format!("{id}\n");
        let lines = match self {
            Kind::Get | Kind::TwoGets | Kind::Head | Kind::Delete => 0,
            Kind::LargePut => LARGE,
            _ => 1 + dice.below(40),
        };
        let is_chunked = matches!(self, Kind::ChunkedPut | Kind::ChunkedPost);
        let mut fields = match (is_chunked, lines) {
            (true, _) => "Transfer-Encoding: chunked\r\n".to_owned(),
            (false, 0) => String::new(),
            (false, _) => format!("Content-Length: {}\r\n", lines * line.len()),
        };
        if matches!(self, Kind::PolitePut | Kind::PolitePost) {
            fields.push_str("Expect: 100-continue\r\n");
        }
        let (method, route) = (self.method(), dice.below(POOLS));
        let head = format!("{method} /{route}/{id} HTTP/1.1\r\nHost: test.example\r\n{fields}\r\n");
        let body = match is_chunked {
            true => format!("{:x}\r\n{line}\r\n", line.len()).repeat(lines) + "0\r\n\r\n",
            false => line.repeat(lines),
        };
        Message { head, body }
    }
}

/// Some requests one after the other, on one connection for as long as it lasts.
pub(super) fn converse(
    (address, tls): (SocketAddr, Option<&TlsClient>),
    (seed, run): (u64, u64),
    ledger: &Ledger,
    tally: &Tally,
) {
    let connect = || match tls {
        None => Client::connect(address),
        Some(tls) => Client::secure(address, tls),
    };
    let mut dice = Dice::new(seed);
    let mut connection = None;
    for number in 0..=dice.below(8) as u64 {
        let id = Id { seed, number, run };
        let client = connection.take().unwrap_or_else(connect);
        connection = exchange(client, id, &mut dice, ledger, tally);
    }
}

/// One request, or two at once; the connection, if it lasts.
fn exchange(mut client: Client, id: Id, dice: &mut Dice, ledger: &Ledger, tally: &Tally) -> Option<Client> {
    let kind = Kind::roll(dice);
    let message = kind.request(id, dice);
    let second = Id { number: id.number + 100, ..id };
    let (leaves, pauses) = (dice.chance(4), dice.chance(10));
    let pause = Duration::from_millis(dice.below(8) as u64);
    if leaves {
        let bytes = message.head + &message.body;
        let sent = if dice.chance(50) { dice.below(bytes.len() + 1) } else { bytes.len() };
        // Whatever becomes of it.
        let _ = client.try_send(&bytes.as_bytes()[..sent]);
        wait::pause(pause);
        count(&tally.left);
        return None;
    }
    match kind {
        Kind::PolitePut | Kind::PolitePost => {
            let _ = client.try_send(message.head.as_bytes());
            let interim = client.try_response(kind.method());
            let is_asked = interim.as_ref().is_ok_and(|response| response.status == 100);
            if !is_asked {
                // What was not asked for is not sent, so the connection is of no use any more.
                take(interim, kind, id, ledger, tally);
                return None;
            }
            let _ = client.try_send(message.body.as_bytes());
        }
        Kind::TwoGets => {
            let behind = Kind::Get.request(second, dice);
            let _ = client.try_send((message.head + &behind.head).as_bytes());
        }
        _ => {
            let bytes = (message.head + &message.body).into_bytes();
            let cut = dice.below(bytes.len() + 1);
            // What is answered early need not be taken whole.
            let _ = client.try_send(&bytes[..cut]).and_then(|()| {
                wait::pause(if pauses { pause } else { Duration::ZERO });
                client.try_send(&bytes[cut..])
            });
        }
    }
    let lasts = answer(&mut client, kind, id, ledger, tally)?;
    if kind == Kind::TwoGets && lasts {
        return answer(&mut client, kind, second, ledger, tally)?.then_some(client);
    }
    lasts.then_some(client)
}

/// Reads the final answer to `id`; whether the connection lasts, `None` if it broke.
fn answer(client: &mut Client, kind: Kind, id: Id, ledger: &Ledger, tally: &Tally) -> Option<bool> {
    loop {
        let response = client.try_response(kind.method());
        let is_interim = response.as_ref().is_ok_and(|response| response.status < 200);
        if !is_interim {
            return take(response, kind, id, ledger, tally);
        }
    }
}

fn take(
    response: std::io::Result<Response>,
    kind: Kind,
    id: Id,
    ledger: &Ledger,
    tally: &Tally,
) -> Option<bool> {
    match response {
        Ok(response) => {
            judge(&response, kind, id, ledger, tally);
            Some(!response.closes())
        }
        Err(error) if matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset) => {
            let is_silent = error.to_string().contains("closed before a response");
            assert!(!is_silent, "{kind:?} {id} got no answer at all");
            count(&tally.broken);
            None
        }
        Err(error) => panic!("{kind:?} {id}: {error}"),
    }
}

fn count(of: &AtomicU64) {
    of.fetch_add(1, Ordering::Relaxed);
}

/// A response that looks whole is: from one attempt, and to this request; or it says why there is none.
fn judge(response: &Response, kind: Kind, id: Id, ledger: &Ledger, tally: &Tally) {
    let text = response.text();
    let Some(tag) = response.field("x-answer") else {
        return judge_own(response, kind, id, tally);
    };
    assert!(tag.starts_with(&format!("{id} ")), "{id} got the answer {tag}");
    let delivery: u32 = tag
        .split_once("delivery=")
        .and_then(|(_, rest)| rest.trim_end_matches(';').parse().ok())
        .unwrap_or_else(|| panic!("{id} got a broken tag: {tag}"));
    assert!(delivery <= ledger.delivered(id), "{id} got an answer to a delivery that never was");
    count(if response.status == 200 { &tally.answered } else { &tally.relayed });
    if kind == Kind::Head {
        return;
    }
    let inner = text.strip_prefix(tag).and_then(|rest| rest.strip_suffix(tag));
    let is_own = inner.is_some_and(|filler| filler.bytes().all(|byte| byte == b'x'));
    let shown = &text[..text.len().min(300)];
    assert!(is_own, "{id}: a body that is not of {tag} from end to end, {} bytes: {shown}", text.len());
}

/// An answer of evenkeel's own has a cause, in the body and in `Proxy-Status`.
fn judge_own(response: &Response, kind: Kind, id: Id, tally: &Tally) {
    let (status, text) = (response.status, response.text());
    assert!((500..600).contains(&status), "{id} got {status}: {text}");
    let lines = response.fields("proxy-status");
    let items = structured::list(&lines).unwrap_or_else(|fault| panic!("{id}: {fault}"));
    let details = items.last().and_then(|item| item.text("details")).unwrap_or_default();
    let token = details.split([':', ';']).next().unwrap_or_default();
    let is_told = kind == Kind::Head || text.starts_with(&format!("{status} {token}: "));
    assert!(!token.is_empty() && is_told, "{id}: {status} without one cause: {lines:?}, {text}");
    count(&tally.told);
}
