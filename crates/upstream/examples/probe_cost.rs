//! What 5,000 HTTP probes every two seconds cost the thread that sends them, all in, as a share of a core:
//! `cargo run --release -p evenkeel-upstream --example probe_cost`.
//!
//! The backends are addresses of this machine, and one other thread answers for all of them.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use evenkeel_health::{HttpProbe, Probe, ProbeKind, ProbeResult};
use evenkeel_model::{Address, BackendId, Endpoint, PoolName};
use evenkeel_upstream::{Asked, Prober, Verdict};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

const BACKENDS: u16 = 5000;
const INTERVAL: Duration = Duration::from_secs(2);
const ROUNDS: u32 = 3;

/// Two descriptors for each connection, and some for the rest.
const DESCRIPTORS: u64 = 2 * BACKENDS as u64 + 200;

fn main() -> std::io::Result<()> {
    let limit = Rlimit { current: Some(DESCRIPTORS), maximum: getrlimit(Resource::Nofile).maximum };
    setrlimit(Resource::Nofile, limit)?;
    let listener = std::net::TcpListener::bind("0.0.0.0:0")?;
    listener.set_nonblocking(true)?;
    let port = listener.local_addr()?.port();
    // It ends with the program.
    std::thread::spawn(move || runtime()?.block_on(answer(listener)));
    runtime()?.block_on(measure(port))
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

async fn answer(listener: std::net::TcpListener) -> std::io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(serve(stream));
    }
}

async fn serve(mut stream: TcpStream) -> std::io::Result<()> {
    let mut request = [0; 512];
    while stream.read(&mut request).await? > 0 {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\nok\n";
        stream.write_all(answer).await?;
    }
    Ok(())
}

async fn measure(port: u16) -> std::io::Result<()> {
    let probe = Arc::new(Probe { kind: ProbeKind::Http(HttpProbe::get("/healthz")), ..Probe::default() });
    let backends: Vec<BackendId> = (0..BACKENDS).map(|index| backend(index, port)).collect();
    let prober = Prober::new();
    round(&prober, &backends, &probe).await;
    let (since, before) = (Instant::now(), busy()?);
    for _ in 0..ROUNDS {
        round(&prober, &backends, &probe).await;
    }
    let (spent, elapsed) = (busy()? - before, since.elapsed());
    let probes = u32::from(BACKENDS) * ROUNDS;
    println!(
        "{probes} probes in {:.1} s: {:.1} us each, {:.2} % of a core",
        elapsed.as_secs_f64(),
        spent.as_secs_f64() * 1e6 / f64::from(probes),
        100.0 * spent.as_secs_f64() / elapsed.as_secs_f64(),
    );
    Ok(())
}

fn backend(index: u16, port: u16) -> BackendId {
    let [high, low] = index.to_be_bytes();
    let address = SocketAddr::from((Ipv4Addr::new(127, 1, high, low), port));
    BackendId { pool: PoolName::new("web"), address: Address::Ip(address) }
}

/// Every backend once, spread over the interval, each probe a task of its own, as control does it.
async fn round(prober: &Prober, backends: &[BackendId], probe: &Arc<Probe>) {
    let start = Instant::now();
    let mut probes = JoinSet::new();
    for (index, backend) in (0u32..).zip(backends) {
        let due = start + INTERVAL * index / u32::from(BACKENDS);
        if Instant::now() < due {
            tokio::time::sleep_until(due.into()).await;
        }
        let (prober, backend, probe) = (prober.clone(), backend.clone(), probe.clone());
        probes.spawn(async move { ask(&prober, &backend, &probe).await });
        while let Some(Ok(verdict)) = probes.try_join_next() {
            assert_eq!(verdict.result, ProbeResult::Passed);
        }
    }
    for verdict in probes.join_all().await {
        assert_eq!(verdict.result, ProbeResult::Passed);
    }
    tokio::time::sleep_until((start + INTERVAL).into()).await;
}

async fn ask(prober: &Prober, backend: &BackendId, probe: &Probe) -> Verdict {
    let (endpoint, host) = (backend.address.endpoint(), backend.address.to_string());
    let endpoints: &[Endpoint] = endpoint.as_slice();
    prober.probe(&Asked { backend, endpoints, probe, host: &host, tls: None, wants_fresh: false }).await
}

/// How long this thread has run, by the scheduler's count.
fn busy() -> std::io::Result<Duration> {
    let statistics = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanoseconds = statistics.split(' ').next().and_then(|count| count.parse().ok());
    Ok(Duration::from_nanos(nanoseconds.ok_or(std::io::ErrorKind::InvalidData)?))
}
