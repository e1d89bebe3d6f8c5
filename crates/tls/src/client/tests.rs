//! Sessions over days, by a clock of the test's own.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use rcgen::date_time_ymd;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::UnixTime;
use rustls::time_provider::TimeProvider;
use rustls::{CertificateError, Error, ServerConfig, SupportedProtocolVersion};

use super::*;
use crate::Session;
use crate::session::tests::{accept, server, shake};

const HOUR: u64 = 60 * 60;

/// The first second of 2030.
const START: u64 = 1_893_456_000;

/// What time a client takes it to be.
#[derive(Debug, Default)]
struct Clock(AtomicU64);

impl TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(self.0.load(SeqCst))))
    }
}

/// A client with a clock, and a server whose certificate ends with the second day.
struct Ends {
    clock: Arc<Clock>,
    dial: Dial,
    server: Arc<ServerConfig>,
}

impl Ends {
    fn new(version: &'static SupportedProtocolVersion, verify: Verify) -> Self {
        let (server, certificate) = server(default_provider(), version, |params| {
            params.not_before = date_time_ymd(2029, 1, 1);
            params.not_after = date_time_ymd(2030, 1, 3);
        });
        let roots = Roots::Given(vec![certificate]);
        let mut client =
            Client::new(ClientParts { roots, verify, pins: Vec::new(), identity: None }).unwrap();
        let clock = Arc::new(Clock(START.into()));
        Arc::get_mut(&mut client).expect("nobody has it yet").config.time_provider = clock.clone();
        let dial = Dial::new(client, "a.test".try_into().unwrap());
        Ends { clock, dial, server }
    }

    /// Whether a connection at that time after the start goes on with an earlier session.
    fn is_resumed_after(&self, seconds: u64) -> Result<bool, Error> {
        self.clock.0.store(START + seconds, SeqCst);
        let (mut client, mut server) = (Session::connect(&self.dial).unwrap(), accept(&self.server));
        shake(&mut client, &mut server).map(|()| client.is_resumed())
    }
}

#[test]
fn a_backend_is_verified_again_each_day_however_often_it_is_spoken_to() {
    for version in [&TLS12, &TLS13] {
        let ends = Ends::new(version, Verify::On);
        for hour in 0..47 {
            let is_resumed = ends.is_resumed_after(hour * HOUR).unwrap();
            assert_eq!(is_resumed, hour % 24 != 0, "{version:?}: hour {hour}");
        }
    }
}

#[test]
fn no_session_outlives_the_certificate_that_was_verified() {
    for version in [&TLS12, &TLS13] {
        let ends = Ends::new(version, Verify::On);
        assert_eq!(ends.is_resumed_after(47 * HOUR), Ok(false));
        assert_eq!(ends.is_resumed_after(48 * HOUR), Ok(true), "its last second");
        let Err(Error::InvalidCertificate(error)) = ends.is_resumed_after(48 * HOUR + 1) else {
            panic!("{version:?}: it was not looked at")
        };
        assert!(matches!(error, CertificateError::Expired | CertificateError::ExpiredContext { .. }));
    }
}

#[test]
fn where_nothing_is_verified_the_end_of_a_certificate_is_nothing() {
    let ends = Ends::new(&TLS13, Verify::Off);
    assert_eq!(ends.is_resumed_after(60 * HOUR), Ok(false));
    assert_eq!(ends.is_resumed_after(61 * HOUR), Ok(true));
}

#[test]
fn what_a_handshake_from_before_brings_is_of_no_use_after_the_day() {
    let ends = Ends::new(&TLS13, Verify::On);
    assert_eq!(ends.is_resumed_after(0), Ok(false));
    ends.clock.0.store(START + 24 * HOUR - 1, SeqCst);
    let (mut early, mut server) = (Session::connect(&ends.dial).unwrap(), accept(&ends.server));
    ends.clock.0.store(START + 24 * HOUR, SeqCst);
    let _next = Session::connect(&ends.dial).unwrap();
    shake(&mut early, &mut server).unwrap();
    assert!(early.is_resumed());
    assert_eq!(ends.is_resumed_after(24 * HOUR), Ok(false));
}

#[test]
fn a_clock_that_was_set_back_makes_no_session_last() {
    let ends = Ends::new(&TLS13, Verify::On);
    assert_eq!(ends.is_resumed_after(25 * HOUR), Ok(false));
    assert_eq!(ends.is_resumed_after(24 * HOUR), Ok(false));
    assert_eq!(ends.is_resumed_after(24 * HOUR + 1), Ok(true));
}
