//! A plan without a file: `evenkeel run --listen ADDR --backend ADDR`.

use std::collections::HashSet;

use evenkeel_health::Policy;
use evenkeel_model::PoolName;
use evenkeel_routing::{ForwardingRule, HostMatch, ListenerRule, PathMatch, PoolRule, Rule};
use evenkeel_tls::{Client, ClientParts, Roots, Verify};

use crate::check::{ADMIN_ADDRESS, DRAIN_TIMEOUT, dial, overlap};
use crate::document::{ListenAddress, Refusal, SchemedAddress};
use crate::files::{Files, PoolFiles};
use crate::plan::{
    AccessLogRule, AdminRule, AdminSocket, BackendPlan, DnsRule, Plan, PoolPlan, Resolve, Warnings,
};
use crate::problem::{Code, Problems};
use crate::words::quoted;

/// The pool that the flags make.
const POOL: &str = "web";

impl Plan {
    /// The plan of the smallest file with this listener and these backends in a pool `web`.
    ///
    /// # Errors
    /// Every problem, in terms of the flags `--listen` and `--backend`.
    pub fn from_flags(listen: &str, backends: &[String]) -> Result<Plan, Problems> {
        let mut problems = Problems::new("command line", "");
        let listener = listen.parse::<ListenAddress>();
        let listener = listener.map_err(|refusal| refuse(refusal, "--listen", &mut problems));
        if let Ok(address) = &listener
            && overlap(address.0, ADMIN_ADDRESS)
        {
            let message = format!("{ADMIN_ADDRESS} is the operator's door");
            problems.add_unplaced(Code::Conflict, "--listen", message, "listen on another port");
        }
        let backends = plans(parse_backends(backends, &mut problems), &mut problems);
        if backends.is_empty() && problems.is_empty() {
            let help = "add `--backend 127.0.0.1:3000`, once for each";
            problems.add_unplaced(Code::MissingKey, "--backend", "there is no backend", help);
        }
        let plan = listener.map(|address| smallest(address.0, backends));
        match plan {
            Ok(plan) => problems.or(plan),
            Err(()) => Err(problems),
        }
    }
}

fn refuse(refusal: Refusal, flag: &str, problems: &mut Problems) {
    problems.add_unplaced(Code::BadValue, flag, refusal.message, refusal.help);
}

fn parse_backends(texts: &[String], problems: &mut Problems) -> Vec<SchemedAddress> {
    let mut seen = HashSet::new();
    let mut addresses = Vec::new();
    for text in texts {
        match text.parse::<SchemedAddress>() {
            Err(refusal) => refuse(refusal, "--backend", problems),
            Ok(address) if seen.insert(address.address.clone()) => addresses.push(address),
            Ok(_) => {
                let message = format!("{} is given twice", quoted(text));
                problems.add_unplaced(Code::Conflict, "--backend", message, "give each backend once");
            }
        }
    }
    addresses
}

/// With TLS they are verified by the system's CAs, each as its own host.
fn plans(addresses: Vec<SchemedAddress>, problems: &mut Problems) -> Vec<BackendPlan> {
    let mut refuse = |error: &dyn std::fmt::Display, help: &str| {
        problems.add_unplaced(Code::BadValue, "--backend", error.to_string(), help);
    };
    let has_tls = addresses.iter().any(|address| address.is_tls);
    let client = || {
        let roots = Roots::system()?;
        Client::new(ClientParts { roots, verify: Verify::On, pins: Vec::new(), identity: None })
    };
    let client = has_tls.then(client).transpose().unwrap_or_else(|error| {
        refuse(&error, "install the CAs of the system, or write a file with `ca` in the pool's `tls`");
        None
    });
    let mut plans = Vec::new();
    for SchemedAddress { address, is_tls } in addresses {
        let mut tls = None;
        if let Some(client) = client.as_ref().filter(|_| is_tls) {
            tls = dial(client, None, &address);
            if tls.is_none() {
                let message = format!("{} has no name that it could prove", quoted(&address.to_string()));
                refuse(&message, "write a file with `server_name` in the pool's `tls`");
            }
        }
        plans.push(BackendPlan { name: None, address, weight: 1, resolve: Resolve::default(), tls });
    }
    plans
}

