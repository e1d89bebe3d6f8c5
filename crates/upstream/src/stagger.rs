//! Attempts side by side, each with a head start before the next: the first success wins, the others are dropped.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Sleep, sleep};

/// One of them; it starts when it is first polled.
pub(crate) type Attempt<'a, T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send + 'a>>;

/// Of two failures, the one to keep.
type Choose<E> = fn(E, E) -> E;

struct Race<'a, T, E> {
    waiting: std::vec::IntoIter<Attempt<'a, T, E>>,
    /// In the order they started: whoever comes first has had the longer time.
    running: Vec<Attempt<'a, T, E>>,
    head_start: Duration,
    next: Pin<Box<Sleep>>,
    failed: Option<E>,
    choose: Choose<E>,
}

/// Starts an attempt whenever one fails, or `head_start` after the last. Where all fail, `choose` is asked which failure to
/// keep, of the one kept so far and the next. `None` if there is no attempt.
pub(crate) async fn first<T, E: Copy + Unpin>(
    attempts: Vec<Attempt<'_, T, E>>,
    head_start: Duration,
    choose: Choose<E>,
) -> Option<Result<T, E>> {
    let (waiting, next) = (attempts.into_iter(), Box::pin(sleep(head_start)));
    let mut race = Race { waiting, running: Vec::new(), head_start, next, failed: None, choose };
    race.start_next();
    // Dropped at any point, it drops its attempts.
    poll_fn(|cx| race.poll(cx)).await
}

impl<T, E: Copy> Race<'_, T, E> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T, E>>> {
        loop {
            let before = self.running.len();
            if let Poll::Ready(won) = self.poll_running(cx) {
                return Poll::Ready(Some(Ok(won)));
            }
            let has_failed = self.running.len() < before;
            if (has_failed || self.is_late(cx)) && self.start_next() {
                continue;
            }
            return match self.running.is_empty() {
                true => Poll::Ready(self.failed.map(Err)),
                false => Poll::Pending,
            };
        }
    }

    fn poll_running(&mut self, cx: &mut Context<'_>) -> Poll<T> {
        let mut index = 0;
        while let Some(attempt) = self.running.get_mut(index) {
            match attempt.as_mut().poll(cx) {
                Poll::Ready(Ok(won)) => return Poll::Ready(won),
                Poll::Ready(Err(error)) => {
                    drop(self.running.remove(index));
                    self.failed = Some(self.failed.map_or(error, |noted| (self.choose)(noted, error)));
                }
                Poll::Pending => index += 1,
            }
        }
        Poll::Pending
    }

    fn is_late(&mut self, cx: &mut Context<'_>) -> bool {
        self.waiting.len() > 0 && self.next.as_mut().poll(cx).is_ready()
    }

    /// False if there is none.
    fn start_next(&mut self) -> bool {
        let Some(attempt) = self.waiting.next() else { return false };
        self.running.push(attempt);
        self.next.set(sleep(self.head_start));
        true
    }
}
