//! Trouble with TLS that comes and goes: handshakes that fail in every way, and ends that are not announced.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use evenkeel_tests::certificates::{Authority, Files, Validity, Wish};
use evenkeel_tests::mutate::{Dice, first_seed};
use evenkeel_tests::tls_backend::{Manner, TlsBackend, TlsServer};
use evenkeel_tests::tls_client::TlsClient;
use evenkeel_tests::wait;
use rustls::AlertDescription;
use tempfile::TempDir;

const NAME: &str = "test.example";

/// Between two changes.
const PACE: Duration = Duration::from_millis(5);

/// Who is believed, and who is not.
pub(super) struct Weather {
    authority: Authority,
    good: TlsServer,
    expired: TlsServer,
    edge: Files,
    folder: TempDir,
}

/// Changes that go on until this is dropped.
pub(super) struct Changes {
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Weather {
    pub(super) fn new() -> Weather {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new("the one that is believed");
        let good = TlsServer::new(&authority.server(&["127.0.0.1"]));
        let expired = Wish::new(&["127.0.0.1"]).validity(Validity::Expired);
        let expired = TlsServer::new(&authority.sign(&expired));
        let edge = authority.server(&[NAME]).write(folder.path(), "edge");
        Weather { authority, good, expired, edge, folder }
    }

    /// One before each backend.
    pub(super) fn before(&self, backends: &[String; 3]) -> Arc<[TlsBackend; 3]> {
        Arc::new(backends.each_ref().map(|address| TlsBackend::before(address, &self.good)))
    }

    /// Keys of a listener, of a pool, and of its timeouts.
    pub(super) fn keys(&self) -> [String; 3] {
        let ca = self.authority.write(self.folder.path(), "ca");
        let both = self.edge.both.display();
        [
            format!(", tls: {{ certificates: [{{ certificate: {both} }}] }}"),
            format!(", tls: {{ ca: {} }}", ca.display()),
            "tls: 150ms, ".to_owned(),
        ]
    }

    pub(super) fn client(&self) -> TlsClient {
        TlsClient::new(&self.authority, NAME).resuming()
    }

    /// Lets all of them change again and again.
    pub(super) fn change(&self, backends: &Arc<[TlsBackend; 3]>) -> Changes {
        let is_over = Arc::new(AtomicBool::new(false));
        let (ends, backends) = (is_over.clone(), backends.clone());
        let (good, expired) = (self.good.clone(), self.expired.clone());
        let thread = std::thread::spawn(move || {
            let mut dice = Dice::new(first_seed().0);
            while !ends.load(Ordering::Acquire) {
                let backend = &backends[dice.below(3)];
                match dice.below(30) {
                    0 => {
                        // What was presented before goes on in sessions that it has given.
                        backend.present(&expired);
                        wait::pause(PACE);
                        backend.present(&good);
                    }
                    1 => backend.set(Manner::Alert(AlertDescription::HandshakeFailure)),
                    2 => backend.set(Manner::plain_http()),
                    3 => backend.set(Manner::Closing),
                    4 => backend.set(Manner::Resetting),
                    5 => backend.set(Manner::Stalling),
                    6..10 => backend.set(Manner::Dripping(1 + dice.below(500))),
                    10..16 => backend.set(Manner::Truncating),
                    _ => backend.set(Manner::Proper),
                }
                wait::pause(PACE);
            }
        });
        Changes { is_over, thread: Some(thread) }
    }
}

impl Drop for Changes {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            // Its panic has been printed.
            let _ = thread.join();
        }
    }
}
