//! The admin listener and the admin socket: accepts, bounds every connection in number and in time, and hands it to hyper.
//!
//! It shares a thread with control, so nothing here may wait without a deadline or work for long.

use std::io;
use std::net::SocketAddr;
use std::os::unix::net::UnixListener as StdUnixListener;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::extract::Request;
use evenkeel_routing::View;
use evenkeel_telemetry::{FilesState, Registry, ReloadState};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::task::JoinSet;
use tokio::time::sleep;
use tower::ServiceExt;

use crate::door::{Door, Peer};
use crate::{Commander, Warning, pages};

/// Most connections at once; more wait in the kernel's queue.
const MOST_CONNECTIONS: usize = 64;
/// Longest wait for a request head, an idle connection's next one included.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest life of a connection; it ends after the response in progress.
const LONGEST_LIFE: Duration = Duration::from_secs(300);
/// How long that response may take.
const LAST_RESPONSE: Duration = Duration::from_secs(10);
/// Pause after an accept that failed, which is nearly always a lack of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(500);
/// Largest request head, in bytes.
const MOST_HEAD_BYTES: usize = 16 * 1024;

/// What the door shows, and where its commands go.
#[derive(Clone, Debug)]
pub struct Handles {
    /// What is published.
    pub view: View,
    /// Metrics.
    pub registry: Arc<Registry>,
    /// How the last reload went.
    pub reload: ReloadState,
    /// How the last reading of certificates and the like went.
    pub files: FilesState,
    /// What is worth a look in the configuration that serves.
    pub warnings: Arc<Mutex<Vec<Warning>>>,
    /// Whether the process is stopping.
    pub draining: Arc<AtomicBool>,
    /// Listeners by name, with the addresses that are really bound.
    pub listeners: Arc<Mutex<Vec<(String, SocketAddr)>>>,
    /// Carries changes out.
    pub commander: Commander,
    /// Where the admin socket is, if there is one.
    pub socket: Option<Arc<Path>>,
    /// When the process started.
    pub started: SystemTime,
    /// Of the program.
    pub version: &'static str,
}

/// Serves, read-only, until the future is dropped, which also ends its connections. Runs inside a tokio runtime.
///
/// Ends with an error only if the socket cannot be used at all.
pub async fn serve(listener: std::net::TcpListener, handles: Handles) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    accept(&TcpListener::from_std(listener)?, &pages::router(handles)).await;
    Ok(())
}

/// As [`serve`], on the admin socket, where root and the user that this process runs as may change things, and
/// nobody else may do anything.
pub async fn serve_socket(listener: StdUnixListener, handles: Handles) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    accept(&UnixListener::from_std(listener)?, &pages::router(handles)).await;
    Ok(())
}

/// Where connections come from.
trait Listener {
    /// The word for it in the log.
    const NAME: &str;
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// The next connection. Cancelling loses none.
    fn next(&self) -> impl Future<Output = io::Result<(Self::Stream, Door)>> + Send;
}

impl Listener for TcpListener {
    const NAME: &str = "admin address";
    type Stream = TcpStream;

    async fn next(&self) -> io::Result<(TcpStream, Door)> {
        Ok((self.accept().await?.0, Door::Tcp))
    }
}

impl Listener for UnixListener {
    const NAME: &str = "admin socket";
    type Stream = UnixStream;

    async fn next(&self) -> io::Result<(UnixStream, Door)> {
        let stream = self.accept().await?.0;
        let peer = Peer::of(&stream)?;
        Ok((stream, Door::Socket(peer)))
    }
}

async fn accept<L: Listener>(listener: &L, pages: &Router) {
    let mut connections = JoinSet::new();
    loop {
        // Neither branch loses anything when the other one wins: a connection that was not taken stays in the
        // queue, a task that ended stays in the set.
        tokio::select! {
            accepted = listener.next(), if connections.len() < MOST_CONNECTIONS => match accepted {
                Ok((stream, door)) => {
                    connections.spawn(converse(stream, door, pages.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept on the {}", L::NAME);
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
async fn converse<S>(stream: S, door: Door, pages: Router)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let pages = pages.map_request(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(door);
        request
    });
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
