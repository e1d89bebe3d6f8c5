//! What was seen of a cell, beside what was expected.

use evenkeel_tests::metrics::Metrics;
use evenkeel_tests::response::Response;
use evenkeel_tests::structured::{self, Item, Value as Bare};
use serde_json::Value;

use super::cells::{Bad, Cell};
use super::client::Seen;
use super::expected::{Expected, expected};
use super::lines::Lines;
use super::row::{Asking, Ending, Row};
use super::stage::Stage;

/// Everything that a cell left behind.
pub(super) struct Evidence<'a> {
    pub(super) seen: &'a [(String, Seen)],
    pub(super) log: &'a [Value],
    pub(super) stage: &'a Stage,
    pub(super) metrics: &'a Metrics,
    pub(super) lines: Lines,
}

/// A case against the product; each complaint is a sentence.
struct Case<'a> {
    row: &'a Row,
    cell: Cell,
    lines: Lines,
    expected: Expected,
    entry: &'a Value,
    complaints: Vec<String>,
}

/// What is not as it should be.
pub(super) fn judge(row: &Row, cell: Cell, evidence: &Evidence<'_>) -> Vec<String> {
    let entry_of = |target: &str| evidence.log.iter().find(|entry| entry["path"] == target);
    let meets = |target: &&(String, Seen)| {
        let Some(entry) = entry_of(&target.0) else { return false };
        entry["backend"] == "bad-1" || entry["tries"][0]["backend"] == "bad-1"
    };
    let met = match cell.bad {
        Bad::One => evidence.seen.iter().find(meets),
        Bad::All => evidence.seen.first(),
    };
    let Some((target, seen)) = met else {
        return vec![format!("no request met the bad backend; the log has {:?}", evidence.log)];
    };
    let entry = entry_of(target).expect("it was waited for");
    let (lines, expected) = (evidence.lines, expected(row, cell));
    let mut case = Case { row, cell, lines, expected, entry, complaints: Vec::new() };
    case.client(seen);
    case.deliveries(evidence.stage.delivered(target));
    case.log();
    case.metrics(evidence.metrics);
    for (other, seen) in evidence.seen {
        let is_good = matches!(seen, Seen::Response(response) if response.status == 200)
            || matches!(seen, Seen::Ended(text, _) if text.starts_with("HTTP/1.1 200"));
        case.check(is_good || other == target, || format!("{other}, which met a good backend, failed"));
    }
    if !case.complaints.is_empty() {
        case.complaints.push(format!("log: {entry}"));
    }
    case.complaints
}

