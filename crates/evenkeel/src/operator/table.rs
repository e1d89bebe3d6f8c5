//! `evenkeel backend list`: a row for each backend, what is short first.

use super::standing::{Backend, Standing};

const COLUMNS: [&str; 7] = ["POOL", "BACKEND", "STATE", "SINCE", "SHARE", "IN FLIGHT", "WHY"];

type Row = [String; COLUMNS.len()];

/// The table, without the end of its last line.
pub(super) fn table(standing: &Standing) -> String {
    let backends =
        standing.pools.iter().flat_map(|pool| pool.backends.iter().map(|backend| row(&pool.name, backend)));
    let rows: Vec<Row> = [COLUMNS.map(str::to_owned)].into_iter().chain(backends).collect();
    let widths: [usize; COLUMNS.len()] = std::array::from_fn(|column| {
        rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default()
    });
    let lines: Vec<_> = rows.iter().map(|row| line(row, &widths)).collect();
    lines.join("\n")
}

fn line(row: &Row, widths: &[usize; COLUMNS.len()]) -> String {
    let cells: Vec<_> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
    cells.join("  ").trim_end().to_owned()
}

fn row(pool: &str, backend: &Backend) -> Row {
    [
        pool.to_owned(),
        backend.label.clone(),
        state(backend),
        age(backend.seconds_in_hold.unwrap_or(backend.seconds_in_phase)),
        share(backend),
        backend.in_flight.to_string(),
        why(backend),
    ]
}

fn state(backend: &Backend) -> String {
    let state = match backend.hold.as_deref() {
        Some("asked") => "asked to drain",
        Some(hold) => hold,
        None => &backend.phase,
    };
    let marks: Vec<_> = [("flapping", backend.flapping), ("kept", backend.kept.is_some())]
        .into_iter()
        .filter_map(|(mark, holds)| holds.then_some(mark))
        .collect();
    if marks.is_empty() { state.to_owned() } else { format!("{state} ({})", marks.join(", ")) }
}

/// The two largest units that are not zero from the left: `12s`, `3m12s`, `2h03m`, `5d04h`.
fn age(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m{:02}s", seconds % 60),
        (0, _, _) => format!("{hours}h{:02}m", minutes % 60),
        (_, _, _) => format!("{days}d{:02}h", hours % 24),
    }
}

/// Its weight, and what a slow start leaves of it.
fn share(backend: &Backend) -> String {
    if !backend.in_service {
        return "-".to_owned();
    }
    match (backend.ramp * 100.0).round() {
        percent if percent < 100.0 => format!("{} ({percent}%)", backend.weight),
        _ => backend.weight.to_string(),
    }
}

fn why(backend: &Backend) -> String {
    let mut why = Vec::new();
    match (backend.hold.as_deref(), backend.hold_by_uid) {
        (None, _) => why.push(backend.evidence.clone()),
        (Some(_), Some(uid)) => {
            why.push(format!("by uid {uid}, until `ready` or a restart; the file says nothing of it"));
        }
        (Some(_), None) => why.push(match &backend.hold_until {
            Some(until) => format!("it asked for it, until {until}"),
            None => "it asks for it in its answers to probes".to_owned(),
        }),
    }
    // Its health goes on while it is held.
    if backend.hold.is_some() && matches!(&*backend.phase, "ejected" | "trial") {
        why.push(format!("{}, too: {}", backend.phase, backend.evidence));
    }
    why.extend(backend.kept.as_ref().map(|kept| format!("stays in service: {kept}")));
    why.extend(backend.unresolved.as_ref().map(|failure| format!("without an address: {failure}")));
    why.join("; ")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::standing::tests::{backend, standing};
    use super::*;

    fn rows(changes: &[Value]) -> Vec<String> {
        let backends: Vec<_> =
            changes.iter().map(|change| backend("blue", "127.0.0.1:1", change.clone())).collect();
        table(&standing(&[("web", &backends)])).lines().map(str::to_owned).collect()
    }

    #[test]
    fn columns_stand_under_each_other() {
        let web = [
            backend("blue", "127.0.0.1:1", json!({ "weight": 10, "ramp": 0.4, "seconds_in_phase": 5 })),
            backend(
                "127.0.0.1:30000",
                "127.0.0.1:30000",
                json!({ "in_service": false, "phase": "ejected",
                "evidence": "3 requests in a row failed, the last one with connect_refused" }),
            ),
        ];
        let text = table(&standing(&[("web", &web)]));
        assert_eq!(
            text,
            "\
POOL  BACKEND          STATE    SINCE  SHARE     IN FLIGHT  WHY
web   blue             serving  5s     10 (40%)  2          a request succeeded
web   127.0.0.1:30000  ejected  3m12s  -         2          3 requests in a row failed, the last one with connect_refused"
        );
    }

    #[test]
    fn who_is_held_is_shown_against_the_file() {
        let held = |hold: &str| json!({ "hold": hold, "in_service": false, "seconds_in_hold": 7201, "hold_by_uid": 1000 });
        let lines = rows(&[
            held("drained"),
            held("out"),
            json!({ "hold": "asked", "in_service": false, "seconds_in_hold": 3, "hold_until": "2026-01-01T00:00:00Z" }),
            json!({ "hold": "asked", "in_service": false, "seconds_in_hold": 3 }),
            json!({ "hold": "out", "hold_by_uid": 0, "phase": "ejected", "evidence": "a probe failed" }),
        ]);
        for (line, wanted) in lines[1..].iter().zip([
            &["drained", "2h00m", "by uid 1000, until `ready` or a restart; the file says nothing of it"][..],
            &["out ", "2h00m", "by uid 1000"],
            &["asked to drain", "3s", "it asked for it, until 2026-01-01T00:00:00Z"],
            &["asked to drain", "it asks for it in its answers to probes"],
            &["out ", "by uid 0", "ejected, too: a probe failed"],
        ]) {
            for text in wanted {
                assert!(line.contains(text), "{text} is not in {line}");
            }
        }
    }

    #[test]
    fn what_is_odd_is_marked() {
        let lines = rows(&[
            json!({ "flapping": true, "kept": "keep_at_least", "evidence": "5 of 20 requests failed" }),
            json!({ "unresolved": "dns_failed (NXDOMAIN)" }),
        ]);
        assert!(lines[1].contains("serving (flapping, kept)"), "{}", lines[1]);
        assert!(
            lines[1].ends_with("5 of 20 requests failed; stays in service: keep_at_least"),
            "{}",
            lines[1]
        );
        assert!(lines[2].ends_with("a request succeeded; without an address: dns_failed (NXDOMAIN)"));
    }

    #[test]
    fn an_age_has_two_units() {
        for (seconds, text) in
            [(0, "0s"), (59, "59s"), (192, "3m12s"), (3600, "1h00m"), (7500, "2h05m"), (446_400, "5d04h")]
        {
            assert_eq!(age(seconds), text);
        }
    }
}
