//! Clients that ask all kinds of requests, sometimes leave, and look closely at what they get.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use evenkeel_tests::client::Client;
use evenkeel_tests::mutate::Dice;
use evenkeel_tests::response::Response;
use evenkeel_tests::structured;
use evenkeel_tests::wait;

use super::ledger::{Id, Ledger, Tally};

/// Lines of a body that is larger than what is kept for a second attempt.
const LARGE: usize = 5_000;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Get,
    Delete,
    SmallPut,
    LargePut,
    Post,
    ChunkedPost,
}

impl Kind {
    fn roll(dice: &mut Dice) -> Kind {
        match dice.below(100) {
            0..35 => Kind::Get,
            35..40 => Kind::Delete,
            40..57 => Kind::SmallPut,
            57..62 => Kind::LargePut,
            62..82 => Kind::Post,
            _ => Kind::ChunkedPost,
        }
    }

    fn method(self) -> &'static str {
        match self {
            Kind::Get => "GET",
            Kind::Delete => "DELETE",
            Kind::SmallPut | Kind::LargePut => "PUT",
            Kind::Post | Kind::ChunkedPost => "POST",
        }
    }

    /// The request's bytes; each line of its body is its id.
    fn request(self, id: Id, dice: &mut Dice) -> Vec<u8> {
        let line = format!("{id}\n");
        let lines = match self {
            Kind::Get | Kind::Delete => 0,
            Kind::SmallPut | Kind::Post | Kind::ChunkedPost => 1 + dice.below(40),
            Kind::LargePut => LARGE,
        };
        let framing = match (self, lines) {
            (Kind::ChunkedPost, _) => "Transfer-Encoding: chunked\r\n".to_owned(),
            (_, 0) => String::new(),
            _ => format!("Content-Length: {}\r\n", lines * line.len()),
        };
        let (method, route) = (self.method(), dice.below(4));
        let mut request = format!("{method} /{route}/{id} HTTP/1.1\r\nHost: test.example\r\n{framing}\r\n");
        match self {
            Kind::ChunkedPost => {
                for _ in 0..lines {
                    request.push_str(&format!("{:x}\r\n{line}\r\n", line.len()));
                }
                request.push_str("0\r\n\r\n");
            }
            _ => request.push_str(&line.repeat(lines)),
        }
        request.into_bytes()
    }
}

/// Some requests one after the other, on one connection for as long as it lasts.
pub(super) fn converse(address: SocketAddr, (seed, run): (u64, u64), ledger: &Ledger, tally: &Tally) {
    let mut dice = Dice::new(seed);
    let mut connection = None;
    for number in 0..=dice.below(8) as u64 {
        let id = Id { seed, number, run };
        let kind = Kind::roll(&mut dice);
        let bytes = kind.request(id, &mut dice);
        let (leaves, cut) = (dice.chance(4), dice.below(bytes.len() + 1));
        let pause = Duration::from_millis(dice.below(8) as u64);
        let mut client = connection.take().unwrap_or_else(|| Client::connect(address));
        if leaves {
            let sent = if dice.chance(50) { cut } else { bytes.len() };
            // Whatever becomes of it.
            let _ = client.try_send(&bytes[..sent]);
            wait::pause(pause);
            count(&tally.left);
            continue;
        }
        // What is answered early need not be taken whole.
        let _ = client.try_send(&bytes[..cut]).and_then(|()| client.try_send(&bytes[cut..]));
        match client.try_response(kind.method()) {
            Ok(response) => {
                judge(&response, id, ledger, tally);
                connection = (!response.closes()).then_some(client);
            }
            Err(error) if matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset) => {
                let is_silent = error.to_string().contains("closed before a response");
                assert!(!is_silent, "{kind:?} {id} got no answer at all");
                count(&tally.broken);
            }
            Err(error) => panic!("{kind:?} {id}: {error}"),
        }
    }
}

fn count(of: &AtomicU64) {
    of.fetch_add(1, Ordering::Relaxed);
}

/// A response that looks whole is: from one attempt, and to this request; or it says why there is none.
fn judge(response: &Response, id: Id, ledger: &Ledger, tally: &Tally) {
    let text = response.text();
    let Some(tag) = response.field("x-answer") else {
        return judge_own(response, id, &text, tally);
    };
    assert!(tag.starts_with(&format!("{id} ")), "{id} got the answer {tag}");
    let delivery: u32 = tag
        .split_once("delivery=")
        .and_then(|(_, rest)| rest.trim_end_matches(';').parse().ok())
        .unwrap_or_else(|| panic!("{id} got a broken tag: {tag}"));
    assert!(delivery <= ledger.delivered(id), "{id} got an answer to a delivery that never was");
    let inner = text.strip_prefix(tag).and_then(|rest| rest.strip_suffix(tag));
    let is_own = inner.is_some_and(|filler| filler.bytes().all(|byte| byte == b'x'));
    let shown = &text[..text.len().min(300)];
    assert!(is_own, "{id}: a body that is not of {tag} from end to end, {} bytes: {shown}", text.len());
    count(if response.status == 200 { &tally.answered } else { &tally.relayed });
}

/// An answer of evenkeel's own has a cause, in the body and in `Proxy-Status`.
fn judge_own(response: &Response, id: Id, text: &str, tally: &Tally) {
    let status = response.status;
    assert!((500..600).contains(&status), "{id} got {status}: {text}");
    let lines = response.fields("proxy-status");
    let items = structured::list(&lines).unwrap_or_else(|fault| panic!("{id}: {fault}"));
    let details = items.last().and_then(|item| item.text("details")).unwrap_or_default();
    let token = details.split([':', ';']).next().unwrap_or_default();
    let is_told = !token.is_empty() && text.starts_with(&format!("{status} {token}: "));
    assert!(is_told, "{id}: {status} without one cause: {lines:?}, {text}");
    count(&tally.told);
}
