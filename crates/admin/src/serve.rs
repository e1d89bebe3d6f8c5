//! The admin listener: accepts, bounds every connection in number and in time, and hands it to hyper.
//!
//! It shares a thread with control, so nothing here may wait without a deadline or work for long.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use axum::Router;
use evenkeel_routing::View;
use evenkeel_telemetry::{Registry, ReloadState};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::pages;

/// Most connections at once; more wait in the kernel's queue.
const MOST_CONNECTIONS: usize = 64;
/// Longest wait for a request head, an idle connection's next one included.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest life of a connection; it ends after the response in progress.
const LONGEST_LIFE: Duration = Duration::from_secs(300);
/// How long that response may take.
const LAST_RESPONSE: Duration = Duration::from_secs(10);
/// Pause after an accept that failed, which is nearly always a lack of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(500);
/// Largest request head, in bytes.
const MOST_HEAD_BYTES: usize = 16 * 1024;

/// What the door shows.
#[derive(Clone, Debug)]
pub struct Handles {
    /// What is published.
    pub view: View,
    /// Metrics.
    pub registry: Arc<Registry>,
    /// How the last reload went.
    pub reload: ReloadState,
    /// Whether the process is stopping.
    pub draining: Arc<AtomicBool>,
    /// Listeners by name, with the addresses that are really bound.
    pub listeners: Arc<Mutex<Vec<(String, SocketAddr)>>>,
    /// When the process started.
    pub started: SystemTime,
    /// Of the program.
    pub version: &'static str,
}

/// Serves until the future is dropped, which also ends its connections. Runs inside a tokio runtime.
///
/// Ends with an error only if the socket cannot be used at all.
pub async fn serve(listener: std::net::TcpListener, handles: Handles) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    accept(&listener, &pages::router(handles)).await;
    Ok(())
}

async fn accept(listener: &TcpListener, pages: &Router) {
    let mut connections = JoinSet::new();
    loop {
        // Neither branch loses anything when the other one wins: a connection that was not taken stays in the
        // queue, a task that ended stays in the set.
        tokio::select! {
            accepted = listener.accept(), if connections.len() < MOST_CONNECTIONS => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(converse(stream, pages.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept on the admin address");
                    sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(ended) = connections.join_next() => {
                if let Err(error) = ended {
                    tracing::error!(%error, "an admin connection ended in a bug");
                }
            }
        }
    }
}

/// One connection, to its end. What goes wrong with it is its client's business alone.
async fn converse(stream: TcpStream, pages: Router) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MOST_HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(pages));
    let mut connection = std::pin::pin!(connection);
    // Dropping the sleep loses nothing, and the connection goes on below.
    tokio::select! {
        _ = connection.as_mut() => return,
        () = sleep(LONGEST_LIFE) => connection.as_mut().graceful_shutdown(),
    }
    tokio::select! {
        _ = connection => {}
        () = sleep(LAST_RESPONSE) => {}
    }
}
