//! Who decides when the voices disagree: the table of the manual, tried in every combination.

use evenkeel_control::Input;
use evenkeel_model::{Cause, Order};

use crate::scene::{FAILED, PROBED, Scene, TWO, plan, probed};

const MANUAL: &str = include_str!("../../../../docs/health.md");

/// The rows of the table, as words.
fn table() -> Vec<Vec<&'static str>> {
    let section = MANUAL.split("## Precedence").nth(1).unwrap().split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| ")).skip(1);
    rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect()).collect()
}

/// What the manual says of this combination.
fn expected(table: &[Vec<&'static str>], voices: [&str; 6]) -> &'static str {
    let fits =
        |row: &&Vec<&str>| row.iter().zip(voices).all(|(cell, voice)| *cell == "any" || *cell == voice);
    let row = table.iter().find(fits).unwrap_or_else(|| panic!("no row fits {voices:?}"));
    row[6]
}

/// What becomes of the first of two backends.
fn lived([presence, operator, own, probes, requests, others]: [&str; 6]) -> &'static str {
    let pool = if probes == "off" { TWO.to_string() } else { format!("{TWO}, {PROBED}") };
    let mut scene = Scene::with(&pool);
    scene.wait_until(300);
    if others == "no" {
        scene.order(1, Order::Eject);
    }
    match probes {
        "pass" => drop(scene.tell(probed(scene.id(0), None))),
        "fail" => drop(scene.tell(probed(scene.id(0), Some(Cause::ConnectRefused)))),
        _ => {}
    }
    if requests == "fail" {
        scene.record(0, &[FAILED; 3]);
    }
    if own == "drain" {
        scene.backend(0).ask_to_drain(0, std::time::Duration::from_secs(60), scene.now);
        scene.read();
    }
    match operator {
        "drain" => drop(scene.order(0, Order::Drain)),
        "eject" => drop(scene.order(0, Order::Eject)),
        _ => {}
    }
    if presence == "gone" {
        scene.tell(Input::Plan(plan(r#"backends: ["127.0.0.1:2"]"#)));
        let is_there = scene.snapshot.pools[0].members.iter().any(|it| it.backend.label.ends_with(":1"));
        return if is_there { "something" } else { "nothing" };
    }
    let status = scene.member(0).status;
    match (status.is_admitted(), status.is_last_resort()) {
        (true, _) => "its share",
        (false, true) => "last resort",
        (false, false) => "nothing",
    }
}

#[test]
fn every_combination_of_voices_comes_to_what_the_manual_says() {
    let table = table();
    assert!(table.len() >= 8 && table.iter().all(|row| row.len() == 7), "{table:?}");
    let mut used = vec![false; table.len()];
    for presence in ["there", "gone"] {
        for operator in ["-", "drain", "eject"] {
            for own in ["-", "drain"] {
                for probes in ["off", "pass", "fail"] {
                    for requests in ["well", "fail"] {
                        for others in ["yes", "no"] {
                            let voices = [presence, operator, own, probes, requests, others];
                            let row = expected(&table, voices);
                            assert_eq!(lived(voices), row, "{voices:?}");
                            let index = table.iter().position(|it| std::ptr::eq(it[6], row));
                            used[index.unwrap()] = true;
                        }
                    }
                }
            }
        }
    }
    assert!(used.iter().all(|used| *used), "a row that nothing fits: {used:?}");
}
