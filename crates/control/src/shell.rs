//! The shell around [`Control`]: its clock, its bell, and the tasks that carry its orders out.

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use evenkeel_config::{DnsRule, Plan};
use evenkeel_health::ProbeResult;
use evenkeel_model::{Address, BackendId, Cause, Command, CommandError, Done, Endpoint, ProbeFailure};
use evenkeel_routing::{Snapshot, View, Wake};
use evenkeel_tls::Dial;
use evenkeel_upstream::{Asked, Prober, Resolver, Verdict};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::{Id, JoinError, JoinSet};

use crate::log::log;
use crate::{ConnectOrder, Control, Effects, Input, ProbeOrder, ResolveOrder, Resolved};

/// Longest time between two readings of the cells.
const READ_INTERVAL: Duration = Duration::from_millis(500);

/// Shortest time between two readings, however often the bell rings, and between two ticks.
const BREATH: Duration = Duration::from_millis(2);

/// Most plans and commands that wait to be taken.
const WAITING_ERRANDS: usize = 8;

/// Speaks to control; cheap to clone. Control ends when the last one is dropped.
#[derive(Clone, Debug)]
pub struct Handle(mpsc::Sender<Errand>);

/// What control is asked to do.
#[derive(Debug)]
enum Errand {
    Publish { plan: Arc<Plan>, done: oneshot::Sender<u64> },
    Command { command: Command, done: oneshot::Sender<Result<Done, CommandError>> },
}

/// Control, its view and its orders in progress.
struct Shell {
    control: Control,
    view: View,
    wake: Arc<Wake>,
    prober: Prober,
    resolver: Resolver,
    /// By which the resolver was made.
    dns: DnsRule,
    tasks: JoinSet<Input>,
    /// What is said of a task that panicked.
    fallbacks: HashMap<Id, Input>,
    /// Who waits for a plan to be published.
    waiting: Vec<oneshot::Sender<u64>>,
    next: Option<Instant>,
    last_tick: Instant,
    last_read: Instant,
    /// Of every backend.
    last_full: Instant,
    is_rung: bool,
}

/// Starts control for `workers` cores. The view holds an empty snapshot, generation 0, until a plan is published; the
/// future has to be polled on a tokio runtime and ends when every handle is dropped. `seed` spreads probes in time.
pub fn start(workers: usize, seed: u64) -> (Handle, View, impl Future<Output = ()> + Send + 'static) {
    let (sender, errands) = mpsc::channel(WAITING_ERRANDS);
    let view = View::new(ArcSwap::from_pointee(Snapshot::default()));
    let bell = Arc::new(Notify::new());
    let ring = bell.clone();
    let wake = Wake::new(Box::new(move || ring.notify_one()));
    let now = Instant::now();
    let dns = DnsRule::default();
    let shell = Shell {
        control: Control::new(workers, seed, wake.clone()),
        view: view.clone(),
        wake,
        prober: Prober::new(),
        resolver: Resolver::new(&dns.servers, dns.timeout),
        dns,
        tasks: JoinSet::new(),
        fallbacks: HashMap::new(),
        waiting: Vec::new(),
        next: None,
        last_tick: now,
        last_read: now,
        last_full: now,
        is_rung: false,
    };
    (Handle(sender), view, shell.run(errands, bell))
}

impl Handle {
    /// Publishes a plan. Returns its generation once the view holds it, which takes a second at most where names have
    /// to be looked up; 0 if control has ended.
    pub async fn publish(&self, plan: Arc<Plan>) -> u64 {
        let (done, published) = oneshot::channel();
        if self.0.send(Errand::Publish { plan, done }).await.is_err() {
            return 0;
        }
        published.await.unwrap_or(0)
    }

    /// Carries an operator's command out, and returns once the view shows it.
    ///
    /// # Errors
    /// Nobody is meant, or several are; [`CommandError::Stopping`] if control has ended.
    pub async fn command(&self, command: Command) -> Result<Done, CommandError> {
        let (done, answered) = oneshot::channel();
        if self.0.send(Errand::Command { command, done }).await.is_err() {
            return Err(CommandError::Stopping);
        }
        answered.await.unwrap_or(Err(CommandError::Stopping))
    }
}

impl Shell {
    async fn run(mut self, mut errands: mpsc::Receiver<Errand>, bell: Arc<Notify>) {
        loop {
            let wake_up = tokio::time::Instant::from_std(self.wake_up());
            // Every branch loses nothing when another is taken: a channel, a bell that stays rung, a set of tasks.
            tokio::select! {
                errand = errands.recv() => match errand {
                    Some(Errand::Publish { plan, done }) => {
                        self.waiting.push(done);
                        self.obey(&plan.dns);
                        self.handle(Input::Plan(plan));
                    }
                    Some(Errand::Command { command, done }) => {
                        let answer = self.handle(Input::Command(command));
                        // Who asked may be gone.
                        let _ = done.send(answer.unwrap_or(Err(CommandError::Stopping)));
                    }
                    None => return,
                },
                () = bell.notified() => self.is_rung = true,
                Some(done) = self.tasks.join_next_with_id() => {
                    if let Some(input) = self.outcome(done) {
                        self.handle(input);
                    }
                }
                () = tokio::time::sleep_until(wake_up) => self.be_punctual(),
            }
        }
    }

