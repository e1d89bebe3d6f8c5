//! Every slip is a located problem, all of them are found at once, and none brings up another.

use crate::{found, parse, with_listener, with_pool, with_top};

#[test]
fn a_file_full_of_slips_is_explained_in_one_go() {
    let problems = evenkeel_config::parse(include_str!("slips.yaml"), "slips.yaml", &|_| None).unwrap_err();
    let text = format!("{problems}\n");
    assert!(text == include_str!("slips.txt"), "slips.txt should read:\n{text}");
}

#[test]
fn each_slip_is_one_problem_at_its_place() {
    for (text, code, path) in [
        (with_top("workers: 0"), "bad-value", "workers"),
        (with_top("workers: 1.5"), "wrong-type", "workers"),
        (with_top("worker: 1"), "unknown-key", "worker"),
        (with_top("drain_timeout: 0s"), "bad-value", "drain_timeout"),
        (with_top("drain_timeout: 999999h"), "bad-value", "drain_timeout"),
        (with_top("via: \"a b\""), "bad-value", "via"),
        (with_top("via: on off"), "bad-value", "via"),
        (with_top("via: 7"), "wrong-type", "via"),
        (with_top("admin: { address: 127.0.0.1 }"), "bad-value", "admin.address"),
        (with_top("admin: { address: \"127.0.0.1:8080\" }"), "conflict", "listeners[0].address"),
        (with_top("admin: { socket: run/a.sock }"), "bad-value", "admin.socket"),
        (with_top("admin: { sockets: /run/a.sock }"), "unknown-key", "admin.sockets"),
        (with_top("dns: off"), "wrong-type", "dns"),
        (with_top("dns: { server: [10.0.0.2] }"), "unknown-key", "dns.server"),
        (with_top("dns: { timeout: 99ms }"), "bad-value", "dns.timeout"),
        (with_top("access_log: { format: text }"), "bad-value", "access_log.format"),
        (with_top("access_log: true"), "wrong-type", "access_log"),
        (with_top("trusted_networks: 10.0.0.0/8"), "wrong-type", "trusted_networks"),
        (with_top("routes: []"), "empty", "routes"),
        (with_top("routes: [{ match: {} }]"), "missing-key", "routes[0]"),
        (with_top("routes: [{ pool: wbe }]"), "unknown-name", "routes[0].pool"),
        (with_top("routes: [{ pool: web, match: { host: \"a:1\" } }]"), "bad-value", "routes[0].match.host"),
        (with_top("routes: [{ pool: web }, { pool: web }]"), "unreachable", "routes[1].pool"),
        (with_top("workers: ${NONE}"), "unset-variable", "workers"),
        (with_top("workers: ${NONE:-0}"), "bad-value", "workers"),
        (with_top("workers: 1\nworkers: 2"), "duplicate-key", "workers"),
        (with_listener("timeouts: { head: 5 }"), "wrong-type", "listeners[0].timeouts.head"),
        (with_listener("timeouts: { head: 0s }"), "bad-value", "listeners[0].timeouts.head"),
        (with_listener("limits: { head_bytes: 100B }"), "bad-value", "listeners[0].limits.head_bytes"),
        (with_listener("limits: { uri_bytes: 128KiB }"), "bad-value", "listeners[0].limits.uri_bytes"),
        (with_listener("limits: { fields: -1 }"), "bad-value", "listeners[0].limits.fields"),
        (with_listener("protocols: [http/1.1, h2]"), "not-yet", "listeners[0].protocols[1]"),
        (with_listener("upgrades: [h2c]"), "bad-value", "listeners[0].upgrades[0]"),
        (with_listener("upgrades: [websocket, TLS/1.0]"), "bad-value", "listeners[0].upgrades[1]"),
        (with_listener("upgrades: [a b]"), "bad-value", "listeners[0].upgrades[0]"),
        (with_listener("underscores: keep"), "bad-value", "listeners[0].underscores"),
        (with_listener("half_close: 1"), "wrong-type", "listeners[0].half_close"),
        (with_listener("refuse_ambiguous_paths: yes"), "wrong-type", "listeners[0].refuse_ambiguous_paths"),
        (with_listener("name: \"a b\""), "bad-value", "listeners[0].name"),
        (with_pool("retry: { attempts: 0 }"), "bad-value", "pools.web.retry.attempts"),
        (with_pool("retry: { backoff: 25 }"), "wrong-type", "pools.web.retry.backoff"),
        (with_pool("timeouts: { connect: off }"), "wrong-type", "pools.web.timeouts.connect"),
        (with_pool("timeouts: { tls: 1s }"), "conflict", "pools.web.timeouts.tls"),
        (with_pool("health: { probe: {} }"), "missing-key", "pools.web.health.probe"),
        (with_pool("health: { probe: { path: healthz } }"), "bad-value", "pools.web.health.probe.path"),
        (with_pool("health: { probe: { path: /, tcp: true } }"), "conflict", "pools.web.health.probe.tcp"),
        (
            with_pool("health: { probe: { path: /, timeout: 3s } }"),
            "bad-value",
            "pools.web.health.probe.timeout",
        ),
        (
            with_pool("health: { eject: { longest_wait: 5s } }"),
            "bad-value",
            "pools.web.health.eject.longest_wait",
        ),
        (with_pool("health: { eject: { window: 500ms } }"), "bad-value", "pools.web.health.eject.window"),
        (with_pool("resolve: twice"), "bad-value", "pools.web.resolve"),
        (with_pool("limits: { informational: 1001 }"), "bad-value", "pools.web.limits.informational"),
        (
            with_pool("connections: { idle_per_backend: 1e3 }"),
            "wrong-type",
            "pools.web.connections.idle_per_backend",
        ),
    ] {
        let found = found(&text);
        let found: Vec<(&str, &str)> = found.iter().map(|(code, path, _)| (*code, path.as_str())).collect();
        assert_eq!(
            found,
            [(code, path)],
            "{text}{:?}",
            parse(&text).map_err(|problems| problems.to_string())
        );
    }
}

