//! Clients in an open loop: a request is sent when it is due, whatever has become of those before it.
//!
//! One thread, one epoll. Connections are kept and used again, as browsers do; and as a browser does, a GET is sent once more
//! if the connection that was kept turned out to be closed. A POST is not, and nobody waits longer than [`PATIENCE`].

mod arrival;
mod conversation;
mod tally;

use std::collections::HashMap;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::event::Timespec;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::fd::OwnedFd;

use self::conversation::{Conversation, Progress};
use crate::response::Response;

pub use arrival::{Arrival, evenly, id, mixed, target};
pub use tally::{Deliveries, Tally, seen_as};

/// How long a client waits for its answer.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// A kept connection is not used after so long: servers close theirs much later.
const KEEP: Duration = Duration::from_secs(5);

/// One request as its client saw it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Seen {
    /// When it was due.
    pub at: Duration,
    /// Whether it is a POST, else a GET.
    pub is_post: bool,
    /// From then to its end.
    pub took: Duration,
    /// How it ended.
    pub end: End,
    /// Whether the client itself sent it again.
    pub is_repeated: bool,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With its own 200.
    Answered,
    /// With a 200 that is an answer to something else.
    Wrong,
    /// With another status.
    Status(u16),
    /// The connection was not made, or ended before the first byte of a response.
    Unanswered,
    /// The response was cut short, or is none.
    Broken,
    /// The client waited no longer.
    Impatient,
}

/// Makes these requests, each at its time after `begun`; what became of each, in their order.
pub fn run(address: SocketAddr, arrivals: &[Arrival], begun: Instant) -> Vec<Seen> {
    run_until(address, arrivals, begun, &AtomicBool::new(false))
}

/// As [`run`], but begins no more requests once `is_over`: what became of those that it had begun.
pub fn run_until(
    address: SocketAddr,
    arrivals: &[Arrival],
    begun: Instant,
    is_over: &AtomicBool,
) -> Vec<Seen> {
    let mut crowd = Crowd {
        address,
        arrivals,
        begun,
        epoll: epoll::create(epoll::CreateFlags::CLOEXEC).expect("descriptors left"),
        conversations: HashMap::new(),
        newest: 0,
        kept: Vec::new(),
        started: 0,
        oldest: 0,
        at_work: vec![None; arrivals.len()],
        repeated: vec![false; arrivals.len()],
        seen: vec![None; arrivals.len()],
    };
    while let Some(next) = crowd.start_and_give_up() {
        crowd.wait(next);
        if is_over.load(Ordering::Acquire) {
            crowd.arrivals = &arrivals[..crowd.started];
        }
    }
    let ended = crowd.seen.into_iter().take(crowd.started);
    ended.map(|seen| seen.expect("every request that was begun has ended")).collect()
}

struct Crowd<'a> {
    address: SocketAddr,
    arrivals: &'a [Arrival],
    begun: Instant,
    epoll: OwnedFd,
    conversations: HashMap<u64, Conversation>,
    /// Of the names of conversations, the one given last.
    newest: u64,
    /// Idle ones, the last used last; some are gone by now.
    kept: Vec<u64>,
    /// Requests before this one have been started.
    started: usize,
    /// Requests before this one have ended.
    oldest: usize,
    /// The conversation of each request that is being made.
    at_work: Vec<Option<u64>>,
    repeated: Vec<bool>,
    seen: Vec<Option<Seen>>,
}

