//! The thread that writes the access log: batches in, bytes out to standard output or a file.
//!
//! It alone may wait for a disk or a pipe. Orders travel in the same queue as lines, so each line goes where it was
//! meant to go.

use std::fs::File;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::AccessLogTarget;

/// Shortest time between two complaints on standard error.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(10);
/// Most empty buffers that are kept for reuse.
const MOST_SPARES: usize = 32;

/// What the writer is told.
#[derive(Debug)]
pub(crate) enum Message {
    /// Write these.
    Lines(Batch),
    /// Write to this from now on, or to nothing.
    Redirect(Option<Sink>),
    /// Open the file again, under the same path.
    Reopen,
    /// Stop, and say so.
    Finish(SyncSender<()>),
}

/// Whole lines.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) bytes: Vec<u8>,
    pub(crate) lines: u64,
}

impl Batch {
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.lines = 0;
    }
}

/// What recorders, writer and operators share.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) is_on: AtomicBool,
    /// Lines that were never written.
    pub(crate) dropped: AtomicU64,
    /// Memory of the batches between recorders and writer.
    pub(crate) queued_bytes: AtomicUsize,
    spares: Mutex<Vec<Vec<u8>>>,
}

impl Tally {
    /// An empty buffer, a used one if there is one.
    pub(crate) fn spare(&self, capacity: usize) -> Vec<u8> {
        let spare = self.spares.lock().unwrap_or_else(PoisonError::into_inner).pop();
        spare.unwrap_or_else(|| Vec::with_capacity(capacity))
    }

    fn give_back(&self, mut buffer: Vec<u8>) {
        let mut spares = self.spares.lock().unwrap_or_else(PoisonError::into_inner);
        if spares.len() < MOST_SPARES {
            buffer.clear();
            spares.push(buffer);
        }
    }
}

/// An open target.
#[derive(Debug)]
pub(crate) struct Sink {
    pub(crate) target: AccessLogTarget,
    pub(crate) file: File,
}

/// The state of the writer thread.
pub(crate) struct Writer {
    tally: Arc<Tally>,
    sink: Option<Sink>,
    /// A write failed inside a line.
    is_mid_line: bool,
    complained: Option<Instant>,
}

impl Writer {
    pub(crate) fn new(tally: Arc<Tally>, sink: Option<Sink>) -> Self {
        Writer { tally, sink, is_mid_line: false, complained: None }
    }

    /// Runs until it is told to finish, or nobody is left to tell it anything.
    pub(crate) fn run(mut self, messages: &Receiver<Message>) {
        while let Ok(message) = messages.recv() {
            match message {
                Message::Lines(batch) => self.take(batch),
                Message::Redirect(sink) => {
                    self.sink = sink;
                    self.is_mid_line = false;
                }
                Message::Reopen => self.reopen(),
                Message::Finish(done) => {
                    // Whoever asked may have stopped waiting.
                    let _ = done.try_send(());
                    return;
                }
            }
        }
    }

    fn take(&mut self, batch: Batch) {
        let capacity = batch.bytes.capacity();
        if let Err((lost, error)) = self.write(&batch) {
            self.tally.dropped.fetch_add(lost, Relaxed);
            self.complain(&format_args!("cannot write the access log: {error}"));
        }
        self.tally.give_back(batch.bytes);
        self.tally.queued_bytes.fetch_sub(capacity, Relaxed);
    }

    /// Writes a batch; on an error, says how many of its lines are not whole.
    fn write(&mut self, batch: &Batch) -> Result<(), (u64, io::Error)> {
        let Some(sink) = &mut self.sink else {
            return Ok(());
        };
        if self.is_mid_line {
            sink.file.write_all(b"\n").map_err(|error| (batch.lines, error))?;
            self.is_mid_line = false;
        }
        let mut rest = batch.bytes.as_slice();
        while !rest.is_empty() {
            match sink.file.write(rest) {
                Ok(written) if written > 0 => rest = &rest[written..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                failed => {
                    let written = batch.bytes.len() - rest.len();
                    self.is_mid_line = written > 0 && batch.bytes[written - 1] != b'\n';
                    let lost = rest.iter().filter(|byte| **byte == b'\n').count();
                    let error = failed.err().unwrap_or(io::ErrorKind::WriteZero.into());
                    return Err((lost as u64, error));
                }
            }
        }
        Ok(())
    }

    /// On a failure the old file goes on: lines in a renamed file are better than none.
    fn reopen(&mut self) {
        let Some(sink) = &mut self.sink else { return };
        match sink.target.open() {
            Ok(opened) => {
                *sink = opened;
                self.is_mid_line = false;
            }
            Err(error) => self.complain(&format_args!("cannot reopen the access log: {error}")),
        }
    }

    /// To standard error, because the log of events may share the disk or pipe that just failed.
    fn complain(&mut self, what: &std::fmt::Arguments<'_>) {
        let now = Instant::now();
        let is_soon = |at: Instant| now.duration_since(at) < COMPLAINT_INTERVAL;
        if self.complained.is_some_and(is_soon) {
            return;
        }
        self.complained = Some(now);
        let dropped = self.tally.dropped.load(Relaxed);
        // Nobody is left to tell if this fails too.
        let _ = writeln!(io::stderr(), "evenkeel: {what} ({dropped} lines dropped so far)");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(text: &str) -> Batch {
        Batch { bytes: text.as_bytes().to_vec(), lines: text.lines().count() as u64 }
    }

    fn take(writer: &mut Writer, batch: Batch) {
        writer.tally.queued_bytes.fetch_add(batch.bytes.capacity(), Relaxed);
        writer.take(batch);
    }

    #[test]
    fn a_full_disk_costs_lines_that_are_counted() {
        let target = AccessLogTarget::File("/dev/full".into());
        let sink = target.open().unwrap();
        let mut writer = Writer::new(Arc::default(), Some(sink));
        take(&mut writer, batch("{}\n{}\n"));
        take(&mut writer, batch("{}\n"));
        assert_eq!(writer.tally.dropped.load(Relaxed), 3);
        assert_eq!(writer.tally.queued_bytes.load(Relaxed), 0);
    }

    #[test]
    fn after_a_broken_line_the_next_one_starts_afresh() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let target = AccessLogTarget::File(path.clone());
        let mut writer = Writer::new(Arc::default(), Some(target.open().unwrap()));
        take(&mut writer, batch("{\"half"));
        writer.is_mid_line = true;
        take(&mut writer, batch("{}\n"));
        assert_eq!(std::fs::read_to_string(path).unwrap(), "{\"half\n{}\n");
    }

    #[test]
    fn a_target_that_cannot_be_reopened_keeps_the_old_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let target = AccessLogTarget::File(path.clone());
        let mut writer = Writer::new(Arc::default(), Some(target.open().unwrap()));
        let kept = directory.path().join("log.1");
        std::fs::rename(&path, &kept).unwrap();
        std::fs::create_dir(&path).unwrap();
        writer.reopen();
        take(&mut writer, batch("{}\n"));
        assert_eq!(std::fs::read_to_string(kept).unwrap(), "{}\n");
    }

    #[test]
    fn buffers_are_used_again() {
        let tally = Tally::default();
        tally.give_back(Vec::with_capacity(77));
        assert_eq!(tally.spare(1).capacity(), 77);
        assert_eq!(tally.spare(1).capacity(), 1);
    }
}
