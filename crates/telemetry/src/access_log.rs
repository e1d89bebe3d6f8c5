//! The access log: one line a request, from per-core recorders to one writer thread.
//!
//! Nothing here makes a request wait, and nothing that goes wrong with the log touches a request.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::Duration;

use crate::Recorder;
use crate::writer::{Message, Sink, Tally, Writer};

/// Where the access log goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessLogTarget {
    /// Standard output.
    Stdout,
    /// A file, appended to; created with mode 0640.
    File(PathBuf),
}

impl AccessLogTarget {
    pub(crate) fn open(&self) -> io::Result<Sink> {
        let file = match self {
            // A descriptor of our own: the standard library's would lock, buffer by line and hide EBADF.
            AccessLogTarget::Stdout => File::from(io::stdout().as_fd().try_clone_to_owned()?),
            AccessLogTarget::File(path) => OpenOptions::new()
                .append(true)
                .create(true)
                .mode(0o640)
                .open(path)
                .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))?,
        };
        Ok(Sink { target: self.clone(), file })
    }
}

/// The access log of the process; cheap to clone. The writer ends when the last clone and recorder are gone.
#[derive(Clone, Debug)]
pub struct AccessLog {
    tally: Arc<Tally>,
    writer: Sender<Message>,
}

impl AccessLog {
    /// Opens the target and starts the writer thread; `None` logs nothing until [`AccessLog::redirect`].
    ///
    /// Fails if the target cannot be opened, naming it, or if no thread can be started.
    pub fn start(target: Option<&AccessLogTarget>) -> io::Result<AccessLog> {
        let sink = target.map(AccessLogTarget::open).transpose()?;
        let tally = Arc::new(Tally::default());
        tally.is_on.store(sink.is_some(), Relaxed);
        let (sender, receiver) = mpsc::channel();
        let writer = Writer::new(tally.clone(), sink);
        thread::Builder::new().name("access-log".into()).spawn(move || writer.run(&receiver))?;
        Ok(AccessLog { tally, writer: sender })
    }

    /// A recorder for one core.
    pub fn recorder(&self) -> Recorder {
        Recorder::new(self.tally.clone(), self.writer.clone())
    }

    /// Logs to `target` from now on, or nothing. Lines handed over before still go to the old one.
    ///
    /// Fails if the target cannot be opened, naming it; the old one goes on then.
    pub fn redirect(&self, target: Option<&AccessLogTarget>) -> io::Result<()> {
        let sink = target.map(AccessLogTarget::open).transpose()?;
        self.tally.is_on.store(sink.is_some(), Relaxed);
        self.tell(Message::Redirect(sink));
        Ok(())
    }

    /// Opens the file again under its path, after a rotation renamed it. What cannot be reopened goes on as it was,
    /// and standard error says so.
    pub fn reopen(&self) {
        self.tell(Message::Reopen);
    }

    /// Lines that were never written, since the start: the writer was too far behind, or a write failed.
    pub fn dropped(&self) -> u64 {
        self.tally.dropped.load(Relaxed)
    }

    /// Writes what recorders handed over, and ends the writer; whether that was done within `timeout`.
    ///
    /// Recorders hand over when they are dropped, so end the workers first. What is recorded later is dropped.
    pub fn finish(&self, timeout: Duration) -> bool {
        let (done, is_done) = mpsc::sync_channel(1);
        self.tell(Message::Finish(done));
        is_done.recv_timeout(timeout).is_ok()
    }

