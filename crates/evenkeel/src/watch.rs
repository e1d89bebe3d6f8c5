//! Watches certificates, keys, CAs and revocation lists, and reads them again once they changed.
//!
//! It looks again and again instead of asking the kernel to be told: that works on every file system and with every way
//! to exchange a file or a link. At most one look or reading is under way, so that a file system that hangs holds up
//! nothing but the watch itself.

mod settling;
mod sight;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_config::{Plan, Reread};
use tokio::task::{JoinError, JoinHandle, spawn_blocking};
use tokio::time::{Instant, sleep_until};

use self::settling::{Look, Settling};
use self::sight::Sight;

/// How often it does what.
#[derive(Clone, Copy, Debug)]
struct Pace {
    /// Between two looks.
    look: Duration,
    /// After which a look or a reading is said to hang.
    late: Duration,
    /// Between two readings while a file is bad.
    again: Duration,
    /// Between two readings in any case: certificates get old without any change.
    anyway: Duration,
}

const USUAL: Pace = Pace {
    look: Duration::from_secs(2),
    late: Duration::from_secs(10),
    again: Duration::from_secs(60),
    anyway: Duration::from_secs(3600),
};

/// The watch over the files of the plan that runs.
#[derive(Debug)]
pub(crate) struct Watch {
    pace: Pace,
    plan: Arc<Plan>,
    paths: Arc<[PathBuf]>,
    settling: Settling,
    work: Option<Work>,
    /// The next look.
    due: Instant,
    /// When files that are bad are read again, though nothing changed.
    again: Option<Instant>,
    /// When they are in any case.
    anyway: Instant,
}

/// What the watch has to say.
#[derive(Debug)]
pub(crate) enum Finding {
    /// The files were read again.
    Reread {
        /// What came of it.
        reread: Box<Reread>,
        /// Whether only because it was time.
        is_routine: bool,
    },
    /// They cannot be read, nor looked at: their file system does not answer.
    Late(Duration),
}

/// What is under way on a thread of its own.
#[derive(Debug)]
struct Work {
    task: Task,
    deadline: Instant,
    is_late: bool,
    /// Whether it is about a plan that runs no more.
    is_stale: bool,
}

#[derive(Debug)]
enum Task {
    Look(JoinHandle<Sight>),
    Read { task: JoinHandle<Box<Reread>>, is_routine: bool },
}

enum Done {
    Look(Result<Sight, JoinError>),
    Read { result: Result<Box<Reread>, JoinError>, is_routine: bool },
}

impl Watch {
    /// Over the files of `plan`, which were read before now.
    pub(crate) fn new(plan: Arc<Plan>) -> Self {
        Self::with_pace(plan, USUAL)
    }

    fn with_pace(plan: Arc<Plan>, pace: Pace) -> Self {
        Watch {
            pace,
            paths: plan.watched().into(),
            plan,
            settling: Settling::default(),
            work: None,
            due: Instant::now() + pace.look,
            again: None,
            anyway: Instant::now() + pace.anyway,
        }
    }

    /// Another plan runs, by a reload, which has read every file.
    pub(crate) fn restart(&mut self, plan: Arc<Plan>) {
        let work = self.work.take();
        *self = Watch::with_pace(plan, self.pace);
        // It goes on, and nothing else is begun before it ends.
        self.work = work.map(|work| Work { is_stale: true, ..work });
    }

    /// Another plan runs, by what this watch found.
    pub(crate) fn follow(&mut self, plan: Arc<Plan>) {
        self.paths = plan.watched().into();
        self.plan = plan;
    }

    /// The next finding. Cancelling loses nothing: what is under way goes on, and the next call takes it up.
    pub(crate) async fn next(&mut self) -> Finding {
        loop {
            let Some(work) = &mut self.work else {
                if self.paths.is_empty() {
                    return std::future::pending().await;
                }
                sleep_until(self.due).await;
                let paths = self.paths.clone();
                self.begin(Task::Look(spawn_blocking(move || Sight::of(&paths))));
                continue;
            };
            // Neither side loses anything: a task goes on, and a deadline stays.
            let done = tokio::select! {
                done = work.task.done() => done,
                () = sleep_until(work.deadline), if !work.is_late => {
                    work.is_late = true;
                    if work.is_stale {
                        continue;
                    }
                    return Finding::Late(self.pace.late);
                }
            };
            if let Some(finding) = self.take(done) {
                return finding;
            }
        }
    }

    fn begin(&mut self, task: Task) {
        let deadline = Instant::now() + self.pace.late;
        self.work = Some(Work { task, deadline, is_late: false, is_stale: false });
    }

    fn take(&mut self, done: Done) -> Option<Finding> {
        let work = self.work.take()?;
        let now = Instant::now();
        self.due = now + self.pace.look;
        if work.is_stale {
            return None;
        }
        if work.is_late {
            // That it answers again is told by a reading.
            self.again = Some(now);
        }
        match done {
            Done::Look(Ok(sight)) => {
                self.looked(sight, now);
                None
            }
            Done::Read { result: Ok(reread), is_routine } => {
                self.again = (!reread.problems.is_empty()).then(|| now + self.pace.again);
                Some(Finding::Reread { reread, is_routine })
            }
            Done::Look(Err(error)) | Done::Read { result: Err(error), .. } => {
                self.again = Some(now + self.pace.again);
                let plan = Plan::clone(&self.plan);
                let reread = Box::new(Reread { plan, problems: vec![error.to_string()] });
                Some(Finding::Reread { reread, is_routine: false })
            }
        }
    }

