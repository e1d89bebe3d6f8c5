//! `evenkeel fault-backend`: a backend that misbehaves on demand, to rehearse alerts with and to test against.
//!
//! What can be wrong is one table (`fault`); what is wrong now comes from a request's path, else from an order, else
//! from a schedule.

mod arguments;
mod ask;
mod backend;
mod behaviour;
mod connection;
mod door;
mod fault;
mod list;
mod misbehave;
mod mistake;
mod options;
mod orders;
mod quantity;
mod reply;
mod schedule;
mod table;
mod wire;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::task::{JoinSet, LocalSet};

pub(crate) use self::arguments::FaultBackendArguments;
use self::backend::{Backend, KeepAlive, Settings};
use self::door::Bound;
use self::schedule::{Schedule, Standing};
use crate::listening::ListenError;
use crate::output::print;
use crate::signals::Signals;
use crate::{descriptors, log};

/// How long the connections of the demo's backends may be idle.
const DEMO_KEEP_ALIVE: Duration = Duration::from_secs(75);

/// Runs backends until a signal ends them. Exit code 2 for a mistake in the arguments, 1 if they cannot start.
pub(crate) fn run(arguments: &FaultBackendArguments) -> ExitCode {
    if arguments.list {
        return print(&list::aligned());
    }
    let wanted = match arguments.backends() {
        Ok(wanted) => wanted,
        Err(mistake) => {
            eprintln!("error: {mistake}");
            return ExitCode::from(2);
        }
    };
    log::start();
    descriptors::raise_limit();
    let backends = match open(wanted) {
        Ok(backends) => backends,
        Err(error) => return failure(&error.to_string()),
    };
    match runtime() {
        Ok(runtime) => LocalSet::new().block_on(&runtime, until_stopped(backends)),
        Err(error) => failure(&format!("the runtime cannot start: {error}")),
    }
}

/// Starts backends that are well, on ports of the kernel's choice, all on one thread of their own that lives as long as
/// the process.
pub(crate) fn start(names: &[&str]) -> io::Result<Vec<SocketAddr>> {
    let mut backends = Vec::with_capacity(names.len());
    for name in names {
        let settings = Settings {
            name: (*name).into(),
            schedule: Schedule::always(Standing::WELL),
            keep_alive: KeepAlive { idle: DEMO_KEEP_ALIVE, is_announced: false },
            seed: 0,
        };
        backends.push((Bound::open((Ipv4Addr::LOCALHOST, 0).into())?, settings));
    }
    let addresses = backends.iter().map(|(bound, _)| bound.address).collect();
    let runtime = runtime()?;
    let serve = move || LocalSet::new().block_on(&runtime, serve_all(backends));
    thread::Builder::new().name("backends".into()).spawn(serve)?;
    Ok(addresses)
}

/// Opens every port, or none.
fn open(wanted: Vec<(SocketAddr, Settings)>) -> Result<Vec<(Bound, Settings)>, ListenError> {
    let open = |(address, settings): (SocketAddr, Settings)| {
        let what = format!("backend `{}`", settings.name);
        let bound = Bound::open(address);
        let bound =
            bound.map_err(|error| ListenError::new(what, address, error, "`--listen ADDR`".into()))?;
        Ok((bound, settings))
    };
    wanted.into_iter().map(open).collect()
}

async fn until_stopped(backends: Vec<(Bound, Settings)>) -> ExitCode {
    let mut signals = match Signals::take() {
        Ok(signals) => signals,
        Err(error) => return failure(&format!("signals cannot be taken: {error}")),
    };
    let line = |(bound, settings): &(Bound, Settings)| format!("{} http://{}", settings.name, bound.address);
    let lines: Vec<_> = backends.iter().map(line).collect();
    print(&lines.join("\n"));
    // Dropping the backends ends their connections, which is what a signal asks for.
    tokio::select! {
        _ = signals.stop() => ExitCode::SUCCESS,
        () = serve_all(backends) => ExitCode::FAILURE,
    }
}

/// Serves until every backend has failed.
async fn serve_all(backends: Vec<(Bound, Settings)>) {
    let mut serving = JoinSet::new();
    for (bound, settings) in backends {
        serving.spawn_local(Rc::new(Backend::new(settings)).serve(bound));
    }
    while let Some(ended) = serving.join_next().await {
        if let Ok(Err(error)) = ended {
            tracing::error!(%error, "a backend ended");
        }
    }
}

fn runtime() -> io::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

fn failure(why: &str) -> ExitCode {
    eprintln!("error: {why}");
    ExitCode::FAILURE
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream;

    use super::*;

    fn get(address: SocketAddr, path: &str) -> io::Result<String> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_millis(500)))?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }

    #[test]
    fn a_backend_breaks_hangs_and_mends_without_its_neighbours() {
        let [red, green] = start(&["red", "green"]).unwrap()[..] else { panic!("two backends") };
        assert!(get(red, "/").unwrap().ends_with("hello from red\n"));
        assert!(get(red, "/control/status/502").unwrap().starts_with("HTTP/1.1 200"));
        assert!(get(red, "/").unwrap().starts_with("HTTP/1.1 502"));
        assert!(get(red, "/control/hang").unwrap().ends_with("red: hang from now on\n"));
        assert_eq!(get(red, "/").unwrap_err().kind(), io::ErrorKind::WouldBlock);
        assert!(get(green, "/").unwrap().ends_with("hello from green\n"));
        get(red, "/control/ok").unwrap();
        assert!(get(red, "/").unwrap().ends_with("hello from red\n"));
    }
}