    /// A writer that finished needs no orders.
    fn tell(&self, message: Message) {
        let _ = self.writer.send(message);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::entry::tests::entry;

    const PATIENCE: Duration = Duration::from_secs(10);

    fn lines(path: &std::path::Path) -> usize {
        fs::read_to_string(path).unwrap().lines().count()
    }

    #[test]
    fn every_line_of_every_core_is_in_the_file_when_the_log_has_finished() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("access.log");
        let log = AccessLog::start(Some(&AccessLogTarget::File(path.clone()))).unwrap();
        thread::scope(|scope| {
            for _ in 0..4 {
                let recorder = log.recorder();
                scope.spawn(move || (0..1000).for_each(|_| recorder.record(&entry(b"/"))));
            }
        });
        assert!(log.finish(PATIENCE));
        assert_eq!(lines(&path), 4000);
        assert_eq!(log.dropped(), 0);
    }

    #[test]
    fn a_renamed_file_is_followed_until_the_log_is_reopened() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("access.log");
        let renamed = directory.path().join("access.log.1");
        let log = AccessLog::start(Some(&AccessLogTarget::File(path.clone()))).unwrap();
        let recorder = log.recorder();
        fs::rename(&path, &renamed).unwrap();
        recorder.record(&entry(b"/"));
        recorder.flush();
        log.reopen();
        recorder.record(&entry(b"/"));
        recorder.record(&entry(b"/"));
        recorder.flush();
        assert!(log.finish(PATIENCE));
        assert_eq!((lines(&renamed), lines(&path)), (1, 2));
    }

    #[test]
    fn a_redirected_log_sends_each_line_where_it_was_meant_to_go() {
        let directory = tempfile::tempdir().unwrap();
        let [first, second] = ["first", "second"].map(|name| directory.path().join(name));
        let log = AccessLog::start(Some(&AccessLogTarget::File(first.clone()))).unwrap();
        let recorder = log.recorder();
        recorder.record(&entry(b"/"));
        recorder.flush();
        log.redirect(None).unwrap();
        assert!(!recorder.is_on());
        recorder.record(&entry(b"/"));
        recorder.flush();
        log.redirect(Some(&AccessLogTarget::File(second.clone()))).unwrap();
        assert!(recorder.is_on());
        recorder.record(&entry(b"/"));
        recorder.flush();
        assert!(log.finish(PATIENCE));
        assert_eq!((lines(&first), lines(&second)), (1, 1));
        assert_eq!(log.dropped(), 0);
    }

    #[test]
    fn a_target_that_cannot_be_opened_is_named_and_changes_nothing() {
        let log = AccessLog::start(None).unwrap();
        let missing = AccessLogTarget::File("/nonexistent/access.log".into());
        let error = log.redirect(Some(&missing)).unwrap_err().to_string();
        assert!(error.contains("/nonexistent/access.log"), "{error}");
        assert!(!log.recorder().is_on());
        assert!(AccessLog::start(Some(&missing)).is_err());
    }

    #[test]
    fn what_is_recorded_after_the_end_is_counted_as_dropped() {
        let directory = tempfile::tempdir().unwrap();
        let target = AccessLogTarget::File(directory.path().join("access.log"));
        let log = AccessLog::start(Some(&target)).unwrap();
        let recorder = log.recorder();
        assert!(log.finish(PATIENCE));
        // The writer says that it is done just before its end of the queue goes away.
        let deadline = std::time::Instant::now() + PATIENCE;
        while log.dropped() == 0 && std::time::Instant::now() < deadline {
            recorder.record(&entry(b"/"));
            recorder.flush();
            thread::yield_now();
        }
        assert!(log.dropped() > 0);
    }

    #[test]
    fn an_unread_pipe_never_holds_up_the_end_beyond_its_deadline() {
        let (_reader, pipe) = io::pipe().unwrap();
        let log = AccessLog::start(None).unwrap();
        let file = File::from(std::os::fd::OwnedFd::from(pipe));
        log.tally.is_on.store(true, Relaxed);
        let target = AccessLogTarget::Stdout;
        log.tell(Message::Redirect(Some(Sink { target, file })));
        let recorder = log.recorder();
        for _ in 0..1000 {
            recorder.record(&entry(b"/"));
        }
        assert!(!log.finish(Duration::from_millis(100)));
    }
}
