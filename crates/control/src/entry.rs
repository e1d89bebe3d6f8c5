//! One backend as control knows it: its health, who holds it back, when it is probed, and how its trial goes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use evenkeel_health::{Event, Health, Policy, ProbeResult};
use evenkeel_model::{Cause, Fault, Hold, Kept, Phase, ProbeFailure, Report, Status};
use evenkeel_routing::{Backend, Readings};
use evenkeel_tls::Dial;

use crate::hold::Holds;
use crate::probing::{Mood, Probing};
use crate::random::Random;
use crate::trial::Watch;
use crate::{HoldChange, Next, Notice, Transition};

/// How often it is asked again whether a backend that was kept in service may go now.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// How long it is said of a backend that it is kept in service, after it was convicted last.
const KEPT_FOR: Duration = Duration::from_secs(10);

/// A backend in the roster.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) backend: Arc<Backend>,
    pub(crate) readings: Readings,
    /// What its requests are addressed to: the address as written.
    pub(crate) host: Arc<str>,
    /// How it is spoken to over TLS.
    pub(crate) tls: Option<Arc<Dial>>,
    /// As it is published.
    pub(crate) status: Status,
    /// When it next wants a visit, as it stands in the agenda.
    pub(crate) due: Option<Instant>,
    pub(crate) health: Health,
    pub(crate) holds: Holds,
    pub(crate) probing: Probing,
    /// Why it is in service although it is convicted, and when it was convicted last.
    kept: Option<(Kept, Instant)>,
    /// When its case is looked at again, whatever happens.
    pub(crate) reconsider: Option<Instant>,
    pub(crate) trial: Watch,
    /// Whether it is one of the addresses of a name that comes and goes with its answers.
    pub(crate) is_of_name: bool,
}

impl Entry {
    pub(crate) fn new(backend: Arc<Backend>, now: Instant, policy: &Policy, random: &mut Random) -> Self {
        let health = Health::new(now, random.number(), policy);
        Entry {
            host: backend.id.address.to_string().into(),
            tls: None,
            backend,
            readings: Readings::default(),
            status: health.status(now, policy),
            due: None,
            health,
            holds: Holds::default(),
            probing: Probing::default(),
            kept: None,
            reconsider: None,
            trial: Watch::new(now, false),
            is_of_name: false,
        }
    }

    /// The same health under another name.
    pub(crate) fn renamed(self, backend: Arc<Backend>, now: Instant) -> Self {
        let mut entry = Entry { backend, readings: Readings::default(), ..self };
        entry.resume(now);
        entry
    }

    /// A trial begins anew, if there is one.
    pub(crate) fn resume(&mut self, now: Instant) {
        self.trial = Watch::new(now, self.trial.is_alone());
        if self.health.phase() == Phase::Trial {
            self.backend.arm_trial(false);
        }
    }

    /// Takes its place in a plan, one of so many backends.
    pub(crate) fn join(&mut self, policy: &Policy, backends: usize, now: Instant, random: &mut Random) {
        self.probing.join(policy.probe.as_ref(), backends, now, random);
        if policy.probe.is_none() {
            self.change_hold(now, policy, Holds::probes_ended);
        }
    }

    /// Takes in what the cores saw, as of the phase that it is in. Nothing after a change of phase counts.
    pub(crate) fn report(&mut self, report: &Report, now: Instant, policy: &Policy) -> Option<Transition> {
        self.health.note_heads(report.heads, report.head_micros, now, policy);
        self.probing.proven |= report.successes > 0;
        let is_admitted = self.health.phase().is_admitted();
        let mut events = if is_admitted { requests(report) } else { trials(report) };
        let transition = events.find_map(|event| self.step(event, now, policy));
        let has_news = !report.trials.is_empty() || report.trial_abandoned;
        if transition.is_none() && has_news && self.health.phase() == Phase::Trial {
            self.trial.heard(now);
            self.rearm();
        }
        if let Some((how_long, at)) = report.drain {
            self.change_hold(now, policy, |holds| holds.ask(how_long, at));
        }
        transition
    }

    /// Steps the health, and lets the cores know of a change of phase.
    pub(crate) fn step(&mut self, event: Event, now: Instant, policy: &Policy) -> Option<Transition> {
        let from = self.health.phase();
        self.health = self.health.step(event, now, policy);
        let to = self.health.phase();
        (from != to).then(|| self.enter(from, to, now, policy))
    }

