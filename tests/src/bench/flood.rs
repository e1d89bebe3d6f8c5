//! A flood of handshakes, and what it does to a client that is there already.
//!
//! The flood's thread has the lowest priority on its core, so that the client's own waits are those for the proxy.

use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use evenkeel_tests::nonblocking::is_not_yet;
use evenkeel_tests::process::cpu_nanoseconds;
use evenkeel_tests::wait;
use rustix::event::Timespec;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::fd::OwnedFd;

use crate::backends::Backends;
use crate::contestant::Running;
use crate::line::{Line, Scratch};
use crate::quiet::{self, Account};

/// What the row is called.
pub(crate) const NAME: &str = "TLS handshake flood";

/// Handshakes at once.
pub(crate) const IN_FLIGHT: usize = 200;

/// Connections of the client that is there already.
pub(crate) const STEADY: usize = 4;

/// Between two requests on each of them: 200 a second on all.
const PERIOD: Duration = Duration::from_millis(20);

/// How long the flood is on before anything is measured.
const RISE: Duration = Duration::from_millis(500);

/// Longest that the flood waits for anything before it looks whether it is over.
const GLANCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };

/// The client's waits for its answers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waits {
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    pub(crate) longest: Duration,
}

/// One measurement.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measurement {
    pub(crate) alone: Waits,
    pub(crate) beside: Waits,
    /// Handshakes that were done, a second.
    pub(crate) rate: f64,
    /// Handshakes that were cut, a second.
    pub(crate) cut: f64,
    /// The proxy's share of its core under the flood, from 0 to 1.
    pub(crate) busy: f64,
    /// Share of the cores' time that others used meanwhile.
    pub(crate) others: f64,
}

/// How long each half is measured.
pub(crate) fn length(is_quick: bool) -> Duration {
    Duration::from_secs(if is_quick { 1 } else { 5 })
}

/// The client alone, and beside a flood; again if others disturbed it.
pub(crate) fn measure(running: &Running, backends: &Backends, length: Duration) -> Measurement {
    steady(running, length / 5);
    quiet::undisturbed(|| measure_once(running, backends, length), |measurement| measurement.others)
}

fn measure_once(running: &Running, backends: &Backends, length: Duration) -> Measurement {
    let ours = [running.family(), backends.family()].concat();
    let account = Account::of(&ours);
    let alone = steady(running, length);
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let flood = scope.spawn(|| Flood::new(running).run(&is_over));
        // What stands is measured, not its beginning.
        wait::pause(RISE);
        let (begun, before) = (Instant::now(), cpu_nanoseconds(&running.family()));
        let beside = steady(running, length);
        let spent = Duration::from_nanos(cpu_nanoseconds(&running.family()) - before);
        let busy = spent.as_secs_f64() / begun.elapsed().as_secs_f64();
        is_over.store(true, Ordering::Release);
        let [rate, cut] = flood.join().expect("its panic has been printed");
        let others = Account::of(&ours).others_since(&account);
        Measurement { alone, beside, rate, cut, busy, others }
    })
}

/// Requests at a steady pace on connections that are kept.
fn steady(running: &Running, length: Duration) -> Waits {
    let mut waits = std::thread::scope(|scope| {
        let talk = |index: usize| scope.spawn(move || talk(running, index, length));
        let threads: Vec<_> = (0..STEADY).map(talk).collect();
        let waits = threads.into_iter().flat_map(|thread| thread.join().expect("its panic has been printed"));
        waits.collect::<Vec<_>>()
    });
    waits.sort();
    let place = |percent: usize| waits[(waits.len() * percent / 100).min(waits.len() - 1)];
    Waits { p50: place(50), p99: place(99), longest: place(100) }
}

fn talk(running: &Running, index: usize, length: Duration) -> Vec<Duration> {
    let mut client = running.client();
    let begun = Instant::now() + PERIOD * index as u32 / STEADY as u32;
    let requests = length.as_millis() / PERIOD.as_millis();
    let ask = |turn: u128| {
        let due = begun + PERIOD * turn as u32;
        let early = due.saturating_duration_since(Instant::now());
        // A request that is due while the one before is open waits for it: that counts. Waking up late does not.
        let start = if early.is_zero() {
            due
        } else {
            wait::pause(early);
            Instant::now()
        };
        assert_eq!(client.get("/1k").status, 200);
        start.elapsed()
    };
    (0..requests).map(ask).collect()
}

/// Connections that are closed as soon as their handshakes are done, for new ones.
struct Flood<'a> {
    running: &'a Running,
    epoll: OwnedFd,
    lines: Vec<Option<Line>>,
    scratch: Scratch,
    buffer: Vec<u8>,
    done: u64,
    cut: u64,
}

impl Flood<'_> {
    fn new(running: &Running) -> Flood<'_> {
        Flood {
            running,
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC).expect("descriptors left"),
            lines: (0..IN_FLIGHT).map(|_| None).collect(),
            scratch: Scratch::default(),
            buffer: vec![0; 256 * 1024],
            done: 0,
            cut: 0,
        }
    }

    /// Floods until it is over. Returns the handshakes a second that were done, and that were cut.
    fn run(&mut self, is_over: &AtomicBool) -> [f64; 2] {
        rustix::process::setpriority_process(None, 19).expect("anybody may be less important");
        (0..IN_FLIGHT).for_each(|index| self.renew(index));
        let begun = Instant::now();
        let mut events = [MaybeUninit::<epoll::Event>::uninit(); IN_FLIGHT];
        while !is_over.load(Ordering::Acquire) {
            let (ready, _) = epoll::wait(&self.epoll, &mut events, Some(&GLANCE))
                .expect("epoll waits on descriptors that are open");
            for event in ready {
                self.advance(event.data.u64() as usize);
            }
        }
        [self.done, self.cut].map(|count| count as f64 / begun.elapsed().as_secs_f64())
    }

    fn renew(&mut self, index: usize) {
        let clients = self.running.clients.as_ref().expect("a flood is over TLS");
        let line = Line::connect(self.running.address, Some(&clients.full)).expect("the proxy accepts");
        let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        epoll::add(&self.epoll, &line.stream, EventData::new_u64(index as u64), flags)
            .expect("a new descriptor");
        self.lines[index] = Some(line);
    }

    fn advance(&mut self, index: usize) {
        let Some(line) = &mut self.lines[index] else {
            return;
        };
        let ended = line.flush().and_then(|()| match line.read(&mut self.scratch, &mut self.buffer) {
            Ok(_) => Ok(true),
            Err(error) if is_not_yet(&error) => Ok(false),
            Err(error) => Err(error),
        });
        match (line.is_handshaking(), ended) {
            (true, Ok(false)) => return,
            (true, _) => self.cut += 1,
            (false, _) => self.done += 1,
        }
        self.lines[index] = None;
        self.renew(index);
    }
}
