//! What is said about slips in `health`: what is wrong, where, and how to mend it.

use crate::{parse, with_pool};

/// Path below `pools.web.health`, message and help of each problem.
fn said(health: &str) -> Vec<(String, String, String)> {
    let problems = parse(&with_pool(&format!("health: {{ {health} }}"))).expect_err("there is a slip in it");
    let short = |path: &str| path.trim_start_matches("pools.web.health.").to_string();
    let texts = problems.iter().map(|it| (short(&it.path), it.message.clone(), it.help.clone()));
    texts.map(|(path, message, help)| (path, message, help.unwrap_or_default())).collect()
}

/// Each slip is one problem: where it is, what is said, and how to mend it. `|` in the text marks the place.
fn check_slips(slips: &[(&str, &str, &str, &str)]) {
    for (health, path, message, help) in slips {
        let expected = [(path.to_string(), message.to_string(), help.to_string())];
        let (plain, place) = (health.replace('|', ""), health.find('|'));
        assert_eq!(said(&plain), expected, "{health}");
        let text = with_pool(&format!("health: {{ {plain} }}"));
        let line = text.lines().nth(1).expect("the pool is on it");
        let column = place.map(|place| line.find(&plain).expect("it is in there") + place + 1);
        let problems = parse(&text).expect_err("there is a slip in it");
        let problem = problems.iter().next().expect("one is in there");
        assert_eq!((problem.line, Some(problem.column)), (2, column), "{health}");
    }
}

#[test]
fn a_probe_asks_one_question() {
    let http_only = "remove it, or write `path` instead of `tcp`";
    let other = |key: &str| format!("`{key}` is for a probe with `path`; this one only connects (`tcp`)");
    check_slips(&[
        (
            "probe: { path: /, |tcp: { send: x }, method: GET }",
            "probe.tcp",
            "a probe asks for a path or connects, not both",
            "remove `tcp` or `path`",
        ),
        (
            "|probe: { tcp: false, statuses: [200] }",
            "probe",
            "it does not say what to ask",
            "write `path: /healthz`, or `tcp: true`",
        ),
        ("probe: { tcp: true, |method: HEAD }", "probe.method", &other("method"), http_only),
        ("probe: { tcp: true, |host: app }", "probe.host", &other("host"), http_only),
        ("probe: { tcp: true, |headers: { X: y } }", "probe.headers", &other("headers"), http_only),
        ("probe: { tcp: true, |statuses: [200] }", "probe.statuses", &other("statuses"), http_only),
        (
            "probe: { tcp: true, |drain_statuses: [503] }",
            "probe.drain_statuses",
            &other("drain_statuses"),
            http_only,
        ),
        ("probe: { tcp: true, |body: ok }", "probe.body", &other("body"), http_only),
    ]);
    let both = said("probe: { tcp: true, method: GET, body: ok }");
    assert_eq!(both.iter().map(|it| it.0.as_str()).collect::<Vec<_>>(), ["probe.method", "probe.body"]);
}

#[test]
fn what_is_faulty_brings_up_no_conflict() {
    for (health, path) in [
        ("probe: { path: x, method: HEAD, body: ok }", "probe.path"),
        ("probe: { path: x, tcp: true, body: ok }", "probe.path"),
        ("probe: { tcp: maybe, body: ok }", "probe.tcp"),
        ("probe: { tcp: true, method: get }", "probe.method"),
        ("probe: { path: /, statuses: [700], drain_statuses: [200] }", "probe.statuses[0]"),
        ("probe: { path: /, statuses: [700] }", "probe.statuses[0]"),
        ("probe: { path: /, interval: 2, timeout: 5s, fast_interval: 5s }", "probe.interval"),
        ("probe: { path: /, port: 0, address: \"b:80\" }", "probe.port"),
        ("eject: off, probe: { path: x }, initial: ejected", "probe.path"),
        ("eject: on, initial: ejected", "eject"),
    ] {
        let paths: Vec<String> = said(health).into_iter().map(|it| it.0).collect();
        assert_eq!(paths, [path], "{health}");
    }
}

#[test]
fn a_probe_goes_to_one_place() {
    check_slips(&[
        (
            "probe: { path: /, |port: 9000, address: \"b:80\" }",
            "probe.port",
            "a probe goes to another port or to another address, not both",
            "remove `port`: the address has one",
        ),
        (
            "probe: { path: /, port: |0 }",
            "probe.port",
            "`0` is out of range",
            "write a number from 1 to 65535",
        ),
        (
            "probe: { path: /, address: |10.0.0.9 }",
            "probe.address",
            "`10.0.0.9` has no port",
            "write `10.0.0.9:80`",
        ),
    ]);
    let text = "listeners: [{ address: \"127.0.0.1:80\" }]\npools:\n  web:\n    backends: [\"a:80\", \"unix:/run/a.sock\"]\n    \
                health: { probe: { path: /, port: 9000 } }\n";
    let problems = parse(text).unwrap_err();
    let problem = problems.iter().next().unwrap();
    assert_eq!((problems.len(), problem.path.as_str()), (1, "pools.web.health.probe.port"));
    assert_eq!((problem.line, problem.column), (5, 39));
    assert_eq!(problem.message, "the backend `unix:/run/a.sock` has no port");
    let help = "remove it, write `address` instead, or give that backend a pool of its own";
    assert_eq!(problem.help.as_deref(), Some(help));
}