    /// Takes a change of who holds it back; true if it came to something.
    pub(crate) fn change_hold(
        &mut self,
        now: Instant,
        policy: &Policy,
        change: impl FnOnce(&mut Holds),
    ) -> bool {
        self.expire_hold(now, policy);
        let before = self.holds.hold(now);
        change(&mut self.holds);
        self.after_hold(before, now, policy)
    }

    /// It stays in service although it is convicted; true if that is news.
    pub(crate) fn keep(&mut self, kept: Kept, now: Instant) -> bool {
        self.reconsider = Some(now + ASK_AGAIN);
        let before = self.kept.replace((kept, now));
        before.is_none_or(|(before, _)| before != kept)
    }

    /// Nothing convicts it at the moment. What comes and goes with every other request is one story, told once.
    pub(crate) fn acquit(&mut self, now: Instant) {
        let is_lasting = |(_, at): &(Kept, Instant)| now.saturating_duration_since(*at) < KEPT_FOR;
        self.kept = self.kept.filter(is_lasting);
        self.reconsider = self.kept.map(|_| now + ASK_AGAIN);
    }

    /// Ends the backend's own hold, if its time is over.
    pub(crate) fn expire_hold(&mut self, now: Instant, policy: &Policy) {
        if let Some(before) = self.holds.expire(now) {
            self.after_hold(before, now, policy);
        }
    }

    /// Whether what is published about it is out of date. Says so once.
    pub(crate) fn refresh(&mut self, now: Instant, policy: &Policy) -> bool {
        let status =
            Status { hold: self.holds.hold(now), kept: self.kept(), ..self.health.status(now, policy) };
        std::mem::replace(&mut self.status, status) != status
    }

    /// What is told after another hold than `before` was published: what operators did is told otherwise.
    pub(crate) fn hold_change(&self, before: Hold) -> Option<Notice> {
        let how_long = match (before, self.status.hold) {
            (Hold::None, Hold::Asked { since, until }) => {
                until.map(|until| until.saturating_duration_since(since))
            }
            (Hold::Asked { .. }, Hold::None) => None,
            _ => return None,
        };
        Some(Notice::Hold(HoldChange {
            pool: self.backend.id.pool.clone(),
            backend: self.backend.label.clone(),
            is_drained: before == Hold::None,
            how_long,
        }))
    }

    /// A probe came to its result; nothing is said by one that is not in flight any more.
    pub(crate) fn end_probe(
        &mut self,
        serial: u64,
        result: ProbeResult,
        now: Instant,
        policy: &Policy,
        random: &mut Random,
    ) -> Option<Transition> {
        if !self.probing.end(serial, result) || policy.probe.is_none() {
            return None;
        }
        if result == ProbeResult::Drains {
            self.change_hold(now, policy, |holds| holds.ask_by_probe(now));
        } else if result == ProbeResult::Passed {
            self.change_hold(now, policy, Holds::probes_ended);
        }
        let transition = is_the_backends(result).then(|| self.take_probe(result, now, policy));
        self.plan_probe(now, policy, random);
        transition.flatten()
    }

    /// Counts what a probe says of the backend, and has it judged.
    pub(crate) fn take_probe(
        &mut self,
        result: ProbeResult,
        now: Instant,
        policy: &Policy,
    ) -> Option<Transition> {
        match result {
            ProbeResult::Passed | ProbeResult::Drains => self.backend.probes_passed.add(1),
            ProbeResult::Failed(_) => self.backend.probes_failed.add(1),
            // Neither well nor ill.
            ProbeResult::TooOften => {}
        }
        self.step(Event::Probe(result), now, policy)
    }

    /// Sets when the next probe is due, by what is known now.
    pub(crate) fn plan_probe(&mut self, now: Instant, policy: &Policy, random: &mut Random) {
        let mood =
            Mood { is_in_doubt: self.health.is_in_doubt(policy), is_out: !self.health.phase().is_admitted() };
        self.probing.plan(policy.probe.as_ref(), mood, now, random);
    }

    /// Whether a connection has to be tried now, because no request came for the trial.
    pub(crate) fn wants_connection(&self, now: Instant, policy: &Policy) -> bool {
        self.connect_due(now, policy).is_some_and(|due| due <= now)
    }

    /// The connection that was tried stands, or failed. False if none such was being tried.
    pub(crate) fn end_connect(&mut self, serial: u64, now: Instant) -> bool {
        self.trial.end(serial, now)
    }

    /// Any request may be the trial from now on, whatever became of the last one.
    pub(crate) fn open_trial(&mut self) {
        self.trial.open();
        self.backend.arm_trial(false);
        self.backend.arm_trial(true);
    }

