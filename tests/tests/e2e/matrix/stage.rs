//! A row on stage: one evenkeel with a pool for each cell, five backends that all pools share, and the requests.

use std::collections::HashSet;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use evenkeel_tests::backend::Refusing;
use evenkeel_tests::balancer::{Evenkeel, SOON};
use evenkeel_tests::metrics::Metrics;
use evenkeel_tests::tools::tool;
use evenkeel_tests::wait;
use serde_json::Value;

use super::bad::{Badness, backend};
use super::cells::{Bad, Cell, Wire};
use super::client::{Seen, ask};
use super::expected::expected;
use super::judge::{Evidence, judge};
use super::lines::{Lines, NAME, Papers};
use super::row::{Asking, Row, World};

/// What the backends note, and what they wait for.
#[derive(Default)]
pub(super) struct Stage {
    /// Backend and target of each head that was read whole.
    deliveries: Mutex<Vec<(String, String)>>,
    answered: Mutex<HashSet<String>>,
    closed: Mutex<HashSet<String>>,
}

impl Stage {
    pub(super) fn note_delivery(&self, backend: &str, target: &str) {
        self.deliveries.lock().unwrap().push((backend.to_owned(), target.to_owned()));
    }

    /// The client has what it can get.
    pub(super) fn note_answered(&self, target: &str) {
        self.answered.lock().unwrap().insert(target.to_owned());
    }

    pub(super) fn wait_for_client(&self, target: &str) {
        wait::until_true(SOON, "the client to be answered", || {
            self.answered.lock().unwrap().contains(target)
        });
    }

    /// The proxy has closed the connection on which this request was.
    pub(super) fn note_closed(&self, target: &str) {
        self.closed.lock().unwrap().insert(target.to_owned());
    }

    pub(super) fn wait_until_closed(&self, target: &str) {
        wait::until_true(SOON, "the backend's connection to close", || {
            self.closed.lock().unwrap().contains(target)
        });
    }

    pub(super) fn is_at_a_bad_one(&self, target: &str) -> bool {
        self.delivered(target).iter().any(|backend| backend.starts_with("bad"))
    }

    /// The backends to which this request was delivered.
    pub(super) fn delivered(&self, target: &str) -> Vec<String> {
        let deliveries = self.deliveries.lock().unwrap();
        deliveries.iter().filter(|one| one.1 == target).map(|one| one.0.clone()).collect()
    }
}

/// Runs all cells of a row, and tells what is not as the table says.
pub(super) fn run(row: &Row, lines: Lines) -> Vec<String> {
    let stage = Arc::new(Stage::default());
    let papers = Papers::new(lines);
    let bad = Badness::of(row, &papers, &stage);
    let good = ["good-1", "good-2"].map(|name| papers.seat(backend(name.into(), None, stage.clone()), false));
    let good = good.each_ref().map(|seat| seat.address.clone());
    let cells = cells(row);
    let refusing = Refusing::default();
    let text = configuration(row, &papers, &cells, [&bad.addresses, &good], &refusing);
    let evenkeel = Evenkeel::start_with(&text, |command| {
        if matches!(row.world, World::Forbidden) {
            give_up_privileges(command);
        }
    });
    let address = evenkeel.address();
    prepare(row, &papers, &cells, &evenkeel);
    let seen: Vec<Vec<(String, Seen)>> = std::thread::scope(|scope| {
        let (stage, papers) = (&*stage, &papers);
        let asking = cells.iter().map(|cell| {
            scope.spawn(move || {
                let requests = if cell.bad == Bad::One { 3 } else { 1 };
                let target = |number| format!("/{}/{number}", cell.pool());
                let ask = |target: String| (target.clone(), ask(address, papers, row, *cell, &target, stage));
                (1..=requests).map(target).map(ask).collect()
            })
        });
        let asking: Vec<_> = asking.collect();
        let join =
            |thread: std::thread::ScopedJoinHandle<'_, _>| thread.join().expect("a client does not panic");
        asking.into_iter().map(join).collect()
    });
    fence(&papers, &evenkeel);
    let paths: Vec<&str> = seen.iter().flatten().map(|(target, _)| target.as_str()).collect();
    let log = log_of(&evenkeel, &paths);
    let metrics = settled(row, &cells, &evenkeel);
    let mut complaints = Vec::new();
    for (cell, seen) in cells.iter().zip(&seen) {
        let evidence = Evidence { seen, log: &log, stage: &stage, metrics: &metrics, lines };
        let found = judge(row, *cell, &evidence);
        if !found.is_empty() {
            let found = found.join("\n    ");
            complaints.push(format!("{} {}, {lines:?}: {cell}:\n    {found}", row.id, row.cause));
        }
    }
    complaints
}

fn cells(row: &Row) -> Vec<Cell> {
    let mut cells = Vec::new();
    for kind in row.kinds {
        for bad in row.bad {
            cells.extend(row.wires.iter().map(|wire| Cell { kind: *kind, bad: *bad, wire: *wire }));
        }
    }
    cells
}

