//! What `retry` and `stall` come to, and what is said about slips in them.

use std::time::Duration;

use evenkeel_routing::{Budget, PoolRule, Retry, Stall};

use crate::{found, parse, with_pool};

fn rule(more: &str) -> PoolRule {
    let text = with_pool(more);
    parse(&text).unwrap_or_else(|problems| panic!("{problems}")).pools[0].rule.clone()
}

/// What the first route gets from its pool's `retry`, with its own over it.
fn laid_over(pool: &str, route: &str) -> Retry {
    let text = format!(
        "listeners: [{{ address: \"127.0.0.1:8080\" }}]\nroutes: [{{ pool: web, retry: {route} }}]\n\
         pools: {{ web: {{ backends: [\"a:80\"], retry: {pool} }} }}\n"
    );
    parse(&text).unwrap_or_else(|problems| panic!("{problems}")).routes[0].retry.clone()
}

/// Code, message and help of the only problem.
fn said(more: &str) -> (&'static str, String, String) {
    let problems = parse(&with_pool(more)).expect_err("there is a slip in it");
    assert_eq!(problems.len(), 1, "{problems}");
    let problem = problems.iter().next().expect("one is in there");
    (problem.code.as_str(), problem.message.clone(), problem.help.clone().unwrap_or_default())
}

#[test]
fn what_is_written_is_what_holds() {
    let written = rule(
        "retry: { replay_bytes: 1MiB, backoff: 250ms, retry_after: false, \
         budget: { share: 5%, window: 30s, at_least: 3 } }, stall: { floor: 2s, factor: 4 }",
    );
    let budget = Budget { share_percent: 5, window: Duration::from_secs(30), at_least: 3 };
    let expected = Retry {
        replay_bytes: 1 << 20,
        backoff: Duration::from_millis(250),
        retry_after: false,
        budget: Some(budget),
        ..Retry::default()
    };
    assert_eq!(written.retry, expected);
    assert_eq!(written.stall, Some(Stall { floor: Duration::from_secs(2), factor: 4 }));
}

#[test]
fn what_is_left_out_has_its_default() {
    assert_eq!(rule("retry: { budget: {} }, stall: {}"), PoolRule::default());
    assert_eq!(rule("retry: { attempts: 3 }, stall: { factor: 10 }"), PoolRule::default());
    assert_eq!(rule("retry: { budget: { window: 1m } }").retry.budget.unwrap().share_percent, 20);
}

#[test]
fn the_ends_of_every_range_are_good() {
    let least = rule(
        "retry: { replay_bytes: 0, backoff: 0s, budget: { share: 0%, window: 1s, at_least: 0 } }, \
         stall: { floor: 10ms, factor: 1 }",
    );
    assert_eq!((least.retry.replay_bytes, least.retry.backoff), (0, Duration::ZERO));
    let budget = Budget { share_percent: 0, window: Duration::from_secs(1), at_least: 0 };
    assert_eq!(least.retry.budget, Some(budget));
    assert_eq!(least.stall, Some(Stall { floor: Duration::from_millis(10), factor: 1 }));

    let most = rule(
        "retry: { replay_bytes: 16MiB, backoff: 10s, budget: { share: 100%, window: 60s, at_least: 100000 } }, \
         stall: { floor: 10m, factor: 1000 }",
    );
    assert_eq!((most.retry.replay_bytes, most.retry.backoff), (16 << 20, Duration::from_secs(10)));
    let budget = Budget { share_percent: 100, window: Duration::from_secs(60), at_least: 100_000 };
    assert_eq!(most.retry.budget, Some(budget));
    assert_eq!(most.stall, Some(Stall { floor: Duration::from_secs(600), factor: 1000 }));
}

#[test]
fn off_turns_each_of_them_off() {
    for off in ["off", "false", "\"off\""] {
        let retry = format!(
            "retry: {{ replay_bytes: {off}, backoff: {off}, retry_after: {off}, budget: {off} }}, stall: {off}"
        );
        let rule = rule(&retry);
        let expected = Retry {
            replay_bytes: 0,
            backoff: Duration::ZERO,
            retry_after: false,
            budget: None,
            ..Retry::default()
        };
        assert_eq!((rule.retry, rule.stall), (expected, None));
    }
}

#[test]
fn a_route_overrides_its_pool_down_to_the_keys_of_the_budget() {
    let pool = "{ replay_bytes: 1MiB, backoff: 1s, retry_after: off, budget: { window: 30s, at_least: 1 } }";
    let base = laid_over(pool, "{}");
    let budget = Budget { share_percent: 20, window: Duration::from_secs(30), at_least: 1 };
    assert_eq!((base.replay_bytes, base.budget), (1 << 20, Some(budget)));

    let route = laid_over(pool, "{ retry_after: true, budget: { share: 5% } }");
    let expected = Budget { share_percent: 5, ..budget };
    assert_eq!(route, Retry { retry_after: true, budget: Some(expected), ..base.clone() });

    assert_eq!(laid_over(pool, "{ budget: off }"), Retry { budget: None, ..base.clone() });
    assert_eq!(laid_over(pool, "off"), Retry { attempts: 1, ..base });
}

#[test]
fn a_budget_over_a_pool_without_one_begins_with_the_defaults() {
    let expected = Budget { share_percent: 5, ..Budget::default() };
    assert_eq!(laid_over("{ budget: off }", "{ budget: { share: 5% } }").budget, Some(expected));
    assert_eq!(laid_over("{ budget: off }", "{ budget: {} }").budget, Some(Budget::default()));
    assert_eq!(laid_over("{ budget: off }", "{ attempts: 2 }").budget, None);
}

