//! Why a backend is in its phase, as a sentence.

use std::borrow::Cow;

use evenkeel_model::Evidence;

/// Lower case, without a full stop.
pub(crate) fn sentence(evidence: Evidence) -> Cow<'static, str> {
    match evidence {
        Evidence::None => "no verdict yet".into(),
        Evidence::Strikes { count, cause, status: 0 } => failed(count, "request", cause.token()).into(),
        Evidence::Strikes { count, cause, status } => {
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
    use evenkeel_model::{Cause, ProbeFailure};

    use super::*;

    #[test]
    fn evidence_reads_as_a_sentence() {
        let cause = Cause::ConnectRefused;
        for (evidence, text) in [
            (Evidence::None, "no verdict yet"),
            (
                Evidence::Strikes { count: 3, cause },
                "3 requests in a row failed, the last one with connect_refused",
            ),
            (Evidence::Strikes { count: 1, cause }, "a request failed with connect_refused"),
            (
                Evidence::Probes { count: 2, failure: ProbeFailure::Failed(cause) },
                "2 probes in a row failed, the last one with connect_refused",
            ),
            (Evidence::ProbesPassed { count: 2 }, "2 probes in a row succeeded"),
            (Evidence::TrialsPassed { count: 1 }, "a trial request succeeded"),
            (Evidence::TrialFailed { cause }, "a trial request failed with connect_refused"),
        ] {
            assert_eq!(sentence(evidence), text);
        }
    }
}
