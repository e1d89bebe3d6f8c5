//! A load generator that costs little: one thread, one epoll, a fixed number of connections in a closed loop.
//!
//! Each response must be a 200 of the expected length; anything else ends the benchmark.

use std::io;
use std::mem::MaybeUninit;
use std::time::{Duration, Instant};

use rustix::event::Timespec;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::fd::OwnedFd;

use evenkeel_tests::nonblocking::is_not_yet;
use evenkeel_tests::tls_client::TlsClient;

use crate::cases::{CONNECTIONS, Case, Connections};
use crate::contestant::Running;
use crate::line::{Line, Scratch};

/// Longest silence of all connections together.
const PATIENCE: Timespec = Timespec { tv_sec: 10, tv_nsec: 0 };

/// What the clients saw.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) elapsed: Duration,
    pub(crate) p99: Duration,
    /// Requests on connections that went on with an earlier session.
    pub(crate) resumed: u64,
}

/// Makes `requests` requests of a case.
pub(crate) fn run(running: &Running, case: &Case, requests: u64) -> Seen {
    let tls = running.clients.as_ref().map(|clients| match case.connections {
        Connections::Kept | Connections::Fresh => &clients.full,
        Connections::Resumed => &clients.resuming,
    });
    let mut generator = Generator {
        case,
        running,
        tls,
        scratch: Scratch::default(),
        resumed: 0,
        epoll: epoll::create(epoll::CreateFlags::CLOEXEC).expect("descriptors left"),
        buffer: vec![0; 256 * 1024],
        left_to_start: requests,
        latencies: Vec::with_capacity(requests as usize),
    };
    let begun = Instant::now();
    generator.run(requests);
    let elapsed = begun.elapsed();
    let place = generator.latencies.len() * 99 / 100;
    let (_, p99, _) = generator.latencies.select_nth_unstable(place);
    Seen { elapsed, p99: *p99, resumed: generator.resumed }
}

struct Generator<'a> {
    case: &'a Case,
    running: &'a Running,
    tls: Option<&'a TlsClient>,
    scratch: Scratch,
    resumed: u64,
    epoll: OwnedFd,
    buffer: Vec<u8>,
    left_to_start: u64,
    latencies: Vec<Duration>,
}

struct Connection {
    line: Line,
    started: Instant,
    /// Bytes of the request written.
    written: usize,
    /// The response's head, until it is whole.
    head: Vec<u8>,
    /// Bytes of body still to come, once the head is whole.
    left: Option<u64>,
}

/// What a connection needs next.
enum Need {
    Event,
    NextRequest,
    NewConnection,
}

impl Generator<'_> {
    fn run(&mut self, requests: u64) {
        let mut connections: Vec<Option<Connection>> = Vec::new();
        for index in 0..CONNECTIONS {
            connections.push(None);
            self.renew(&mut connections[index], index);
        }
        let mut events = [MaybeUninit::<epoll::Event>::uninit(); CONNECTIONS];
        while (self.latencies.len() as u64) < requests {
            let (ready, _) = epoll::wait(&self.epoll, &mut events, Some(&PATIENCE))
                .expect("epoll waits on descriptors that are open");
            assert!(!ready.is_empty(), "{}: silence", self.case.name);
            for event in ready {
                let index = event.data.u64() as usize;
                self.serve(&mut connections[index], index);
            }
        }
    }

    fn serve(&mut self, slot: &mut Option<Connection>, index: usize) {
        while let Some(connection) = slot {
            let need = self.advance(connection).unwrap_or_else(|error| panic!("{}: {error}", self.case.name));
            match need {
                Need::Event => return,
                Need::NextRequest if self.left_to_start == 0 => *slot = None,
                Need::NextRequest => {
                    self.left_to_start -= 1;
                    connection.begin();
                }
                Need::NewConnection => {
                    *slot = None;
                    self.renew(slot, index);
                }
            }
        }
    }

    /// Opens a connection for the next request, if there is one.
    fn renew(&mut self, slot: &mut Option<Connection>, index: usize) {
        if self.left_to_start == 0 {
            return;
        }
        self.left_to_start -= 1;
        let line = Line::connect(self.running.address, self.tls).expect("the proxy accepts");
        let connection = Connection::new(line);
        let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        epoll::add(&self.epoll, &connection.line.stream, EventData::new_u64(index as u64), flags)
            .expect("a new descriptor");
        *slot = Some(connection);
    }

    fn is_kept(&self) -> bool {
        self.case.connections == Connections::Kept
    }

    fn advance(&mut self, connection: &mut Connection) -> io::Result<Need> {
        connection.line.flush()?;
        while connection.written < self.case.request.len() {
            match connection.line.write(&self.case.request[connection.written..]) {
                Ok(written) => connection.written += written,
                Err(error) if is_not_yet(&error) => return Ok(Need::Event),
                Err(error) => return Err(error),
            }
        }
        loop {
            let read = match connection.line.read(&mut self.scratch, &mut self.buffer) {
                Ok(read) => read,
                Err(error) if is_not_yet(&error) => return Ok(Need::Event),
                Err(error) => return Err(error),
            };
            if read == 0 {
                let is_whole = !self.is_kept() && connection.left == Some(0);
                return is_whole.then_some(Need::NewConnection).ok_or(io::ErrorKind::UnexpectedEof.into());
            }
            if connection.take(&self.buffer[..read], self.case)? {
                self.latencies.push(connection.started.elapsed());
                self.resumed += u64::from(connection.line.is_resumed());
                if self.is_kept() {
                    return Ok(Need::NextRequest);
                }
            }
        }
    }
}

impl Connection {
    fn new(line: Line) -> Connection {
        let head = Vec::with_capacity(1024);
        Connection { line, started: Instant::now(), written: 0, head, left: None }
    }

    fn begin(&mut self) {
        self.started = Instant::now();
        self.written = 0;
        self.head.clear();
        self.left = None;
    }

    /// Takes in bytes of the response; true when it is whole.
    fn take(&mut self, bytes: &[u8], case: &Case) -> io::Result<bool> {
        let body = match self.left {
            Some(_) => bytes.len() as u64,
            None => {
                self.head.extend_from_slice(bytes);
                let Some(end) = self.head.windows(4).position(|four| four == b"\r\n\r\n") else {
                    return Ok(false);
                };
                check(&self.head[..end], case)?;
                self.left = Some(case.body_bytes);
                (self.head.len() - end - 4) as u64
            }
        };
        let left = self.left.unwrap_or(0).checked_sub(body);
        let left = left.ok_or_else(|| io::Error::other("more than the response was sent"))?;
        self.left = Some(left);
        Ok(left == 0)
    }
}

fn check(head: &[u8], case: &Case) -> io::Result<()> {
    let length = format!("content-length: {}", case.body_bytes);
    let text = String::from_utf8_lossy(head).to_ascii_lowercase();
    let is_expected = text.starts_with("http/1.1 200 ") && text.split("\r\n").any(|line| line == length);
    is_expected.then_some(()).ok_or_else(|| io::Error::other(text))
}
