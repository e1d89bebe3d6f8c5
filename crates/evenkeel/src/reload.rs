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
use crate::refusal::Refusal;
use crate::{certificates, difference, listening, service};

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
    // Control shares this thread, and must go on when a file system hangs.
    let before = node.plan.clone();
    let plan = tokio::task::spawn_blocking(move || read(&file, &before))
        .await
        .map_err(|error| Refusal::Node(vec![error.to_string()]))??;
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
    let problem = format!(
        "they could not be read within {how_long:?}; look at the file system that they are on: `ls -l` there, the kernel's log"
    );
    judge_files(node, vec![problem]);
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
    for problem in node.files_state.rejected(problems) {
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