impl Case<'_> {
    fn check(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.complaints.push(what());
        }
    }

    fn client(&mut self, seen: &Seen) {
        let ending = if self.expected.is_hidden { Ending::Relayed } else { self.row.ending };
        match (seen, ending) {
            (Seen::Left, Ending::Left) => {}
            (Seen::Ended(text, end), Ending::Broken) => self.broken(text, end),
            (Seen::Response(response), Ending::Told | Ending::Relayed) => self.response(response),
            (Seen::Response(response), _) => self.check(false, || response.head.clone()),
            (Seen::Nothing(error), _) => self.check(false, || format!("no whole response: {error}")),
            (Seen::Ended(text, _), _) => self.check(false, || format!("unexpectedly {text:?}")),
            (Seen::Left, _) => self.check(false, || "the client left".into()),
        }
    }

    fn response(&mut self, response: &Response) {
        let (row, is_hidden) = (self.row, self.expected.is_hidden);
        let status = if is_hidden { 200 } else { row.status };
        let text = response.text();
        self.check(response.status == status, || format!("{} and not {status}: {text}", response.status));
        if let Some((name, value)) = row.field {
            let found = response.field(name).unwrap_or_default();
            let words: Vec<&str> = found.split_whitespace().collect();
            self.check(words.join(" ") == value, || format!("{name} is not {value}: {}", response.head));
        }
        let lines = response.fields("proxy-status");
        match structured::list(&lines) {
            Err(fault) => self.check(false, || format!("Proxy-Status: {fault}")),
            Ok(items) if is_hidden => {
                let has_error = items.iter().any(|item| item.parameter("error").is_some());
                self.check(!has_error, || format!("an error is told that was hidden: {lines:?}"));
            }
            Ok(items) => self.proxy_status(items.last(), &lines),
        }
        if row.ending == Ending::Told && !is_hidden {
            let token = if row.detail.is_empty() { row.cause } else { row.detail };
            let begin = format!("{status} {token}: ");
            self.check(text.starts_with(&begin), || format!("the body has no token {token}: {text:?}"));
            let id = response.field("x-request-id").unwrap_or("no id");
            let is_shown = text.lines().any(|line| line == format!("request {id}"));
            self.check(is_shown, || format!("the body has no request id: {text:?}"));
        }
        if row.ending == Ending::Relayed && !is_hidden && status >= 400 {
            self.check(text == "own", || format!("not the backend's own answer: {text:?}"));
        }
    }

    /// The member that evenkeel added.
    fn proxy_status(&mut self, item: Option<&Item>, lines: &[&str]) {
        let row = self.row;
        let Some(item) = item else {
            let needs_none = row.ending == Ending::Relayed && row.status < 500;
            return self.check(needs_none, || "no Proxy-Status".into());
        };
        self.check(item.value == Bare::Token("evenkeel".into()), || format!("by whom? {lines:?}"));
        let received = item.parameter("received-status");
        let is_received = received == Some(&Bare::Integer(row.status.into()));
        let is_relayed = row.ending == Ending::Relayed;
        self.check(is_received == (is_relayed && row.status >= 500), || {
            format!("received-status: {lines:?}")
        });
        let error = item.text("error").unwrap_or_default();
        let fits = if is_relayed { error.is_empty() } else { row.error.contains(&error) };
        self.check(fits, || format!("the error is not {:?}: {lines:?}", row.error));
        let token = if row.detail.is_empty() { row.cause } else { row.detail };
        let details = item.text("details").unwrap_or_default();
        let is_idle_told = row.cause != "stale_reuse" || details.starts_with("stale_reuse: reused idle=");
        self.check(is_idle_told, || format!("idle for how long? {lines:?}"));
        self.check(is_relayed || details.starts_with(token), || format!("details of {token}: {lines:?}"));
        self.of_tls(item, details, lines);
        if let Some(backend) = self.entry["backend"].as_str() {
            let hop = format!("{}/{backend}", self.cell.pool());
            self.check(item.text("next-hop") == Some(&hop), || format!("next-hop is not {hop}: {lines:?}"));
        }
    }

    /// More precisely than by its cause.
    fn of_tls(&mut self, item: &Item, details: &str, lines: &[&str]) {
        let row = self.row;
        if !row.tls_detail.is_empty() {
            let precise = format!("{}: {}", row.cause, row.tls_detail);
            self.check(details == precise, || format!("details are not {precise}: {lines:?}"));
        }
        let alert = item.parameter("alert-id");
        let number = row.alert.map(Bare::Integer);
        self.check(alert == number.as_ref(), || format!("alert-id is not {number:?}: {lines:?}"));
        let is_named = item.parameter("alert-message").is_some();
        self.check(is_named == row.alert.is_some(), || format!("alert-message: {lines:?}"));
    }

    fn broken(&mut self, text: &str, end: &std::io::Result<()>) {
        let is_patient = matches!(end, Err(error) if error.kind() == std::io::ErrorKind::TimedOut);
        self.check(!is_patient, || "the transfer never ended".into());
        self.check(text.starts_with("HTTP/1.1 200 "), || format!("not the backend's head: {text:?}"));
        let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        let is_announced = self.lines != Lines::Cleartext && end.is_ok();
        self.check(!is_announced, || "its end was announced, as if it were whole".into());
        let is_whole = body.len() >= 10 && !text.contains("hunked") || text.ends_with("\r\n0\r\n\r\n");
        self.check(!is_whole, || format!("it looks whole: {text:?}"));
    }

    fn deliveries(&mut self, delivered: Vec<String>) {
        let most_of_a_post = self.cell.kind.is_repeatable() || delivered.len() <= 1;
        self.check(most_of_a_post, || format!("delivered twice: {delivered:?}"));
        if let Some(deliveries) = self.expected.deliveries {
            self.check(delivered.len() == deliveries, || {
                format!("{deliveries} deliveries, not {delivered:?}")
            });
        }
    }

    fn log(&mut self) {
        let (row, entry) = (self.row, self.entry);
        let status = if self.expected.is_hidden { 200 } else { row.status };
        self.is("status", entry["status"].as_u64(), Some(u64::from(status)));
        let attempts = self.expected.attempts as u64;
        if row.asking != Asking::BadChunk {
            self.is("attempts", entry["attempts"].as_u64(), Some(attempts));
        }
        let is_failure = !self.expected.is_hidden && !row.cause.is_empty();
        let told = |text: &'static str| Some(text).filter(|text| is_failure && !text.is_empty());
        self.is("cause", entry["cause"].as_str(), told(row.cause));
        // A backend's own error that is no failure for us has an origin all the same.
        let relayed =
            Some("backend").filter(|_| row.cause.is_empty() && entry["status"].as_u64() >= Some(500));
        self.is("origin", entry["origin"].as_str(), told(row.origin).or(relayed));
        if row.ending != Ending::Broken && row.ending != Ending::Left && row.detail.is_empty() {
            self.is("class", entry["class"].as_str(), told(row.class));
        }
        if !row.detail.is_empty() {
            self.is("detail", entry["detail"].as_str(), Some(row.detail));
        }
        if !row.tls_detail.is_empty() && is_failure {
            self.is("detail", entry["detail"].as_str(), Some(row.tls_detail));
        }
        self.tries();
    }

    /// The attempts before the last one, and whether the first was on a connection that stood.
    fn tries(&mut self) {
        let (row, entry) = (self.row, self.entry);
        let is_reused = self.cell.wire == super::cells::Wire::Reused;
        let tries = entry["tries"].as_array().cloned().unwrap_or_default();
        let of_stale = tries.iter().filter(|one| one["cause"] == "stale_reuse").count();
        let before = self.expected.attempts.saturating_sub(1);
        self.check(tries.len() - of_stale == before, || {
            format!("{before} tries before the last, not {tries:?}")
        });
        self.check(of_stale == usize::from(self.expected.is_refreshed), || {
            format!("of the stale connection, in tries: {tries:?}")
        });
        for one in tries.iter().filter(|one| one["cause"] != "stale_reuse") {
            self.is("cause of a try", one["cause"].as_str(), Some(row.cause));
            let detail = Some(row.tls_detail).filter(|detail| !detail.is_empty());
            self.is("detail of a try", one["detail"].as_str(), detail);
            self.is("class of a try", one["class"].as_str(), Some(row.class));
            self.check(one["duration_seconds"].is_f64(), || format!("no duration: {one}"));
        }
        let first = tries.first().unwrap_or(entry);
        if self.expected.attempts > 0 {
            self.is("reused, at first", first["reused"].as_bool(), Some(is_reused));
        }
    }

    fn metrics(&mut self, metrics: &Metrics) {
        let (row, pool) = (self.row, self.cell.pool());
        let sum = |name: &str, labels: &[(&str, &str)]| {
            metrics.sum(&format!("evenkeel_{name}"), &[&[("pool", &*pool)], labels].concat())
        };
        if row.asking != Asking::AfterEjections {
            let retries = sum("pool_retries_total", &[]);
            self.is("retries", Some(retries), Some(self.expected.attempts.saturating_sub(1) as f64));
            if row.origin != "client" {
                let failures = sum("backend_failures_total", &[("cause", row.cause)]);
                let is_stale = row.cause == "stale_reuse" && self.expected.is_refreshed;
                let failed = self.expected.failed + usize::from(is_stale);
                self.is("failures by cause", Some(failures), Some(failed as f64));
                let all = sum("backend_failures_total", &[]);
                let others = usize::from(self.expected.is_refreshed && !is_stale);
                self.is("failures of all causes", Some(all), Some((failed + others) as f64));
            }
        }
        let is_counted = row.asking != Asking::AfterEjections && self.expected.attempts > 0;
        if row.ending == Ending::Told && !self.expected.is_hidden && is_counted {
            let told = sum("pool_failed_requests_total", &[("cause", row.cause)]);
            self.is("failed requests", Some(told), Some(1.0));
        }
        let good = ["good-1", "good-2"].map(|name| sum("backend_ejections_total", &[("backend", name)]));
        self.is("ejections of good backends", Some(good), Some([0.0; 2]));
        if let Some(expected) = self.expected.ejections {
            let ejections = sum("backend_ejections_total", &[]);
            self.is("ejections", Some(ejections), Some(expected as f64));
        }
    }

    fn is<T: PartialEq + std::fmt::Debug>(&mut self, what: &str, is: T, should: T) {
        self.check(is == should, || format!("{what}: {is:?} and not {should:?}"));
    }
}