/// Leaves an idle connection with each backend, or no backend in service, where cells want that.
fn prepare(row: &Row, papers: &Papers, cells: &[Cell], evenkeel: &Evenkeel) {
    let mut client = papers.connect(evenkeel.address());
    let is_reused = |cell: &&Cell| cell.wire == Wire::Reused;
    for cell in cells.iter().filter(is_reused) {
        for _ in 0..3 {
            let warm = client.get(&format!("/{}/warm", cell.pool()));
            assert_eq!(warm.status, 200, "{}: {cell}", row.id);
        }
    }
    // A strike of a request from before a change of phase would say nothing.
    let serving = 3.0 * cells.iter().filter(is_reused).count() as f64;
    wait::until_true(SOON, "the backends to be serving", || {
        evenkeel.metrics().sum("evenkeel_backend_state", &[("phase", "serving")]) == serving
    });
    for cell in cells.iter().filter(|_| row.asking == Asking::AfterEjections) {
        let pool = cell.pool();
        wait::until_true(SOON, "three ejections", || {
            evenkeel.metrics().sum("evenkeel_backend_ejections_total", &[("pool", &pool)]) == 3.0
        });
    }
}

fn configuration(
    row: &Row,
    papers: &Papers,
    cells: &[Cell],
    [bad, good]: [&[String]; 2],
    fence: &Refusing,
) -> String {
    let tls = papers.of_pool(&more_of_tls(row, papers));
    let (mut routes, mut pools) = (String::new(), String::new());
    let host = if row.asking == Asking::Elsewhere { "host: elsewhere.example, " } else { "" };
    for cell in cells {
        let pool = cell.pool();
        routes.push_str(&format!("  - match: {{ {host}path: /{pool}/ }}\n    pool: {pool}\n"));
        let backends: Vec<String> = match cell.bad {
            Bad::One => [("bad-1", &bad[0]), ("good-1", &good[0]), ("good-2", &good[1])].map(named).into(),
            Bad::All => [("bad-1", &bad[0]), ("bad-2", &bad[1]), ("bad-3", &bad[2])].map(named).into(),
        };
        let in_health = row.pool.strip_prefix("when_all_ejected");
        let health = in_health.map_or_else(String::new, |value| {
            format!(
                ", probe: {{ path: /, interval: 200ms, timeout: 200ms, fall: 1 }}, when_all_ejected{value}"
            )
        });
        let settings = if in_health.is_some() { "" } else { row.pool };
        pools.push_str(&format!(
            "  {pool}:\n    backends: [{}]\n    health: {{ eject: {{ consecutive: 1, wait: 60s }}{health} }}\n    {settings}\n    {tls}\n",
            backends.join(", ")
        ));
    }
    format!(
        "access_log: {{ path: stdout }}\nworkers: 1\n\
         listeners: [{{ name: edge, address: \"127.0.0.1:0\"{}{}{} }}]\n\
         routes:\n{routes}  - match: {{ path: /fence }}\n    pool: fence\n\
         pools:\n{pools}  fence: {{ backends: [\"{}\", \"{}\"], health: {{ eject: {{ consecutive: 1 }} }}{} }}\n",
        if row.listener.is_empty() { "" } else { ", " },
        row.listener,
        papers.of_listener(),
        papers.url(&fence.address()),
        good[0],
        if tls.is_empty() { tls } else { format!(", {tls}") },
    )
}

/// What this row needs in the `tls` of its pools.
fn more_of_tls(row: &Row, papers: &Papers) -> String {
    match row.world {
        // A socket has no host that its certificate could be for.
        World::NoSocket | World::Forbidden => format!(", server_name: {NAME}"),
        _ if row.is_pinned => format!(", pins: [\"{}\"]", papers.backend.pin()),
        _ => String::new(),
    }
}

fn named((name, address): (&str, &String)) -> String {
    format!("{{ name: {name}, address: \"{address}\" }}")
}

/// Whatever was to be ejected by earlier requests is ejected when a backend of these last ones is.
fn fence(papers: &Papers, evenkeel: &Evenkeel) {
    let mut client = papers.connect(evenkeel.address());
    wait::until_true(SOON, "the last ejection", || {
        client.get("/fence");
        evenkeel.metrics().sum("evenkeel_backend_ejections_total", &[("pool", "fence")]) == 1.0
    });
}

/// The metrics, once nobody is left to be ejected: of what a whole pool may share, control waits for the others' failures.
fn settled(row: &Row, cells: &[Cell], evenkeel: &Evenkeel) -> Metrics {
    let begun = Instant::now();
    loop {
        let metrics = evenkeel.metrics();
        let is_settled = cells.iter().all(|cell| {
            let ejections = metrics.sum("evenkeel_backend_ejections_total", &[("pool", &cell.pool())]);
            expected(row, *cell).ejections.is_none_or(|expected| ejections >= expected as f64)
        });
        // What is missing after that is a complaint.
        if is_settled || begun.elapsed() > SOON {
            return metrics;
        }
        wait::pause(Duration::from_millis(20));
    }
}

/// The access log, once all these requests are in it.
fn log_of(evenkeel: &Evenkeel, paths: &[&str]) -> Vec<Value> {
    wait::until(SOON, "the access log", || {
        let mut events = evenkeel.events();
        events.retain(|event| event["status"].is_u64());
        let is_in = |path: &&str| events.iter().any(|event| event["path"] == *path);
        paths.iter().all(is_in).then_some(events)
    })
}

/// Root may use what it has no permission for; a process without these capabilities may not.
fn give_up_privileges(command: &mut Command) {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let mut without = Command::new(tool("setpriv"));
    without.args(["--bounding-set", "-dac_override,-dac_read_search"]).arg(command.get_program());
    without.args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => without.env(name, value),
            None => without.env_remove(name),
        };
    }
    *command = without;
}
