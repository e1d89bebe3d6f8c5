//! What an operator may change: drain a backend, take it out, bring it back. Over the admin socket only.

use std::time::Duration;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use evenkeel_model::{Command, Done, Order, PoolName};
use serde::Serialize;
use tokio::time::timeout;

use crate::Handles;
use crate::audit::Audit;
use crate::door::{Door, Peer};
use crate::refusal::Refusal;

/// Longest wait for the reply to a command.
const PATIENCE: Duration = Duration::from_secs(3);

/// A backend of a pool, with an order for it.
pub(crate) const IN_POOL: &str = "/api/pools/{pool}/backends/{backend}/{order}";
/// A backend that only one pool has, with an order for it.
pub(crate) const ANYWHERE: &str = "/api/backends/{backend}/{order}";

/// The answer to a command that was carried out.
#[derive(Serialize)]
pub(crate) struct Answer {
    pool: String,
    backend: String,
    phase: &'static str,
    hold: Option<&'static str>,
    changed: bool,
    in_flight: usize,
}

/// Names of a path, or why they are none.
type Names<T> = Result<Path<T>, PathRejection>;

/// Of [`IN_POOL`].
pub(crate) async fn in_pool(
    State(handles): State<Handles>,
    Extension(door): Extension<Door>,
    names: Names<(String, String, String)>,
) -> Result<Json<Answer>, Refusal> {
    let peer = socket_only(door, &handles)?;
    let Path((pool, backend, order)) = names.map_err(|error| unreadable(&error))?;
    let command = command(peer, &order, Some(PoolName::new(&pool)), backend)?;
    carry_out(peer, command, &handles).await
}

/// Of [`ANYWHERE`].
pub(crate) async fn anywhere(
    State(handles): State<Handles>,
    Extension(door): Extension<Door>,
    names: Names<(String, String)>,
) -> Result<Json<Answer>, Refusal> {
    let peer = socket_only(door, &handles)?;
    let Path((backend, order)) = names.map_err(|error| unreadable(&error))?;
    let command = command(peer, &order, None, backend)?;
    carry_out(peer, command, &handles).await
}

/// For every other method.
pub(crate) async fn only_post() -> Refusal {
    let error = "changes are made with POST";
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, error, "GET /api/status shows every backend")
}

#[allow(clippy::disallowed_methods, reason = "an order of an operator is no request on the hot path")]
async fn carry_out(peer: Peer, command: Command, handles: &Handles) -> Result<Json<Answer>, Refusal> {
    let audit = Audit::of(peer, &command);
    let pool = command.pool.clone();
    match timeout(PATIENCE, handles.commander.send(command)).await {
        Ok(Ok(done)) => {
            audit.done(&done);
            Ok(Json(done.into()))
        }
        Ok(Err(error)) => {
            audit.failed(&error.to_string());
            Err(Refusal::of(&error, pool.as_ref(), &handles.view.load()))
        }
        Err(_) => {
            let error = format!("no reply within {PATIENCE:?}");
            audit.failed(&format!("unknown: {error}"));
            let help = "the command may be carried out yet; GET /api/status shows whether it was";
            Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, error, help))
        }
    }
}

fn socket_only(door: Door, handles: &Handles) -> Result<Peer, Refusal> {
    match door {
        Door::Socket(peer) => Ok(peer),
        Door::Tcp => {
            let help = match &handles.socket {
                Some(path) => format!("it is at {}; `evenkeel backend` speaks to it", path.display()),
                None => "this node has none: `admin.socket`, or a warning in its log, says why".to_string(),
            };
            let error = "changes are taken on the admin socket only";
            Err(Refusal::new(StatusCode::FORBIDDEN, error, help))
        }
    }
}

fn command(peer: Peer, order: &str, pool: Option<PoolName>, backend: String) -> Result<Command, Refusal> {
    let known = Order::ALL.into_iter().find(|known| known.as_str() == order);
    let order = known.ok_or_else(|| {
        let help = format!("the orders are {}", Order::ALL.map(Order::as_str).join(", "));
        Refusal::new(StatusCode::NOT_FOUND, "there is no such order", help)
    })?;
    Ok(Command { order, pool, backend: backend.into(), uid: peer.uid })
}

fn unreadable(error: &PathRejection) -> Refusal {
    let help = "names are UTF-8, with everything but letters, digits and `-._~` percent-encoded";
    Refusal::new(StatusCode::BAD_REQUEST, error.body_text(), help)
}

impl From<Done> for Answer {
    fn from(done: Done) -> Self {
        Answer {
            pool: done.pool.to_string(),
            backend: done.backend.into(),
            phase: done.phase.as_str(),
            hold: done.hold.word(),
            changed: done.is_changed,
            in_flight: done.in_flight,
        }
    }
}
