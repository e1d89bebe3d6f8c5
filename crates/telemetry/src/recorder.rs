//! One core's end of the access log: lines gather in a buffer of its own, and leave in batches.
//!
//! Recording takes no lock and never waits. When the writer is too far behind, lines are dropped and counted.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::Sender;

use crate::Entry;
use crate::time::Clock;
use crate::writer::{Batch, Message, Tally};

/// Bytes that make a batch worth handing over.
const BATCH_BYTES: usize = 16 * 1024;
/// Most bytes that wait for the writer, over all cores.
const LONGEST_QUEUE_BYTES: usize = 8 * 1024 * 1024;

/// Records one core's requests; belongs to that core.
pub struct Recorder {
    tally: Arc<Tally>,
    writer: Sender<Message>,
    lines: RefCell<Lines>,
}

#[derive(Default)]
struct Lines {
    batch: Batch,
    clock: Clock,
}

impl Recorder {
    pub(crate) fn new(tally: Arc<Tally>, writer: Sender<Message>) -> Self {
        Recorder { tally, writer, lines: RefCell::default() }
    }

    /// Whether requests are logged at all; ask before making an [`Entry`].
    #[inline]
    pub fn is_on(&self) -> bool {
        self.tally.is_on.load(Relaxed)
    }

    /// Notes one request, unless the log is off. Never waits.
    pub fn record(&self, entry: &Entry<'_>) {
        if !self.is_on() {
            return;
        }
        let mut lines = self.lines.borrow_mut();
        let Lines { batch, clock } = &mut *lines;
        if batch.bytes.capacity() == 0 {
            batch.bytes = self.tally.spare(BATCH_BYTES + BATCH_BYTES / 8);
        }
        entry.write(&mut batch.bytes, clock);
        batch.lines += 1;
        if batch.bytes.len() >= BATCH_BYTES {
            self.hand_over(batch);
        }
    }

    /// Hands over what was recorded. A worker calls it about every 50 ms, so that lines are not held for long.
    pub fn flush(&self) {
        let batch = &mut self.lines.borrow_mut().batch;
        // A short batch costs the queue as much as a full one; while there is no room it had better grow.
        if batch.lines > 0 && (self.has_room() || batch.bytes.len() >= BATCH_BYTES) {
            self.hand_over(batch);
        }
    }

    fn has_room(&self) -> bool {
        self.tally.queued_bytes.load(Relaxed) < LONGEST_QUEUE_BYTES
    }

    fn hand_over(&self, batch: &mut Batch) {
        if !self.has_room() {
            self.tally.dropped.fetch_add(batch.lines, Relaxed);
            batch.clear();
            return;
        }
        let batch = std::mem::take(batch);
        let lines = batch.lines;
        // Capacity is what the memory costs, however few the lines.
        self.tally.queued_bytes.fetch_add(batch.bytes.capacity(), Relaxed);
        if self.writer.send(Message::Lines(batch)).is_err() {
            self.tally.dropped.fetch_add(lines, Relaxed);
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.flush();
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Recorder").field("is_on", &self.is_on()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::entry::tests::entry;

    fn recorder() -> (Recorder, mpsc::Receiver<Message>) {
        let (sender, receiver) = mpsc::channel();
        let tally = Arc::new(Tally::default());
        tally.is_on.store(true, Relaxed);
        (Recorder::new(tally, sender), receiver)
    }

    #[test]
    fn lines_leave_when_a_batch_is_full_or_on_a_flush() {
        let (recorder, receiver) = recorder();
        recorder.record(&entry(b"/"));
        assert!(receiver.try_recv().is_err());
        recorder.flush();
        let Ok(Message::Lines(batch)) = receiver.try_recv() else { panic!("no batch") };
        assert_eq!(batch.lines, 1);
        for _ in 0..100 {
            recorder.record(&entry(b"/"));
        }
        let Ok(Message::Lines(batch)) = receiver.try_recv() else { panic!("no batch") };
        assert!(batch.bytes.len() >= BATCH_BYTES);
    }

    #[test]
    fn a_stuck_writer_costs_lines_and_no_more_memory_than_its_bound() {
        let (recorder, receiver) = recorder();
        let recorded = 100_000;
        for _ in 0..recorded {
            recorder.record(&entry(b"/"));
        }
        recorder.flush();
        let mut lines = 0;
        let mut held = 0;
        while let Ok(Message::Lines(batch)) = receiver.try_recv() {
            lines += batch.lines;
            held += batch.bytes.capacity();
        }
        let kept = recorder.lines.borrow().batch.lines;
        let dropped = recorder.tally.dropped.load(Relaxed);
        assert!(dropped > 0);
        assert_eq!(lines + kept + dropped, recorded);
        assert!(held <= LONGEST_QUEUE_BYTES + 2 * BATCH_BYTES);
    }

    #[test]
    fn nothing_is_recorded_while_the_log_is_off() {
        let (recorder, receiver) = recorder();
        recorder.tally.is_on.store(false, Relaxed);
        recorder.record(&entry(b"/"));
        recorder.flush();
        assert!(receiver.try_recv().is_err());
    }

    #[test]
    fn a_recorder_that_goes_away_loses_nothing() {
        let (recorder, receiver) = recorder();
        recorder.record(&entry(b"/"));
        drop(recorder);
        assert!(matches!(receiver.try_recv(), Ok(Message::Lines(_))));
    }
}
