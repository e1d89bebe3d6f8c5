//! Probes: what control wants to know of a backend is asked here, and what came of it is said.
//!
//! Between two probes one connection is kept per backend, so that thousands of them cost little; a backend that is in
//! doubt is asked over a new one, so that its answer also proves that connections can be made.

mod answer;
mod drain;
mod http;
mod kept;
mod tcp;

use std::sync::Arc;
use std::time::{Duration, Instant};

use evenkeel_health::{Probe, ProbeKind, ProbeResult};
use evenkeel_model::{BackendId, Cause, Endpoint, ProbeFailure};
use evenkeel_tls::Dial;

use self::kept::Kept;
use crate::{Socket, Turnstile, connect, secure};

/// Sends probes, and keeps connections between them; cheap to clone. All clones have to be used on one runtime.
#[derive(Clone, Debug, Default)]
pub struct Prober {
    kept: Arc<Kept>,
    /// Probes run beside one another, and each may have a handshake to compute.
    turnstile: Arc<Turnstile>,
}

/// One probe to send.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Whose it is: a connection is kept for its next probe.
    pub backend: &'a BackendId,
    /// Where it goes: to the first that connects, as requests do. `probe.target` is the caller's to apply.
    pub endpoints: &'a [Endpoint],
    /// What is asked.
    pub probe: &'a Probe,
    /// How TLS is spoken; `None`: in cleartext.
    pub tls: Option<&'a Arc<Dial>>,
    /// The `Host` field, where the probe names none.
    pub host: &'a str,
    /// The backend is out of service or in doubt: only a new connection will do.
    pub wants_fresh: bool,
}

/// What came of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// How it ended.
    pub result: ProbeResult,
    /// For how long the backend asks to be drained, beside the result (`X-Evenkeel-Drain`): at most an hour. Zero takes
    /// an earlier request back.
    pub drain: Option<Duration>,
}

impl Asked<'_> {
    fn dial(&self) -> Option<&Dial> {
        self.tls.map(|dial| &**dial)
    }
}

impl Prober {
    /// Without any connection.
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs one probe to its verdict, in at most `probe.timeout`. Dropped before, it leaves nothing behind.
    //
    // A timer per probe is fine off the request path.
    #[allow(clippy::disallowed_methods)]
    pub async fn probe(&self, asked: &Asked<'_>) -> Verdict {
        // When the time is up, what is waited for is the cause.
        let mut waiting = Cause::ConnectTimeout;
        let answered = self.ask(asked, &mut waiting);
        let failure = match tokio::time::timeout(asked.probe.timeout, answered).await {
            Ok(Ok(verdict)) => return verdict,
            Ok(Err(failure)) => failure,
            Err(_) => ProbeFailure::Failed(waiting),
        };
        Verdict { result: ProbeResult::Failed(failure), drain: None }
    }

    /// Makes a connection as a request would, in at most `timeout`, and closes it again.
    ///
    /// # Errors
    /// What went wrong; [`Cause::DnsFailed`] where there is no endpoint.
    //
    // As above.
    #[allow(clippy::disallowed_methods)]
    pub async fn try_connection(
        &self,
        endpoints: &[Endpoint],
        tls: Option<&Dial>,
        timeout: Duration,
    ) -> Result<(), ProbeFailure> {
        let mut waiting = Cause::ConnectTimeout;
        let made = fresh(endpoints, tls, &self.turnstile, &mut waiting);
        match tokio::time::timeout(timeout, made).await {
            Ok(Ok(mut socket)) => {
                socket.take_leave();
                Ok(())
            }
            Ok(Err(failure)) => Err(failure),
            Err(_) => Err(ProbeFailure::Failed(waiting)),
        }
    }

    /// Lets go of the connections to backends that are not probed any more.
    pub fn retain(&self, is_probed: impl FnMut(&BackendId) -> bool) {
        self.kept.retain(is_probed);
    }

    async fn ask(&self, asked: &Asked<'_>, waiting: &mut Cause) -> Result<Verdict, ProbeFailure> {
        match &asked.probe.kind {
            ProbeKind::Http(probe) => http::ask(self, asked, probe, waiting).await,
            ProbeKind::Tcp(probe) => tcp::ask(self, asked, probe, waiting).await,
        }
    }
}

/// A new connection to the first endpoint that gives one. `waiting` is what a timeout would mean.
async fn fresh(
    endpoints: &[Endpoint],
    tls: Option<&Dial>,
    turnstile: &Turnstile,
    waiting: &mut Cause,
) -> Result<Socket, ProbeFailure> {
    *waiting = Cause::ConnectTimeout;
    let connected = connect(endpoints, Instant::now()).await;
    let socket = connected.map_err(|error| ProbeFailure::Failed(error.cause))?.socket;
    if socket.is_to_itself() {
        // Nobody listens; and held any longer, it would keep the backend from its port.
        return Err(ProbeFailure::Failed(Cause::ConnectRefused));
    }
    let Some(dial) = tls else { return Ok(socket) };
    *waiting = Cause::TlsTimeout;
    Ok(secure(socket, dial, || turnstile.turn()).await?)
}

#[cfg(test)]
mod tests;
