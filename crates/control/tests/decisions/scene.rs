//! Control, a clock, and what tests do with them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use evenkeel_config::{Plan, PoolPlan};
use evenkeel_control::{Control, Effects, Input, Notice, Transition};
use evenkeel_health::{Eject, ProbeResult};
use evenkeel_model::{
    BackendId, Cause, Command, Fault, Order, Outcome, Phase, ProbeFailure, Proof, Role, TlsDetail,
};
use evenkeel_routing::{Ask, Backend, Cursor, Member, Pick, Snapshot, Wake};

/// Stands for the serial of the newest order.
pub(crate) const NEWEST: u64 = u64::MAX;

/// Control, a clock, and what was published last.
pub(crate) struct Scene {
    /// Of the newest probe and connection of each backend.
    pub(crate) serials: BTreeMap<(BackendId, &'static str), u64>,
    pub(crate) control: Control,
    pub(crate) start: Instant,
    pub(crate) now: Instant,
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) cursor: Cursor,
}

pub(crate) const TWO: &str = r#"backends: ["127.0.0.1:1", "127.0.0.1:2"]"#;
pub(crate) const NAMED: &str = r#"backends: ["app.test:80", "127.0.0.1:2"]"#;

/// A plan with one pool.
pub(crate) fn plan(pool: &str) -> Arc<Plan> {
    Arc::new(parsed(pool))
}

/// The same, changed.
pub(crate) fn changed(pool: &str, change: impl FnOnce(&mut PoolPlan)) -> Arc<Plan> {
    let mut plan = parsed(pool);
    change(&mut plan.pools[0]);
    Arc::new(plan)
}

fn parsed(pool: &str) -> Plan {
    let text = format!("listeners: [{{ address: \"127.0.0.1:8080\" }}]\npools: {{ web: {{ {pool} }} }}\n");
    let parsed = evenkeel_config::parse(&text, "test.yaml", &|_| None);
    let mut plan = parsed.unwrap_or_else(|error| panic!("{error}"));
    for pool in &mut plan.pools {
        // Times to the millisecond.
        pool.health.eject = pool.health.eject.map(|eject| Eject { jitter_percent: 0, ..eject });
    }
    plan
}

pub(crate) fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

impl Scene {
    pub(crate) fn new() -> Self {
        let wake = Wake::new(Box::new(|| {}));
        let now = Instant::now();
        let control = Control::new(1, 1, wake);
        Scene {
            control,
            start: now,
            now,
            snapshot: Arc::default(),
            cursor: Cursor::new(1),
            serials: BTreeMap::new(),
        }
    }

    pub(crate) fn with(pool: &str) -> Self {
        let mut scene = Scene::new();
        scene.tell(Input::Plan(plan(pool)));
        scene
    }

    pub(crate) fn tell(&mut self, input: Input) -> Effects {
        let input = self.answered(input);
        let effects = self.control.handle(input, self.now);
        for order in &effects.probes {
            self.serials.insert((order.id.clone(), "probe"), order.serial);
        }
        for order in &effects.connects {
            self.serials.insert((order.id.clone(), "connect"), order.serial);
        }
        self.snapshot = effects.snapshot.clone().unwrap_or_else(|| self.snapshot.clone());
        effects
    }

    /// Answers the newest order, where a test gives no serial.
    pub(crate) fn answered(&self, mut input: Input) -> Input {
        let newest = |id: &BackendId, of| self.serials.get(&(id.clone(), of)).copied().unwrap_or(NEWEST);
        match &mut input {
            Input::Probed { id, serial, .. } if *serial == NEWEST => *serial = newest(id, "probe"),
            Input::Connected { id, serial, .. } if *serial == NEWEST => *serial = newest(id, "connect"),
            _ => {}
        }
        input
    }

    /// Lets time pass to this millisecond, with every tick that control asks for.
    pub(crate) fn wait_until(&mut self, at: u64) -> Vec<Effects> {
        let end = self.start + millis(at);
        let mut effects = vec![self.tell(Input::Tick)];
        while let Some(next) = effects.last().unwrap().next.filter(|next| *next <= end) {
            self.now = next.max(self.now);
            effects.push(self.tell(Input::Tick));
            assert!(effects.len() < 10_000, "control ticks without end");
        }
        self.now = end;
        effects.push(self.tell(Input::Tick));
        effects
    }

    pub(crate) fn read(&mut self) -> Effects {
        let reports = self.control.read(true);
        self.tell(Input::Reports(reports))
    }

    pub(crate) fn member(&self, index: usize) -> &Member {
        &self.snapshot.pools[0].members[index]
    }

    pub(crate) fn backend(&self, index: usize) -> Arc<Backend> {
        self.member(index).backend.clone()
    }

    pub(crate) fn id(&self, index: usize) -> BackendId {
        self.member(index).backend.id.clone()
    }

    pub(crate) fn phases(&self) -> Vec<Phase> {
        self.snapshot.pools[0].members.iter().map(|member| member.status.phase).collect()
    }

    pub(crate) fn record(&mut self, index: usize, outcomes: &[Outcome]) -> Effects {
        for outcome in outcomes {
            let backend = self.backend(index);
            backend.record(0, backend.term(), Role::Turn, *outcome, self.now);
        }
        self.read()
    }

    pub(crate) fn order(&mut self, index: usize, order: Order) -> Effects {
        let id = self.id(index);
        let backend = id.address.to_string().into();
        self.tell(Input::Command(Command { order, pool: Some(id.pool), backend, uid: 0 }))
    }

    pub(crate) fn eject(&mut self, index: usize) -> Effects {
        self.record(index, &[FAILED; 3])
    }

    pub(crate) fn pick(&mut self, hideable: bool) -> Option<Pick> {
        self.snapshot.pools[0].pick(&mut self.cursor, &Ask { tried: &[], hideable, now: self.now })
    }

    /// A request that has to be a trial of this member.
    pub(crate) fn try_out(&mut self, index: usize, hideable: bool, outcome: Outcome) -> Effects {
        let pick = self.pick(hideable).unwrap();
        assert_eq!((pick.member, pick.role), (index, Role::Trial));
        self.backend(index).record(0, pick.term, pick.role, outcome, self.now);
        pick.trial.unwrap().spend();
        self.read()
    }
}

pub(crate) const FAILED: Outcome = Outcome::Failed(Fault {
    cause: Cause::ConnectRefused,
    status: 0,
    tls: None,
    key: 1,
    proof: Proof::Alone,
});

pub(crate) fn transitions(effects: &Effects) -> Vec<&Transition> {
    pub(crate) fn transition(notice: &Notice) -> Option<&Transition> {
        match notice {
            Notice::Transition(transition) => Some(transition),
            Notice::Name(_) | Notice::Kept(_) | Notice::Fate(_) | Notice::Ordered(_) | Notice::Hold(_) => {
                None
            }
        }
    }
    effects.notices.iter().filter_map(transition).collect()
}

pub(crate) fn probed(id: BackendId, failure: Option<Cause>) -> Input {
    let failed = |cause| {
        ProbeResult::Failed(match cause {
            Cause::TlsCertificate => ProbeFailure::Tls(cause, TlsDetail::Expired),
            other => ProbeFailure::Failed(other),
        })
    };
    Input::Probed { id, serial: NEWEST, result: failure.map_or(ProbeResult::Passed, failed), drain: None }
}

pub(crate) const PROBED: &str = "health: { probe: { path: /healthz, interval: 2s, timeout: 1s } }";
