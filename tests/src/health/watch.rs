//! What a product says about its backends, looked at many times a second through its own door.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use evenkeel_tests::fleet::BACKENDS;
use evenkeel_tests::{client, wait};
use serde_json::Value;

use crate::timing::Change;

/// Between two looks.
const GLANCE: Duration = Duration::from_millis(10);

/// Longest that a look may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where a product says how its backends are.
#[derive(Clone, Debug)]
pub(crate) enum Door {
    /// HAProxy's statistics socket.
    Statistics(PathBuf),
    /// evenkeel's admin listener.
    Admin(SocketAddr),
}

/// Whether each backend is in service.
pub(crate) type States = [bool; BACKENDS];

impl Door {
    /// Looks once; `None` if there was no answer.
    pub(crate) fn look(&self) -> Option<States> {
        match self {
            Door::Statistics(socket) => of_statistics(&ask(socket).ok()?),
            Door::Admin(address) => of_status(&client::try_get(*address, "/api/status").ok()?.body),
        }
    }

    /// Looks until it is over; what changed.
    pub(crate) fn watch(&self, begun: Instant, is_over: &AtomicBool) -> Vec<Change> {
        let mut changes = Vec::new();
        let mut known = [true; BACKENDS];
        while !is_over.load(Ordering::Acquire) {
            if let Some(states) = self.look() {
                let at = begun.elapsed();
                let news = (0..BACKENDS).filter(|backend| known[*backend] != states[*backend]);
                changes.extend(news.map(|backend| Change { at, backend, is_in: states[backend] }));
                known = states;
            }
            wait::pause(GLANCE);
        }
        changes
    }
}

fn ask(socket: &PathBuf) -> std::io::Result<String> {
    let mut connection = UnixStream::connect(socket)?;
    connection.set_read_timeout(Some(PATIENCE))?;
    connection.write_all(b"show stat servers 4 -1\n")?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer)?;
    Ok(answer)
}

/// Reads HAProxy's table, in the order of its configuration: `UP`, or `UP 1/2` for one that begins to fail; `DOWN`, or
/// `DOWN 1/2` for one that begins to be well.
fn of_statistics(table: &str) -> Option<States> {
    let mut lines = table.lines();
    let place = lines.next()?.split(',').position(|column| column == "status")?;
    let states = lines.filter_map(|line| Some(line.split(',').nth(place)?.starts_with("UP")));
    states.collect::<Vec<_>>().try_into().ok()
}

/// Reads evenkeel's status, in the order of its configuration.
fn of_status(body: &[u8]) -> Option<States> {
    let status: Value = serde_json::from_slice(body).ok()?;
    let backends = status["pools"][0]["backends"].as_array()?;
    let is_in = |backend: &Value| matches!(backend["phase"].as_str(), Some("serving" | "unproven"));
    backends.iter().map(is_in).collect::<Vec<_>>().try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn haproxys_table_is_read_by_its_head() {
        let table = "# pxname,svname,status,weight\nservers,one,UP,1\nservers,two,DOWN 1/2,1\nservers,three,UP 1/2,1\n\n";
        assert_eq!(of_statistics(table), Some([true, false, true]));
        assert_eq!(of_statistics("Unknown command"), None);
    }

    #[test]
    fn a_backend_on_trial_is_not_in_service() {
        let status =
            br#"{"pools":[{"backends":[{"phase":"unproven"},{"phase":"trial"},{"phase":"serving"}]}]}"#;
        assert_eq!(of_status(status), Some([true, false, true]));
        assert_eq!(of_status(b"{}"), None);
    }
}
