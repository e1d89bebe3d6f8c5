//! One backend: what holds for it now, and its connections.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::behaviour::Behaviour;
use super::connection::Connection;
use super::door::{Bound, Door, Stance};
use super::fault::Fault;
use super::orders::{Order, Orders};
use super::quantity::Rate;
use super::schedule::{Schedule, Standing};
use super::wire::{self, within};

/// Most connections at a time; more wait in the queue.
const MOST_CONNECTIONS: usize = 4096;

/// Before a port that could not be opened, or a connection that could not be accepted, is tried again.
const AGAIN: Duration = Duration::from_millis(500);

/// Longest wait for an order to be carried out.
const CARRIED_OUT: Duration = Duration::from_secs(1);

/// How a backend is when nothing is wrong with it.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) name: String,
    pub(crate) schedule: Schedule,
    pub(crate) keep_alive: KeepAlive,
    /// Of the random numbers by which a rate hits.
    pub(crate) seed: u64,
}

/// How long connections may be idle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeepAlive {
    pub(crate) idle: Duration,
    /// Whether `Keep-Alive` says so.
    pub(crate) is_announced: bool,
}

/// What the connections of a backend share.
#[derive(Debug)]
pub(crate) struct Backend {
    pub(crate) name: String,
    pub(crate) keep_alive: KeepAlive,
    orders: RefCell<Orders>,
    random: Cell<u64>,
    /// What holds now.
    standing: watch::Sender<Standing>,
    /// What the port follows by now.
    carried_out: watch::Sender<Standing>,
}

impl Backend {
    /// Its schedule begins now.
    pub(crate) fn new(settings: Settings) -> Self {
        Backend {
            name: settings.name,
            keep_alive: settings.keep_alive,
            orders: RefCell::new(Orders::new(settings.schedule, Instant::now())),
            random: Cell::new(settings.seed),
            standing: watch::Sender::new(Standing::WELL),
            carried_out: watch::Sender::new(Standing::WELL),
        }
    }

