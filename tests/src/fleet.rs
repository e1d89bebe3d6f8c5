//! Three real nginx as backends, made bad and well, at once or as a schedule says. Each keeps a journal of what it received.

mod trouble;

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::backend::{Backend, Next, Script};
use crate::nginx::Nginx;
use crate::open_loop::{Deliveries, id};
use crate::wait;

pub use trouble::{Action, Done, Flag, Step};

/// How many they are.
pub const BACKENDS: usize = 3;

const NAMES: [&str; BACKENDS] = ["one", "two", "three"];

/// How long the application takes for a request, and how long when it is slow: fifty times that.
const USUAL: Duration = Duration::from_millis(4);
const SLOW: Duration = Duration::from_millis(200);

/// Three backends.
pub struct Fleet {
    ships: [Nginx; BACKENDS],
    /// What answers behind nginx where latency matters: nginx itself cannot wait.
    _applications: Option<[Backend; 2]>,
    _folder: TempDir,
}

/// The numbers of the requests that each backend received, as often as it did.
pub struct Journals([Vec<usize>; BACKENDS]);

impl Fleet {
    /// Starts three that are well; before applications, or answering by themselves.
    pub fn start(has_applications: bool) -> Fleet {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let applications = has_applications.then(|| {
            [("usual", USUAL), ("slow", SLOW)].map(|(name, takes)| application(name, takes, folder.path()))
        });
        let behind = applications.is_some().then(|| folder.path());
        let ships =
            NAMES.map(|name| Nginx::start_with(name, |address, own| configuration(address, own, behind)));
        Fleet { ships, _applications: applications, _folder: folder }
    }

    /// Where they listen.
    pub fn addresses(&self) -> [SocketAddr; BACKENDS] {
        self.ships.each_ref().map(|ship| ship.address().parse().expect("its own address"))
    }

    /// Does what a schedule says, each step at its time after `begun`; when each was done.
    pub fn follow(&mut self, steps: &[Step], begun: Instant) -> Vec<Done> {
        let follow = |step: &Step| {
            wait::pause((begun + step.at).saturating_duration_since(Instant::now()));
            let at = begun.elapsed();
            self.act(step.backend, step.action);
            Done { begun: at, finished: begun.elapsed() }
        };
        steps.iter().map(follow).collect()
    }

    /// Makes one of them bad, or well.
    pub fn act(&mut self, backend: usize, action: Action) {
        act(&mut self.ships[backend], action);
    }

    /// Ends them; what they received.
    pub fn end(self) -> Journals {
        Journals(self.ships.map(|mut ship| {
            ship.stop();
            let journal = std::fs::read_to_string(ship.folder().join("journal.log")).unwrap();
            journal.lines().filter_map(id).collect()
        }))
    }
}

impl Journals {
    /// The requests that a backend received.
    pub fn of(&self, backend: usize) -> &[usize] {
        &self.0[backend]
    }

    /// How often each request was received.
    pub fn deliveries(&self) -> Deliveries {
        let mut deliveries = Deliveries::new();
        self.0.iter().flatten().for_each(|id| *deliveries.entry(*id).or_default() += 1);
        deliveries
    }
}

fn act(ship: &mut Nginx, action: Action) {
    let file = |flag: Flag| ship.folder().join(flag.file());
    match action {
        Action::Kill => ship.kill(),
        Action::Stop => ship.stop(),
        Action::Start => ship.run(),
        Action::Freeze => ship.freeze(),
        Action::Thaw => ship.thaw(),
        Action::Raise(flag) => std::fs::write(file(flag), "").unwrap(),
        Action::Lower(flag) => std::fs::remove_file(file(flag)).unwrap(),
    }
}

/// Answers each request with its target, after a while.
fn application(name: &str, takes: Duration, folder: &Path) -> Backend {
    let script = Script::custom(move |request, socket| {
        wait::pause(takes);
        let target = &request.target;
        let text = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{target}", target.len());
        std::io::Write::write_all(socket, text.as_bytes())?;
        Ok(Next::Continue)
    });
    Backend::start_unix(name, &folder.join(name), script)
}

