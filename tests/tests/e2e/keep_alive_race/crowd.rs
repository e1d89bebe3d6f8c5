//! Clients that ask GET and POST in turn by chance, each on a connection of its own, and remember what they lost.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use evenkeel_tests::client::Client;
use evenkeel_tests::mutate::Dice;
use evenkeel_tests::response::Response;
use evenkeel_tests::wait;

/// Some clients.
pub(super) struct Crowd {
    pub(super) address: SocketAddr,
    pub(super) clients: u64,
}

/// What became of their requests.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    pub(super) gets: usize,
    pub(super) posts: usize,
    /// The GETs that failed, and how.
    pub(super) lost_gets: Vec<String>,
    /// The paths of the POSTs that failed.
    pub(super) lost: Vec<String>,
}

/// How long a client waits after its request number so and so.
type Pause<'a> = dyn Fn(&mut Dice, usize) -> Duration + Sync + 'a;

impl Crowd {
    /// Each client asks once, and goes on until `end`.
    pub(super) fn run(&self, end: Instant, pause: &Pause<'_>) -> Verdict {
        static RUNS: AtomicU64 = AtomicU64::new(0);
        let run = RUNS.fetch_add(1, Ordering::Relaxed);
        let mut all = Verdict::default();
        std::thread::scope(|scope| {
            let client =
                |number| scope.spawn(move || self.ask(&format!("{run}.{number}"), number, end, pause));
            let clients: Vec<_> = (0..self.clients).map(client).collect();
            for client in clients {
                let one = client.join().expect("a client does not panic");
                all.gets += one.gets;
                all.posts += one.posts;
                all.lost_gets.extend(one.lost_gets);
                all.lost.extend(one.lost);
            }
        });
        all
    }

    fn ask(&self, name: &str, number: u64, end: Instant, pause: &Pause<'_>) -> Verdict {
        let (mut verdict, mut dice) = (Verdict::default(), Dice::new(number));
        let mut connection = None;
        for turn in 0.. {
            let (target, is_post) = (format!("/{name}.{turn}"), dice.chance(40));
            let mut client = connection.take().unwrap_or_else(|| Client::connect(self.address));
            *if is_post { &mut verdict.posts } else { &mut verdict.gets } += 1;
            match (exchange(&mut client, &target, is_post), is_post) {
                (Ok(response), _) => connection = (!response.closes()).then_some(client),
                (Err(_), true) => verdict.lost.push(target),
                (Err(why), false) => verdict.lost_gets.push(format!("{target}: {why}")),
            }
            if Instant::now() >= end {
                break;
            }
            wait::pause(pause(&mut dice, turn));
        }
        verdict
    }
}

/// One request; an error unless it is answered as it should be.
fn exchange(client: &mut Client, target: &str, is_post: bool) -> Result<Response, String> {
    let (method, body) = if is_post { ("POST", "Content-Length: 5\r\n\r\nhello") } else { ("GET", "\r\n") };
    let request = format!("{method} {target} HTTP/1.1\r\nHost: test.example\r\n{body}");
    let sent = client.try_send(request.as_bytes());
    let response = sent.and_then(|()| client.try_response(method)).map_err(|error| error.to_string())?;
    match response.status == 200 && response.text() == target {
        true => Ok(response),
        false => Err(format!("{}{}", response.head, response.text())),
    }
}
