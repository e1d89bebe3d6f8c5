//! Backends that close connections at the worst moment, and note what they were sent.

use std::collections::HashSet;
use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use evenkeel_tests::mutate::Dice;
use evenkeel_tests::raw::{Connection, RawBackend};
use evenkeel_tests::request::Request;
use evenkeel_tests::wait;

/// When a backend closes a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Habit {
    /// When it has been idle for so long.
    AfterIdling(Duration),
    /// Sometimes, when the next request has just arrived.
    AsARequestArrives,
    /// Right behind every so manyth response, with a FIN.
    FinAfterEvery(usize),
    /// Right behind every so manyth response, with a reset.
    ResetAfterEvery(usize),
    /// When it has been idle for a second, and says so.
    Announcing,
}

/// What was sent to a backend.
pub(super) struct Notes {
    posts: Mutex<HashSet<String>>,
    twice: Mutex<Vec<String>>,
    /// Longest idle times of connections on which a GET and a POST came.
    oldest: Mutex<(Duration, Duration)>,
}

impl Notes {
    pub(super) fn new() -> Arc<Notes> {
        Arc::new(Notes { posts: Mutex::default(), twice: Mutex::default(), oldest: Mutex::default() })
    }

    fn note(&self, request: &Request, idle: Duration) {
        let mut oldest = self.oldest.lock().unwrap();
        if request.method != "POST" {
            oldest.0 = oldest.0.max(idle);
            return;
        }
        oldest.1 = oldest.1.max(idle);
        if !self.posts.lock().unwrap().insert(request.target.clone()) {
            self.twice.lock().unwrap().push(request.target.clone());
        }
    }

    /// POSTs that were delivered more than once.
    pub(super) fn twice(&self) -> Vec<String> {
        self.twice.lock().unwrap().clone()
    }

    pub(super) fn oldest(&self) -> (Duration, Duration) {
        *self.oldest.lock().unwrap()
    }

    pub(super) fn forget_ages(&self) {
        *self.oldest.lock().unwrap() = Default::default();
    }
}

pub(super) fn start(habit: Habit, notes: &Arc<Notes>) -> RawBackend {
    let notes = notes.clone();
    RawBackend::start(move |connection| serve(connection, habit, &notes))
}

fn serve(connection: &mut Connection, habit: Habit, notes: &Notes) -> io::Result<()> {
    let longest = match habit {
        Habit::AfterIdling(longest) => longest,
        Habit::Announcing => Duration::from_secs(1),
        Habit::AsARequestArrives | Habit::FinAfterEvery(_) | Habit::ResetAfterEvery(_) => {
            Duration::from_secs(60)
        }
    };
    let mut dice = Dice::new(connection.number as u64);
    let mut since: Option<Instant> = None;
    while let Some(mut request) = connection.head_within(longest)? {
        notes.note(&request, since.map_or(Duration::ZERO, |since| since.elapsed()));
        if habit == Habit::AsARequestArrives && connection.requests > 1 && dice.chance(20) {
            if dice.chance(50) {
                connection.reset()?;
            }
            return end();
        }
        connection.body(&mut request)?;
        if let Habit::AfterIdling(_) = habit {
            // So that requests which come at once need a connection each.
            wait::pause(Duration::from_millis(20));
        }
        let fields = if habit == Habit::Announcing { "Keep-Alive: timeout=1\r\n" } else { "" };
        let body = &request.target;
        connection
            .send(format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: {}\r\n\r\n{body}", body.len()))?;
        since = Some(Instant::now());
        match habit {
            Habit::FinAfterEvery(many) if connection.requests == many => return end(),
            Habit::ResetAfterEvery(many) if connection.requests == many => {
                connection.reset()?;
                return end();
            }
            _ => {}
        }
    }
    Ok(())
}

/// Ends the connection.
fn end() -> io::Result<()> {
    Err(ErrorKind::ConnectionAborted.into())
}
