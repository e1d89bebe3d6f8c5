//! What an operator decided about health; durations are positive, counts at least one.

use std::ops::RangeInclusive;
use std::time::Duration;

use evenkeel_model::{Address, ProbeFailure};

/// A pool's health rules.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// Active checks; `None` sends none.
    pub probe: Option<Probe>,
    /// Ejection on traffic; `None` never ejects on traffic.
    pub eject: Option<Eject>,
    /// How long a backend's share grows after it came into service; zero gives it whole at once.
    pub slow_start: Duration,
    /// How a backend begins.
    pub initial: Initial,
}

/// How a backend begins, when evenkeel starts or when a reload adds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Initial {
    /// In service, as if proven: `probe.fall` failures take it out.
    Serving,
    /// In service, until its first failed probe.
    #[default]
    Unproven,
    /// Out of service, until `probe.rise` probes passed, or a trial where there is no probe.
    Ejected,
}

/// How a backend is probed.
#[derive(Clone, Debug, PartialEq)]
pub struct Probe {
    /// What is asked.
    pub kind: ProbeKind,
    /// Where.
    pub target: Target,
    /// Whether it goes in cleartext also to a backend that is spoken to over TLS.
    pub is_cleartext: bool,
    /// Between the starts of two probes, before jitter.
    pub interval: Duration,
    /// The same while the last result contradicts the phase; at most the interval.
    pub fast_interval: Duration,
    /// By how much of it an interval is longer or shorter, at random. From 0 to 50.
    pub jitter_percent: u32,
    /// Longest wait for the whole answer.
    pub timeout: Duration,
    /// Failures in a row that eject.
    pub fall: u32,
    /// Successes in a row that re-admit.
    pub rise: u32,
}

/// Where a probe goes.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Target {
    /// Where requests go.
    #[default]
    Same,
    /// Another port of the same host. Not for a Unix socket.
    Port(u16),
    /// Somewhere else.
    Address(Address),
}

/// What a probe asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeKind {
    /// An HTTP request.
    Http(HttpProbe),
    /// A connection, and perhaps a few bytes.
    Tcp(TcpProbe),
}

/// An HTTP request whose answer decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpProbe {
    /// A token, as sent.
    pub method: Box<str>,
    /// Origin form, beginning with a slash.
    pub path: Box<str>,
    /// The `Host` field; `None`: the backend's address as written, `localhost` for a Unix socket.
    pub host: Option<Box<str>>,
    /// Further fields, name and value.
    pub headers: Box<[(Box<str>, Box<str>)]>,
    /// Statuses that pass; at least one.
    pub statuses: Box<[RangeInclusive<u16>]>,
    /// Statuses by which the backend asks to be drained for as long as it answers with one.
    pub drain_statuses: Box<[RangeInclusive<u16>]>,
    /// A text that has to stand in the first 64 KiB of the body.
    pub body: Option<Box<str>>,
}

/// A connection; empty bytes send nothing, or expect nothing.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct TcpProbe {
    /// What is sent once it stands.
    pub send: Box<[u8]>,
    /// What the reply has to begin with.
    pub expect: Box<[u8]>,
}

/// When traffic ejects a backend.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Eject {
    /// Strikes in a row.
    pub consecutive: u32,
    /// Share of failed requests within the window, in percent; `None`: never for that.
    pub rate_percent: Option<u32>,
    /// Share of requests answered with 502, 503 or 504 within the window, in percent; `None`: never for that.
    pub gateway_percent: Option<u32>,
    /// From how many requests within the window a share says something.
    pub minimum_requests: u32,
    /// The sliding window. Also how long a failed request is remembered that may have been to blame itself.
    pub window: Duration,
    /// Whether an answer of 500 is a failure.
    pub count_500: bool,
    /// How many standard deviations below the pool's mean a share of successes is too low, in tenths; `None`: never for
    /// that.
    pub deviation_tenths: Option<u32>,
    /// How many times the others' usual time to a response head is too slow; `None`: never for that.
    pub latency_factor: Option<u32>,
    /// First wait before a trial.
    pub wait: Duration,
    /// Longest wait; each failed trial doubles it. Also how long a good run takes to be forgiven.
    pub longest_wait: Duration,
    /// By how much of it a wait is longer, at most, at random. From 0 to 100.
    pub jitter_percent: u32,
    /// Trial successes in a row that re-admit.
    pub trial: u32,
    /// Share of a pool that traffic alone never takes out of service, in percent; one backend stays in any case.
    pub keep_percent: u32,
}

/// What came of one probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeResult {
    /// It passed.
    Passed,
    /// It is well, and asks to be drained.
    Drains,
    /// It answered 429: neither well nor ill, and asked too often.
    TooOften,
    /// It failed.
    Failed(ProbeFailure),
}

impl Policy {
    /// Whether nothing could take a backend out of service, or bring it back.
    pub(crate) fn is_off(&self) -> bool {
        self.probe.is_none() && self.eject.is_none()
    }
}

impl Default for Policy {
    fn default() -> Self {
        Policy {
            probe: None,
            eject: Some(Eject::default()),
            slow_start: Duration::from_secs(10),
            initial: Initial::default(),
        }
    }
}

impl Probe {
    /// The fast interval where none is written.
    pub fn usual_fast_interval(interval: Duration) -> Duration {
        (interval / 4).max(Duration::from_millis(50)).min(interval)
    }
}

impl Default for Probe {
    fn default() -> Self {
        let interval = Duration::from_secs(2);
        Probe {
            kind: ProbeKind::Tcp(TcpProbe::default()),
            target: Target::default(),
            is_cleartext: false,
            interval,
            fast_interval: Probe::usual_fast_interval(interval),
            jitter_percent: 10,
            timeout: Duration::from_secs(1),
            fall: 3,
            rise: 2,
        }
    }
}

impl HttpProbe {
    /// `GET path`; 200 to 399 passes.
    pub fn get(path: &str) -> Self {
        HttpProbe {
            method: "GET".into(),
            path: path.into(),
            host: None,
            headers: [].into(),
            statuses: [200..=399].into(),
            drain_statuses: [].into(),
            body: None,
        }
    }
}

impl Default for Eject {
    fn default() -> Self {
        Eject {
            consecutive: 3,
            rate_percent: Some(50),
            gateway_percent: Some(25),
            minimum_requests: 20,
            window: Duration::from_secs(10),
            count_500: false,
            deviation_tenths: None,
            latency_factor: None,
            wait: Duration::from_secs(10),
            longest_wait: Duration::from_secs(300),
            jitter_percent: 10,
            trial: 2,
            keep_percent: 50,
        }
    }
}
