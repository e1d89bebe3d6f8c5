//! Whether the machine was ours while something was measured: others on the same cores change what a request costs.

use evenkeel_tests::process::cpu_nanoseconds;

/// Share of the cores' time that others may use before a measurement is repeated.
pub(crate) const BEARABLE: f64 = 0.05;

/// Nanoseconds in a tick of `/proc/stat`, whose unit has been a hundredth of a second on every Linux for decades.
const TICK: u64 = 10_000_000;

/// Tries to measure something undisturbed.
const TRIES: usize = 3;

/// Measures, again if others disturbed it, of which each measurement tells the share of the cores' time that they used; the
/// last try, if all were disturbed.
pub(crate) fn undisturbed<T>(mut measure: impl FnMut() -> T, others: impl Fn(&T) -> f64) -> T {
    let mut measurement = measure();
    for _ in 1..TRIES {
        let share = others(&measurement);
        if share <= BEARABLE {
            break;
        }
        eprintln!("disturbed: others used {:.0} % of the cores; again", share * 100.0);
        measurement = measure();
    }
    measurement
}

/// The cores' time so far, and how much of it was ours.
#[derive(Clone, Copy)]
pub(crate) struct Account {
    busy: u64,
    total: u64,
    ours: u64,
}

impl Account {
    /// Of now; `family` is everybody whose time is ours beside this process.
    pub(crate) fn of(family: &[u32]) -> Account {
        let ours = [family, &[std::process::id()]].concat();
        let stat = std::fs::read_to_string("/proc/stat").expect("/proc is mounted");
        let (busy, total) = cores_time(&stat);
        Account { busy: busy * TICK, total: total * TICK, ours: cpu_nanoseconds(&ours) }
    }

    /// Share of the cores' time since `earlier` that others used, from 0 to 1.
    pub(crate) fn others_since(&self, earlier: &Account) -> f64 {
        let (busy, ours) = (self.busy - earlier.busy, self.ours - earlier.ours);
        let total = (self.total - earlier.total).max(1);
        busy.saturating_sub(ours) as f64 / total as f64
    }
}

/// Ticks that all cores together were busy, the hypervisor's thefts included, and all ticks.
fn cores_time(stat: &str) -> (u64, u64) {
    let line = stat.lines().next().unwrap_or_default();
    let ticks: Vec<u64> =
        line.split_whitespace().skip(1).take(8).filter_map(|ticks| ticks.parse().ok()).collect();
    let total: u64 = ticks.iter().sum();
    let idle: u64 = ticks.iter().skip(3).take(2).sum();
    (total - idle, total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_and_waiting_for_disks_are_not_busy() {
        let stat = "cpu  10 20 30 400 50 6 7 8 90 100\ncpu0 1 2 3 4\n";
        assert_eq!(cores_time(stat), (81, 531));
    }

    #[test]
    fn what_is_busy_and_not_ours_is_others() {
        let earlier = Account { busy: 0, total: 0, ours: 0 };
        let later = Account { busy: 50, total: 100, ours: 30 };
        assert_eq!(later.others_since(&earlier), 0.2);
    }
}