    /// Names of a new plan are looked up as it says.
    fn obey(&mut self, dns: &DnsRule) {
        if self.dns != *dns {
            self.resolver = Resolver::new(&dns.servers, dns.timeout);
            self.dns = dns.clone();
        }
    }

    fn wake_up(&self) -> Instant {
        let tick = self.next.map(|next| next.max(self.last_tick + BREATH));
        self.read_due().min(tick.unwrap_or_else(|| self.read_due()))
    }

    fn read_due(&self) -> Instant {
        let rung = self.is_rung.then(|| self.last_read + BREATH);
        rung.into_iter().chain([self.last_full + READ_INTERVAL]).min().unwrap_or(self.last_read)
    }

    fn be_punctual(&mut self) {
        let now = Instant::now();
        if self.read_due() <= now {
            let all = self.last_full + READ_INTERVAL <= now;
            self.is_rung = false;
            self.last_read = now;
            self.last_full = if all { now } else { self.last_full };
            self.wake.lower();
            let reports = self.control.read(all);
            self.handle(Input::Reports(reports));
        }
        if self.next.is_some_and(|next| next <= now) {
            self.last_tick = now;
            self.handle(Input::Tick);
        }
    }

    fn handle(&mut self, input: Input) -> Option<Result<Done, CommandError>> {
        let mut effects = self.control.handle(input, Instant::now());
        let answer = effects.answer.take();
        self.carry_out(effects);
        answer
    }

    fn carry_out(&mut self, effects: Effects) {
        if let Some(snapshot) = effects.snapshot {
            let generation = snapshot.generation;
            let is_new_plan = generation > self.view.load().generation;
            self.view.store(snapshot);
            if is_new_plan {
                let there: HashSet<&BackendId> = self.control.backends().collect();
                self.prober.retain(|id| there.contains(id));
                for done in self.waiting.drain(..) {
                    // Who asked may be gone.
                    let _ = done.send(generation);
                }
            }
        }
        effects.notices.iter().for_each(log);
        for order in effects.probes {
            let result = ProbeResult::Failed(ProbeFailure::Failed(Cause::Internal));
            let serial = order.serial;
            let failed = Input::Probed { id: order.id.clone(), serial, result, drain: None };
            let prober = self.prober.clone();
            self.spawn(failed, async move {
                let Verdict { result, drain } = prober.probe(&asked(&order)).await;
                Input::Probed { id: order.id, serial, result, drain }
            });
        }
        for ResolveOrder { host, port } in effects.resolves {
            let failed = Input::Resolved { host: host.clone(), port, result: Err(Cause::DnsFailed.into()) };
            let resolver = self.resolver.clone();
            self.spawn(failed, async move {
                let result = resolver.resolve(&host, port).await;
                let result =
                    result.map(|evenkeel_upstream::Resolved { endpoints, ttl }| Resolved { endpoints, ttl });
                Input::Resolved { host, port, result }
            });
        }
        for ConnectOrder { id, serial, endpoints, tls, timeout } in effects.connects {
            let failed = Input::Connected { id: id.clone(), serial, result: Err(Cause::Internal) };
            let prober = self.prober.clone();
            self.spawn(failed, async move {
                let result = connect(&prober, &endpoints, tls.as_deref(), timeout).await;
                Input::Connected { id, serial, result }
            });
        }
        self.next = effects.next;
    }

    /// Bounded: control has at most one order of each kind in flight for a backend or a name.
    fn spawn(&mut self, fallback: Input, order: impl Future<Output = Input> + Send + 'static) {
        let handle = self.tasks.spawn(order);
        self.fallbacks.insert(handle.id(), fallback);
    }

    fn outcome(&mut self, done: Result<(Id, Input), JoinError>) -> Option<Input> {
        match done {
            Ok((id, input)) => {
                self.fallbacks.remove(&id);
                Some(input)
            }
            Err(error) => self.fallbacks.remove(&error.id()),
        }
    }
}

fn asked(order: &ProbeOrder) -> Asked<'_> {
    let ProbeOrder { id, serial: _, endpoints, probe, host, tls, is_fresh } = order;
    let host = if matches!(id.address, Address::Unix(_)) { "localhost" } else { host };
    Asked { backend: id, endpoints, probe, host, tls: tls.as_ref(), wants_fresh: *is_fresh }
}

async fn connect(
    prober: &Prober,
    endpoints: &[Endpoint],
    tls: Option<&Dial>,
    timeout: Duration,
) -> Result<(), Cause> {
    prober.try_connection(endpoints, tls, timeout).await.map_err(|failure| match failure {
        ProbeFailure::Failed(cause) | ProbeFailure::Tls(cause, _) => cause,
        ProbeFailure::Status(_) | ProbeFailure::Body | ProbeFailure::Reply => Cause::Internal,
    })
}