    /// Accepts connections, as far as what holds allows it, for good.
    pub(crate) async fn serve(self: Rc<Self>, bound: Bound) -> io::Result<()> {
        let mut door = Door::new(bound)?;
        let mut connections = JoinSet::new();
        let mut news = self.standing.subscribe();
        loop {
            let (standing, mut changes) = self.refresh(Instant::now());
            news.mark_unchanged();
            match door.take(stance(&standing)) {
                Ok(()) => self.carry_out(standing),
                Err(error) => {
                    tracing::error!(backend = self.name, %error, "the port cannot be used; trying again");
                    changes = Some(Instant::now() + AGAIN);
                }
            }
            let wait = changes.map_or(Duration::MAX, |at| at.saturating_duration_since(Instant::now()));
            // Every branch may be dropped: none holds anything.
            tokio::select! {
                accepted = door.accept(), if connections.len() < MOST_CONNECTIONS => match accepted {
                    Ok(stream) => self.admit(stream, &standing, &mut connections),
                    // Out of descriptors, or the client has gone already.
                    Err(_) => tokio::time::sleep(AGAIN).await,
                },
                Some(_) = connections.join_next() => {}
                _ = news.changed() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// What holds now.
    pub(crate) fn standing(&self) -> Standing {
        self.refresh(Instant::now()).0
    }

    /// What holds, and changes of it.
    pub(crate) fn watch(&self) -> watch::Receiver<Standing> {
        self.standing.subscribe()
    }

    /// What befalls a request, if anything does, on a connection that was accepted while `admitted` held.
    pub(crate) fn befalls(&self, admitted: &Standing) -> Option<Behaviour> {
        let standing = self.standing();
        // What befalls connections has spared this one, unless it began later.
        let is_spared = standing.ends_idle_connections() && *admitted == standing;
        standing.behaviour.filter(|_| !is_spared && self.hits(standing.rate))
    }

    /// Takes an order, and waits until the port follows it.
    pub(crate) async fn order(&self, order: Order) {
        self.orders.borrow_mut().take(order, Instant::now());
        self.standing.send_replace(order.standing);
        let mut carried_out = self.carried_out.subscribe();
        // It may be over already, or the port may fail: the answer to the order is no promise.
        let _ = within(CARRIED_OUT, carried_out.wait_for(|standing| *standing == order.standing)).await;
    }

    fn admit(self: &Rc<Self>, stream: TcpStream, standing: &Standing, connections: &mut JoinSet<()>) {
        let fault = standing.behaviour.map(|behaviour| behaviour.fault());
        match fault {
            Some(Fault::CloseOnAccept) if self.hits(standing.rate) => drop(stream),
            Some(Fault::ResetOnAccept) if self.hits(standing.rate) => wire::reset(stream),
            Some(_) | None => {
                connections.spawn_local(Connection::new(stream, self.clone(), *standing).serve());
            }
        }
    }

    /// Follows orders and schedule: what holds at `now`, and when that may change.
    fn refresh(&self, now: Instant) -> (Standing, Option<Instant>) {
        let (standing, changes) = self.orders.borrow_mut().at(now);
        self.standing.send_if_modified(|held| std::mem::replace(held, standing) != standing);
        (standing, changes)
    }

    fn carry_out(&self, standing: Standing) {
        let is_news = self.carried_out.send_if_modified(|held| std::mem::replace(held, standing) != standing);
        if is_news {
            tracing::info!(backend = self.name, "{} now: {standing}", self.name);
        }
    }

    fn hits(&self, rate: Rate) -> bool {
        rate.hits(self.next_random())
    }

    /// SplitMix64.
    fn next_random(&self) -> u64 {
        let state = self.random.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.random.set(state);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

fn stance(standing: &Standing) -> Stance {
    match standing.behaviour.map(|behaviour| behaviour.fault()) {
        Some(Fault::Refuse) => Stance::Closed,
        Some(Fault::AcceptFull) => Stance::Full,
        Some(_) | None => Stance::Open,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backend(schedule: &str, seed: u64) -> Backend {
        let keep_alive = KeepAlive { idle: Duration::from_secs(1), is_announced: false };
        Backend::new(Settings { name: "red".into(), schedule: schedule.parse().unwrap(), keep_alive, seed })
    }

    #[test]
    fn a_rate_befalls_its_share_of_requests_and_a_seed_says_which() {
        let befallen = |seed| {
            let backend = backend("hang 20%", seed);
            (0..10_000).map(|_| backend.befalls(&Standing::WELL).is_some()).collect::<Vec<_>>()
        };
        let hits = befallen(1).iter().filter(|is_hit| **is_hit).count();
        assert!((1_800..2_200).contains(&hits), "{hits}");
        assert_eq!(befallen(1), befallen(1));
        assert_ne!(befallen(1), befallen(2));
    }

    #[test]
    fn what_befalls_connections_or_the_port_spares_requests_of_those_that_it_spared() {
        for (schedule, expected) in
            [("refuse", Stance::Closed), ("accept-full", Stance::Full), ("reset-on-accept", Stance::Open)]
        {
            let backend = backend(schedule, 0);
            let standing = backend.standing();
            assert_eq!(backend.befalls(&standing), None);
            assert_eq!(backend.befalls(&Standing::WELL), standing.behaviour);
            assert_eq!(stance(&standing), expected);
        }
        assert_eq!(stance(&backend("hang", 0).standing()), Stance::Open);
    }

    #[tokio::test]
    async fn an_order_is_answered_once_it_is_carried_out() {
        let backend = backend("hang", 0);
        let order = Order::parse("status/503").unwrap();
        tokio::join!(backend.order(order), async { backend.carry_out(backend.standing()) });
        assert_eq!(backend.carried_out.borrow().to_string(), "status/503");
        assert_eq!(backend.standing().to_string(), "status/503");
        assert_eq!(backend.watch().borrow().to_string(), "status/503");
    }
}
