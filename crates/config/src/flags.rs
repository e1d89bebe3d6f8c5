//! A plan without a file: `evenkeel run --listen ADDR --backend ADDR`.

use std::collections::HashSet;

use evenkeel_health::Policy;
use evenkeel_model::{Address, PoolName};
use evenkeel_routing::{ForwardingRule, HostMatch, ListenerRule, PathMatch, PoolRule, Rule};

use crate::check::{ADMIN_ADDRESS, DRAIN_TIMEOUT, overlap};
use crate::document::{BackendAddress, ListenAddress, Refusal};
use crate::files::Files;
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
        let backends = parse_backends(backends, &mut problems);
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

fn parse_backends(texts: &[String], problems: &mut Problems) -> Vec<Address> {
    let mut seen = HashSet::new();
    let mut addresses = Vec::new();
    for text in texts {
        match text.parse::<BackendAddress>() {
            Err(refusal) => refuse(refusal, "--backend", problems),
            Ok(address) if seen.insert(address.0.clone()) => addresses.push(address.0),
            Ok(_) => {
                let message = format!("{} is given twice", quoted(text));
                problems.add_unplaced(Code::Conflict, "--backend", message, "give each backend once");
            }
        }
    }
    addresses
}

fn smallest(listen: std::net::SocketAddr, backends: Vec<Address>) -> Plan {
    let rule = PoolRule::default();
    let backend =
        |address| BackendPlan { name: None, address, weight: 1, resolve: Resolve::default(), tls: None };
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
        pools: vec![PoolPlan {
            name: PoolName::new(POOL),
            rule,
            health: Policy::default(),
            backends: backends.into_iter().map(backend).collect(),
        }],
        files: Files::default(),
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
