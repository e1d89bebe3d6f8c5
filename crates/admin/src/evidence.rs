//! Why a backend is in its phase, as a sentence.

use std::borrow::Cow;

use evenkeel_model::{Cause, Evidence, ProbeFailure, TlsDetail};

/// Lower case, without a full stop.
pub(crate) fn sentence(evidence: Evidence) -> Cow<'static, str> {
    match evidence {
        Evidence::None => "no verdict yet".into(),
        Evidence::Strikes { count, cause, tls: Some(detail), .. } => {
            failed(count, "request", &tls(cause, detail)).into()
        }
        Evidence::Strikes { count, cause, status: 0, tls: None } => {
            failed(count, "request", cause.token()).into()
        }
        Evidence::Strikes { count, cause, status, tls: None } => {
            failed(count, "request", &format!("{} ({status})", cause.token())).into()
        }
        Evidence::Rate { failed, requests, cause } => {
            format!("{failed} of {requests} requests failed, the last one with {}", cause.token()).into()
        }
        Evidence::GatewayRate { failed, requests } => {
            format!("{failed} of {requests} requests were answered with 502, 503 or 504").into()
        }
        Evidence::Deviation { percent, pool_percent } => {
            format!("{percent} % of its requests succeeded, and {pool_percent} % of its pool's").into()
        }
        Evidence::Slow { took, others } => {
            format!("it takes {took:?} to a response head on average, and others of its pool {others:?}")
                .into()
        }
        Evidence::Probes { count, failure: ProbeFailure::Tls(cause, detail) } => {
            failed(count, "probe", &tls(cause, detail)).into()
        }
        Evidence::Probes { count, failure } => self::failed(count, "probe", &failure.to_string()).into(),
        Evidence::Request => "a request succeeded".into(),
        Evidence::ProbesPassed { count } => passed(count, "probe").into(),
        Evidence::TrialsPassed { count } => passed(count, "trial request").into(),
        Evidence::TrialFailed { cause } => format!("a trial request failed with {}", cause.token()).into(),
        Evidence::WaitOver => "the wait after an ejection is over".into(),
        Evidence::Operator => "an operator said that it is ready".into(),
        Evidence::Initial => "it begins like this".into(),
    }
}

/// What was wrong with TLS, and what mends it.
fn tls(cause: Cause, detail: TlsDetail) -> String {
    match detail.hint() {
        "" => format!("{} ({detail})", cause.token()),
        hint => format!("{} ({detail}): {hint}", cause.token()),
    }
}

fn failed(count: u32, what: &str, token: &str) -> String {
    match count {
        0 | 1 => format!("a {what} failed with {token}"),
        _ => format!("{count} {what}s in a row failed, the last one with {token}"),
    }
}

fn passed(count: u32, what: &str) -> String {
    match count {
        0 | 1 => format!("a {what} succeeded"),
        _ => format!("{count} {what}s in a row succeeded"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn evidence_reads_as_a_sentence() {
        let cause = Cause::ConnectRefused;
        for (evidence, text) in [
            (Evidence::None, "no verdict yet"),
            (
                Evidence::Strikes { count: 3, cause, status: 0, tls: None },
                "3 requests in a row failed, the last one with connect_refused",
            ),
            (
                Evidence::Strikes { count: 1, cause, status: 0, tls: None },
                "a request failed with connect_refused",
            ),
            (
                Evidence::Strikes { count: 2, cause: Cause::UpstreamStatus, status: 500, tls: None },
                "2 requests in a row failed, the last one with upstream_status (500)",
            ),
            (
                Evidence::Rate { failed: 12, requests: 20, cause },
                "12 of 20 requests failed, the last one with connect_refused",
            ),
            (
                Evidence::GatewayRate { failed: 6, requests: 20 },
                "6 of 20 requests were answered with 502, 503 or 504",
            ),
            (
                Evidence::Deviation { percent: 61, pool_percent: 99 },
                "61 % of its requests succeeded, and 99 % of its pool's",
            ),
            (
                Evidence::Slow { took: Duration::from_millis(1500), others: Duration::from_millis(30) },
                "it takes 1.5s to a response head on average, and others of its pool 30ms",
            ),
            (Evidence::Request, "a request succeeded"),
            (Evidence::ProbesPassed { count: 2 }, "2 probes in a row succeeded"),
            (Evidence::TrialsPassed { count: 1 }, "a trial request succeeded"),
            (Evidence::TrialFailed { cause }, "a trial request failed with connect_refused"),
            (Evidence::WaitOver, "the wait after an ejection is over"),
            (Evidence::Operator, "an operator said that it is ready"),
            (Evidence::Initial, "it begins like this"),
        ] {
            assert_eq!(sentence(evidence), text);
        }
    }

    #[test]
    fn a_failed_probe_says_what_was_wrong_with_the_answer() {
        for (failure, text) in [
            (ProbeFailure::Failed(Cause::ConnectRefused), "connect_refused"),
            (ProbeFailure::Status(503), "upstream_status (503)"),
            (ProbeFailure::Body, "unexpected_body"),
            (ProbeFailure::Reply, "unexpected_reply"),
        ] {
            let said = sentence(Evidence::Probes { count: 2, failure });
            assert_eq!(said, format!("2 probes in a row failed, the last one with {text}"));
        }
    }

    #[test]
    fn trouble_with_tls_is_told_with_what_mends_it() {
        let (cause, detail) = (Cause::TlsProtocol, TlsDetail::PlaintextPeer);
        let mended = format!("tls_protocol (plaintext_peer): {}", detail.hint());
        let strikes = Evidence::Strikes { count: 3, cause, status: 0, tls: Some(detail) };
        assert_eq!(sentence(strikes), format!("3 requests in a row failed, the last one with {mended}"));
        let probes = Evidence::Probes { count: 1, failure: ProbeFailure::Tls(cause, detail) };
        assert_eq!(sentence(probes), format!("a probe failed with {mended}"));
    }
}
