//! The report's tables; rows that were not measured are left out.

use std::fmt::Write as _;
use std::time::Duration;

use evenkeel_tests::document::table;
use evenkeel_tests::product::Product;

use super::Report;
use crate::cases::Case;
use crate::flood::{self, Waits};
use crate::peers::Measurement;
use crate::setting::Setting;
use crate::statistics::median;

impl Report {
    /// Every kind of traffic in a setting. With TLS, the targets of evenkeel's figures stand beside them, and the share of
    /// its core that each proxy used.
    pub(super) fn traffic(&self, setting: Setting) -> String {
        let [target, core, rules] = match setting.is_tls() {
            true => [" target |", " core |", "---:|---:|"],
            false => [""; 3],
        };
        let mut table = format!(
            "| case | proxy | CPU per request, µs | x HAProxy |{target} requests a second | p99, ms |{core}\n\
             |---|---|---:|---:|---:|---:|{rules}\n"
        );
        for case in Case::all(setting, false) {
            for (who, contestant) in self.contestants.iter().enumerate() {
                let rounds = self.rounds(case.name, setting, who);
                if rounds.is_empty() {
                    continue;
                }
                let target = match (case.target, contestant) {
                    (Some(target), Product::Evenkeel(_)) => format!(" ≤ {target:.2} |"),
                    _ if setting.is_tls() => " |".to_owned(),
                    _ => String::new(),
                };
                let core = match setting.is_tls() {
                    true => format!(" {:.0} % |", middle(&rounds, |one| one.busy) * 100.0),
                    false => String::new(),
                };
                let ratio = self.ratio(case.name, setting, who);
                let _ = writeln!(
                    table,
                    "| {} | {} | {:.2} | {} |{target} {:.0} | {:.2} |{core}",
                    case.name,
                    contestant.name(),
                    middle(&rounds, |one| one.cpu),
                    ratio.map_or("-".to_owned(), |ratio| format!("{ratio:.2}")),
                    middle(&rounds, |one| one.rate),
                    middle(&rounds, |one| milliseconds(one.p99)),
                );
            }
        }
        table
    }

    pub(super) fn idle_table(&self, setting: Setting) -> String {
        let rows = self.contestants.iter().enumerate().filter_map(|(who, contestant)| {
            let mine = self.idle.iter().filter(|one| one.0 == setting && one.1 == who);
            let bytes: Vec<f64> = mine.map(|one| one.2).collect();
            let name = contestant.name().to_owned();
            (!bytes.is_empty()).then(|| vec![name, format!("{:.0}", median(&bytes))])
        });
        table(&["proxy", "bytes per connection"], rows)
    }

    pub(super) fn slow_table(&self) -> String {
        let rows = self.contestants.iter().enumerate().filter_map(|(who, contestant)| {
            let mine = self.slow.iter().filter(|(whose, _)| *whose == who);
            let rounds: Vec<[f64; 2]> = mine.map(|(_, p99)| p99.map(milliseconds)).collect();
            let figures: [fn(&[f64; 2]) -> f64; 3] =
                [|[alone, _]| *alone, |[_, beside]| *beside, |[alone, beside]| beside / alone];
            let name = contestant.name().to_owned();
            let cells = || figures.map(|figure| format!("{:.2}", middle(&rounds, figure)));
            (!rounds.is_empty()).then(|| [vec![name], cells().to_vec()].concat())
        });
        table(&["proxy", "alone, ms", "beside them, ms", "ratio"], rows)
    }

    pub(super) fn flood_table(&self) -> String {
        let rows = self.contestants.iter().enumerate().filter_map(|(who, contestant)| {
            let mine = self.floods.iter().filter(|(whose, _)| *whose == who);
            let rounds: Vec<flood::Measurement> = mine.map(|(_, measurement)| *measurement).collect();
            if rounds.is_empty() {
                return None;
            }
            let waits = |waits: fn(&flood::Measurement) -> &Waits| {
                let figures: [fn(&Waits) -> Duration; 3] = [|one| one.p50, |one| one.p99, |one| one.longest];
                figures
                    .map(|figure| format!("{:.2}", middle(&rounds, |one| milliseconds(figure(waits(one))))))
                    .join(" / ")
            };
            Some(vec![
                contestant.name().to_owned(),
                waits(|one| &one.alone),
                waits(|one| &one.beside),
                format!("{:.0}", middle(&rounds, |one| one.rate)),
                format!("{:.0}", middle(&rounds, |one| one.cut)),
                format!("{:.0} %", middle(&rounds, |one| one.busy) * 100.0),
            ])
        });
        let head = [
            "proxy",
            "alone: p50 / p99 / longest, ms",
            "beside the flood, ms",
            "handshakes a second",
            "cut",
            "core",
        ];
        table(&head, rows)
    }

    /// One contestant's rounds of a case, in order.
    fn rounds(&self, case: &str, setting: Setting, who: usize) -> Vec<Measurement> {
        let mine = self.measured.iter();
        mine.filter(|one| one.0 == case && one.1 == setting && one.2 == who).map(|one| one.3).collect()
    }

    fn ratio(&self, case: &str, setting: Setting, who: usize) -> Option<f64> {
        let haproxy = self.contestants.iter().position(|one| *one == Product::Haproxy)?;
        let mine = self.rounds(case, setting, who);
        let theirs = self.rounds(case, setting, haproxy);
        let ratios: Vec<f64> = mine.iter().zip(&theirs).map(|(mine, theirs)| mine.cpu / theirs.cpu).collect();
        Some(median(&ratios))
    }
}

fn milliseconds(wait: Duration) -> f64 {
    wait.as_secs_f64() * 1000.0
}

fn middle<T>(rounds: &[T], figure: impl Fn(&T) -> f64) -> f64 {
    median(&rounds.iter().map(figure).collect::<Vec<_>>())
}