#[test]
fn backends_are_checked_one_by_one() {
    for (backends, code, path) in [
        ("", "empty", "pools.web.backends"),
        ("\"a:0\"", "bad-value", "pools.web.backends[0]"),
        ("localhost", "bad-value", "pools.web.backends[0]"),
        ("\"http://a/b\"", "bad-value", "pools.web.backends[0]"),
        ("\"ftp://a\"", "bad-value", "pools.web.backends[0]"),
        ("\"a:80\", \"http://a\"", "conflict", "pools.web.backends[1]"),
        ("\"a:80\", \"A:80\"", "conflict", "pools.web.backends[1]"),
        ("\"a:80\", { address: \"a:80\" }", "conflict", "pools.web.backends[1].address"),
        (
            "{ name: x, address: \"a:80\" }, { name: x, address: \"b:80\" }",
            "conflict",
            "pools.web.backends[1].name",
        ),
        ("{ address: \"a:80\", weight: 0 }", "bad-value", "pools.web.backends[0].weight"),
        ("{ address: \"a:80\", weight: 1001 }", "bad-value", "pools.web.backends[0].weight"),
        ("{ weight: 1 }", "missing-key", "pools.web.backends[0]"),
        ("{ address: \"10.0.0.1:80\", resolve: each }", "bad-value", "pools.web.backends[0].resolve"),
        ("{ address: \"unix:/run/a.sock\", resolve: each }", "bad-value", "pools.web.backends[0].resolve"),
        ("{ address: \"a:80\", resolve: eech }", "bad-value", "pools.web.backends[0].resolve"),
        ("[\"a:80\"]", "wrong-type", "pools.web.backends[0]"),
        ("80", "wrong-type", "pools.web.backends[0]"),
    ] {
        let text = format!(
            "listeners: [{{ address: \"127.0.0.1:8080\" }}]\npools: {{ web: {{ backends: [{backends}] }} }}\n"
        );
        assert_eq!(found(&text), [(code, path.to_string(), 2)], "{backends}");
    }
}

#[test]
fn listeners_do_not_stand_in_each_others_way() {
    for (one, other, expected) in [
        ("0.0.0.0:80", "127.0.0.1:80", Some("127.0.0.1:80 is part of 0.0.0.0:80, where another listener is")),
        ("127.0.0.1:80", "0.0.0.0:80", Some("0.0.0.0:80 holds 127.0.0.1:80, where another listener is")),
        ("127.0.0.1:80", "127.0.0.1:80", Some("a second listener on 127.0.0.1:80")),
        ("127.0.0.1:80", "127.0.0.1:81", None),
        (
            "127.0.0.1:9000",
            "0.0.0.0:9180",
            Some("0.0.0.0:9180 is the operator's door, too (`admin.address` 127.0.0.1:9180)"),
        ),
    ] {
        let text = format!(
            "listeners: [{{ address: \"{one}\" }}, {{ address: \"{other}\" }}]\npools: {{ web: {{ backends: [\"a:80\"] }} }}\n"
        );
        let messages: Vec<String> =
            parse(&text).err().iter().flat_map(|it| it.iter()).map(|it| it.message.clone()).collect();
        assert_eq!(messages, expected.into_iter().collect::<Vec<_>>(), "{one} {other}");
    }
}

