//! The shell around [`Control`]: its clock, its bell, and the tasks that carry its orders out.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use evenkeel_config::Plan;
use evenkeel_health::ProbeResult;
use evenkeel_model::{BackendId, Cause, Endpoint};
use evenkeel_routing::{Snapshot, View, Wake};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::{Id, JoinError, JoinSet};

use crate::log::log;
use crate::{ConnectOrder, Control, Effects, Input, ProbeOrder, ResolveOrder};

/// Longest time between two readings of the cells.
const READ_INTERVAL: Duration = Duration::from_millis(500);

/// Shortest time between two readings, however often the bell rings, and between two ticks.
const BREATH: Duration = Duration::from_millis(2);

/// Most plans that wait to be taken.
const WAITING_PLANS: usize = 8;

/// Speaks to control; cheap to clone. Control ends when the last one is dropped.
#[derive(Clone, Debug)]
pub struct Handle(mpsc::Sender<Publish>);

#[derive(Debug)]
struct Publish {
    plan: Arc<Plan>,
    done: oneshot::Sender<u64>,
}

/// Control, its view and its orders in progress.
struct Shell {
    control: Control,
    view: View,
    wake: Arc<Wake>,
    tasks: JoinSet<Input>,
    /// What is said of a task that panicked.
    fallbacks: HashMap<Id, Input>,
    /// Who waits for a plan to be published.
    waiting: Vec<oneshot::Sender<u64>>,
    next: Option<Instant>,
    last_tick: Instant,
    last_read: Instant,
    is_rung: bool,
}

/// Starts control for `workers` cores. The view holds an empty snapshot, generation 0, until a plan is published; the
/// future has to be polled on a tokio runtime and ends when every handle is dropped. `seed` spreads probes in time.
pub fn start(workers: usize, seed: u64) -> (Handle, View, impl Future<Output = ()> + Send + 'static) {
    let (sender, plans) = mpsc::channel(WAITING_PLANS);
    let view = View::new(ArcSwap::from_pointee(Snapshot::default()));
    let bell = Arc::new(Notify::new());
    let ring = bell.clone();
    let wake = Wake::new(Box::new(move || ring.notify_one()));
    let now = Instant::now();
    let shell = Shell {
        control: Control::new(workers, seed, wake.clone()),
        view: view.clone(),
        wake,
        tasks: JoinSet::new(),
        fallbacks: HashMap::new(),
        waiting: Vec::new(),
        next: None,
        last_tick: now,
        last_read: now,
        is_rung: false,
    };
    (Handle(sender), view, shell.run(plans, bell))
}

impl Handle {
    /// Publishes a plan. Returns its generation once the view holds it, which takes a second at most where names have
    /// to be looked up; 0 if control has ended.
    pub async fn publish(&self, plan: Arc<Plan>) -> u64 {
        let (done, published) = oneshot::channel();
        if self.0.send(Publish { plan, done }).await.is_err() {
            return 0;
        }
        published.await.unwrap_or(0)
    }
}

impl Shell {
    async fn run(mut self, mut plans: mpsc::Receiver<Publish>, bell: Arc<Notify>) {
        loop {
            let wake_up = tokio::time::Instant::from_std(self.wake_up());
            // Every branch loses nothing when another is taken: a channel, a bell that stays rung, a set of tasks.
            tokio::select! {
                plan = plans.recv() => match plan {
                    Some(Publish { plan, done }) => {
                        self.waiting.push(done);
                        self.handle(Input::Plan(plan));
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

    fn wake_up(&self) -> Instant {
        let tick = self.next.map(|next| next.max(self.last_tick + BREATH));
        self.read_due().min(tick.unwrap_or_else(|| self.read_due()))
    }

    fn read_due(&self) -> Instant {
        self.last_read + if self.is_rung { BREATH } else { READ_INTERVAL }
    }

    fn be_punctual(&mut self) {
        let now = Instant::now();
        if self.read_due() <= now {
            self.is_rung = false;
            self.last_read = now;
            self.wake.lower();
            let reports = self.control.read();
            self.handle(Input::Reports(reports));
        }
        if self.next.is_some_and(|next| next <= now) {
            self.last_tick = now;
            self.handle(Input::Tick);
        }
    }

    fn handle(&mut self, input: Input) {
        let effects = self.control.handle(input, Instant::now());
        self.carry_out(effects);
    }

    fn carry_out(&mut self, effects: Effects) {
        if let Some(snapshot) = effects.snapshot {
            let generation = snapshot.generation;
            let is_new_plan = generation > self.view.load().generation;
            self.view.store(snapshot);
            if is_new_plan {
                for done in self.waiting.drain(..) {
                    // Who asked may be gone.
                    let _ = done.send(generation);
                }
            }
        }
        effects.notices.iter().for_each(log);
        for ProbeOrder { id, endpoints, probe } in effects.probes {
            let failed = Input::Probed { id: id.clone(), result: Err(Cause::Internal) };
            self.spawn(failed, async move {
                let result = probe_any(&endpoints, &probe, &id).await;
                Input::Probed { id, result }
            });
        }
        for ResolveOrder { host, port } in effects.resolves {
            let failed = Input::Resolved { host: host.clone(), port, result: Err(Cause::DnsFailed) };
            self.spawn(failed, async move {
                let result = evenkeel_upstream::resolve(&host, port).await;
                Input::Resolved { host, port, result }
            });
        }
        for ConnectOrder { id, endpoints, timeout } in effects.connects {
            let failed = Input::Connected { id: id.clone(), result: Err(Cause::Internal) };
            self.spawn(failed, async move {
                let result = connect(&endpoints, timeout).await;
                Input::Connected { id, result }
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

/// A name may have endpoints that nobody listens on; the first that connects is the one that requests go to.
async fn probe_any(endpoints: &[Endpoint], probe: &evenkeel_health::Probe, id: &BackendId) -> ProbeResult {
    let host = match id.address {
        evenkeel_model::Address::Unix(_) => "localhost".into(),
        ref address => address.to_string(),
    };
    let mut result = Err(Cause::DnsFailed);
    for endpoint in endpoints {
        result = evenkeel_upstream::probe(endpoint, probe, &host).await;
        if !matches!(result, Err(Cause::ConnectRefused | Cause::ConnectReset | Cause::Unroutable)) {
            return result;
        }
    }
    result
}

// A timer per connection is fine off the request path.
#[allow(clippy::disallowed_methods)]
async fn connect(endpoints: &[Endpoint], timeout: Duration) -> Result<(), Cause> {
    let connected = evenkeel_upstream::connect(endpoints, Instant::now());
    match tokio::time::timeout(timeout, connected).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(error.cause),
        Err(_) => Err(Cause::ConnectTimeout),
    }
}
