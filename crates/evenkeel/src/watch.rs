//! Watches certificates, keys, CAs and revocation lists, and reads them again once they changed.
//!
//! It looks again and again instead of asking the kernel to be told: that works on every file system and with every way
//! to exchange a file or a link. The system's CAs are not looked at, only read again with the rest. At most one look or
//! reading is under way, so that a file system that hangs holds up nothing but the watch itself; a reload leaves it behind.

mod settling;
mod sight;

use std::sync::Arc;
use std::time::Duration;

use evenkeel_config::{Plan, Reread};
use tokio::task::{JoinError, JoinHandle};
use tokio::time::{Instant, sleep_until};

use self::settling::{Look, Settling};
use self::sight::Sight;
use crate::readings::{PANICKED, Readings};

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
    readings: Readings,
    settling: Settling,
    work: Option<Work>,
    /// The next look.
    due: Instant,
    /// When files that are bad are read again, though nothing changed.
    again: Option<Instant>,
    /// When they are in any case.
    anyway: Instant,
    /// Whether there is no file to watch, nor anything to read in any case.
    is_idle: bool,
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
    pub(crate) fn new(plan: Arc<Plan>, readings: Readings) -> Self {
        Self::with_pace(plan, readings, USUAL)
    }

    fn with_pace(plan: Arc<Plan>, readings: Readings, pace: Pace) -> Self {
        Watch {
            pace,
            plan,
            readings,
            settling: Settling::default(),
            work: None,
            due: Instant::now() + pace.look,
            again: None,
            anyway: Instant::now() + pace.anyway,
            is_idle: false,
        }
    }

    /// Another plan runs, by a reload, which has read every file. What is under way is about the one before, perhaps on a
    /// file system that hangs, and is left behind.
    pub(crate) fn restart(&mut self, plan: Arc<Plan>) {
        *self = Watch::with_pace(plan, self.readings.clone(), self.pace);
    }

    /// Another plan runs, by what this watch found.
    pub(crate) fn follow(&mut self, plan: Arc<Plan>) {
        self.plan = plan;
    }

    /// The next finding. Cancelling loses nothing: what is under way goes on, and the next call takes it up.
    pub(crate) async fn next(&mut self) -> Finding {
        loop {
            let Some(work) = &mut self.work else {
                if self.is_idle {
                    return std::future::pending().await;
                }
                sleep_until(self.due).await;
                let plan = self.plan.clone();
                let look = self.readings.begin(move || Sight::of(plan.watched()));
                if self.begin(look.map(Task::Look)) {
                    continue;
                }
                return Finding::Late(self.pace.late);
            };
            // Neither side loses anything: a task goes on, and a deadline stays.
            let done = tokio::select! {
                done = work.task.done() => done,
                () = sleep_until(work.deadline), if !work.is_late => {
                    work.is_late = true;
                    return Finding::Late(self.pace.late);
                }
            };
            if let Some(finding) = self.take(done) {
                return finding;
            }
        }
    }

    /// Whether it has begun; else, since too many hang, all is tried again at the next look.
    fn begin(&mut self, task: Option<Task>) -> bool {
        let now = Instant::now();
        self.work = task.map(|task| Work { task, deadline: now + self.pace.late, is_late: false });
        if self.work.is_none() {
            self.due = now + self.pace.look;
            self.again = Some(now);
        }
        self.work.is_some()
    }

    fn take(&mut self, done: Done) -> Option<Finding> {
        let work = self.work.take()?;
        let now = Instant::now();
        self.due = now + self.pace.look;
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
            Done::Look(Err(_)) | Done::Read { result: Err(_), .. } => {
                self.again = Some(now + self.pace.again);
                let plan = Plan::clone(&self.plan);
                let reread = Box::new(Reread { plan, problems: vec![PANICKED.into()] });
                Some(Finding::Reread { reread, is_routine: false })
            }
        }
    }

    fn looked(&mut self, sight: Sight, now: Instant) {
        let is_time = self.anyway <= now;
        let is_due = is_time || self.again.is_some_and(|again| again <= now);
        let (is_wanted, is_routine) = if sight.is_empty() {
            // The system's CAs are worth a reading, but there is nothing to look at until then.
            self.is_idle = !self.plan.believes_system();
            self.due = self.again.map_or(self.anyway, |again| again.min(self.anyway));
            (is_due && !self.is_idle, is_time)
        } else {
            match self.settling.take(sight) {
                Look::Changed => (true, is_time),
                Look::Same => (is_due, is_time),
                Look::Changing => (false, false),
            }
        };
        if is_wanted {
            if is_routine {
                self.anyway = now + self.pace.anyway;
            }
            let plan = self.plan.clone();
            let reading = self.readings.begin(move || Box::new(plan.reread()));
            self.begin(reading.map(|task| Task::Read { task, is_routine }));
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
    use std::sync::mpsc::{Sender, channel};

    use tempfile::TempDir;
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

    /// A plan with a certificate, and the watch over it.
    struct Scene {
        folder: TempDir,
        watch: Watch,
    }

    impl Scene {
        fn new(pace: Pace) -> Scene {
            let folder = tempfile::tempdir().unwrap();
            renew(folder.path());
            let path = folder.path().join("site.pem").display().to_string();
            let tls = format!("{{ certificates: [{{ certificate: {path} }}] }}");
            Scene { folder, watch: Watch::with_pace(plan(&format!("tls: {tls}")), Readings::new(), pace) }
        }

        async fn found(&mut self) -> Finding {
            timeout(PATIENCE, self.watch.next()).await.expect("a finding in time")
        }

        /// A reading, and whether anything changed by it.
        async fn reread(&mut self) -> (Reread, bool) {
            match self.found().await {
                Finding::Reread { reread, .. } => {
                    let is_news = reread.plan != *self.watch.plan;
                    (*reread, is_news)
                }
                finding @ Finding::Late(_) => panic!("{finding:?}"),
            }
        }

        async fn expect_quiet(&mut self) {
            let found = timeout(WHILE, self.watch.next()).await;
            assert!(found.is_err(), "nothing is to be found: {found:?}");
        }
    }

    fn plan(tls: &str) -> Arc<Plan> {
        let text = format!(
            "listeners: [{{ address: \"127.0.0.1:0\", {tls} }}]\npools: {{ web: {{ backends: [\"127.0.0.1:1\"] }} }}\n"
        );
        let plan = evenkeel_config::parse(&text, "test.yaml", &|_| None);
        Arc::new(plan.unwrap_or_else(|problems| panic!("{problems}")))
    }

    /// Another certificate than before.
    fn renew(folder: &Path) {
        let made = rcgen::generate_simple_self_signed(vec!["a.test".to_string()]).unwrap();
        let pem = made.cert.pem() + &made.signing_key.serialize_pem();
        fs::write(folder.join("new"), pem).unwrap();
        fs::rename(folder.join("new"), folder.join("site.pem")).unwrap();
    }

    #[tokio::test]
    async fn files_are_read_again_when_they_change_and_once_at_the_start() {
        let mut scene = Scene::new(QUICK);
        // Whatever changed between the start's own reading and the first look.
        assert!(!scene.reread().await.1);
        scene.expect_quiet().await;
        renew(scene.folder.path());
        let (reread, is_news) = scene.reread().await;
        assert!(is_news && reread.problems.is_empty(), "{:?}", reread.problems);
        scene.watch.follow(Arc::new(reread.plan));
        scene.expect_quiet().await;
    }

    #[tokio::test]
    async fn a_bad_file_changes_nothing_and_is_tried_again() {
        let mut scene = Scene::new(Pace { again: Duration::from_millis(20), ..QUICK });
        fs::write(scene.folder.path().join("site.pem"), "no certificate").unwrap();
        for _ in 0..3 {
            let (reread, is_news) = scene.reread().await;
            assert!(!is_news && reread.problems.len() == 1, "{:?}", reread.problems);
        }
        renew(scene.folder.path());
        let deadline = Instant::now() + PATIENCE;
        while !scene.reread().await.1 {
            assert!(Instant::now() < deadline, "the new certificate is not found");
        }
        scene.expect_quiet().await;
    }

    #[tokio::test]
    async fn a_wait_that_is_cancelled_loses_nothing() {
        let mut scene = Scene::new(QUICK);
        scene.reread().await;
        renew(scene.folder.path());
        let deadline = Instant::now() + PATIENCE;
        let finding = loop {
            assert!(Instant::now() < deadline, "the change is lost");
            if let Ok(finding) = timeout(Duration::from_micros(500), scene.watch.next()).await {
                break finding;
            }
        };
        assert!(matches!(finding, Finding::Reread { is_routine: false, .. }), "{finding:?}");
    }

    #[tokio::test]
    async fn files_are_read_from_time_to_time_in_any_case() {
        let mut scene = Scene::new(Pace { anyway: Duration::from_millis(20), ..QUICK });
        scene.reread().await;
        for _ in 0..2 {
            let finding = scene.found().await;
            assert!(matches!(finding, Finding::Reread { is_routine: true, .. }), "{finding:?}");
        }
    }

    #[tokio::test]
    async fn files_that_never_rest_are_read_from_time_to_time_too() {
        let mut scene = Scene::new(Pace { anyway: Duration::ZERO, ..QUICK });
        for number in 0.. {
            let sight = Sight::of(vec![format!("/there is no {number}").into()]);
            scene.watch.looked(sight, Instant::now());
            if scene.watch.work.is_some() {
                break;
            }
            assert!(number < 100, "they are never read");
        }
        let finding = scene.found().await;
        assert!(matches!(finding, Finding::Reread { is_routine: true, .. }), "{finding:?}");
    }

    #[tokio::test]
    async fn a_look_that_panics_is_one_trouble_however_often_it_does() {
        let mut scene = Scene::new(QUICK);
        let mut problems = Vec::new();
        for _ in 0..2 {
            let look = scene.watch.readings.begin(|| panic!("on purpose"));
            scene.watch.begin(look.map(Task::Look));
            problems.push(scene.reread().await.0.problems);
        }
        assert!(problems[0].len() == 1 && problems[0] == problems[1], "{problems:?}");
    }

    #[tokio::test]
    async fn the_systems_cas_are_read_from_time_to_time_without_any_file() {
        let text =
            "listeners: [{ address: \"127.0.0.1:0\" }]\npools: { web: { backends: [\"https://a.test\"] } }\n";
        // A machine without any has no such plan.
        let Ok(plan) = evenkeel_config::parse(text, "test.yaml", &|_| None) else { return };
        let pace = Pace { anyway: Duration::from_millis(20), ..QUICK };
        let mut watch = Watch::with_pace(Arc::new(plan), Readings::new(), pace);
        for _ in 0..2 {
            let finding = timeout(PATIENCE, watch.next()).await.expect("a finding in time");
            let Finding::Reread { reread, is_routine: true } = finding else { panic!("{finding:?}") };
            assert!(reread.plan == *watch.plan && reread.problems.is_empty(), "{:?}", reread.problems);
        }
    }

    #[tokio::test]
    async fn a_file_system_that_does_not_answer_is_told_once_and_its_answer_is_a_reading() {
        let mut scene = Scene::new(Pace { late: Duration::ZERO, ..QUICK });
        let mut late = 0;
        while matches!(scene.found().await, Finding::Late(_)) {
            late += 1;
        }
        assert!(late <= 3, "{late} times for two looks and a reading");
    }

    #[tokio::test]
    async fn after_a_reload_what_was_begun_before_it_says_nothing() {
        let mut scene = Scene::new(QUICK);
        let before = scene.watch.plan.clone();
        let task = scene.watch.readings.begin(move || Box::new(before.reread()));
        scene.watch.begin(task.map(|task| Task::Read { task, is_routine: false }));
        scene.watch.restart(plan("half_close: true"));
        scene.expect_quiet().await;
        assert!(scene.watch.work.is_none() && scene.watch.is_idle, "a plan without files");
    }

    /// A look that hangs until the other side is dropped.
    fn hang(watch: &mut Watch) -> Sender<()> {
        let (end, wait) = channel::<()>();
        let look = watch.readings.begin(move || {
            let _ = wait.recv();
            Sight::of(Vec::new())
        });
        watch.begin(look.map(Task::Look));
        end
    }

    #[tokio::test]
    async fn after_a_reload_the_files_are_watched_though_a_look_at_those_before_hangs() {
        let mut scene = Scene::new(Pace { late: Duration::from_millis(20), ..QUICK });
        let end = hang(&mut scene.watch);
        assert!(matches!(scene.found().await, Finding::Late(_)));
        let plan = scene.watch.plan.clone();
        scene.watch.restart(plan);
        scene.watch.pace = QUICK;
        assert!(!scene.reread().await.1);
        renew(scene.folder.path());
        assert!(scene.reread().await.1, "the new certificate is found");
        drop(end);
    }

    #[tokio::test]
    async fn when_too_many_hang_it_is_told_until_they_end() {
        let mut scene = Scene::new(QUICK);
        let mut ends = Vec::new();
        loop {
            let end = hang(&mut scene.watch);
            if scene.watch.work.is_none() {
                break;
            }
            ends.push(end);
            assert!(ends.len() < 100, "there is no bound");
        }
        let plan = scene.watch.plan.clone();
        scene.watch.restart(plan);
        assert!(matches!(scene.found().await, Finding::Late(_)));
        ends.clear();
        let deadline = Instant::now() + PATIENCE;
        while !matches!(scene.found().await, Finding::Reread { .. }) {
            assert!(Instant::now() < deadline, "it never looks again");
        }
    }
}
