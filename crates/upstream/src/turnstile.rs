//! Heavy computing goes one step at a time, and between two steps the reactor is looked at and whoever is ready runs.
//!
//! A step of a TLS handshake computes for up to a millisecond. A thousand clients that come at once would stall
//! everybody else for a second; so they cost everybody else one step at a time.

use tokio::sync::{Mutex, MutexGuard};
use tokio::task::yield_now;

/// The turnstile of one thread: a worker's, or control's for its probes.
#[derive(Debug, Default)]
pub struct Turnstile(Mutex<()>);

/// Whose step it is, until it is dropped.
pub type Turn<'a> = MutexGuard<'a, ()>;

impl Turnstile {
    /// Waits for a turn, in the order of those who came. Cancel-safe: who leaves has lost only its place.
    ///
    /// A task that yields on a runtime of one thread goes on only after the driver was polled, and behind the tasks that
    /// this woke; so it yields with the turn in hand. Where nobody else has anything to do, that costs one look at the
    /// reactor.
    pub async fn turn(&self) -> Turn<'_> {
        let turn = self.0.lock().await;
        yield_now().await;
        turn
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::future::{Future, poll_fn};
    use std::io::Write;
    use std::rc::Rc;
    use std::task::Poll;

    use tokio::io::AsyncReadExt;
    use tokio::net::UnixStream;
    use tokio::runtime::{Builder, LocalOptions, LocalRuntime};
    use tokio::task::spawn_local;

    use super::*;

    /// As a worker's.
    fn runtime() -> LocalRuntime {
        Builder::new_current_thread().enable_io().build_local(LocalOptions::default()).unwrap()
    }

    #[test]
    fn between_two_steps_whoever_has_something_to_read_runs() {
        let (turnstile, order) = (Rc::new(Turnstile::default()), Rc::new(RefCell::new(Vec::new())));
        let told = order.clone();
        runtime().block_on(async move {
            let (ours, mut theirs) = UnixStream::pair().unwrap();
            let read = told.clone();
            let reader = spawn_local(async move {
                theirs.read_u8().await.unwrap();
                read.borrow_mut().push("read");
            });
            let ours = ours.into_std().unwrap();
            let stepper = |number: usize| {
                let (turnstile, told, mut ours) =
                    (turnstile.clone(), told.clone(), ours.try_clone().unwrap());
                spawn_local(async move {
                    let turn = turnstile.turn().await;
                    if number == 0 {
                        // It comes while the first one computes.
                        ours.write_all(b"x").unwrap();
                    }
                    told.borrow_mut().push("step");
                    drop(turn);
                })
            };
            let steppers = [stepper(0), stepper(1), stepper(2)];
            for stepper in steppers {
                stepper.await.unwrap();
            }
            reader.await.unwrap();
        });
        assert_eq!(order.borrow()[..], ["step", "read", "step", "step"]);
    }

    #[test]
    fn who_leaves_gives_its_turn_away() {
        runtime().block_on(async {
            let turnstile = Turnstile::default();
            let first = turnstile.turn().await;
            let mut leaver = Box::pin(turnstile.turn());
            assert!(poll_fn(|cx| Poll::Ready(leaver.as_mut().poll(cx).is_pending())).await);
            drop((leaver, first));
            drop(turnstile.turn().await);
        });
    }
}
