//! A crowd of clients that keeps asking while a test breaks things, and remembers every failure.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::client::Client;
use crate::tls_client::TlsClient;
use crate::wait;

/// What the clients do.
#[derive(Clone)]
pub struct Load {
    /// Where to.
    pub address: SocketAddr,
    /// Connections at once.
    pub connections: usize,
    /// What is asked for, in turn.
    pub paths: Vec<String>,
    /// Between the requests of one connection.
    pub pace: Duration,
    /// Whether each request has a connection of its own.
    pub is_fresh: bool,
    /// Whether it posts a few bytes, rather than to GET.
    pub is_post: bool,
    /// What it speaks TLS with, if it does.
    pub tls: Option<TlsClient>,
}

/// A running crowd.
pub struct Crowd {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    stopped: AtomicBool,
    answered: AtomicU64,
    failures: Mutex<Vec<String>>,
}

impl Load {
    /// 64 keep-alive connections, each with about twenty requests a second, over several paths.
    pub fn on(address: SocketAddr) -> Load {
        Load {
            address,
            connections: 64,
            paths: ["/", "/a", "/b/c", "/static/app.js", "/api/v1/items?page=2"].map(str::to_owned).to_vec(),
            pace: Duration::from_millis(50),
            is_fresh: false,
            is_post: false,
            tls: None,
        }
    }

    /// Starts the clients.
    pub fn start(self) -> Crowd {
        let shared = Arc::new(Shared::default());
        let client = |index: usize| {
            let (load, shared) = (self.clone(), shared.clone());
            std::thread::spawn(move || load.run(index, &shared))
        };
        Crowd { threads: (0..self.connections).map(client).collect(), shared: shared.clone() }
    }

    fn run(&self, index: usize, shared: &Shared) {
        let mut connection = None;
        let mut turn = index;
        while !shared.stopped.load(Ordering::Acquire) {
            let path = &self.paths[turn % self.paths.len()];
            let begun = Instant::now();
            match self.ask(&mut connection, path) {
                Ok(()) => drop(shared.answered.fetch_add(1, Ordering::AcqRel)),
                Err(why) => {
                    connection = None;
                    let method = if self.is_post { "POST" } else { "GET" };
                    let text = format!("client {index}, {method} {path}, after {:?}: {why}", begun.elapsed());
                    shared.failures.lock().unwrap().push(text);
                }
            }
            turn += 1;
            wait::pause(self.pace);
        }
    }

    fn connect(&self) -> io::Result<Client> {
        match &self.tls {
            None => Client::try_connect(self.address),
            Some(tls) => Client::try_secure(self.address, tls),
        }
    }

    fn ask(&self, connection: &mut Option<Client>, path: &str) -> Result<(), String> {
        let mut client = match connection.take() {
            Some(client) => client,
            None => self.connect().map_err(|error| format!("connect: {error}"))?,
        };
        let response = if self.is_post { client.try_post(path, b"order") } else { client.try_get(path) };
        let response = response.map_err(|error| error.to_string())?;
        if response.status != 200 {
            return Err(format!("{}\n{}", response.head, response.text()));
        }
        // A server may end a connection after a response that says so.
        if !response.closes() && !self.is_fresh {
            *connection = Some(client);
        }
        Ok(())
    }
}

impl Crowd {
    /// Requests answered with 200 so far.
    pub fn answered(&self) -> u64 {
        self.shared.answered.load(Ordering::Acquire)
    }

    /// Failures so far.
    pub fn failures(&self) -> Vec<String> {
        self.shared.failures.lock().unwrap().clone()
    }

    /// Waits until this many more requests have been answered.
    #[track_caller]
    pub fn wait_for(&self, more: u64) {
        let goal = self.answered() + more;
        wait::until_true(Duration::from_secs(60), "requests to be answered", || self.answered() >= goal);
    }

    /// Ends the load; panics unless every request was answered.
    #[track_caller]
    pub fn expect_no_failure(self) -> u64 {
        let answered = self.end();
        let failures = self.failures();
        let shown = failures.iter().take(5).cloned().collect::<Vec<_>>();
        assert!(
            failures.is_empty(),
            "{} of {} requests failed:\n{}",
            failures.len(),
            failures.len() as u64 + answered,
            shown.join("\n")
        );
        answered
    }

    fn end(&self) -> u64 {
        self.shared.stopped.store(true, Ordering::Release);
        wait::until_true(Duration::from_secs(30), "the clients to end", || {
            self.threads.iter().all(JoinHandle::is_finished)
        });
        self.answered()
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Release);
    }
}
