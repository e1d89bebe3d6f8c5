//! What clients that are slow on purpose do to the others: the p99 of normal requests alone, and beside them.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use evenkeel_tests::client::Client;
use evenkeel_tests::wait;

use crate::cases::Case;
use crate::contestant::Running;
use crate::generator;

/// What the row is called.
pub(crate) const NAME: &str = "slow clients";

/// Clients with half a head, and as many with half a body.
pub(crate) const HALF: usize = 500;
/// Clients that ask for much and read nothing.
pub(crate) const READERS: usize = 100;

/// How often each of those with half a message sends a byte.
const EVERY: Duration = Duration::from_secs(5);

/// Slow clients, until dropped.
struct Slow {
    stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// The p99 of a case, alone and beside slow clients.
pub(crate) fn measure(running: &Running, case: &Case) -> [Duration; 2] {
    generator::run(running, case, case.requests / 10);
    let alone = generator::run(running, case, case.requests).p99;
    let slow = Slow::start(running.address);
    // What stands is measured, not its beginning.
    wait::pause(Duration::from_secs(1));
    let beside = generator::run(running, case, case.requests).p99;
    drop(slow);
    [alone, beside]
}

impl Slow {
    fn start(address: SocketAddr) -> Slow {
        let many = |count: usize, bytes: &[u8]| -> Vec<Client> {
            let begin = |_| {
                let mut client = Client::narrow(address);
                client.send(bytes);
                client
            };
            (0..count).map(begin).collect()
        };
        let mut half = many(HALF, b"GET /1k HTTP/1.1\r\nHost: bench.example\r\nX-Slow: ");
        half.extend(many(
            HALF,
            b"POST /post HTTP/1.1\r\nHost: bench.example\r\nContent-Length: 100000\r\n\r\nslow",
        ));
        let readers = many(READERS, &b"GET /100k HTTP/1.1\r\nHost: bench.example\r\n\r\n".repeat(40));
        let stopped = Arc::new(AtomicBool::new(false));
        let until = stopped.clone();
        let thread = std::thread::spawn(move || {
            while !until.load(Ordering::Acquire) {
                for client in &mut half {
                    // One that was cut takes no more.
                    let _ = client.stream().write_all(b"x");
                    wait::pause(EVERY / (2 * HALF) as u32);
                }
            }
            drop(readers);
        });
        Slow { stopped, thread: Some(thread) }
    }
}

impl Drop for Slow {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            // Its panic has been printed.
            let _ = thread.join();
        }
    }
}
