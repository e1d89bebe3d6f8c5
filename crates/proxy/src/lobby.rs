//! Who is shaking hands with a listener on one core, and who has to go when there are too many.
//!
//! A flood of clients that begin a handshake and never go on must not keep others out, and one of clients that begin faster than
//! anybody computes must not cost those their handshake who have only to end it. So those go first for whom nothing was
//! computed; whoever was computed for has [`GRACE`] to answer; and one that waits for its turn to compute has done nothing wrong.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use evenkeel_model::{CoreListener, PerCore};

/// How long a client may take to answer what was computed for it before another one may have its seat: around the world and
/// back, with a segment that is lost.
const GRACE: Duration = Duration::from_secs(if cfg!(test) { 60 } else { 1 });

/// The handshakes in progress.
#[derive(Debug, Default)]
pub(crate) struct Lobby {
    seats: Cell<usize>,
    /// Those for whom nothing was computed, or nothing will be any more.
    idle: Queue,
    /// Those who have to answer what was computed for them.
    answering: Queue,
    /// How many waits have begun.
    waits: Cell<u64>,
}

/// Who waits for its client, since when: whoever has waited longest is the first.
type Queue = RefCell<BTreeMap<u64, (Instant, Rc<Guest>)>>;

#[derive(Debug, Default)]
struct Guest {
    is_displaced: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

/// What a handshake waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Its turn to compute.
    Turn,
    /// The client, for whom nothing was computed or nothing will be any more.
    Idle,
    /// The client, who has to answer what was computed.
    Answer,
}

/// A handshake in the lobby, until it is dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    lobby: Rc<Lobby>,
    guest: Rc<Guest>,
    /// The wait it is in, by its number, and what for.
    wait: Cell<(Wait, u64)>,
}

impl Lobby {
    /// Whether one more is too many: all cores together have `most`, and this one has its share of them. One that has less can
    /// make no room, for those who would have to go are elsewhere; so for a while there may be more, by a share of each other
    /// core. 0: there is no limit.
    pub(crate) fn is_full(&self, most: usize, cores: &PerCore<CoreListener>) -> bool {
        most > 0
            && self.seats.get() >= most.div_ceil(cores.iter().count())
            && cores.sum(|core| core.handshakes_open.read()) >= most as u64
    }

    /// Lets one more in.
    pub(crate) fn enter(self: &Rc<Self>) -> Seat {
        self.seats.set(self.seats.get() + 1);
        Seat { lobby: self.clone(), guest: Rc::default(), wait: Cell::new((Wait::Turn, 0)) }
    }

    /// Makes room for one more. `false`: nobody has to give way.
    pub(crate) fn make_room(&self, now: Instant) -> bool {
        let is_late = |since: &Instant| now.saturating_duration_since(*since) >= GRACE;
        let first = |queue: &Queue| queue.borrow_mut().pop_first();
        let is_any_late =
            || self.answering.borrow().first_key_value().is_some_and(|(_, (since, _))| is_late(since));
        let leaver = first(&self.idle).or_else(|| is_any_late().then(|| first(&self.answering)).flatten());
        let Some((_, (_, guest))) = leaver else { return false };
        self.seats.set(self.seats.get() - 1);
        guest.is_displaced.set(true);
        if let Some(waker) = guest.waker.borrow_mut().take() {
            waker.wake();
        }
        true
    }

    fn queue(&self, wait: Wait) -> Option<&Queue> {
        match wait {
            Wait::Turn => None,
            Wait::Idle => Some(&self.idle),
            Wait::Answer => Some(&self.answering),
        }
    }
}

impl Seat {
    /// Says what it waits for from now on.
    pub(crate) fn waits_for(&self, wait: Wait, now: Instant) {
        self.leave_queue();
        let number = self.lobby.waits.get();
        self.lobby.waits.set(number + 1);
        self.wait.set((wait, number));
        if let (Some(queue), false) = (self.lobby.queue(wait), self.guest.is_displaced.get()) {
            queue.borrow_mut().insert(number, (now, self.guest.clone()));
        }
    }