    fn looked(&mut self, sight: Sight, now: Instant) {
        let is_time = self.anyway <= now;
        let (is_wanted, is_routine) = match self.settling.take(sight) {
            Look::Changed => (true, false),
            Look::Same => (is_time || self.again.is_some_and(|again| again <= now), is_time),
            Look::Changing => (false, false),
        };
        if is_wanted {
            if is_routine {
                self.anyway = now + self.pace.anyway;
            }
            let plan = self.plan.clone();
            self.begin(Task::Read { task: spawn_blocking(move || Box::new(plan.reread())), is_routine });
        }
    }
}

impl Task {
    /// Cancelling loses nothing; once it is done it may not be called again.
    async fn done(&mut self) -> Done {
        match self {
            Task::Look(task) => Done::Look(task.await),
            Task::Read { task, is_routine } => Done::Read { result: task.await, is_routine: *is_routine },
        }
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test is no request on the hot path")]
mod tests {
    use std::fs;
    use std::path::Path;

    use tokio::time::timeout;

    use super::*;

    const QUICK: Pace = Pace {
        look: Duration::from_millis(2),
        late: Duration::from_secs(10),
        again: Duration::from_secs(3600),
        anyway: Duration::from_secs(3600),
    };

    /// Longest wait for a finding.
    const PATIENCE: Duration = Duration::from_secs(10);
    /// So long, nothing is found where nothing is to be found.
    const WHILE: Duration = Duration::from_millis(100);

    fn watch(path: &Path, pace: Pace) -> Watch {
        let text =
            "listeners: [{ address: \"127.0.0.1:0\" }]\npools: { web: { backends: [\"127.0.0.1:1\"] } }\n";
        let plan = evenkeel_config::parse(text, "test.yaml", &|_| None).unwrap();
        let mut watch = Watch::with_pace(Arc::new(plan), pace);
        watch.paths = [path.to_owned()].into();
        watch
    }

    async fn found(watch: &mut Watch) -> Finding {
        timeout(PATIENCE, watch.next()).await.expect("a finding in time")
    }

    #[track_caller]
    fn expect_reread(finding: &Finding, routine: bool) {
        let is_it = matches!(finding, Finding::Reread { is_routine, .. } if *is_routine == routine);
        assert!(is_it, "{finding:?}");
    }

    #[tokio::test]
    async fn files_are_read_again_when_they_change_and_once_at_the_start() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut watch = watch(file.path(), QUICK);
        // Whatever changed between the start's own reading and the first look.
        expect_reread(&found(&mut watch).await, false);
        assert!(timeout(WHILE, watch.next()).await.is_err(), "nothing changed");
        fs::write(file.path(), "another").unwrap();
        expect_reread(&found(&mut watch).await, false);
        assert!(timeout(WHILE, watch.next()).await.is_err(), "nothing changed since");
    }

    #[tokio::test]
    async fn a_wait_that_is_cancelled_loses_nothing() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut watch = watch(file.path(), QUICK);
        expect_reread(&found(&mut watch).await, false);
        fs::write(file.path(), "another").unwrap();
        let deadline = Instant::now() + PATIENCE;
        let finding = loop {
            assert!(Instant::now() < deadline, "the change is lost");
            if let Ok(finding) = timeout(Duration::from_micros(500), watch.next()).await {
                break finding;
            }
        };
        expect_reread(&finding, false);
    }

    #[tokio::test]
    async fn files_are_read_from_time_to_time_in_any_case() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut watch = watch(file.path(), Pace { anyway: Duration::from_millis(20), ..QUICK });
        expect_reread(&found(&mut watch).await, false);
        expect_reread(&found(&mut watch).await, true);
        expect_reread(&found(&mut watch).await, true);
    }

    #[tokio::test]
    async fn a_file_system_that_does_not_answer_is_told_once_and_its_answer_is_a_reading() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut watch = watch(file.path(), Pace { late: Duration::ZERO, ..QUICK });
        let mut late = 0;
        while matches!(found(&mut watch).await, Finding::Late(_)) {
            late += 1;
        }
        assert!(late <= 3, "{late} times for two looks and a reading");
    }

    #[tokio::test]
    async fn after_a_reload_what_was_begun_before_it_says_nothing() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut watch = watch(file.path(), QUICK);
        let plan = watch.plan.clone();
        let reading = plan.clone();
        let task = spawn_blocking(move || Box::new(reading.reread()));
        watch.begin(Task::Read { task, is_routine: false });
        watch.restart(plan);
        assert!(timeout(WHILE, watch.next()).await.is_err(), "this plan has no files");
        assert!(watch.work.is_none());
    }
}
