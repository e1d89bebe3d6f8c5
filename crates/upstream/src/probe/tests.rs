//! Probes against raw sockets that follow a script.

mod http;
mod reuse;
mod script;
mod tcp;
mod tls;

use std::time::Duration;

use evenkeel_health::{HttpProbe, Probe, ProbeKind, ProbeResult};
use evenkeel_model::{BackendId, Cause, Endpoint, PoolName, ProbeFailure};

use super::*;

/// Nothing takes so long unless it hangs.
const LONG: Duration = Duration::from_secs(20);

/// As long as a test waits for what will not come.
const SHORT: Duration = Duration::from_millis(200);

fn backend() -> BackendId {
    BackendId { pool: PoolName::new("web"), address: "app.test:80".parse().unwrap() }
}

fn failed(cause: Cause) -> ProbeResult {
    ProbeResult::Failed(ProbeFailure::Failed(cause))
}

fn of_http(http: HttpProbe) -> Probe {
    Probe { kind: ProbeKind::Http(http), timeout: LONG, ..Probe::default() }
}

fn get() -> Probe {
    of_http(HttpProbe::get("/healthz"))
}

async fn ask(prober: &Prober, endpoints: &[Endpoint], probe: &Probe, wants_fresh: bool) -> Verdict {
    let backend = backend();
    prober
        .probe(&Asked { backend: &backend, endpoints, probe, host: "app.test:80", tls: None, wants_fresh })
        .await
}
