//! What evenkeel says about a request that failed: its line in the access log.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use crate::open_loop::{End, Seen, id};

/// Lines of the log that are shown of each kind of failure.
const SHOWN: usize = 2;

/// The lines of an access log, by the number of the request.
pub struct Evidence(HashMap<usize, Value>);

impl Evidence {
    /// Reads everything that evenkeel wrote; what is not a request of ours is left.
    pub fn of(output: &str) -> Evidence {
        let read = |line| {
            let line: Value = serde_json::from_str(line).ok()?;
            Some((id(line["path"].as_str()?)?, line))
        };
        Evidence(output.lines().filter_map(read).collect())
    }

    /// Why a request failed, in the words of the log; requests with the same words failed in the same way.
    pub fn why(&self, id: usize) -> String {
        let Some(line) = self.0.get(&id) else {
            return "not in the access log".to_owned();
        };
        let word = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        let mut why = format!(
            "{} {}, {}, after {} attempts",
            line["status"],
            word(&line["cause"]),
            class(line),
            line["attempts"]
        );
        for attempt in line["tries"].as_array().into_iter().flatten() {
            why += &format!(", before it {} {}", word(&attempt["cause"]), class(attempt));
        }
        match line["detail"].as_str() {
            Some(detail) => format!("{why} ({detail})"),
            None => why,
        }
    }

    /// Whether the log admits that no backend can have received the request.
    pub fn was_never_sent(&self, id: usize) -> bool {
        let Some(line) = self.0.get(&id) else { return true };
        line["attempts"] == 0 || line["class"] == "not_sent"
    }

    /// The line itself.
    pub fn line(&self, id: usize) -> Option<&Value> {
        self.0.get(&id)
    }
}

/// Every failure among requests, by its kind; where there is a log, why, and examples.
pub fn notes<'a>(
    name: &str,
    seen: impl IntoIterator<Item = (usize, &'a Seen)>,
    evidence: Option<&Evidence>,
) -> Vec<String> {
    let mut kinds: BTreeMap<String, Vec<(usize, &Seen)>> = BTreeMap::new();
    for (id, one) in seen.into_iter().filter(|(_, one)| one.end != End::Answered) {
        let method = if one.is_post { "POST" } else { "GET" };
        let why = evidence.map_or(String::new(), |evidence| format!("; its log: {}", evidence.why(id)));
        kinds.entry(format!("{method}, {:?}{why}", one.end)).or_default().push((id, one));
    }
    let mut notes = Vec::new();
    for (kind, failed) in kinds {
        notes.push(format!("{name}: {} x {kind}", failed.len()));
        let lines = failed.iter().filter_map(|(id, one)| Some((one, evidence?.line(*id)?)));
        for (one, line) in lines.take(SHOWN) {
            let (at, took) = (one.at.as_secs_f64(), one.took.as_secs_f64());
            notes.push(format!("  at {at:.3} s, took {took:.3} s: {line}"));
        }
    }
    notes
}

fn class(of: &Value) -> &str {
    of["class"].as_str().unwrap_or("-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::open_loop::seen_as;

    const LOG: &str = r#"
{"event":"start","path":"/etc/evenkeel.yaml"}
{"method":"GET","path":"/healthz","status":200}
{"method":"POST","path":"/orders?id=4","status":502,"cause":"stale_reuse","class":"maybe","attempts":1}
{"method":"POST","path":"/orders?id=9","status":502,"cause":"connect_refused","class":"not_sent","attempts":2,"tries":[{"backend":"b","cause":"connect_refused","class":"not_sent"}],"detail":"told"}
{"method":"POST","path":"/orders?id=14","status":503,"cause":"no_healthy_backend","attempts":0}
"#;

    #[test]
    fn a_failure_is_told_in_the_words_of_the_log() {
        let evidence = Evidence::of(LOG);
        assert_eq!(evidence.why(4), "502 stale_reuse, maybe, after 1 attempts");
        assert_eq!(
            evidence.why(9),
            "502 connect_refused, not_sent, after 2 attempts, before it connect_refused not_sent (told)"
        );
        assert_eq!(evidence.why(5), "not in the access log");
    }

    #[test]
    fn what_was_sent_is_told_from_what_was_not() {
        let evidence = Evidence::of(LOG);
        assert_eq!([4, 9, 14, 5].map(|id| evidence.was_never_sent(id)), [false, true, true, true]);
    }

    #[test]
    fn failures_of_one_kind_are_told_together_with_examples() {
        let seen = seen_as(&[
            ('G', End::Impatient),
            ('G', End::Impatient),
            ('G', End::Impatient),
            ('P', End::Broken),
        ]);
        let line = |id| format!(r#"{{"path":"/?id={id}","status":499,"cause":"client_abort","attempts":1}}"#);
        let log: Vec<String> = (0..3).map(line).collect();
        let notes = notes("evenkeel", seen.iter().enumerate(), Some(&Evidence::of(&log.join("\n"))));
        let expected = [
            "evenkeel: 3 x GET, Impatient; its log: 499 client_abort, -, after 1 attempts".to_owned(),
            format!("  at 0.000 s, took 0.001 s: {}", sorted(&log[0])),
            format!("  at 0.000 s, took 0.002 s: {}", sorted(&log[1])),
            "evenkeel: 1 x POST, Broken; its log: not in the access log".to_owned(),
        ];
        assert_eq!(notes, expected);
    }

    /// A line as it is written again.
    fn sorted(line: &str) -> String {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        line.to_string()
    }
}
