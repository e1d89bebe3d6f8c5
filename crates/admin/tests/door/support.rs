//! An open door before a snapshot made by hand, and a client that speaks raw bytes.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwap;
use evenkeel_admin::{Commander, Handles, serve, serve_socket};
use evenkeel_model::{
    BackendId, Cause, CommandError, Evidence, ListenerCounters, Phase, PoolCounters, PoolName, RouteCounters,
    Status,
};
use evenkeel_routing::{
    Backend, ForwardingRule, HostMatch, Listener, ListenerRule, Member, PathMatch, Pool, PoolRule, Retry,
    Route, Router, Rule, Snapshot, Timeouts, Wake,
};
use evenkeel_telemetry::{AccessLog, FilesState, Registry, ReloadState};
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::oneshot;
use tracing_subscriber::fmt::MakeWriter;

pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
const WORKERS: usize = 2;

/// Both doors, open, and what they show.
pub(crate) struct Door {
    address: SocketAddr,
    pub(crate) socket: PathBuf,
    pub(crate) handles: Handles,
    log: Log,
    close: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    _folder: TempDir,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

/// What is logged, a line of JSON each.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Door {
    /// Before a node where every command finds nothing.
    pub(crate) fn open(snapshot: Snapshot) -> Door {
        let nobody =
            Commander::new(|command| async move { Err(CommandError::UnknownBackend(command.backend)) });
        Door::open_with(snapshot, nobody)
    }

    pub(crate) fn open_with(snapshot: Snapshot, commander: Commander) -> Door {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("admin.sock");
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let unix_listener = UnixListener::bind(&socket).unwrap();
        let handles = Handles { socket: Some(socket.as_path().into()), ..handles(snapshot, commander) };
        let (close, closed) = oneshot::channel();
        let log = Log::default();
        let (shown, written) = (handles.clone(), log.clone());
        let serving = async move {
            tokio::select! {
                served = serve(listener, shown.clone()) => served.unwrap(),
                served = serve_socket(unix_listener, shown) => served.unwrap(),
                _ = closed => {}
            }
        };
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let log = tracing_subscriber::fmt().json().flatten_event(true).with_writer(written).finish();
            tracing::subscriber::with_default(log, || runtime.block_on(serving));
        });
        Door { address, socket, handles, log, close: Some(close), thread: Some(thread), _folder: folder }
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect_timeout(&self.address, PATIENCE).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    pub(crate) fn connect_socket(&self) -> UnixStream {
        let stream = UnixStream::connect(&self.socket).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// Over TCP.
    pub(crate) fn ask(&self, request: &str) -> Answer {
        Answer::of(self.connect(), request)
    }

    /// Over the admin socket.
    pub(crate) fn ask_socket(&self, request: &str) -> Answer {
        Answer::of(self.connect_socket(), request)
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.ask(&request("GET", path))
    }

    /// A change, over the admin socket.
    pub(crate) fn post(&self, path: &str) -> Answer {
        self.ask_socket(&request("POST", path))
    }

    pub(crate) fn status(&self) -> Value {
        self.get("/api/status").json()
    }

    /// The audit lines so far.
    pub(crate) fn audit(&self) -> Vec<Value> {
        let text = String::from_utf8(self.log.0.lock().unwrap().clone()).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter(|line| line["target"] == "evenkeel::audit").collect()
    }

    /// A connection that was used once and stays open.
    pub(crate) fn keep_alive(&self) -> TcpStream {
        let mut stream = self.connect();
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        let mut seen = Vec::new();
        while !seen.ends_with(b"\r\n\r\nok\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            seen.extend(byte);
        }
        stream
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        // The thread may have ended in a panic already; joining it says so.
        let _ = self.close.take().unwrap().send(());
        let ended = self.thread.take().unwrap().join();
        assert!(ended.is_ok() || thread::panicking());
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Log;

    fn make_writer(&self) -> Log {
        self.clone()
    }
}

pub(crate) fn request(method: &str, path: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
}

impl Answer {
    fn of(mut stream: impl Read + Write, request: &str) -> Answer {
        stream.write_all(request.as_bytes()).unwrap();
        Answer::read(stream)
    }

    /// Reads until the server closes, or what a refused body leaves of it.
    pub(crate) fn read(mut stream: impl Read) -> Answer {
        let mut bytes = Vec::new();
        let mut piece = [0; 4096];
        while let Ok(length) = stream.read(&mut piece) {
            if length == 0 {
                break;
            }
            bytes.extend_from_slice(&piece[..length]);
        }
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head in {text:?}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: format!("{head}\r\n"), body: body.to_string() }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

fn handles(snapshot: Snapshot, commander: Commander) -> Handles {
    let view = Arc::new(ArcSwap::from_pointee(snapshot));
    let reload = ReloadState::new();
    reload.accepted(3);
    let access_log = AccessLog::start(None).unwrap();
    let files = FilesState::new();
    let registry = Arc::new(Registry::new(view.clone(), reload.clone(), files.clone(), access_log));
    Handles {
        view,
        registry,
        reload,
        files,
        warnings: Arc::default(),
        draining: Arc::new(AtomicBool::new(false)),
        listeners: Arc::new(Mutex::new(vec![("edge".into(), "127.0.0.1:8080".parse().unwrap())])),
        commander,
        socket: None,
        started: SystemTime::now(),
        version: "1.2.3",
    }
}

pub(crate) fn snapshot(phase: Phase) -> Snapshot {
    let rule = Rule {
        host: HostMatch::Any,
        path: PathMatch::Any,
        pool: PoolName::new("web"),
        timeouts: Timeouts::default(),
        retry: Retry::default(),
    };
    let counters = Arc::new(RouteCounters::new(WORKERS));
    let route = Route { label: "*".into(), rule, pool: 0, counters };
    let rule = ListenerRule::new("edge".into(), SocketAddr::from(([127, 0, 0, 1], 0)));
    let counters = Arc::new(ListenerCounters::new(WORKERS));
    Snapshot {
        generation: 3,
        epoch: 17,
        router: Router::new(vec![Arc::new(route)]).into(),
        pools: vec![Arc::new(pool(phase, true))],
        listeners: vec![Arc::new(Listener { rule, counters })],
        forwarding: ForwardingRule::default(),
    }
}

pub(crate) fn pool(phase: Phase, is_probed: bool) -> Pool {
    pool_of("web", vec![member("web", "blue", phase)], is_probed)
}

pub(crate) fn pool_of(name: &str, members: Vec<Member>, is_probed: bool) -> Pool {
    let counters = Arc::new(PoolCounters::new(WORKERS));
    Pool::new(
        PoolName::new(name),
        PoolRule::default(),
        members,
        is_probed,
        counters,
        Default::default(),
        Default::default(),
    )
}

pub(crate) fn member(pool: &str, label: &str, phase: Phase) -> Member {
    let id = BackendId { pool: PoolName::new(pool), address: "127.0.0.1:3000".parse().unwrap() };
    let endpoint = id.address.endpoint().unwrap();
    let evidence = Evidence::Strikes { count: 3, cause: Cause::ConnectRefused, status: 0, tls: None };
    let since = Instant::now().checked_sub(Duration::from_secs(60)).unwrap();
    Member {
        backend: Backend::new(id, label.into(), WORKERS, Wake::new(Box::new(|| {}))),
        endpoints: [endpoint].into(),
        unresolved: None,
        tls: None,
        weight: 5,
        status: Status { evidence, ejections: 1, ramp: 0.5, ..Status::new(phase, since) },
    }
}
