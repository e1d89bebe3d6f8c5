//! Why a change is refused, as JSON: what is wrong, and what to do.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use evenkeel_model::{CommandError, PoolName};
use evenkeel_routing::{Pool, Snapshot};
use serde::Serialize;

use crate::audit::cut;

/// Most names that an answer lists.
const MOST_NAMES: usize = 50;

/// A request that changes nothing.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    body: Body,
}

#[derive(Debug, Serialize)]
struct Body {
    error: String,
    help: String,
}

impl Refusal {
    /// `error`: what is wrong, lower case; `help`: what to do.
    pub(crate) fn new(status: StatusCode, error: impl Into<String>, help: impl Into<String>) -> Self {
        Refusal { status, body: Body { error: error.into(), help: help.into() } }
    }

    /// Of a command, with the names that there are. `asked`: the pool that it was for.
    pub(crate) fn of(error: &CommandError, asked: Option<&PoolName>, snapshot: &Snapshot) -> Self {
        match error {
            CommandError::UnknownPool(pool) => {
                let pools = names(snapshot.pools.iter().map(|pool| pool.name.as_str()));
                let error = format!("there is no pool `{}`", cut(pool.as_str()));
                Refusal::new(StatusCode::NOT_FOUND, error, format!("the pools are {pools}"))
            }
            CommandError::UnknownBackend(backend) => {
                let error = format!("there is no backend `{}`{}", cut(backend), of_pool(asked));
                Refusal::new(StatusCode::NOT_FOUND, error, backends(asked, snapshot))
            }
            CommandError::Ambiguous(pools) => {
                let pools = names(pools.iter().map(PoolName::as_str));
                let error = format!("several pools have that backend: {pools}");
                let help = "name the pool: POST /api/pools/{pool}/backends/{backend}/{order}";
                Refusal::new(StatusCode::CONFLICT, error, help)
            }
            CommandError::Stopping => {
                let help = "nothing is sent to any backend any more but what is in flight";
                Refusal::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string(), help)
            }
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status, Json(self.body)).into_response()
    }
}

fn of_pool(asked: Option<&PoolName>) -> String {
    asked.map(|pool| format!(" in pool `{pool}`")).unwrap_or_default()
}

fn backends(asked: Option<&PoolName>, snapshot: &Snapshot) -> String {
    let is_asked = |pool: &&std::sync::Arc<Pool>| asked.is_none_or(|asked| *asked == pool.name);
    let members = snapshot.pools.iter().filter(is_asked).flat_map(|pool| &pool.members);
    format!("the backends are {}", names(members.map(|member| &*member.backend.label)))
}

/// Each in backticks; the rest, if they are many, counted.
fn names<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.map(|name| format!("`{name}`")).collect();
    match names.get(MOST_NAMES..) {
        None | Some([]) => names.join(", "),
        Some(more) => format!("{} and {} more", names[..MOST_NAMES].join(", "), more.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_list_of_names_is_cut_and_counted() {
        assert_eq!(names(["a", "b"].into_iter()), "`a`, `b`");
        let many = ["x"; MOST_NAMES + 3];
        assert!(names(many.into_iter()).ends_with("`x` and 3 more"));
    }
}