#[test]
fn a_share_is_a_whole_percentage() {
    let general = "write a whole percentage from `0%` to `100%`, like `20%`";
    for (share, code, message, help) in [
        ("20", "wrong-type", "`20` has no percent sign", "write `20%`"),
        ("\"20\"", "wrong-type", "`20` has no percent sign", "write `20%`"),
        ("0", "wrong-type", "`0` has no percent sign", "write `0%`"),
        ("0.2", "wrong-type", "`0.2` is a fraction, not a percentage", "write `20%`"),
        ("0.0", "wrong-type", "`0` is a fraction, not a percentage", "write `0%`"),
        ("0.07", "wrong-type", "`0.07` is a fraction, not a percentage", "write `7%`"),
        ("0.005", "wrong-type", "`0.005` is not a percentage", general),
        ("1.5", "wrong-type", "`1.5` is not a percentage", general),
        (".nan", "wrong-type", "`NaN` is not a percentage", general),
        ("20.5%", "wrong-type", "`20.5%` is not a whole percentage", general),
        ("20.0%", "wrong-type", "`20.0%` is not a whole percentage", "write `20%`"),
        ("20 %", "wrong-type", "`20 %` is not a whole percentage", "write `20%`"),
        ("nan%", "wrong-type", "`nan%` is not a whole percentage", general),
        ("a fifth", "wrong-type", "`a fifth` is not a whole percentage", general),
        ("off", "wrong-type", "`off` is not a whole percentage", general),
        ("-5", "bad-value", "`-5` is out of range", general),
        ("-5%", "bad-value", "`-5%` is out of range", general),
        ("-0.2", "bad-value", "`-0.2` is out of range", general),
        ("101%", "bad-value", "`101%` is out of range", general),
        ("200", "bad-value", "`200` is out of range", general),
        ("99999999999999999999%", "bad-value", "`99999999999999999999%` is out of range", general),
        ("[20%]", "wrong-type", "expected a percentage like `20%`, found a list", ""),
    ] {
        let found = said(&format!("retry: {{ budget: {{ share: {share} }} }}"));
        assert_eq!(found, (code, message.into(), help.into()), "{share}");
    }
}

#[test]
fn each_slip_is_one_problem_with_a_way_out() {
    for (retry, path, message, help) in [
        ("replay_bytes: 64k", "replay_bytes", "`64k` is not a size", "write `64KiB`"),
        (
            "replay_bytes: 17MiB",
            "replay_bytes",
            "`17MiB` is out of range",
            "write a size from `0B` to `16MiB`",
        ),
        ("backoff: 25", "backoff", "`25` has no unit", "write `25s` or `25ms`"),
        ("backoff: 11s", "backoff", "`11s` is too long", "write at most `10s`"),
        ("retry_after: 30s", "retry_after", "expected a boolean, found `30s`", "write `true` or `false`"),
        (
            "budget: 20%",
            "budget",
            "expected a map with `share`, `window` or `at_least`, or `off`, found `20%`",
            "",
        ),
        ("budget: { window: 500ms }", "budget.window", "`500ms` is too short", "write at least `1s`"),
        ("budget: { window: 2m }", "budget.window", "`2m` is too long", "write at most `1m`"),
        (
            "budget: { at_least: 100001 }",
            "budget.at_least",
            "`100001` is out of range",
            "write a number from 0 to 100000",
        ),
        (
            "budget: { at_least: -1 }",
            "budget.at_least",
            "`-1` is out of range",
            "write a number from 0 to 100000",
        ),
        (
            "budget: { shares: 20% }",
            "budget.shares",
            "unknown key `shares`",
            "did you mean `share`? valid here: `share`, `window` and `at_least`",
        ),
    ] {
        let more = format!("retry: {{ {retry} }}");
        let (_, said_message, said_help) = said(&more);
        assert_eq!((said_message.as_str(), said_help.as_str()), (message, help), "{retry}");
        assert_eq!(found(&with_pool(&more))[0].1, format!("pools.web.retry.{path}"));
    }
    for (stall, path, message, help) in [
        ("5s", "stall", "expected a map with `floor` or `factor`, or `off`, found `5s`", ""),
        ("true", "stall", "expected a map with `floor` or `factor`, or `off`, found `true`", ""),
        ("{ floor: 5ms }", "stall.floor", "`5ms` is too short", "write at least `10ms`"),
        ("{ floor: 11m }", "stall.floor", "`11m` is too long", "write at most `10m`"),
        ("{ factor: 0 }", "stall.factor", "`0` is out of range", "write a number from 1 to 1000"),
        ("{ factor: 10x }", "stall.factor", "expected a whole number from 1 to 1000, found `10x`", ""),
    ] {
        let more = format!("stall: {stall}");
        let (_, said_message, said_help) = said(&more);
        assert_eq!((said_message.as_str(), said_help.as_str()), (message, help), "{stall}");
        assert_eq!(found(&with_pool(&more))[0].1, format!("pools.web.{path}"));
    }
}

#[test]
fn values_of_the_environment_are_read_alike() {
    let value = |name: &str| (name == "SHARE").then(|| "7%".to_string());
    let text = with_pool("retry: { budget: { share: \"${SHARE}\", window: \"${WINDOW:-5s}\" } }");
    let plan = evenkeel_config::parse(&text, "test.yaml", &value).unwrap_or_else(|it| panic!("{it}"));
    let budget = plan.pools[0].rule.retry.budget.unwrap();
    assert_eq!((budget.share_percent, budget.window), (7, Duration::from_secs(5)));
}
