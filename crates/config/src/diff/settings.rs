//! A plan written out as settings with names. Every struct is taken apart field by field, so that a new field does
//! not compile until it is named here.

use std::net::SocketAddr;
use std::time::Duration;

use evenkeel_routing::{
    Balance, Budget, ClientLimits, ClientTimeouts, Connections, ForwardingRule, ListenerRule, PoolRule,
    Retry, Rule, Stall, Timeouts, Underscores,
};

use super::{health, tls};
use crate::document::{show_bytes, show_duration};
use crate::files::{ListenerFiles, PoolFiles, client};
use crate::plan::{AccessLogRule, AdminRule, AdminSocket, BackendPlan, DnsRule, Plan, PoolPlan, Resolve};
use crate::words::quoted;

/// Everything that a plan says.
pub(super) struct Settings(pub(super) Vec<Subject>);

/// A listener, a route, a pool, a backend; or the whole, which has no title.
pub(super) struct Subject {
    pub(super) title: String,
    /// Title of what it belongs to.
    pub(super) parent: Option<String>,
    /// What is told when it is added.
    pub(super) details: String,
    /// The same keys in the same order for every subject of its kind.
    pub(super) settings: Vec<Setting>,
}

/// One key and its value.
pub(super) struct Setting {
    pub(super) key: &'static str,
    /// What is compared; `None` where the key is of no meaning, which another setting of the same subject tells.
    pub(super) value: Option<String>,
    /// What is told, where that is not the value.
    pub(super) shown: Option<String>,
    /// Whether a route has it from its pool.
    pub(super) is_inherited: bool,
}

/// Writes a plan out.
pub(super) fn settings(plan: &Plan) -> Settings {
    let Plan {
        admin,
        workers,
        access_log,
        drain_timeout,
        dns,
        forwarding,
        listeners,
        routes,
        pools,
        files,
        warnings: _,
    } = plan;
    let AdminRule { address, socket } = admin;
    let DnsRule { servers, timeout } = dns;
    let ForwardingRule { trusted_networks, via } = forwarding;
    let networks: Vec<String> = trusted_networks.iter().map(ToString::to_string).collect();
    let whole = vec![
        setting("admin.address", address.map_or("off".into(), |address| address.to_string())),
        setting("admin.socket", show_socket(socket)),
        setting("workers", workers.map_or("auto".into(), |count| count.to_string())),
        setting("access_log", access_log.as_ref().map_or("off".into(), log)),
        setting("drain_timeout", show_duration(*drain_timeout)),
        setting("dns.servers", show_servers(servers)),
        setting("dns.timeout", show_duration(*timeout)),
        setting("trusted_networks", format!("[{}]", networks.join(", "))),
        setting("via", via.as_deref().unwrap_or("off").into()),
    ];
    let whole = Subject { title: String::new(), parent: None, details: String::new(), settings: whole };
    let mut subjects = vec![whole];
    for rule in listeners {
        let files = files.listener(&rule.name);
        let subject = listener(rule, files);
        let certificates = tls::certificates(rule.tls.as_ref(), files, &subject.title);
        subjects.push(subject);
        subjects.extend(certificates);
    }
    subjects.extend(routes.iter().map(|rule| route(rule, pools)));
    for plan in pools {
        let subject = pool(plan, files.pool(&plan.name));
        let backends: Vec<Subject> = plan.backends.iter().map(|it| backend(it, &subject.title)).collect();
        subjects.push(subject);
        subjects.extend(backends);
    }
    Settings(subjects)
}

pub(super) fn setting(key: &'static str, value: String) -> Setting {
    Setting { key, value: Some(value), shown: None, is_inherited: false }
}

/// Where the admin socket is, for people.
pub(super) fn show_socket(socket: &AdminSocket) -> String {
    match socket {
        AdminSocket::Off => "off".into(),
        AdminSocket::Usual => "at the usual place".into(),
        AdminSocket::At(path) => path.display().to_string(),
    }
}

fn show_servers(servers: &[SocketAddr]) -> String {
    if servers.is_empty() {
        return "those of /etc/resolv.conf".into();
    }
    let servers: Vec<String> = servers.iter().map(ToString::to_string).collect();
    format!("[{}]", servers.join(", "))
}

