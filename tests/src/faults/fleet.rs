//! The backends of one contestant: processes that are killed, stopped, started and ordered about as a schedule says.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use evenkeel_tests::open_loop::Deliveries;
use evenkeel_tests::process::Process;
use evenkeel_tests::reserved::Reserved;
use evenkeel_tests::wait;
use rustix::process::Signal;
use tempfile::TempDir;

use crate::behaviour::Behaviour;
use crate::fault::{Action, BACKENDS, Step};

/// Longest that a backend takes for anything.
const SOON: Duration = Duration::from_secs(10);

const NAMES: [&str; BACKENDS] = ["one", "two", "three"];

/// Three backends.
pub(crate) struct Fleet {
    ships: [Ship; BACKENDS],
    folder: TempDir,
}

/// One backend, whether it runs or not.
struct Ship {
    name: &'static str,
    place: Reserved,
    listener: UnixListener,
    orders: PathBuf,
    folder: PathBuf,
    running: Option<(Process, BufReader<UnixStream>)>,
}

impl Fleet {
    /// Starts three that are well.
    pub(crate) fn start() -> Fleet {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let ships = NAMES.map(|name| Ship::launch(name, folder.path()));
        Fleet { ships, folder }
    }

    pub(crate) fn addresses(&self) -> [SocketAddr; BACKENDS] {
        self.ships.each_ref().map(|ship| ship.place.address)
    }

    /// Does what a schedule says, each step at its time after `begun`.
    pub(crate) fn follow(&mut self, steps: &[Step], begun: Instant) {
        for step in steps {
            wait::pause((begun + step.at).saturating_duration_since(Instant::now()));
            let ship = &mut self.ships[step.backend];
            match step.action {
                Action::Kill => ship.running = None,
                Action::Start => ship.start(),
                Action::Stop => ship.signal(Signal::STOP),
                Action::Continue => ship.signal(Signal::CONT),
                Action::Behave(behaviour) => ship.order(behaviour),
            }
        }
    }

    /// Ends them; what has arrived.
    pub(crate) fn end(mut self) -> Deliveries {
        for ship in &mut self.ships {
            ship.running = None;
        }
        let mut deliveries = Deliveries::new();
        for name in NAMES {
            let told = std::fs::read_to_string(self.folder.path().join(format!("{name}.log"))).unwrap();
            count(&told, &mut deliveries);
        }
        deliveries
    }
}

/// Counts what a backend told: a method and a number on each line.
fn count(told: &str, deliveries: &mut Deliveries) {
    let ids = told.lines().filter_map(|line| line.split_once(' ')?.1.parse().ok());
    ids.for_each(|id| *deliveries.entry(id).or_default() += 1);
}

impl Ship {
    fn launch(name: &'static str, folder: &Path) -> Ship {
        let orders = folder.join(format!("{name}.orders"));
        let listener = UnixListener::bind(&orders).expect("a short path");
        listener.set_nonblocking(true).unwrap();
        let folder = folder.to_owned();
        let mut ship = Ship { name, place: Reserved::default(), listener, orders, folder, running: None };
        ship.start();
        ship
    }

    /// Starts a process and waits until it is ready.
    fn start(&mut self) {
        let mut command = Command::new(std::env::current_exe().expect("a running program has a path"));
        command.arg("backend").arg(self.place.address.to_string()).arg(&self.orders);
        let process = Process::start(self.name, command, &self.folder);
        let orders = wait::until(SOON, "a backend that listens", || self.listener.accept().ok()).0;
        orders.set_nonblocking(false).unwrap();
        orders.set_read_timeout(Some(SOON)).unwrap();
        let mut orders = BufReader::new(orders);
        expect(&mut orders, "ready");
        self.running = Some((process, orders));
    }

    fn order(&mut self, behaviour: Behaviour) {
        let (_, orders) = self.running.as_mut().expect("only a running backend is given orders");
        orders.get_mut().write_all(format!("{}\n", behaviour.word()).as_bytes()).unwrap();
        expect(orders, "done");
    }

    fn signal(&self, signal: Signal) {
        let (process, _) = self.running.as_ref().expect("only a running backend is signalled");
        process.signal(signal);
    }
}

fn expect(orders: &mut BufReader<UnixStream>, word: &str) {
    let mut line = String::new();
    orders.read_line(&mut line).expect("a backend says when it is done");
    assert_eq!(line.trim(), word);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_arrived_twice_is_counted_twice() {
        let mut deliveries = Deliveries::new();
        count("GET 1\nPOST 2\n", &mut deliveries);
        count("a complaint of the backend's\nPOST 2\nPOST", &mut deliveries);
        assert_eq!(deliveries, Deliveries::from([(1, 1), (2, 2)]));
    }
}
