//! What each path answers.

use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant, SystemTime};

use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{from_fn, map_response};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use tower::limit::GlobalConcurrencyLimitLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::timeout::TimeoutLayer;

use crate::readiness::{self, NotReady};
use crate::status::Status;
use crate::{Handles, changes, door};

/// Most requests at work at once; others wait their turn, within the timeout.
const MOST_REQUESTS: usize = 16;
/// Longest work on a request.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Largest request body, in bytes. Nothing here wants one.
const MOST_BODY_BYTES: usize = 4096;

const INDEX: &str = "\
evenkeel, the operator's door

/metrics      for Prometheus
/healthz      200 while the process lives
/readyz       200 when requests may be sent here, else 503 and why
/api/status   configuration, listeners, pools and backends, as JSON

On the admin socket only, changes (POST; names percent-encoded):

/api/backends/{backend}/drain                 no new requests; what is in flight goes on
/api/backends/{backend}/eject                 the same, and not even as a last resort
/api/backends/{backend}/ready                 back to service
/api/pools/{pool}/backends/{backend}/drain    and so on, where several pools have it
";

/// Every page.
pub(crate) fn router(handles: Handles) -> Router {
    Router::new()
        .route("/", get(INDEX))
        .route("/metrics", get(metrics))
        .route("/healthz", get("ok\n"))
        .route("/readyz", get(readyz))
        .route("/api/status", get(status))
        .route(changes::IN_POOL, post(changes::in_pool).fallback(changes::only_post))
        .route(changes::ANYWHERE, post(changes::anywhere).fallback(changes::only_post))
        .fallback(not_found)
        .method_not_allowed_fallback(not_allowed)
        .layer(from_fn(door::admit))
        .layer(map_response(mark))
        .layer(RequestBodyLimitLayer::new(MOST_BODY_BYTES))
        .layer(GlobalConcurrencyLimitLayer::new(MOST_REQUESTS))
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, TIMEOUT))
        .with_state(handles)
}

/// Rendered off this thread, because thousands of series take milliseconds that control should not wait for.
async fn metrics(State(handles): State<Handles>) -> Response {
    let registry = handles.registry;
    match tokio::task::spawn_blocking(move || registry.render()).await {
        Ok(text) => ([(CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "metrics cannot be rendered");
            (StatusCode::INTERNAL_SERVER_ERROR, "metrics cannot be rendered\n").into_response()
        }
    }
}

async fn readyz(State(handles): State<Handles>) -> Response {
    let is_draining = handles.draining.load(Relaxed);
    match readiness::check(&handles.view.load(), is_draining) {
        Ok(()) => "ready\n".into_response(),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, not_ready(&why)).into_response(),
    }
}

fn not_ready(why: &NotReady) -> String {
    format!("not ready: {why}\n")
}

async fn status(State(handles): State<Handles>) -> Json<Status> {
    Json(Status::of(&handles, Instant::now(), SystemTime::now()))
}

async fn not_found() -> (StatusCode, &'static str) {
    (StatusCode::NOT_FOUND, "no such page; GET / lists what is here\n")
}

async fn not_allowed() -> (StatusCode, &'static str) {
    (StatusCode::METHOD_NOT_ALLOWED, "this page is read-only; use GET or HEAD\n")
}

/// Every answer is of this moment, and nothing that a browser should guess about.
async fn mark(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