fn smallest(listen: std::net::SocketAddr, backends: Vec<BackendPlan>) -> Plan {
    let rule = PoolRule::default();
    let mut files = Files::default();
    if backends.iter().any(|backend| backend.tls.is_some()) {
        let (name, at) = (PoolName::new(POOL), "--backend".into());
        files.pools.push(PoolFiles { name, at, ca: None, identity: None });
    }
    Plan {
        admin: AdminRule { address: Some(ADMIN_ADDRESS), socket: AdminSocket::default() },
        workers: None,
        access_log: Some(AccessLogRule::Stdout),
        drain_timeout: DRAIN_TIMEOUT,
        dns: DnsRule::default(),
        forwarding: ForwardingRule::default(),
        listeners: vec![ListenerRule::new(listen.to_string().into(), listen)],
        routes: vec![Rule {
            host: HostMatch::Any,
            path: PathMatch::Any,
            pool: PoolName::new(POOL),
            timeouts: rule.timeouts,
            retry: rule.retry.clone(),
        }],
        pools: vec![PoolPlan { name: PoolName::new(POOL), rule, health: Policy::default(), backends }],
        files,
        warnings: Warnings(Problems::new("command line", "")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_make_the_plan_of_the_smallest_file() {
        let text = "listeners: [{ address: \"127.0.0.1:8080\" }]\n\
                    pools: { web: { backends: [\"127.0.0.1:3000\", \"127.0.0.1:3001\"] } }\n";
        let file = crate::parse(text, "smallest.yaml", &|_| None).unwrap();
        let backends = ["127.0.0.1:3000".into(), "127.0.0.1:3001".into()];
        assert_eq!(Plan::from_flags("127.0.0.1:8080", &backends).unwrap(), file);
    }

    #[test]
    fn a_backend_with_https_is_verified_by_the_systems_cas() {
        let backends =
            ["https://App.internal".into(), "127.0.0.1:3000".into(), "https://10.0.0.5:8443".into()];
        match Plan::from_flags("127.0.0.1:8080", &backends) {
            Ok(plan) => {
                let names = plan.pools[0].backends.iter().map(|backend| backend.tls.as_ref());
                let names: Vec<_> =
                    names.map(|dial| dial.map(|dial| dial.name().to_str().into_owned())).collect();
                assert_eq!(names, [Some("app.internal".into()), None, Some("10.0.0.5".into())]);
            }
            // A machine without CAs.
            Err(problems) => assert!(problems.to_string().contains("system's CA certificates"), "{problems}"),
        }
        let problems = Plan::from_flags("127.0.0.1:8080", &["https://a/b".into()]).unwrap_err();
        assert_eq!(problems.iter().next().map(|problem| problem.path.as_str()), Some("--backend"));
    }

    #[test]
    fn problems_speak_of_flags() {
        let backends = ["localhost".into(), "127.0.0.1:0".into(), "a:1".into(), "a:1".into()];
        let problems = Plan::from_flags(":8080", &backends).unwrap_err();
        let paths: Vec<&str> = problems.iter().map(|problem| problem.path.as_str()).collect();
        assert_eq!(paths, ["--listen", "--backend", "--backend", "--backend"]);
        let text = problems.to_string();
        assert!(text.contains("error[bad-value]: --listen: `:8080` is no address to listen on"), "{text}");
        assert!(text.contains("127.0.0.1:8080"), "{text}");
    }

    #[test]
    fn without_a_backend_there_is_nothing_to_balance() {
        let problems = Plan::from_flags("127.0.0.1:8080", &[]).unwrap_err();
        assert_eq!(problems.iter().next().map(|problem| problem.code), Some(Code::MissingKey));
    }
}
