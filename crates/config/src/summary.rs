//! A plan in a few lines, for `evenkeel check`.

use crate::plan::{AccessLogRule, Plan, PoolPlan};

/// Most backends of a pool that are named.
const MOST_BACKENDS: usize = 8;

/// Listeners, routes, pools and the operator's door, a line each; ends without a newline.
pub fn summary(plan: &Plan) -> String {
    let mut lines = Vec::new();
    for listener in &plan.listeners {
        let address = listener.address.to_string();
        let name = if *listener.name == *address { String::new() } else { format!("{} ", listener.name) };
        lines.push(format!("listener {name}{address}"));
    }
    for rule in &plan.routes {
        lines.push(format!("route {} -> {}", rule.label(), rule.pool));
    }
    lines.extend(plan.pools.iter().map(pool));
    lines.push(match plan.admin.address {
        Some(address) => format!("admin {address}"),
        None => "admin off".into(),
    });
    lines.push(match &plan.access_log {
        Some(AccessLogRule::Stdout) => "access log stdout".into(),
        Some(AccessLogRule::File(path)) => format!("access log {}", path.display()),
        None => "access log off".into(),
    });
    lines.join("\n")
}

fn pool(pool: &PoolPlan) -> String {
    let mut backends: Vec<String> =
        pool.backends.iter().take(MOST_BACKENDS).map(|backend| backend.address.to_string()).collect();
    if pool.backends.len() > MOST_BACKENDS {
        backends.push(format!("and {} more", pool.backends.len() - MOST_BACKENDS));
    }
    let noun = if pool.backends.len() == 1 { "backend" } else { "backends" };
    format!("pool {}: {} {noun}: {}", pool.name, pool.backends.len(), backends.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_names_what_is_there() {
        let text = r#"
listeners: [{ address: "127.0.0.1:8080" }, { name: inner, address: "127.0.0.1:8081" }]
routes: [{ match: { host: "*.example.com", path: /v1/ }, pool: web }]
pools: { web: { backends: ["127.0.0.1:3000", "unix:/run/app.sock"] } }
"#;
        let plan = crate::parse(text, "test.yaml", &|_| None).unwrap();
        let expected = "listener 127.0.0.1:8080\n\
                        listener inner 127.0.0.1:8081\n\
                        route *.example.com/v1/ -> web\n\
                        pool web: 2 backends: 127.0.0.1:3000, unix:/run/app.sock\n\
                        admin 127.0.0.1:9180\n\
                        access log stdout";
        assert_eq!(summary(&plan), expected);
    }
}
