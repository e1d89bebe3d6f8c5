//! `evenkeel run`: starts a node, obeys signals, and drains at the end.

use std::process::ExitCode;

use evenkeel_config::Plan;

use crate::node::Node;
use crate::signals::{Signal, Signals, StopSignal};
use crate::source::Source;
use crate::watch::{Finding, Watch};
use crate::{log, reload, service};

/// Why a node stops.
enum End {
    /// It was told to.
    Asked(StopSignal),
    /// A part of it ended by itself.
    Failed,
}

/// Runs a node until a signal ends it. Exit code 0 after a drain, 1 if it cannot start or fails.
pub(crate) fn run(source: Source) -> ExitCode {
    match source.plan() {
        Ok(plan) => run_plan(plan, source, |_| {}),
        Err(problems) => {
            eprintln!("{problems}");
            ExitCode::FAILURE
        }
    }
}

/// Runs a node with this plan; `ready` is called once it serves.
pub(crate) fn run_plan(plan: Plan, source: Source, ready: impl FnOnce(&Node)) -> ExitCode {
    log::start();
    // Control and the admin listener live on this thread; the workers have their own.
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failure(&format!("the main runtime cannot start: {error}")),
    };
    let code = runtime.block_on(serve(plan, source, ready));
    // A file that hangs in a reload would hold up the exit.
    runtime.shutdown_background();
    code
}

async fn serve(plan: Plan, source: Source, ready: impl FnOnce(&Node)) -> ExitCode {
    let mut signals = match Signals::take() {
        Ok(signals) => signals,
        Err(error) => return failure(&format!("signals cannot be taken: {error}")),
    };
    let mut node = match Node::start(plan, source).await {
        Ok(node) => node,
        Err(error) => return failure(&error.to_string()),
    };
    ready(&node);
    service::ready();
    let end = obey(&mut node, &mut signals).await;
    stop(&mut node, &mut signals, end).await
}

/// Obeys signals, and takes up files that change, until a signal ends the node or a part of it fails.
async fn obey(node: &mut Node, signals: &mut Signals) -> End {
    let mut watch = Watch::new(node.plan.clone(), node.readings.clone());
    loop {
        // Each side is cancel-safe.
        let finding = tokio::select! {
            signal = signals.next() => match signal {
                Signal::Stop(signal) => return End::Asked(signal),
                Signal::Reopen => {
                    node.access_log.reopen();
                    tracing::info!("access log reopened");
                    continue;
                }
                Signal::Reload => None,
            },
            finding = watch.next() => Some(finding),
            what = node.failed() => {
                tracing::error!("{what}; draining");
                return End::Failed;
            }
        };
        // One change at a time. One that is cut off half way is followed by the drain, which closes whatever is open.
        tokio::select! {
            () = change(node, &mut watch, finding) => {}
            signal = signals.stop() => return End::Asked(signal),
        }
    }
}

/// Takes up what the watch found, else reads everything again.
async fn change(node: &mut Node, watch: &mut Watch, finding: Option<Finding>) {
    match finding {
        Some(Finding::Reread { reread, is_routine }) => {
            if reload::take_files(node, *reread, is_routine).await {
                watch.follow(node.plan.clone());
            }
        }
        Some(Finding::Late(how_long)) => reload::miss_files(node, how_long),
        None => {
            if reload::reload(node).await {
                watch.restart(node.plan.clone());
            }
        }
    }
}

async fn stop(node: &mut Node, signals: &mut Signals, end: End) -> ExitCode {
    service::stopping();
    if let End::Asked(signal) = end {
        tracing::info!(
            signal = signal.as_str(),
            drain_timeout = ?node.plan.drain_timeout,
            "draining; a second signal exits at once"
        );
    }
    node.drain();
    // Cancelling the wait is an exit, so it needs no care.
    tokio::select! {
        () = node.fleet.finished() => {}
        signal = signals.stop() => {
            tracing::warn!(signal = signal.as_str(), "exiting before the drain is over");
            return signal.exit_code();
        }
    }
    node.finish();
    tracing::info!("stopped");
    match end {
        End::Asked(_) => ExitCode::SUCCESS,
        End::Failed => ExitCode::FAILURE,
    }
}

fn failure(why: &str) -> ExitCode {
    for line in why.lines() {
        eprintln!("error: {line}");
    }
    ExitCode::FAILURE
}