impl Crowd<'_> {
    /// Starts what is due, gives up what has waited too long; when there is something to do again, if ever.
    fn start_and_give_up(&mut self) -> Option<Instant> {
        while let Some(arrival) = self.arrivals.get(self.started)
            && self.begun + arrival.at <= Instant::now()
        {
            self.started += 1;
            self.start(self.started - 1, true);
        }
        while self.oldest < self.started {
            if self.seen[self.oldest].is_none() {
                if Instant::now() < self.deadline(self.oldest) {
                    break;
                }
                self.end(self.oldest, End::Impatient);
            }
            self.oldest += 1;
        }
        let due = self.arrivals.get(self.started).map(|arrival| self.begun + arrival.at);
        let deadline = (self.oldest < self.started).then(|| self.deadline(self.oldest));
        due.into_iter().chain(deadline).min()
    }

    fn deadline(&self, id: usize) -> Instant {
        self.begun + self.arrivals[id].at + PATIENCE
    }

    /// Sends a request, on a connection that was kept if it may be one.
    fn start(&mut self, id: usize, may_be_kept: bool) {
        let kept = if may_be_kept { self.take_kept() } else { None };
        let Some(name) = kept.or_else(|| self.connect()) else {
            return self.end(id, End::Unanswered);
        };
        self.at_work[id] = Some(name);
        let conversation = self.conversations.get_mut(&name).expect("it was just found or made");
        conversation.ask(id, request(id, self.arrivals[id]));
        self.advance(name);
    }

    fn take_kept(&mut self) -> Option<u64> {
        while let Some(name) = self.kept.pop() {
            let Some(conversation) = self.conversations.get_mut(&name) else { continue };
            if conversation.idle_since.elapsed() < KEEP && conversation.is_silent() {
                return Some(name);
            }
            self.conversations.remove(&name);
        }
        None
    }

    fn connect(&mut self) -> Option<u64> {
        let conversation = Conversation::connect(self.address).ok()?;
        self.newest += 1;
        let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        epoll::add(&self.epoll, &conversation.stream, EventData::new_u64(self.newest), flags)
            .expect("a new descriptor");
        self.conversations.insert(self.newest, conversation);
        Some(self.newest)
    }

    fn wait(&mut self, until: Instant) {
        let longest = until.saturating_duration_since(Instant::now());
        let longest = Timespec::try_from(longest).expect("seconds at most");
        let mut events = [MaybeUninit::<epoll::Event>::uninit(); 64];
        let (ready, _) = epoll::wait(&self.epoll, &mut events, Some(&longest))
            .expect("epoll waits on descriptors that are open");
        for event in ready {
            self.advance(event.data.u64());
        }
    }

    fn advance(&mut self, name: u64) {
        let Some(conversation) = self.conversations.get_mut(&name) else { return };
        let Some(id) = conversation.asked else {
            if !conversation.is_silent() {
                self.conversations.remove(&name);
            }
            return;
        };
        match conversation.advance() {
            Progress::Waits => {}
            Progress::Answered(response) => {
                let end = end(id, self.arrivals[id], &response);
                if end == End::Answered && !response.closes() {
                    self.keep(name);
                }
                self.end(id, end);
            }
            Progress::Unanswered if conversation.is_used && !self.arrivals[id].is_post => {
                self.conversations.remove(&name);
                self.repeated[id] = true;
                self.start(id, false);
            }
            Progress::Unanswered => self.end(id, End::Unanswered),
            Progress::Broken => self.end(id, End::Broken),
        }
    }

    fn keep(&mut self, name: u64) {
        let conversation = self.conversations.get_mut(&name).expect("it has just answered");
        conversation.asked = None;
        conversation.idle_since = Instant::now();
        conversation.is_used = true;
        self.kept.push(name);
    }

    /// Remembers how a request ended; a connection that still works for it is closed.
    fn end(&mut self, id: usize, end: End) {
        if let Some(name) = self.at_work[id].take()
            && self.conversations.get(&name).is_some_and(|conversation| conversation.asked == Some(id))
        {
            self.conversations.remove(&name);
        }
        let Arrival { at, is_post, path: _ } = self.arrivals[id];
        let took = (self.begun + at).elapsed();
        self.seen[id] = Some(Seen { at, is_post, took, end, is_repeated: self.repeated[id] });
    }
}

