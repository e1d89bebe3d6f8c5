//! A reload: all of the new plan or nothing of it.
//!
//! Everything that can fail comes before the plan is published; what comes after cannot. Certificates and the like are
//! also read again without the rest; of those, each is taken by itself.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use evenkeel_config::{Plan, Reread};
use evenkeel_proxy::ListenerGroup;

use crate::node::{Node, target};
use crate::readings::{PANICKED, Readings};
use crate::refusal::Refusal;
use crate::{certificates, difference, listening, service};

/// Longest wait for the configuration and what it names to be read: a thousand small files from afar take less.
const LONGEST_READING: Duration = Duration::from_secs(30);

/// Most files and folders that a problem names.
const MOST_NAMED: usize = 4;

/// Reads the configuration again and applies it, or logs every problem and changes nothing. Returns whether another plan
/// runs now.
pub(crate) async fn reload(node: &mut Node) -> bool {
    service::reloading();
    let is_accepted = match node.source.file().cloned() {
        Some(file) => reload_from(node, file).await,
        None => {
            tracing::warn!(
                "SIGHUP changes nothing: this node was started by flags, so there is no file to read"
            );
            false
        }
    };
    service::ready();
    is_accepted
}

async fn reload_from(node: &mut Node, file: PathBuf) -> bool {
    match prepare(node, file.clone()).await {
        Ok((plan, groups)) => {
            apply(node, plan, groups).await;
            true
        }
        Err(refusal) => {
            reject(node, &file, &refusal);
            false
        }
    }
}

/// Everything that can fail: reading, checking, opening sockets and the access log.
async fn prepare(node: &Node, file: PathBuf) -> Result<(Plan, Vec<ListenerGroup>), Refusal> {
    let plan = read_within(LONGEST_READING, &node.readings, file, node.plan.clone()).await?;
    let problems = difference::needs_restart(&node.plan, &plan);
    if !problems.is_empty() {
        return Err(Refusal::Node(problems));
    }
    let rules = difference::to_open(&node.plan, &plan);
    let groups = listening::open(&rules, node.workers, &node.source)
        .map_err(|errors| Refusal::Node(errors.iter().map(ToString::to_string).collect()))?;
    if node.plan.access_log != plan.access_log {
        node.access_log
            .redirect(target(&plan).as_ref())
            .map_err(|error| Refusal::Node(vec![format!("access_log: {error}")]))?;
    }
    Ok((plan, groups))
}

/// Reads a plan on another thread: control shares this one, and must go on when a file system hangs.
#[allow(clippy::disallowed_methods, reason = "a reload is not on the request path")]
async fn read_within(
    longest: Duration,
    readings: &Readings,
    file: PathBuf,
    before: Arc<Plan>,
) -> Result<Plan, Refusal> {
    let places: Vec<&Path> = std::iter::once(&*file).chain(before.folders()).collect();
    let help = help_against_hanging(&places);
    let Some(reading) = readings.begin(move || read(&file, &before)) else {
        let why = "the configuration is not read, since earlier readings have not ended";
        let end = "if it never answers, only a restart of evenkeel ends them";
        return Err(Refusal::Node(vec![format!("{why}; {help}; {end}")]));
    };
    match tokio::time::timeout(longest, reading).await {
        Ok(Ok(plan)) => plan,
        Ok(Err(_)) => Err(Refusal::Node(vec![PANICKED.into()])),
        Err(_) => {
            let why = format!("the configuration could not be read within {longest:?}");
            Err(Refusal::Node(vec![format!("{why}; {help}")]))
        }
    }
}

/// Reads a plan that is no worse than the one before it: whoever reloads for another reason must not pay for a file that was
/// kept from service until now.
fn read(file: &Path, before: &Plan) -> Result<Plan, Refusal> {
    let plan = evenkeel_config::load(file).map_err(Refusal::File)?;
    let losses = plan.losses(before);
    if losses.is_empty() { Ok(plan) } else { Err(Refusal::Node(losses)) }
}

/// Applies what became of the files of the plan that runs, or logs what is wrong with them. Returns whether another plan
/// runs now.
pub(crate) async fn take_files(node: &mut Node, reread: Reread, is_routine: bool) -> bool {
    let Reread { mut plan, problems } = reread;
    judge_files(node, problems);
    node.warnings.tell_news(&plan, is_routine);
    plan.carry_over(&node.plan);
    if plan == *node.plan {
        return false;
    }
    let certificates = certificates::news(&plan, &node.plan);
    let Published { generation, .. } = publish(node, plan).await;
    node.reload_state.renewed(generation);
    tracing::info!(generation, certificates, "certificates reloaded");
    true
}