#[test]
fn the_times_of_a_probe_fit_each_other() {
    check_slips(&[
        (
            "probe: { path: /, timeout: |3s }",
            "probe.timeout",
            "longer than `interval`",
            "make it shorter, or the interval longer: a probe begins when the last one is over",
        ),
        (
            "probe: { path: /, interval: 1s, fast_interval: |2s }",
            "probe.fast_interval",
            "longer than `interval`",
            "make it shorter, or remove it: it is how often to ask when there is something to learn",
        ),
        (
            "probe: { path: /, jitter: |60% }",
            "probe.jitter",
            "`60%` is out of range",
            "write a whole percentage from `0%` to `50%`, like `20%`",
        ),
        (
            "probe: { path: /, jitter: |0.7 }",
            "probe.jitter",
            "`0.7` is not a percentage",
            "write a whole percentage from `0%` to `50%`, like `20%`",
        ),
    ]);
}

#[test]
fn a_status_means_one_thing() {
    let range = "write statuses from 100 to 599";
    let general = "write a status like `200`, or a range like `200-299`";
    let twice = "an answer either passes or asks to be drained; take it out of one of the two";
    check_slips(&[
        (
            "probe: { path: /, |statuses: [] }",
            "probe.statuses",
            "there is no status that passes",
            "write at least one, like `statuses: [200]`; or remove it",
        ),
        ("probe: { path: /, statuses: [200, |99] }", "probe.statuses[1]", "`99` is out of range", range),
        ("probe: { path: /, statuses: [|200-600] }", "probe.statuses[0]", "`200-600` is out of range", range),
        ("probe: { path: /, statuses: [|-200] }", "probe.statuses[0]", "`-200` is out of range", range),
        (
            "probe: { path: /, statuses: [|299-200] }",
            "probe.statuses[0]",
            "`299-200` ends before it begins",
            "write `200-299`",
        ),
        (
            "probe: { path: /, statuses: [|2xx] }",
            "probe.statuses[0]",
            "`2xx` is no status",
            "write `200-299`",
        ),
        ("probe: { path: /, statuses: [|fine] }", "probe.statuses[0]", "`fine` is no status", general),
        ("probe: { path: /, statuses: [|200-] }", "probe.statuses[0]", "`200-` is no status", general),
        (
            "probe: { path: /, statuses: [|2.5] }",
            "probe.statuses[0]",
            "expected a status like `200`, or a range like `200-299`, found `2.5`",
            "",
        ),
        ("probe: { path: /, statuses: |200 }", "probe.statuses", "expected a sequence, found `200`", ""),
        (
            "probe: { path: /, drain_statuses: [503, |390-410] }",
            "probe.drain_statuses[1]",
            "`390` is among the `statuses` that pass, too",
            twice,
        ),
        (
            "probe: { path: /, statuses: [200, 500-599], drain_statuses: [|503] }",
            "probe.drain_statuses[0]",
            "`503` is among the `statuses` that pass, too",
            twice,
        ),
    ]);
}

#[test]
fn a_request_is_one_that_can_be_sent() {
    let own = |name: &str| format!("`{name}` is for evenkeel to say, which frames the request");
    check_slips(&[
        (
            "probe: { path: /, method: |get }",
            "probe.method",
            "`get` is not the method `GET`: their case counts",
            "write `GET`",
        ),
        (
            "probe: { path: /, method: |\"G T\" }",
            "probe.method",
            "`G T` is no method",
            "write one like `GET`, `HEAD` or `OPTIONS`",
        ),
        (
            "probe: { path: /, host: |\"http://app\" }",
            "probe.host",
            "`http://app` cannot be the value of `Host`",
            "write a name, and perhaps a port, like `app.internal` or `app.internal:8080`",
        ),
        (
            "probe: { path: /, headers: { |\"X Probe\": y } }",
            "probe.headers.X Probe",
            "`X Probe` cannot be the name of a field",
            "use letters, digits and hyphens, like `X-Probe`",
        ),
        (
            "probe: { path: /, headers: { |HOST: app } }",
            "probe.headers.HOST",
            "`HOST` has a key of its own",
            "write it beside `headers`: `host: app.internal`",
        ),
        ("probe: { path: /, headers: { |TE: x } }", "probe.headers.TE", &own("TE"), "remove it"),
        (
            "probe: { path: /, headers: { |content-length: \"1\" } }",
            "probe.headers.content-length",
            &own("content-length"),
            "remove it",
        ),
        (
            "probe: { path: /, headers: { X-A: x, |x-a: y } }",
            "probe.headers.x-a",
            "a second field with the name `x-a`",
            "the case of a name does not matter; keep one of them",
        ),
        (
            "probe: { path: /, headers: { X-A: |\"a\\r\\nX-B: b\" } }",
            "probe.headers.X-A",
            "`a\\r\\nX-B: b` holds a character that no field can have",
            "write ASCII without line breaks and other control characters",
        ),
        (
            "probe: { path: /, headers: { X-A: |1 } }",
            "probe.headers.X-A",
            "expected text, found `1`",
            "put it in quotes to make it text",
        ),
        ("probe: { path: /, body: |\"\" }", "probe.body", "there is no text", "write one, or remove the key"),
        (
            "probe: { path: /, method: HEAD, body: |ok }",
            "probe.body",
            "an answer to `HEAD` has no body that could contain it",
            "remove it, or ask with `method: GET`",
        ),
    ]);
    for name in
        ["Connection", "Transfer-Encoding", "Upgrade", "Keep-Alive", "Trailer", "Expect", "Proxy-Connection"]
    {
        let found = said(&format!("probe: {{ path: /, headers: {{ {name}: x }} }}"));
        assert_eq!(found, [(format!("probe.headers.{name}"), own(name), "remove it".into())]);
    }
}

