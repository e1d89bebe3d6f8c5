//! Deadlines at the price of a store: one coarse sweep per core for waits of a second and more, a real timer below.
//!
//! A task owns one [`Alarm`] and sets it before each wait; the sweep wakes the tasks whose time has come.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use tokio::time::Sleep;

/// How late a coarse deadline may be noticed.
pub const GRAIN: Duration = Duration::from_millis(100);

/// Waits shorter than this get a timer of their own.
const COARSE: Duration = Duration::from_secs(1);

const NEVER: u64 = u64::MAX;

/// All alarms of one core.
#[derive(Debug)]
pub struct Sweep {
    origin: Instant,
    /// No deadline is before this one, in milliseconds since `origin`: until then there is nothing to look for.
    earliest: Cell<u64>,
    alarms: RefCell<Vec<Option<Rc<Slot>>>>,
    free: RefCell<Vec<usize>>,
}

/// One task's deadline.
#[derive(Debug)]
pub struct Alarm {
    slot: Rc<Slot>,
    index: usize,
    sweep: Rc<Sweep>,
    timer: RefCell<Option<Pin<Box<Sleep>>>>,
}

#[derive(Debug)]
struct Slot {
    due: Cell<u64>,
    passed: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Sweep {
    /// A sweep without alarms.
    pub fn new(now: Instant) -> Rc<Self> {
        Rc::new(Sweep {
            origin: now,
            earliest: Cell::new(NEVER),
            alarms: RefCell::default(),
            free: RefCell::default(),
        })
    }

    /// A new alarm, not set.
    pub fn alarm(self: &Rc<Self>) -> Alarm {
        let slot =
            Rc::new(Slot { due: Cell::new(NEVER), passed: Cell::new(false), waker: RefCell::default() });
        let mut alarms = self.alarms.borrow_mut();
        let index = self.free.borrow_mut().pop().unwrap_or(alarms.len());
        if index == alarms.len() {
            alarms.push(None);
        }
        alarms[index] = Some(slot.clone());
        Alarm { slot, index, sweep: self.clone(), timer: RefCell::default() }
    }

    /// Wakes every task whose deadline has passed. Call it every [`GRAIN`].
    pub fn pass(&self, now: Instant) {
        let now = self.millis(now);
        if now < self.earliest.get() {
            return;
        }
        let mut earliest = NEVER;
        for slot in self.alarms.borrow().iter().flatten() {
            match slot.due.get() {
                due if due <= now => slot.ring(),
                due => earliest = earliest.min(due),
            }
        }
        self.earliest.set(earliest);
    }

    #[inline]
    fn millis(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.origin);
        since.as_secs() * 1000 + u64::from(since.subsec_millis())
    }
}

impl Slot {
    fn ring(&self) {
        self.due.set(NEVER);
        self.passed.set(true);
        if let Some(waker) = self.waker.borrow_mut().take() {
            waker.wake();
        }
    }
}

impl Alarm {
    /// Sets the deadline, in place of the one before.
    pub fn set(&self, due: Instant, now: Instant) {
        match due.saturating_duration_since(now) >= COARSE {
            true => self.set_coarsely(due),
            false => self.set_exactly(due),
        }
    }

    /// The same for a deadline that need not be exact: a timer of its own only below half a second.
    pub fn set_about(&self, due: Instant, now: Instant) {
        match due.saturating_duration_since(now) >= COARSE / 2 {
            true => self.set_coarsely(due),
            false => self.set_exactly(due),
        }
    }

    #[inline]
    fn set_coarsely(&self, due: Instant) {
        self.slot.passed.set(false);
        if self.timer.borrow().is_some() {
            self.timer.take();
        }
        let due = self.sweep.millis(due);
        self.slot.due.set(due);
        if due < self.sweep.earliest.get() {
            self.sweep.earliest.set(due);
        }
    }

    fn set_exactly(&self, due: Instant) {
        self.slot.passed.set(false);
        self.slot.due.set(NEVER);
        *self.timer.borrow_mut() = Some(Box::pin(tokio::time::sleep_until(due.into())));
    }

