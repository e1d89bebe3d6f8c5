//! Files are read on threads of their own, for their file system may hang; one that never ends is left behind.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, spawn_blocking};

/// Most at once. In good times there are two, a reload and a look; the others hang, and each holds a thread.
const MOST: usize = 8;

/// What is told of one that panicked.
pub(crate) const PANICKED: &str = "reading the files failed by a fault of evenkeel's own: please report what it wrote to its standard error";

/// How many readings are under way, with those that nobody waits for any more.
#[derive(Clone, Debug)]
pub(crate) struct Readings(Arc<Semaphore>);

impl Readings {
    pub(crate) fn new() -> Self {
        Readings(Arc::new(Semaphore::new(MOST)))
    }

    /// Begins one; `None` if so many have not ended that it is of no use. Dropping the handle leaves it behind.
    pub(crate) fn begin<T: Send + 'static>(
        &self,
        read: impl FnOnce() -> T + Send + 'static,
    ) -> Option<JoinHandle<T>> {
        let permit = self.0.clone().try_acquire_owned().ok()?;
        Some(spawn_blocking(move || {
            let _permit = permit;
            read()
        }))
    }

    /// Whether none is under way, nor left behind.
    #[cfg(test)]
    pub(crate) fn are_over(&self) -> bool {
        self.0.available_permits() == MOST
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn those_that_never_end_are_bounded_and_those_that_do_make_room() {
        let readings = Readings::new();
        let (ends, waits): (Vec<_>, Vec<_>) = (0..MOST)
            .map(|_| {
                let (end, wait) = mpsc::channel::<()>();
                (end, readings.begin(move || wait.recv()).expect("there is room"))
            })
            .unzip();
        assert!(readings.begin(|| ()).is_none());
        drop(ends);
        for wait in waits {
            drop(wait.await);
        }
        readings.begin(|| ()).expect("there is room again").await.expect("nothing panics");
    }
}
