//! What evenkeel promises, held against what happened to it.
//!
//! No GET fails with the smallest configuration; a POST fails only where it was sent; no POST arrives twice.

use std::collections::BTreeMap;
use std::fmt;

use crate::client::{End, Seen};
use crate::evidence::Evidence;
use crate::round::Outcome;
use crate::tally::Tally;

/// Lines of the log that are shown of each kind of failure.
const SHOWN: usize = 2;

/// What there is to say about an outcome of evenkeel's; nothing about the others'.
#[derive(Default)]
pub(crate) struct Verdict {
    /// Every failure, by its kind, with an example.
    notes: Vec<String>,
    /// What was promised and not kept.
    pub(crate) broken: Vec<String>,
}

/// Judges an outcome.
pub(crate) fn judge(outcome: &Outcome) -> Verdict {
    if !outcome.contestant.is_ours() {
        return Verdict::default();
    }
    let evidence = Evidence::of(&outcome.output);
    Verdict { notes: notes(&outcome.seen, &evidence), broken: broken(outcome, &evidence) }
}

fn broken(outcome: &Outcome, evidence: &Evidence) -> Vec<String> {
    let tally = Tally::of(&outcome.seen, &outcome.deliveries);
    let failed_posts =
        outcome.seen.iter().enumerate().filter(|(_, one)| one.is_post && one.end != End::Answered);
    let unsent = failed_posts.filter(|(id, _)| evidence.was_never_sent(*id)).count();
    let is_smallest = !outcome.contestant.is_tuned;
    let promises = [
        (tally.failed_gets, is_smallest, "GETs failed"),
        (tally.repeated_gets, is_smallest, "GETs had to be sent again by the client"),
        (unsent, true, "POSTs failed that no backend can have received"),
        (tally.doubled_posts, true, "POSTs arrived twice"),
    ];
    let (name, fault) = (outcome.contestant.name(), outcome.fault.name());
    let is_broken = |(count, is_promised, _): &(usize, bool, &str)| *is_promised && *count > 0;
    let told = |(count, _, what)| format!("{fault}, {name}: {count} {what}");
    promises.into_iter().filter(is_broken).map(told).collect()
}

fn notes(seen: &[Seen], evidence: &Evidence) -> Vec<String> {
    let mut kinds: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (id, one) in seen.iter().enumerate().filter(|(_, one)| one.end != End::Answered) {
        let method = if one.is_post { "POST" } else { "GET" };
        let kind = format!("{method}: client saw {:?}; log: {}", one.end, evidence.why(id));
        kinds.entry(kind).or_default().push(id);
    }
    let mut notes = Vec::new();
    for (kind, ids) in kinds {
        notes.push(format!("{} x {kind}", ids.len()));
        for id in ids.into_iter().take(SHOWN) {
            let line = evidence.line(id).map_or(String::new(), ToString::to_string);
            notes.push(format!(
                "  at {:.3} s, took {:.3} s: {line}",
                seen[id].at.as_secs_f64(),
                seen[id].took.as_secs_f64()
            ));
        }
    }
    notes
}

impl fmt::Display for Verdict {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.notes.iter().try_for_each(|note| writeln!(out, "    {note}"))
    }
}

#[cfg(test)]
mod tests {
    use evenkeel_tests::product::Product;

    use super::*;
    use crate::contestant::Contestant;
    use crate::fault::Fault;
    use crate::fleet::Deliveries;
    use crate::tally::tests::seen;

    fn outcome(product: Product, is_tuned: bool, ends: &[(char, End)], output: &str) -> Outcome {
        let contestant = Contestant { product, is_tuned };
        let deliveries = Deliveries::from([(0, 2), (1, 2)]);
        Outcome { fault: Fault::Hung, contestant, seen: seen(ends), deliveries, output: output.to_owned() }
    }

    fn ours(is_tuned: bool, ends: &[(char, End)], output: &str) -> Vec<String> {
        judge(&outcome(Product::Evenkeel("evenkeel".into()), is_tuned, ends, output)).broken
    }

    #[test]
    fn a_get_must_not_fail_with_the_smallest_configuration() {
        let ends = [('G', End::Status(504)), ('R', End::Answered)];
        let expected = [
            "hung, evenkeel, smallest: 1 GETs failed",
            "hung, evenkeel, smallest: 1 GETs had to be sent again by the client",
        ];
        assert_eq!(ours(false, &ends, ""), expected);
        assert!(ours(true, &ends, "").is_empty());
    }

    #[test]
    fn a_post_may_fail_only_where_it_was_sent_and_never_arrives_twice() {
        let log = r#"{"path":"/orders?id=0","status":502,"class":"maybe","attempts":1}
{"path":"/orders?id=2","status":502,"class":"not_sent","attempts":3}"#;
        let ends = [('P', End::Status(502)), ('G', End::Answered), ('P', End::Status(502))];
        let expected = [
            "hung, evenkeel, tuned: 1 POSTs failed that no backend can have received",
            "hung, evenkeel, tuned: 1 POSTs arrived twice",
        ];
        assert_eq!(ours(true, &ends, log), expected);
    }

    #[test]
    fn nobody_else_promised_anything() {
        let verdict = judge(&outcome(Product::Nginx, false, &[('G', End::Status(502))], ""));
        assert!(verdict.broken.is_empty() && verdict.to_string().is_empty());
    }

    #[test]
    fn failures_of_one_kind_are_told_together() {
        let seen = seen(&[('G', End::Unanswered), ('G', End::Unanswered), ('P', End::Impatient)]);
        let notes = notes(&seen, &Evidence::of(""));
        assert!(notes[0].starts_with("2 x GET: client saw Unanswered"), "{notes:?}");
        assert!(notes[3].starts_with("1 x POST: client saw Impatient"), "{notes:?}");
    }
}