    /// Forgets the deadline.
    #[inline]
    pub fn clear(&self) {
        self.slot.due.set(NEVER);
        self.slot.passed.set(false);
        if self.timer.borrow().is_some() {
            self.timer.take();
        }
    }

    /// Whether the deadline has passed; if not, the task is woken when it does.
    #[inline]
    pub fn poll_passed(&self, cx: &mut Context<'_>) -> bool {
        if self.slot.passed.get() {
            return true;
        }
        if self.slot.due.get() != NEVER {
            self.slot.keep_waker(cx);
            return false;
        }
        match self.timer.borrow_mut().as_mut().map(|timer| timer.as_mut().poll(cx)) {
            Some(Poll::Ready(())) => {
                self.slot.passed.set(true);
                true
            }
            Some(Poll::Pending) | None => false,
        }
    }
}

impl Slot {
    #[inline]
    fn keep_waker(&self, cx: &Context<'_>) {
        let mut waker = self.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|kept| kept.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        self.sweep.alarms.borrow_mut()[self.index] = None;
        self.sweep.free.borrow_mut().push(self.index);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_passed(alarm: &Alarm) -> bool {
        alarm.poll_passed(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn a_coarse_deadline_passes_with_the_sweep() {
        let start = Instant::now();
        let sweep = Sweep::new(start);
        let alarm = sweep.alarm();
        alarm.set(start + Duration::from_secs(2), start);
        sweep.pass(start + Duration::from_millis(1900));
        assert!(!is_passed(&alarm));
        sweep.pass(start + Duration::from_millis(2000));
        assert!(is_passed(&alarm));
    }

    #[test]
    fn a_deadline_that_need_not_be_exact_passes_with_the_sweep() {
        let start = Instant::now();
        let sweep = Sweep::new(start);
        let alarm = sweep.alarm();
        alarm.set_about(start + Duration::from_millis(900), start);
        sweep.pass(start + Duration::from_millis(800));
        assert!(!is_passed(&alarm));
        sweep.pass(start + Duration::from_millis(900));
        assert!(is_passed(&alarm));
    }

    #[test]
    fn each_deadline_passes_in_its_turn_whatever_was_set_or_cleared_before() {
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let sweep = Sweep::new(start);
        let (early, late, cleared) = (sweep.alarm(), sweep.alarm(), sweep.alarm());
        late.set(at(9), start);
        cleared.set(at(2), start);
        cleared.clear();
        sweep.pass(at(3));
        early.set(at(5), at(3));
        sweep.pass(at(4));
        assert!(!is_passed(&early) && !is_passed(&late));
        sweep.pass(at(5));
        assert!(is_passed(&early) && !is_passed(&late));
        sweep.pass(at(9));
        assert!(is_passed(&late) && !is_passed(&cleared));
    }

    #[test]
    fn a_cleared_alarm_never_rings() {
        let start = Instant::now();
        let sweep = Sweep::new(start);
        let alarm = sweep.alarm();
        alarm.set(start + Duration::from_secs(2), start);
        alarm.clear();
        sweep.pass(start + Duration::from_secs(5));
        assert!(!is_passed(&alarm));
    }

    #[test]
    fn a_dropped_alarm_gives_its_place_back() {
        let sweep = Sweep::new(Instant::now());
        for _ in 0..3 {
            drop(sweep.alarm());
        }
        assert_eq!(sweep.alarms.borrow().len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_short_wait_has_a_timer_of_its_own() {
        let sweep = Sweep::new(Instant::now());
        let alarm = sweep.alarm();
        let begin = tokio::time::Instant::now();
        alarm.set(begin.into_std() + Duration::from_millis(30), begin.into_std());
        std::future::poll_fn(|cx| match alarm.poll_passed(cx) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        })
        .await;
        assert!(begin.elapsed() >= Duration::from_millis(30));
    }
}