fn log(log: &AccessLogRule) -> String {
    match log {
        AccessLogRule::Stdout => "stdout".into(),
        AccessLogRule::File(path) => path.display().to_string(),
    }
}

fn listener(rule: &ListenerRule, files: Option<&ListenerFiles>) -> Subject {
    let ListenerRule {
        name,
        address,
        timeouts,
        limits,
        underscores,
        upgrades,
        half_close,
        refuse_ambiguous_paths,
        tls,
        hsts,
        redirect_to_https,
    } = rule;
    let ClientTimeouts { head, body_idle, keep_alive, tunnel_idle, r#continue } = timeouts;
    let mut settings = vec![
        setting("address", address.to_string()),
        setting("timeouts.head", show_duration(*head)),
        setting("timeouts.body_idle", show_duration(*body_idle)),
        setting("timeouts.keep_alive", show_duration(*keep_alive)),
        setting("timeouts.tunnel_idle", show_duration(*tunnel_idle)),
        setting("timeouts.continue", show_duration(*r#continue)),
    ];
    settings.extend(client_limits(limits));
    settings.extend([
        setting("underscores", underscores_word(*underscores).into()),
        setting("upgrades", format!("[{}]", upgrades.join(", "))),
        setting("half_close", half_close.to_string()),
        setting("refuse_ambiguous_paths", refuse_ambiguous_paths.to_string()),
        setting("hsts", hsts.as_deref().map_or("off".into(), quoted)),
        setting("redirect_to_https", redirect_to_https.map_or("off".into(), |port| port.to_string())),
    ]);
    settings.extend(tls::listener_settings(tls.as_ref(), files));
    Subject { title: format!("listener {name}"), parent: None, details: format!(" ({address})"), settings }
}

fn client_limits(limits: &ClientLimits) -> [Setting; 9] {
    let ClientLimits {
        head_bytes,
        fields,
        uri_bytes,
        body_bytes,
        body_rate,
        connections,
        connections_per_client,
        requests,
        age,
    } = limits;
    let count = |count: u64| unless_zero(count == 0, count.to_string());
    let bytes = |bytes: u64| unless_zero(bytes == 0, show_bytes(bytes));
    [
        setting("limits.head_bytes", show_bytes(*head_bytes as u64)),
        setting("limits.fields", fields.to_string()),
        setting("limits.uri_bytes", show_bytes(*uri_bytes as u64)),
        setting("limits.body_bytes", bytes(*body_bytes)),
        setting("limits.body_rate", bytes(*body_rate)),
        setting("limits.connections", count(*connections as u64)),
        setting("limits.connections_per_client", count(*connections_per_client as u64)),
        setting("limits.requests", count(*requests)),
        setting("limits.age", unless_zero(age.is_zero(), show_duration(*age))),
    ]
}

fn unless_zero(is_zero: bool, value: String) -> String {
    if is_zero { "off".into() } else { value }
}

fn route(rule: &Rule, pools: &[PoolPlan]) -> Subject {
    let Rule { host: _, path: _, pool, timeouts, retry } = rule;
    let mut settings = vec![setting("pool", pool.to_string())];
    let mut own = timeout_settings(timeouts);
    own.extend(retry_settings(retry));
    if let Some(pool) = pools.iter().find(|plan| plan.name == *pool) {
        let mut theirs = timeout_settings(&pool.rule.timeouts);
        theirs.extend(retry_settings(&pool.rule.retry));
        for (own, theirs) in own.iter_mut().zip(theirs) {
            own.is_inherited = own.value == theirs.value;
        }
    }
    settings.extend(own);
    Subject {
        title: format!("route {}", rule.label()),
        parent: None,
        details: format!(" (to pool {pool})"),
        settings,
    }
}

fn timeout_settings(timeouts: &Timeouts) -> Vec<Setting> {
    let Timeouts { connect, tls, head, body_idle, write, attempt, total } = timeouts;
    let optional = |duration: &Option<Duration>| duration.map_or("off".into(), show_duration);
    vec![
        setting("timeouts.connect", show_duration(*connect)),
        setting("timeouts.tls", show_duration(*tls)),
        setting("timeouts.head", show_duration(*head)),
        setting("timeouts.body_idle", show_duration(*body_idle)),
        setting("timeouts.write", show_duration(*write)),
        setting("timeouts.attempt", optional(attempt)),
        setting("timeouts.total", optional(total)),
    ]
}

fn retry_settings(retry: &Retry) -> [Setting; 6] {
    let Retry { attempts, statuses, replay_bytes, backoff, retry_after, budget } = retry;
    [
        setting("retry.attempts", attempts.to_string()),
        setting("retry.statuses", format!("{statuses:?}")),
        setting("retry.replay_bytes", unless_zero(*replay_bytes == 0, show_bytes(*replay_bytes as u64))),
        setting("retry.backoff", unless_zero(backoff.is_zero(), show_duration(*backoff))),
        setting("retry.retry_after", retry_after.to_string()),
        setting("retry.budget", budget.as_ref().map_or("off".into(), show_budget)),
    ]
}

fn pool(plan: &PoolPlan, files: Option<&PoolFiles>) -> Subject {
    let PoolPlan { name, rule, health, backends } = plan;
    let PoolRule {
        balance,
        timeouts,
        retry,
        stall,
        connections,
        when_all_ejected,
        count_500,
        head_bytes,
        informational,
        proxy_status_addresses,
        host,
    } = rule;
    let Connections { idle, idle_per_backend } = connections;
    let mut settings = vec![setting("balance", balance_word(*balance).into())];
    settings.extend(timeout_settings(timeouts));
    settings.extend(retry_settings(retry));
    settings.extend([
        setting("stall", stall.as_ref().map_or("off".into(), show_stall)),
        setting("connections.idle", show_duration(*idle)),
        setting("connections.idle_per_backend", idle_per_backend.to_string()),
    ]);
    settings.extend(health::settings(health, *count_500, *when_all_ejected));
    settings.extend([
        setting("limits.head_bytes", show_bytes(*head_bytes as u64)),
        setting("limits.informational", informational.to_string()),
        setting("proxy_status.addresses", proxy_status_addresses.to_string()),
    ]);
    settings.extend(tls::pool_settings(client(plan), host.as_deref(), files));
    let details = match backends.len() {
        1 => " (1 backend)".into(),
        count => format!(" ({count} backends)"),
    };
    Subject { title: format!("pool {name}"), parent: None, details, settings }
}

fn backend(plan: &BackendPlan, pool: &str) -> Subject {
    let BackendPlan { name, address, weight, resolve, tls } = plan;
    Subject {
        title: format!("{pool}: backend {address}"),
        parent: Some(pool.into()),
        details: format!(" (weight {weight})"),
        settings: vec![
            setting("name", name.as_deref().unwrap_or("none").into()),
            setting("weight", weight.to_string()),
            setting("resolve", resolve_word(*resolve).into()),
            setting("tls", tls.as_ref().map_or("off".into(), |dial| format!("as {}", dial.name().to_str()))),
        ],
    }
}

fn show_budget(budget: &Budget) -> String {
    let Budget { share_percent, window, at_least } = budget;
    format!("{share_percent}% of {}, at least {at_least}/s", show_duration(*window))
}

fn show_stall(stall: &Stall) -> String {
    let Stall { floor, factor } = stall;
    format!("{} or {factor} x p99", show_duration(*floor))
}

/// The word of the configuration.
fn balance_word(balance: Balance) -> &'static str {
    match balance {
        Balance::RoundRobin => "round_robin",
        Balance::LeastRequests => "least_requests",
        Balance::Random => "random",
    }
}

fn resolve_word(resolve: Resolve) -> &'static str {
    match resolve {
        Resolve::Once => "once",
        Resolve::Each => "each",
    }
}

fn underscores_word(rule: Underscores) -> &'static str {
    match rule {
        Underscores::Drop => "drop",
        Underscores::Pass => "pass",
        Underscores::Refuse => "refuse",
    }
}
