use evenkeel_model::{Phase, Report};
use evenkeel_routing::{Ask, Cursor, PoolRule, Readings};

use super::*;
use crate::examples;

/// What happens to one request.
enum Event {
    /// An attempt on this backend fails.
    Fails(&'static str, Cause, Class),
    /// This backend answers.
    Answers(&'static str),
    /// Nothing follows.
    Ends,
}

use Event::{Answers, Ends, Fails};

fn backend(name: &str) -> Arc<Backend> {
    examples::backend(format!("{name}.test:80").parse().unwrap())
}

fn verdict(backend: &Arc<Backend>, cause: Cause, class: Class) -> Verdict {
    Verdict {
        backend: backend.clone(),
        term: backend.term(),
        role: Role::Turn,
        trial: None,
        fault: cause.into(),
        class,
        at: Instant::now(),
    }
}

/// What is recorded of each backend, in order: its name, the cause, and the proof.
fn recorded(events: &[Event]) -> Vec<(&'static str, Cause, Proof)> {
    let backends = ["a", "b", "c"].map(|name| (name, backend(name), Readings::default()));
    let mut backends = Vec::from(backends);
    let mut verdicts = Verdicts::default();
    let mut recorded = Vec::new();
    for event in events {
        let of = |name: &str| &backends.iter().find(|(known, ..)| *known == name).unwrap().1;
        match event {
            Fails(name, cause, class) => verdicts.fail(0, verdict(of(name), *cause, *class)),
            Answers(name) => verdicts.answer(0, of(name)),
            Ends => verdicts.end(0),
        }
        for (name, backend, readings) in &mut backends {
            let report: Report = backend.read(readings);
            recorded.extend(report.strikes().map(|strike| (*name, strike.fault.cause, strike.fault.proof)));
        }
    }
    recorded
}

const REFUSED: Cause = Cause::ConnectRefused;
const CLOSED: Cause = Cause::ClosedBeforeResponse;
const GARBAGE: Cause = Cause::BadHead;
const SLOW: Cause = Cause::AttemptTimeout;
const STALLED: Cause = Cause::Stalled;

#[test]
fn what_was_never_sent_counts_at_once_if_it_is_hard() {
    let refused = [Fails("a", REFUSED, Class::NotSent)];
    assert_eq!(recorded(&refused), [("a", REFUSED, Proof::Alone)]);
    let on_two = [Fails("a", REFUSED, Class::NotSent), Fails("b", REFUSED, Class::NotSent)];
    assert_eq!(recorded(&on_two), [("a", REFUSED, Proof::Alone), ("b", REFUSED, Proof::Alone)]);
    let poison = [
        Fails("a", GARBAGE, Class::Answered),
        Fails("b", REFUSED, Class::NotSent),
        Fails("c", GARBAGE, Class::Answered),
        Ends,
    ];
    assert_eq!(recorded(&poison), [("b", REFUSED, Proof::Alone)]);
}

#[test]
fn everything_else_waits_until_it_is_known_whom_it_blames() {
    for (cause, class) in [(CLOSED, Class::Maybe), (GARBAGE, Class::Answered), (SLOW, Class::NotSent)] {
        assert_eq!(recorded(&[Fails("a", cause, class)]), [], "{cause:?}");
        assert_eq!(recorded(&[Fails("a", cause, class), Ends]), [("a", cause, Proof::Alone)]);
        let elsewhere = [("a", cause, Proof::Elsewhere)];
        assert_eq!(recorded(&[Fails("a", cause, class), Answers("b")]), elsewhere);
        assert_eq!(recorded(&[Fails("a", cause, class), Answers("b"), Ends]), elsewhere, "only once");
    }
}

#[test]
fn a_request_that_fails_on_two_backends_counts_for_none_whoever_answers_then() {
    let poison = || vec![Fails("a", CLOSED, Class::Maybe), Fails("b", GARBAGE, Class::Answered)];
    for last in [Answers("c"), Ends, Fails("c", CLOSED, Class::Maybe)] {
        let mut events = poison();
        events.extend([last, Ends]);
        assert_eq!(recorded(&events), []);
    }
}

#[test]
fn one_backend_that_fails_twice_is_one() {
    let twice = [Fails("a", CLOSED, Class::Maybe), Fails("a", GARBAGE, Class::Answered), Answers("b")];
    assert_eq!(recorded(&twice), [("a", CLOSED, Proof::Elsewhere), ("a", GARBAGE, Proof::Elsewhere)]);
}

#[test]
fn a_slow_connect_makes_no_poison_and_is_none() {
    let slow_and_broken = [Fails("a", SLOW, Class::NotSent), Fails("b", GARBAGE, Class::Answered), Ends];
    assert_eq!(recorded(&slow_and_broken), [("a", SLOW, Proof::Alone), ("b", GARBAGE, Proof::Alone)]);
    let beside_poison = [
        Fails("a", SLOW, Class::NotSent),
        Fails("b", GARBAGE, Class::Answered),
        Fails("c", GARBAGE, Class::Answered),
        Ends,
    ];
    assert_eq!(recorded(&beside_poison), [("a", SLOW, Proof::Alone)]);
}

#[test]
fn an_answer_that_breaks_off_is_judged_by_itself() {
    let cut = |name| Fails(name, Cause::BodyTruncated, Class::Forwarded);
    let alone = ("b", Cause::BodyTruncated, Proof::Alone);
    assert_eq!(recorded(&[Answers("b"), cut("b"), Ends]), [alone]);
    let after_another = [Fails("a", CLOSED, Class::Maybe), Answers("b"), cut("b"), Ends];
    assert_eq!(recorded(&after_another), [("a", CLOSED, Proof::Elsewhere), alone]);
}

#[test]
fn who_stalls_is_to_blame_when_another_one_answers_however_many_stall() {
    let stalls = [Fails("a", STALLED, Class::Maybe), Fails("b", STALLED, Class::Maybe), Answers("c")];
    let expected = [("a", STALLED, Proof::Elsewhere), ("b", STALLED, Proof::Elsewhere)];
    assert_eq!(recorded(&stalls), expected);
    let broken_winner = [Fails("a", STALLED, Class::Maybe), Fails("b", GARBAGE, Class::Answered), Ends];
    assert_eq!(recorded(&broken_winner), []);
}

#[test]
fn what_says_nothing_of_its_backend_makes_no_poison() {
    let stale = [Fails("a", Cause::StaleReuse, Class::Maybe), Fails("b", CLOSED, Class::Maybe), Ends];
    assert_eq!(recorded(&stale), [("b", CLOSED, Proof::Alone)]);
}

#[test]
fn a_trial_that_poison_breaks_may_be_tried_by_another_request() {
    let mut members = ["a.test:80", "b.test:80"].map(|address| examples::member(address.parse().unwrap()));
    members[0].status.phase = Phase::Trial;
    let pool = examples::pool(PoolRule::default(), members.into());
    let (on_trial, other) = (&pool.members[0].backend, &pool.members[1].backend);
    let mut cursor = Cursor::new(1);
    let mut is_tried = |fails_elsewhere: bool| {
        let pick = pool.pick(&mut cursor, &Ask { tried: &[], hideable: true, now: Instant::now() }).unwrap();
        let mut verdicts = Verdicts::default();
        let failed = verdict(pick.in_flight.backend(), GARBAGE, Class::Answered);
        verdicts.fail(0, Verdict { role: pick.role, trial: pick.trial, ..failed });
        if fails_elsewhere {
            verdicts.fail(0, verdict(other, GARBAGE, Class::Answered));
        }
        verdicts.end(0);
        pick.role == Role::Trial
    };
    on_trial.arm_trial(false);
    assert!(is_tried(true));
    assert!(is_tried(false), "the token was given back");
    assert!(!is_tried(false), "a verdict has spent it");
    assert_eq!(on_trial.read(&mut Readings::default()).trials.len(), 1);
}
