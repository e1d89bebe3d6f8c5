//! Who is shaking hands with a listener on one core, and who has to go when there are too many.
//!
//! A flood of clients that begin a handshake and never go on must not keep others out: beyond the cap the oldest one
//! that waits for its client goes. One that waits for its turn to compute has done nothing wrong.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::task::{Context, Waker};

/// The handshakes in progress.
#[derive(Debug, Default)]
pub(crate) struct Lobby {
    /// The oldest first.
    guests: RefCell<BTreeMap<u64, Rc<Guest>>>,
    next: Cell<u64>,
}

#[derive(Debug, Default)]
struct Guest {
    waits_for_client: Cell<bool>,
    is_displaced: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

/// A handshake in the lobby, until it is dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    lobby: Rc<Lobby>,
    number: u64,
    guest: Rc<Guest>,
}

impl Lobby {
    /// Lets one more in, in place of another one if there are `most` already; 0: there is no limit. `None`: there is no
    /// room, since nobody waits for its client.
    pub(crate) fn enter(self: &Rc<Self>, most: usize) -> Option<Seat> {
        while most > 0 && self.guests.borrow().len() >= most {
            self.displace()?;
        }
        let (number, guest) = (self.next.get(), Rc::<Guest>::default());
        self.next.set(number + 1);
        self.guests.borrow_mut().insert(number, guest.clone());
        Some(Seat { lobby: self.clone(), number, guest })
    }

    fn displace(&self) -> Option<()> {
        let mut guests = self.guests.borrow_mut();
        let (number, _) = guests.iter().find(|(_, guest)| guest.waits_for_client.get())?;
        let number = *number;
        let guest = guests.remove(&number)?;
        guest.is_displaced.set(true);
        if let Some(waker) = guest.waker.borrow_mut().take() {
            waker.wake();
        }
        Some(())
    }
}

impl Seat {
    /// Says whether the client is what the handshake waits for.
    pub(crate) fn waits_for_client(&self, waits: bool) {
        self.guest.waits_for_client.set(waits);
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
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.lobby.guests.borrow_mut().remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_displaced(seat: &Seat) -> bool {
        seat.poll_displaced(&Context::from_waker(Waker::noop()))
    }

    #[test]
    fn the_oldest_that_waits_for_its_client_goes_and_nobody_else() {
        let lobby = Rc::<Lobby>::default();
        let seats: Vec<Seat> = (0..3).map(|_| lobby.enter(3).unwrap()).collect();
        assert!(lobby.enter(3).is_none(), "nobody waits for its client");
        seats[1].waits_for_client(true);
        seats[2].waits_for_client(true);
        let newest = lobby.enter(3).unwrap();
        assert_eq!(seats.iter().map(is_displaced).collect::<Vec<_>>(), [false, true, false]);
        assert!(!is_displaced(&newest));
        // One that was displaced gives no second place free.
        drop(seats);
        assert_eq!(lobby.guests.borrow().len(), 1);
    }

    #[test]
    fn without_a_limit_everybody_is_let_in() {
        let lobby = Rc::<Lobby>::default();
        let seats: Vec<Seat> = (0..100).map(|_| lobby.enter(0).unwrap()).collect();
        seats.iter().for_each(|seat| seat.waits_for_client(true));
        assert!(!seats.iter().any(is_displaced));
    }
}
