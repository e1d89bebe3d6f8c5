//! A reload: all of the new plan or nothing of it.
//!
//! Everything that can fail comes before the plan is published; what comes after cannot.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use evenkeel_config::Plan;
use evenkeel_proxy::ListenerGroup;

use crate::node::{Node, target};
use crate::refusal::Refusal;
use crate::{difference, listening, service};

/// Reads the configuration again and applies it, or logs every problem and changes nothing.
pub(crate) async fn reload(node: &mut Node) {
    service::reloading();
    match node.source.file().cloned() {
        Some(file) => reload_from(node, file).await,
        None => tracing::warn!(
            "SIGHUP changes nothing: this node was started by flags, so there is no file to read"
        ),
    }
    service::ready();
}

async fn reload_from(node: &mut Node, file: PathBuf) {
    match prepare(node, file.clone()).await {
        Ok((plan, groups)) => apply(node, plan, groups).await,
        Err(refusal) => reject(node, &file, &refusal),
    }
}

/// Everything that can fail: reading, checking, opening sockets and the access log.
async fn prepare(node: &Node, file: PathBuf) -> Result<(Plan, Vec<ListenerGroup>), Refusal> {
    // Control shares this thread, and must go on when a file system hangs.
    let plan = tokio::task::spawn_blocking(move || evenkeel_config::load(&file))
        .await
        .map_err(|error| Refusal::Node(vec![error.to_string()]))?
        .map_err(Refusal::File)?;
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

async fn apply(node: &mut Node, plan: Plan, groups: Vec<ListenerGroup>) {
    let changes: Vec<String> = plan.diff(&node.plan).iter().map(ToString::to_string).collect();
    for change in &changes {
        tracing::info!(%change, "configuration");
    }
    let old = std::mem::replace(&mut node.plan, Arc::new(plan));
    let generation = node.control.publish(node.plan.clone()).await;
    // Closed first, because a listener that moved has one name. Its new socket is bound already, and queues.
    for name in difference::to_close(&old, &node.plan) {
        node.close(&name, node.plan.drain_timeout);
    }
    node.open(groups);
    node.reload_state.accepted(generation);
    tracing::info!(generation, changes = changes.len(), "configuration accepted");
}

fn reject(node: &Node, file: &Path, refusal: &Refusal) {
    refusal.log(file);
    node.reload_state.rejected(refusal.to_string());
    tracing::error!(file = %file.display(), "configuration refused; the previous one goes on");
}