    /// Whether another one has taken its place; if not, the task is woken when one does.
    pub(crate) fn poll_displaced(&self, cx: &Context<'_>) -> bool {
        if self.guest.is_displaced.get() {
            return true;
        }
        let mut waker = self.guest.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|kept| kept.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
        false
    }

    fn leave_queue(&self) {
        let (wait, number) = self.wait.get();
        if let Some(queue) = self.lobby.queue(wait) {
            queue.borrow_mut().remove(&number);
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.leave_queue();
        if !self.guest.is_displaced.get() {
            self.lobby.seats.set(self.lobby.seats.get() - 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_displaced(seat: &Seat) -> bool {
        seat.poll_displaced(&Context::from_waker(Waker::noop()))
    }

    fn displaced(seats: &[Seat]) -> Vec<usize> {
        seats.iter().enumerate().filter(|(_, seat)| is_displaced(seat)).map(|(at, _)| at).collect()
    }

    #[test]
    fn who_has_waited_longest_for_its_client_goes_whenever_it_came() {
        let (lobby, now) = (Rc::<Lobby>::default(), Instant::now());
        let seats: Vec<Seat> = (0..3).map(|_| lobby.enter()).collect();
        for late in [2, 0, 1] {
            seats[late].waits_for(Wait::Idle, now);
        }
        // What it waited for came, and it waits again.
        seats[2].waits_for(Wait::Turn, now);
        seats[2].waits_for(Wait::Idle, now);
        assert!(lobby.make_room(now));
        assert_eq!(displaced(&seats), [0]);
        assert!(lobby.make_room(now));
        assert_eq!(displaced(&seats), [0, 1]);
    }

    #[test]
    fn who_was_computed_for_has_its_time_to_answer_and_gives_way_only_after_all_others() {
        let (lobby, now) = (Rc::<Lobby>::default(), Instant::now());
        let seats: Vec<Seat> = (0..3).map(|_| lobby.enter()).collect();
        seats[0].waits_for(Wait::Answer, now);
        seats[1].waits_for(Wait::Answer, now + GRACE / 2);
        seats[2].waits_for(Wait::Idle, now + GRACE);
        assert!(lobby.make_room(now + GRACE));
        assert_eq!(displaced(&seats), [2]);
        assert!(lobby.make_room(now + GRACE));
        assert_eq!(displaced(&seats), [0, 2]);
        assert!(!lobby.make_room(now + GRACE), "half of its time is left");
        assert_eq!(displaced(&seats), [0, 2]);
    }

    #[test]
    fn who_waits_for_its_turn_never_goes() {
        let (lobby, now) = (Rc::<Lobby>::default(), Instant::now());
        let seat = lobby.enter();
        assert!(!lobby.make_room(now + GRACE));
        seat.waits_for(Wait::Idle, now);
        seat.waits_for(Wait::Turn, now);
        assert!(!lobby.make_room(now + GRACE));
        assert!(!is_displaced(&seat));
    }

    #[test]
    fn who_was_displaced_gives_no_second_place_free() {
        let (lobby, now) = (Rc::<Lobby>::default(), Instant::now());
        let seat = lobby.enter();
        seat.waits_for(Wait::Idle, now);
        assert!(lobby.make_room(now));
        let _newest = lobby.enter();
        // It may go on a little before it looks.
        seat.waits_for(Wait::Idle, now);
        assert!(!lobby.make_room(now));
        drop(seat);
        assert_eq!(lobby.seats.get(), 1);
        assert!(lobby.idle.borrow().is_empty());
    }

    #[test]
    fn a_core_is_full_once_all_have_the_most_and_it_has_its_share() {
        let (lobby, cores) = (Rc::<Lobby>::default(), PerCore::<CoreListener>::new(4));
        let mut seats = Vec::new();
        let mut enter = |count: u64| {
            seats.extend((0..count).map(|_| lobby.enter()));
            cores[0].handshakes_open.add(count);
        };
        enter(7);
        assert!(!lobby.is_full(8, &cores), "more than its share of two, but the others have none");
        assert!(!lobby.is_full(0, &cores), "there is no limit");
        cores[1].handshakes_open.add(1);
        assert!(lobby.is_full(8, &cores));
        assert!(!Rc::<Lobby>::default().is_full(8, &cores), "another core's, which has nobody to send away");
    }
}
