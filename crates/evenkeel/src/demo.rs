//! `evenkeel demo`: a node before three backends that can be broken and mended, and a screen that says how.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use evenkeel_config::{AccessLogRule, Plan, Problems};

use crate::arguments::{AdminFlag, DemoArguments};
use crate::node::Node;
use crate::source::Source;
use crate::{fault_backend, run};

const NAMES: [&str; 3] = ["red", "green", "blue"];

/// Short enough to watch; 10 s outside the demo.
const EJECT_WAIT: Duration = Duration::from_secs(3);

/// Each failed trial doubles the wait up to here, and so long a good run takes to be forgiven; 5 min outside the demo.
const LONGEST_EJECT_WAIT: Duration = Duration::from_secs(6);

/// How long a share grows after the trial; 10 s outside the demo.
const SLOW_START: Duration = Duration::from_secs(3);

/// Short enough to watch a backend hang; 30 s outside the demo.
const HEAD_TIMEOUT: Duration = Duration::from_secs(1);

/// Nobody waits for a demo to end.
const DRAIN: Duration = Duration::from_secs(1);

/// Runs the demo until a signal ends it. Exit code 1 if an address is busy.
pub(crate) fn demo(arguments: &DemoArguments) -> ExitCode {
    let backends = match fault_backend::start(&NAMES) {
        Ok(backends) => backends,
        Err(error) => {
            eprintln!("error: the demo's backends cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let source = Source::Flags {
        listen: arguments.listen.to_string(),
        backends: backends.iter().map(ToString::to_string).collect(),
        admin: Some(AdminFlag::At(arguments.admin)),
    };
    match plan(&source, arguments.access_log) {
        Ok(plan) => run::run_plan(plan, source, |node| show(node, &backends)),
        Err(problems) => {
            eprintln!("{problems}");
            ExitCode::FAILURE
        }
    }
}

/// The defaults of any plan, but quicker to watch.
fn plan(source: &Source, access_log: bool) -> Result<Plan, Problems> {
    let mut plan = source.plan()?;
    plan.access_log = access_log.then_some(AccessLogRule::Stdout);
    plan.drain_timeout = DRAIN;
    for pool in &mut plan.pools {
        pool.rule.timeouts.head = HEAD_TIMEOUT;
        pool.health.slow_start = SLOW_START;
        if let Some(eject) = &mut pool.health.eject {
            eject.wait = EJECT_WAIT;
            eject.longest_wait = LONGEST_EJECT_WAIT;
        }
        for (backend, name) in pool.backends.iter_mut().zip(NAMES) {
            backend.name = Some(name.into());
        }
    }
    for route in &mut plan.routes {
        route.timeouts.head = HEAD_TIMEOUT;
    }
    Ok(plan)
}

fn show(node: &Node, backends: &[SocketAddr]) {
    let addresses = node.addresses();
    let Some((listen, admin)) = addresses.first().map(|bound| bound.1).zip(node.admin) else {
        return;
    };
    print!("{}", screen(listen, admin, backends));
}

fn screen(listen: SocketAddr, admin: SocketAddr, backends: &[SocketAddr]) -> String {
    let listed: Vec<String> =
        NAMES.iter().zip(backends).map(|(name, address)| format!("    {name:<6} http://{address}")).collect();
    let [red, ..] = backends else {
        return String::new();
    };
    let listed = listed.join("\n");
    let (wait, longest) = (EJECT_WAIT.as_secs(), LONGEST_EJECT_WAIT.as_secs());
    format!(
        "
  evenkeel balances http://{listen} over three backends:

{listed}

  Try it, in another terminal:

  1. Ask it. The backends take turns.
       for i in 1 2 3 4 5 6; do curl -s http://{listen}/; done

  2. Keep asking. Leave this running: it would show any request that fails.
       while sleep 0.1; do curl -fsS http://{listen}/; done

  3. Break red: it answers 502 from now on. In step 2 red is gone and every request still succeeds,
     and a line below says that red was ejected, and why.
       curl http://{red}/control/status/502

  4. Mend it. After its wait ({wait} s, or {longest} s once a trial failed) it is tried, and serves again.
       curl http://{red}/control/ok

  5. Or make it hang: requests that reach it wait 1 s, then go elsewhere, until it is ejected.
       curl http://{red}/control/hang

  6. Or fail in any other way of `evenkeel fault-backend --list`, for good or for a while.
       curl 'http://{red}/control/refuse?for=5s'

  7. See what an operator sees.
       curl http://{admin}/api/status
       curl http://{admin}/metrics

  No line is logged for a request here; `--access-log` turns that on. Ctrl-C drains and ends the demo.

"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source() -> Source {
        Source::Flags {
            listen: "127.0.0.1:8080".into(),
            backends: vec!["127.0.0.1:1".into(), "127.0.0.1:2".into(), "127.0.0.1:3".into()],
            admin: Some(AdminFlag::At("127.0.0.1:9180".parse().unwrap())),
        }
    }

    #[test]
    fn the_plan_names_its_backends_and_is_quick_to_watch() {
        let plan = plan(&source(), false).unwrap();
        let names: Vec<_> = plan.pools[0].backends.iter().map(|backend| backend.name.as_deref()).collect();
        assert_eq!(names, NAMES.map(Some));
        assert_eq!(plan.pools[0].health.eject.map(|eject| eject.wait), Some(EJECT_WAIT));
        assert_eq!(plan.routes[0].timeouts.head, HEAD_TIMEOUT);
        assert_eq!(plan.access_log, None);
    }

    #[test]
    fn the_access_log_is_on_when_asked_for() {
        let plan = plan(&source(), true).unwrap();
        assert_eq!(plan.access_log, Some(AccessLogRule::Stdout));
    }

    #[test]
    fn the_screen_names_every_address() {
        let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let text = screen(address(8080), address(9180), &[address(1), address(2), address(3)]);
        for wanted in [
            "red    http://127.0.0.1:1",
            "blue   http://127.0.0.1:3",
            "curl http://127.0.0.1:1/control/status/502",
            "curl http://127.0.0.1:9180/metrics",
        ] {
            assert!(text.contains(wanted), "{wanted} is missing in {text}");
        }
    }
}