    /// Notes whether nobody else is in service; true if that changes when it wants a visit.
    pub(crate) fn set_alone(&mut self, is_alone: bool) -> bool {
        self.trial.set_alone(is_alone) && self.health.phase() == Phase::Trial
    }

    /// Whether requests go there in turn: as it will be published.
    pub(crate) fn is_in_service(&self, now: Instant) -> bool {
        self.health.phase().is_admitted() && self.holds.hold(now) == Hold::None
    }

    /// When it next wants a visit, if nothing happens before.
    pub(crate) fn next(&self, now: Instant, policy: &Policy) -> Option<Instant> {
        let change = self.health.next(now, policy);
        let wanted =
            [self.probing.due, self.connect_due(now, policy), change, self.reconsider, self.holds.until()];
        wanted.into_iter().flatten().min()
    }

    fn connect_due(&self, now: Instant, policy: &Policy) -> Option<Instant> {
        let is_on_trial = self.health.phase() == Phase::Trial && self.holds.hold(now) == Hold::None;
        is_on_trial.then(|| self.trial.due(self.health.wait(policy))).flatten()
    }

    fn kept(&self) -> Option<Kept> {
        self.kept.map(|(kept, _)| kept)
    }

    fn after_hold(&mut self, before: Hold, now: Instant, policy: &Policy) -> bool {
        let after = self.holds.hold(now);
        if before == after {
            return false;
        }
        self.backend.begin_term();
        if after == Hold::None {
            self.health = self.health.step(Event::Return, now, policy);
        }
        self.resume(now);
        true
    }

    fn enter(&mut self, from: Phase, to: Phase, now: Instant, policy: &Policy) -> Transition {
        self.backend.begin_term();
        self.trial = Watch::new(now, self.trial.is_alone());
        (self.kept, self.reconsider) = (None, None);
        let status = self.health.status(now, policy);
        match (from.is_admitted(), to) {
            (true, Phase::Ejected) => {
                self.backend.ejections.add(1);
                if !status.evidence.is_by_probes() {
                    // Whether probes see what requests saw decides on the way back.
                    self.probing.hurry(now);
                }
            }
            (false, Phase::Serving | Phase::Unproven) => self.backend.readmissions.add(1),
            (_, Phase::Trial) => self.backend.arm_trial(false),
            (true, Phase::Serving | Phase::Unproven) | (false, Phase::Ejected) => {}
        }
        Transition {
            pool: self.backend.id.pool.clone(),
            backend: self.backend.label.clone(),
            from,
            to,
            evidence: status.evidence,
            is_flapping: status.is_flapping,
            next: Next::of(&self.health, !from.is_admitted(), policy),
        }
    }

    /// An outcome was read: the next request may try.
    fn rearm(&mut self) {
        self.backend.arm_trial(false);
        if self.trial.is_open() {
            self.backend.arm_trial(true);
        }
    }
}

/// Whether a result says something about the backend, rather than about this machine.
fn is_the_backends(result: ProbeResult) -> bool {
    match result {
        // A limit of ours says nothing of a request's backend; but who cannot answer a probe in bounds does not pass it.
        ProbeResult::Failed(ProbeFailure::Failed(Cause::HeadTooLarge)) => true,
        ProbeResult::Failed(ProbeFailure::Failed(cause) | ProbeFailure::Tls(cause, _)) => {
            evenkeel_health::counts(cause)
        }
        ProbeResult::Failed(ProbeFailure::Status(_) | ProbeFailure::Body | ProbeFailure::Reply)
        | ProbeResult::Passed
        | ProbeResult::Drains
        | ProbeResult::TooOften => true,
    }
}

/// A success between two readings ends the streak that is known; what failed since then begins another.
fn requests(report: &Report) -> Box<dyn Iterator<Item = Event> + '_> {
    let success = (report.successes > 0).then_some(Event::Success { count: report.successes });
    let strike = |in_a_row| move |strike: &_| Event::Strike { strike: *strike, in_a_row };
    let scattered = report.scattered.iter().map(strike(false));
    Box::new(success.into_iter().chain(scattered).chain(report.in_a_row.iter().map(strike(true))))
}

fn trials(report: &Report) -> Box<dyn Iterator<Item = Event> + '_> {
    let cause_of = |fault: Fault| fault.cause;
    Box::new(report.trials.iter().map(move |outcome| Event::Trial(outcome.map_err(|it| cause_of(it.fault)))))
}
