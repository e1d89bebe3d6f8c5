//! What evenkeel promises, held against what happened to it.
//!
//! No GET fails with the smallest configuration; a POST fails only where it was sent; no POST arrives twice.

use std::fmt;

use evenkeel_tests::evidence::{Evidence, notes};
use evenkeel_tests::open_loop::{End, Tally};

use crate::round::Outcome;

/// What there is to say about an outcome; nobody but evenkeel has promised anything.
pub(crate) struct Verdict {
    /// Every failure, by its kind; of evenkeel's, why, and examples.
    notes: Vec<String>,
    /// What was promised and not kept.
    pub(crate) broken: Vec<String>,
}

/// Judges an outcome.
pub(crate) fn judge(outcome: &Outcome) -> Verdict {
    let name = outcome.contestant.name();
    let seen = || outcome.seen.iter().enumerate();
    if !outcome.contestant.is_ours() {
        return Verdict { notes: notes(&name, seen(), None), broken: Vec::new() };
    }
    let evidence = Evidence::of(&outcome.output);
    Verdict { notes: notes(&name, seen(), Some(&evidence)), broken: broken(outcome, &evidence) }
}

fn broken(outcome: &Outcome, evidence: &Evidence) -> Vec<String> {
    let tally = Tally::of(outcome.seen.iter().enumerate(), &outcome.deliveries);
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

impl fmt::Display for Verdict {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.notes.iter().try_for_each(|note| writeln!(out, "    {note}"))
    }
}

#[cfg(test)]
mod tests {
    use evenkeel_tests::open_loop::{Deliveries, seen_as};
    use evenkeel_tests::product::Product;

    use super::*;
    use crate::contestant::Contestant;
    use crate::fault::Fault;

    fn outcome(product: Product, is_tuned: bool, ends: &[(char, End)], output: &str) -> Outcome {
        let contestant = Contestant { product, is_tuned };
        let deliveries = Deliveries::from([(0, 2), (1, 2)]);
        Outcome { fault: Fault::Hung, contestant, seen: seen_as(ends), deliveries, output: output.to_owned() }
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
        assert!(verdict.broken.is_empty());
        assert_eq!(verdict.to_string(), "    nginx, smallest: 1 x GET, Status(502)\n");
    }
}