/// The files cannot be read, since their file system has not answered for so long.
pub(crate) fn miss_files(node: &Node, how_long: Duration) {
    let help = help_against_hanging(&node.plan.folders());
    let problem = format!("the files could not be read within {how_long:?}; {help}");
    tell_bad(node.files_state.missed(problem));
}

fn help_against_hanging(places: &[&Path]) -> String {
    let named: Vec<String> =
        places.iter().take(MOST_NAMED).map(|place| format!("`{}`", place.display())).collect();
    let more = match places.len().saturating_sub(MOST_NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!(
        "their file system hangs, most likely: try `ls -l` with {}{more}, and look at the kernel's log",
        named.join(", ")
    )
}

fn judge_files(node: &Node, problems: Vec<String>) {
    let was_successful = node.files_state.last().is_successful();
    if problems.is_empty() {
        node.files_state.accepted();
        if !was_successful {
            tracing::info!("every certificate file is good again");
        }
        return;
    }
    tell_bad(node.files_state.rejected(problems));
}

fn tell_bad(problems: Vec<String>) {
    for problem in problems {
        tracing::error!(problem, "a certificate file is no good; what was read before serves");
    }
}

async fn apply(node: &mut Node, mut plan: Plan, groups: Vec<ListenerGroup>) {
    plan.carry_over(&node.plan);
    let certificates = certificates::news(&plan, &node.plan);
    let Published { generation, changes, old } = publish(node, plan).await;
    // Closed first, because a listener that moved has one name. Its new socket is bound already, and queues.
    for name in difference::to_close(&old, &node.plan) {
        node.close(&name, node.plan.drain_timeout);
    }
    node.open(groups);
    node.reload_state.accepted(generation);
    tracing::info!(generation, changes, certificates, "configuration accepted");
    // A file that is no good would have had the whole refused.
    judge_files(node, Vec::new());
    node.warnings.tell(&node.plan);
}

struct Published {
    generation: u64,
    /// How many.
    changes: usize,
    old: Arc<Plan>,
}

/// Logs what changes, and has control publish it.
async fn publish(node: &mut Node, plan: Plan) -> Published {
    let changes = plan.diff(&node.plan);
    for change in changes.iter() {
        tracing::info!(change, "configuration");
    }
    let old = std::mem::replace(&mut node.plan, Arc::new(plan));
    let generation = node.control.publish(node.plan.clone()).await;
    Published { generation, changes: changes.len(), old }
}

fn reject(node: &Node, file: &Path, refusal: &Refusal) {
    refusal.log(file);
    node.reload_state.rejected(refusal.to_string());
    tracing::error!(file = %file.display(), "configuration refused; the previous one goes on");
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::process::Command;

    use super::*;

    #[tokio::test]
    async fn a_configuration_that_does_not_come_is_refused_in_time_and_says_where_to_look() {
        let folder = tempfile::tempdir().unwrap();
        let [good, hanging] = ["good.yaml", "hanging.yaml"].map(|name| folder.path().join(name));
        let text =
            "listeners: [{ address: \"127.0.0.1:0\" }]\npools: { web: { backends: [\"127.0.0.1:1\"] } }\n";
        std::fs::write(&good, text).unwrap();
        let status = Command::new("mkfifo").arg(&hanging).status().unwrap();
        assert!(status.success());
        let plan = Arc::new(evenkeel_config::load(&good).unwrap_or_else(|problems| panic!("{problems}")));
        let readings = Readings::new();
        let longest = Duration::from_millis(20);
        let refused = async || {
            let read = read_within(longest, &readings, hanging.clone(), plan.clone()).await;
            read.expect_err("nobody writes it").to_string()
        };
        let hangs = refused().await;
        let mut last = hangs.clone();
        while last == hangs {
            last = refused().await;
        }
        // Lets all of them end, for the test would wait for their threads; not each has come to open it yet.
        while !readings.are_over() {
            drop(OpenOptions::new().read(true).write(true).open(&hanging).unwrap());
            std::thread::yield_now();
        }
        let beginning = "the configuration could not be read within 20ms; their file system hangs";
        assert!(hangs.starts_with(beginning), "{hangs}");
        assert!(hangs.contains(&format!("`ls -l` with `{}`", hanging.display())), "{hangs}");
        let beginning = "the configuration is not read, since earlier readings have not ended";
        assert!(last.starts_with(beginning), "{last}");
        assert!(last.ends_with("if it never answers, only a restart of evenkeel ends them"), "{last}");
    }

    #[test]
    fn many_folders_are_counted() {
        let places: Vec<String> = (1..=6).map(|index| format!("/{index}")).collect();
        let places: Vec<&Path> = places.iter().map(Path::new).collect();
        let help = help_against_hanging(&places);
        assert!(help.contains("with `/1`, `/2`, `/3`, `/4` and 2 more, and"), "{help}");
        assert!(help_against_hanging(&places[..1]).contains("with `/1`, and"));
    }
}
