//! A balancer with small limits before one backend, and the ways in which bytes may arrive.

use std::net::SocketAddr;

use evenkeel_tests::backend::{Backend, Script};
use evenkeel_tests::balancer::Evenkeel;
use evenkeel_tests::client::Client;

/// One worker, one backend that is never ejected, limits that are soon reached.
pub(crate) fn rig(script: Script, pool: &str) -> (Backend, Evenkeel) {
    let backend = Backend::start("a", script);
    let evenkeel = Evenkeel::start(&format!(
        "workers: 1\nlisteners: [{{ name: edge, address: \"127.0.0.1:0\", limits: {{ head_bytes: 4KiB, fields: 20, \
         uri_bytes: 1KiB, body_bytes: 10KiB }} }}]\n\
         pools: {{ web: {{ backends: [\"{}\"], health: {{ eject: off }}{pool} }} }}\n",
        backend.address()
    ));
    (backend, evenkeel)
}

/// How the bytes of a case arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// In one write, with a good request behind them.
    Whole,
    /// A write for each byte.
    ByteByByte,
    /// In one write with a good request before them, and another one behind.
    BehindAGoodOne,
}

impl Delivery {
    pub(crate) const ALL: [Delivery; 3] = [Delivery::Whole, Delivery::ByteByByte, Delivery::BehindAGoodOne];

    /// Sends the bytes so, on a connection of its own. A good request before them has been answered then.
    #[track_caller]
    pub(crate) fn send(self, address: SocketAddr, bytes: &[u8]) -> Client {
        let mut client = Client::connect(address);
        match self {
            Delivery::Whole => {
                client.send([bytes, good("/behind").as_bytes()].concat());
            }
            Delivery::BehindAGoodOne => {
                client.send([good("/before").as_bytes(), bytes, good("/behind").as_bytes()].concat());
                assert_eq!(client.response("GET").status, 200, "the request before is good");
            }
            // What is refused early does not take the rest.
            Delivery::ByteByByte => {
                let _ = bytes.iter().try_for_each(|byte| client.try_send(&[*byte]));
            }
        }
        client
    }
}

/// A request to which nobody can object.
pub(crate) fn good(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: a.test\r\n\r\n")
}

/// Shares the cases out to a few threads, each with a rig of its own.
pub(crate) fn shared_out<T: Sync>(cases: &[T], run: impl Fn(&[T]) + Sync) {
    let share = cases.len().div_ceil(4);
    std::thread::scope(|scope| {
        for cases in cases.chunks(share) {
            scope.spawn(|| run(cases));
        }
    });
}