#[test]
fn what_a_tcp_probe_says_is_neither_nothing_nor_a_book() {
    let long = "a".repeat(4097);
    check_slips(&[
        (
            "probe: { tcp: { send: |\"\" } }",
            "probe.tcp.send",
            "there is no text",
            "write one, or remove the key",
        ),
        (
            &format!("probe: {{ tcp: {{ expect: |{long} }} }}"),
            "probe.tcp.expect",
            "it has 4097 bytes, and may have 4096",
            "a part of it will do",
        ),
        (
            "probe: { tcp: { |expct: x } }",
            "probe.tcp.expct",
            "unknown key `expct`",
            "did you mean `expect`? valid here: `send` and `expect`",
        ),
        (
            "probe: { tcp: |yes }",
            "probe.tcp",
            "expected `true`, or a map with `send` or `expect`, found `yes`",
            "",
        ),
    ]);
}

#[test]
fn slips_in_eject_are_explained() {
    let share = "write a whole percentage from `1%` to `100%`, like `20%`";
    let deviation = "write a number from 1.0 to 10.0";
    check_slips(&[
        (
            "eject: { wait: 1m, longest_wait: |30s }",
            "eject.longest_wait",
            "shorter than `wait`, which is `1m`",
            "make it at least as long as `wait`",
        ),
        ("eject: { rate: |0% }", "eject.rate", "`0%` is out of range", share),
        ("eject: { rate: |50 }", "eject.rate", "`50` has no percent sign", "write `50%`"),
        ("eject: { gateway_rate: |101% }", "eject.gateway_rate", "`101%` is out of range", share),
        (
            "eject: { minimum_requests: |0 }",
            "eject.minimum_requests",
            "`0` is out of range",
            "write a number from 1 to 1000000",
        ),
        ("eject: { window: |11m }", "eject.window", "`11m` is too long", "write at most `10m`"),
        ("eject: { deviation: |0.9 }", "eject.deviation", "`0.9` is out of range", deviation),
        ("eject: { deviation: |11 }", "eject.deviation", "`11` is out of range", deviation),
        ("eject: { deviation: |-2 }", "eject.deviation", "`-2` is out of range", deviation),
        ("eject: { deviation: |.nan }", "eject.deviation", "`NaN` is out of range", deviation),
        ("eject: { deviation: |1.95 }", "eject.deviation", "`1.95` is finer than a tenth", "write `2.0`"),
        (
            "eject: { deviation: |much }",
            "eject.deviation",
            "expected a number from 1.0 to 10.0, found `much`",
            "",
        ),
        ("eject: { latency: |1 }", "eject.latency", "`1` is out of range", "write a number from 2 to 1000"),
        (
            "eject: { count_500: |often }",
            "eject.count_500",
            "expected a boolean, found `often`",
            "write `true` or `false`",
        ),
        (
            "initial: |ejected, eject: off",
            "initial",
            "nothing would ever put a backend in service: there is no probe, and `eject` is off",
            "write a `probe`, or remove `eject: off`",
        ),
        (
            "initial: |proven",
            "initial",
            "unknown value `proven`",
            "did you mean `unproven`? valid here: `unproven`, `serving` and `ejected`",
        ),
    ]);
    let help = said("eject: { windo: 5s }").remove(0).2;
    assert!(help.starts_with("did you mean `window`? valid here: `consecutive`, `rate`"), "{help}");
    let help = said("probe: { path: /, fast_intervall: 1s }").remove(0).2;
    assert!(help.starts_with("did you mean `fast_interval`? valid here: `path`, `tcp`"), "{help}");
}
