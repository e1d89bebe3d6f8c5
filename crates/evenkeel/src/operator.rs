//! `evenkeel backend`: what an operator sees of the backends of a running node, and what he orders.

mod arguments;
mod client;
mod find;
mod places;
mod standing;
mod table;

use std::process::ExitCode;

use evenkeel_model::Order;
use hyper::{Method, StatusCode};
use serde_json::Value;

pub(crate) use self::arguments::BackendArguments;
use self::arguments::{BackendCommand, OrderArguments};
use self::client::{Answer, Client};
use self::find::Found;
use self::standing::Standing;
use crate::output::print;

/// Why a command came to nothing: what is wrong, and what to do.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{error}")]
pub(crate) struct Failure {
    error: String,
    help: String,
}

impl Failure {
    fn new(error: impl Into<String>, help: impl Into<String>) -> Self {
        Failure { error: error.into(), help: help.into() }
    }
}

/// Exit code 0 when it was carried out, else 1 with the reason on standard error.
pub(crate) fn run(arguments: &BackendArguments) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&Failure::new(format!("the runtime cannot start: {error}"), "")),
    };
    match runtime.block_on(carry_out(arguments)) {
        Ok(text) => print(&text),
        Err(failure) => fail(&failure),
    }
}

fn fail(failure: &Failure) -> ExitCode {
    eprintln!("error: {}", failure.error);
    if !failure.help.is_empty() {
        eprintln!("help: {}", failure.help);
    }
    ExitCode::FAILURE
}

async fn carry_out(arguments: &BackendArguments) -> Result<String, Failure> {
    let places = places::candidates(&arguments.node)?;
    match &arguments.command {
        BackendCommand::List(list) => {
            let (_, standing) = Client::reach(&places, None).await?;
            let standing = match &list.pool {
                Some(pool) => standing.only(pool)?,
                None => standing,
            };
            Ok(if list.json { standing.json() } else { table::table(&standing) })
        }
        BackendCommand::Drain(wanted) => order(&places, Order::Drain, wanted).await,
        BackendCommand::Ready(wanted) => order(&places, Order::Ready, wanted).await,
        BackendCommand::Eject(wanted) => order(&places, Order::Eject, wanted).await,
    }
}

async fn order(places: &[places::Place], order: Order, wanted: &OrderArguments) -> Result<String, Failure> {
    let (client, standing) = Client::reach(places, Some(order)).await?;
    let found = find::find(&standing, &wanted.backend, wanted.pool.as_deref())?;
    let answer = client.ask(Method::POST, &found.path(order)).await?;
    if answer.status != StatusCode::OK {
        return Err(refused(&answer));
    }
    // Whether anybody is left is advice; the order was carried out.
    if let Ok(standing) = client.standing().await
        && standing.pool(&found.pool).is_some_and(|pool| !pool.backends.iter().any(|one| one.in_service))
    {
        eprintln!("warning: nobody is left in service in pool {}", found.pool);
    }
    Ok(outcome(order, &found, &answer.json()))
}

fn refused(answer: &Answer) -> Failure {
    let json = answer.json();
    let text = |field: &str| json[field].as_str().unwrap_or_default().to_owned();
    match text("error") {
        error if error.is_empty() => Failure::new(format!("the node answered {}", answer.status), ""),
        error => Failure::new(error, text("help")),
    }
}

/// One line for what was done.
fn outcome(order: Order, found: &Found, answer: &Value) -> String {
    let name = format!("{}/{}", found.pool, found.label);
    let already = if answer["changed"] == false { " already" } else { "" };
    let in_flight = match answer["in_flight"].as_u64() {
        None | Some(0) => "nothing is in flight".to_string(),
        Some(1) => "1 request in flight finishes".to_string(),
        Some(count) => format!("{count} requests in flight finish"),
    };
    match order {
        Order::Drain => {
            format!("{name}: drained{already}; {in_flight}; back with `evenkeel backend ready {name}`")
        }
        Order::Eject => {
            format!("{name}: out{already}; {in_flight}; back with `evenkeel backend ready {name}`")
        }
        Order::Ready => {
            let phase = answer["phase"].as_str().unwrap_or("ready");
            format!("{name}: in service{already} ({phase})")
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_outcome_is_one_clear_line() {
        let found = Found { pool: "web".into(), label: "blue".into(), address: "127.0.0.1:1".into() };
        for (order, changed, in_flight, line) in [
            (
                Order::Drain,
                true,
                3,
                "web/blue: drained; 3 requests in flight finish; back with `evenkeel backend ready web/blue`",
            ),
            (
                Order::Drain,
                false,
                0,
                "web/blue: drained already; nothing is in flight; back with `evenkeel backend ready web/blue`",
            ),
            (
                Order::Eject,
                true,
                1,
                "web/blue: out; 1 request in flight finishes; back with `evenkeel backend ready web/blue`",
            ),
            (Order::Ready, true, 0, "web/blue: in service (serving)"),
            (Order::Ready, false, 0, "web/blue: in service already (serving)"),
        ] {
            let answer = json!({ "changed": changed, "in_flight": in_flight, "phase": "serving" });
            assert_eq!(outcome(order, &found, &answer), line);
        }
    }

    #[test]
    fn a_refusal_is_told_as_the_node_says_it() {
        let answer = |status, body: &str| Answer { status, body: body.to_owned().into() };
        let told = refused(&answer(StatusCode::FORBIDDEN, r#"{"error":"no","help":"ask root"}"#));
        assert_eq!(told, Failure::new("no", "ask root"));
        let told = refused(&answer(StatusCode::BAD_GATEWAY, "<html>"));
        assert_eq!(told, Failure::new("the node answered 502 Bad Gateway", ""));
    }
}