fn request(id: usize, arrival: Arrival) -> Vec<u8> {
    let target = target(id, arrival.path);
    let common = "Host: test.example\r\nUser-Agent: compare\r\nAccept: */*\r\n";
    match arrival.is_post {
        false => format!("GET {target} HTTP/1.1\r\n{common}\r\n").into_bytes(),
        true => {
            let body = format!("order={id}");
            let length = body.len();
            format!("POST {target} HTTP/1.1\r\n{common}Content-Length: {length}\r\n\r\n{body}").into_bytes()
        }
    }
}

fn end(id: usize, arrival: Arrival, response: &Response) -> End {
    match response.status {
        200 if response.text().trim_end() == target(id, arrival.path) => End::Answered,
        200 => End::Wrong,
        status => End::Status(status),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;
    use crate::backend::{Backend, Next, Script};

    fn run_before(script: Script, methods: &str) -> Vec<Seen> {
        let backend = Backend::start("a", script);
        let arrival = |(index, method)| Arrival {
            at: Duration::from_millis(20 * index as u64),
            is_post: method == 'P',
            path: "/",
        };
        let arrivals: Vec<_> = methods.chars().enumerate().map(arrival).collect();
        run(backend.address().parse().unwrap(), &arrivals, Instant::now())
    }

    fn ends(seen: &[Seen]) -> Vec<End> {
        seen.iter().map(|one| one.end).collect()
    }

    fn answer_with_target() -> Script {
        Script::custom(|request, socket| answer(&request.target, socket))
    }

    fn answer(target: &str, socket: &mut socket2::Socket) -> std::io::Result<Next> {
        let length = target.len();
        let text = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{target}");
        std::io::Write::write_all(socket, text.as_bytes())?;
        Ok(Next::Continue)
    }

    /// Answers the first request of a connection, and closes it at the second.
    fn close_at_the_second() -> Script {
        let count = AtomicUsize::new(0);
        Script::custom(move |request, socket| match count.fetch_add(1, Ordering::AcqRel) % 2 {
            0 => answer(&request.target, socket),
            _ => Ok(Next::Close),
        })
    }

    #[test]
    fn each_request_has_its_own_answer() {
        let seen = run_before(answer_with_target(), "GGGGP");
        assert_eq!(ends(&seen), [End::Answered; 5]);
        assert_eq!(
            seen.iter().map(|one| one.is_post).collect::<Vec<_>>(),
            [false, false, false, false, true]
        );
    }

    #[test]
    fn no_request_is_begun_once_it_is_over() {
        let backend = Backend::start("a", answer_with_target());
        let arrivals = mixed(evenly(60.0, 100.0));
        let is_over = AtomicBool::new(false);
        let seen = std::thread::scope(|scope| {
            scope.spawn(|| {
                crate::wait::until_true(Duration::from_secs(5), "a few requests", || {
                    backend.requests().len() > 3
                });
                is_over.store(true, Ordering::Release);
            });
            run_until(backend.address().parse().unwrap(), &arrivals, Instant::now(), &is_over)
        });
        assert!(seen.len() > 3 && seen.len() < arrivals.len(), "{}", seen.len());
    }

    #[test]
    fn somebody_elses_answer_is_none() {
        let wrong = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n/?id=9".to_vec();
        assert_eq!(ends(&run_before(Script::Reply(wrong), "G")), [End::Wrong]);
        assert_eq!(ends(&run_before(Script::Status(503), "GP")), [End::Status(503); 2]);
    }

    #[test]
    fn a_get_is_repeated_once_where_a_browser_would_and_a_post_never() {
        let seen = run_before(close_at_the_second(), "GGP");
        assert_eq!(ends(&seen), [End::Answered, End::Answered, End::Unanswered]);
        assert_eq!(seen.iter().map(|one| one.is_repeated).collect::<Vec<_>>(), [false, true, false]);
        // A connection that has answered nothing yet is no reason to try again.
        assert_eq!(ends(&run_before(Script::CloseOnRequest, "G")), [End::Unanswered]);
    }
}