#[test]
fn ports_that_the_kernel_picks_need_names_to_be_told_apart() {
    let pools = "pools: { web: { backends: [\"a:80\"] } }\n";
    let one = "{ address: \"127.0.0.1:0\" }";
    let text = format!("listeners: [{one}, {one}]\n{pools}");
    assert_eq!(found(&text), [("conflict", "listeners[1].name".into(), 1)]);
    let named = "{ name: inner, address: \"127.0.0.1:0\" }";
    assert_eq!(found(&format!("listeners: [{one}, {named}]\n{pools}")), []);
}

#[test]
fn a_problem_brings_up_no_other() {
    // The pool is known though it is faulty; the list is not empty though its only element is.
    let text = "listeners: [{ address: nowhere }]\nroutes: [{ pool: web }]\npools: { web: { backends: [nowhere] } }\n";
    let found: Vec<String> = found(text).into_iter().map(|(_, path, _)| path).collect();
    assert_eq!(found, ["listeners[0].address", "pools.web.backends[0]"]);

    let text = "listeners: [{ address: \"127.0.0.1:80\" }]\nroutes: [{ pol: web }, 7]\npools: [web]\n";
    let found: Vec<(&str, String, usize)> = crate::found(text);
    let expected = [
        ("missing-key", "routes[0]"),
        ("unknown-key", "routes[0].pol"),
        ("wrong-type", "routes[1]"),
        ("wrong-type", "pools"),
    ];
    let found: Vec<(&str, &str)> = found.iter().map(|(code, path, _)| (*code, path.as_str())).collect();
    assert_eq!(found, expected);
}

#[test]
fn several_pools_need_routes_and_each_pool_needs_one() {
    let head = "listeners: [{ address: \"127.0.0.1:80\" }]\n";
    let pools = "pools: { web: { backends: [\"a:80\"] }, api: { backends: [\"a:80\"] } }\n";
    assert_eq!(found(&format!("{head}{pools}")), [("missing-key", "pools".into(), 2)]);
    assert_eq!(
        found(&format!("{head}routes: [{{ pool: web }}]\n{pools}")),
        [("unreachable", "pools.api".into(), 3)]
    );
}

#[test]
fn a_file_that_is_no_configuration_says_what_is_missing() {
    assert_eq!(found("")[0].0, "empty");
    assert_eq!(found("# nothing\n")[0].0, "empty");
    assert_eq!(found("{}").into_iter().map(|it| it.0).collect::<Vec<_>>(), ["missing-key", "missing-key"]);
    assert_eq!(found("[]")[0].0, "wrong-type");
    assert_eq!(found("hello")[0].0, "wrong-type");
    assert_eq!(found("---\n")[0].0, "wrong-type");
}

#[test]
fn slips_in_yaml_itself_are_explained() {
    for (text, help) in [
        ("routes: [{ match: { host: *.example.com } }]", "\"*.example.com\""),
        ("listeners: [{ address: ${LISTEN} }]", "\"${NAME}\""),
        ("listeners: [{ address: [::1]:80 }]", "\"[::1]:8080\""),
        ("listeners:\n\t- address: a", "not with tabs"),
        ("listeners: [", "every quote and bracket"),
    ] {
        let problems = parse(text).unwrap_err();
        let problem = problems.iter().next().unwrap();
        assert_eq!(problem.code.as_str(), "syntax", "{text}");
        assert!(problem.help.as_deref().unwrap_or_default().contains(help), "{text}: {problem:?}");
    }
}

#[test]
fn what_yaml_offers_and_evenkeel_refuses_is_found_all_at_once() {
    let text = "via: &name edge\nworkers: *name\nlisteners:\n- { <<: { a: 1 }, address: \"127.0.0.1:80\" }\n\
                pools: { web: { backends: [!ip \"a:80\"] } }\n---\nx: 1\n";
    let found: Vec<(&str, usize)> = found(text).into_iter().map(|(code, _, line)| (code, line)).collect();
    assert_eq!(found, [("refused", 1), ("refused", 2), ("refused", 4), ("refused", 5), ("refused", 6)]);
}

#[test]
fn a_file_that_cannot_be_read_says_so() {
    let problems = evenkeel_config::load(std::path::Path::new("/nonexistent/evenkeel.yaml")).unwrap_err();
    let text = problems.to_string();
    assert!(
        text.contains("error[unreadable]: /nonexistent/evenkeel.yaml: the file cannot be read"),
        "{text}"
    );
}