/// Flags are files, so that they hold from the next request on. Only 502, 503, reset and close hold for probes too.
fn configuration(address: SocketAddr, own: &Path, applications: Option<&Path>) -> String {
    let own = own.display();
    let flag = |flag: Flag, then: &str| format!("if (-f {own}/{}) {{ {then} }}\n", flag.file());
    let all = flag(Flag::Status502, "return 502;")
        + &flag(Flag::Status503, "return 503;")
        + &flag(Flag::Close, "return 444;")
        + &flag(Flag::Reset, "rewrite ^ /-/reset last;");
    let some = "set $trouble \"\";\n".to_owned()
        + &flag(Flag::ThirdStatus503, "set $trouble 503$third;")
        + &flag(Flag::ThirdCloses, "set $trouble close$third;")
        + "if ($trouble = 503yes) { return 503; }\nif ($trouble = closeyes) { return 444; }\n";
    let mut upstreams = String::new();
    let answer = match applications {
        None => "return 200 \"$request_uri\\n\";".to_owned(),
        Some(folder) => {
            for name in ["usual", "slow"] {
                let socket = folder.join(name);
                let _ = writeln!(
                    upstreams,
                    "upstream {name} {{ server unix:{}; keepalive 64; }}",
                    socket.display()
                );
            }
            flag(Flag::Slow, "rewrite ^ /-/slow last;") + "proxy_pass http://usual$request_uri;"
        }
    };
    let slow = match applications {
        None => "",
        Some(_) => "location = /-/slow { internal; proxy_pass http://slow$request_uri; }",
    };
    format!(
        "log_format journal \"$request_uri\";\n\
         split_clients $request_id $third {{ 33.3% yes; * \"\"; }}\n\
         {upstreams}\
         proxy_http_version 1.1; proxy_set_header Connection \"\"; proxy_set_header Host $host;\n\
         server {{\n\
         listen {address} backlog=4096; keepalive_requests 1000000; default_type text/plain;\n\
         access_log journal.log journal;\n\
         {all}\
         location = /healthz {{ return 200 \"well\\n\"; }}\n\
         location = /-/reset {{ internal; reset_timedout_connection on; return 444; }}\n\
         {slow}\n\
         location = /poison/503 {{ return 503; }}\n\
         location = /poison/close {{ return 444; }}\n\
         location / {{\n{some}{answer}\n}}\n\
         }}"
    )
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use super::*;
    use crate::client;

    /// Status of an answer, or how there was none.
    fn answer(fleet: &Fleet, path: &str) -> Result<u16, ErrorKind> {
        match client::try_get(fleet.addresses()[0], path) {
            Ok(response) => Ok(response.status),
            Err(error) => Err(error.kind()),
        }
    }

    fn with(fleet: &mut Fleet, flag: Flag, path: &str) -> Result<u16, ErrorKind> {
        fleet.act(0, Action::Raise(flag));
        let answer = answer(fleet, path);
        fleet.act(0, Action::Lower(flag));
        answer
    }

    #[test]
    fn a_flag_holds_from_the_next_request_on() {
        let mut fleet = Fleet::start(false);
        for path in ["/healthz", "/a?id=1"] {
            assert_eq!(with(&mut fleet, Flag::Status502, path), Ok(502));
            assert_eq!(with(&mut fleet, Flag::Status503, path), Ok(503));
            assert_eq!(with(&mut fleet, Flag::Close, path), Err(ErrorKind::UnexpectedEof));
            assert_eq!(with(&mut fleet, Flag::Reset, path), Err(ErrorKind::ConnectionReset));
            assert_eq!(answer(&fleet, path), Ok(200));
        }
        assert_eq!(answer(&fleet, "/poison/503?id=2"), Ok(503));
        assert_eq!(answer(&fleet, "/poison/close?id=3"), Err(ErrorKind::UnexpectedEof));
        fleet.act(0, Action::Kill);
        // One that the kernel had taken while the process ended is reset.
        let gone = answer(&fleet, "/");
        assert!(matches!(gone, Err(ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset)), "{gone:?}");
        fleet.act(0, Action::Start);
        let journals = fleet.end();
        assert_eq!(journals.of(0), [1, 1, 1, 1, 1, 2, 3]);
        assert_eq!(journals.deliveries()[&1], 5);
    }

    #[test]
    fn a_third_of_the_requests_fails_and_no_probe() {
        let mut fleet = Fleet::start(false);
        fleet.act(0, Action::Raise(Flag::ThirdStatus503));
        let failed = (0..300).filter(|_| answer(&fleet, "/") == Ok(503)).count();
        // Six standard deviations to either side.
        assert!((51..=149).contains(&failed), "{failed}");
        assert!((0..30).all(|_| answer(&fleet, "/healthz") == Ok(200)));
    }

    #[test]
    fn a_slow_one_takes_fifty_times_as_long_and_answers_the_same() {
        let mut fleet = Fleet::start(true);
        let address = fleet.addresses()[0];
        assert_eq!(client::get(address, "/a?id=1").text(), "/a?id=1");
        fleet.act(0, Action::Raise(Flag::Slow));
        let begun = Instant::now();
        assert_eq!(client::get(address, "/a?id=2").text(), "/a?id=2");
        assert!(begun.elapsed() >= SLOW);
        assert_eq!(answer(&fleet, "/healthz"), Ok(200));
    }
}
