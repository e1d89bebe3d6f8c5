//! Who is compared: HAProxy with probes, HAProxy that also observes its traffic, evenkeel.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use evenkeel_tests::fleet::BACKENDS;
use evenkeel_tests::nginx::free_address;
use evenkeel_tests::product::{Product, Running};
use evenkeel_tests::wait;

use crate::scenario::Scenario;
use crate::settings;
use crate::watch::Door;

/// Longest that a product takes until all its backends are in service.
const SOON: Duration = Duration::from_secs(10);

/// A product and its configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Contestant {
    /// With probes alone.
    Haproxy,
    /// With probes, and `observe layer7`.
    HaproxyObserving,
    /// The build at this path, with probes, and as it is otherwise.
    Evenkeel(PathBuf),
}

/// A running one.
pub(crate) struct Proxy {
    pub(crate) running: Running,
    pub(crate) door: Door,
}

impl Contestant {
    /// The one that the command line calls so.
    pub(crate) fn named(name: &str, evenkeel: &Path) -> Result<Contestant, String> {
        match name {
            "haproxy" => Ok(Contestant::Haproxy),
            "haproxy-observing" => Ok(Contestant::HaproxyObserving),
            "evenkeel" => Ok(Contestant::Evenkeel(evenkeel.to_owned())),
            other => Err(format!("{other}: haproxy, haproxy-observing or evenkeel")),
        }
    }

    /// As reports call it.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Contestant::Haproxy => "HAProxy",
            Contestant::HaproxyObserving => "HAProxy, observing",
            Contestant::Evenkeel(_) => "evenkeel",
        }
    }

    /// Whether this is evenkeel.
    pub(crate) fn is_ours(&self) -> bool {
        matches!(self, Contestant::Evenkeel(_))
    }

    /// The program.
    pub(crate) fn product(&self) -> Product {
        match self {
            Contestant::Haproxy | Contestant::HaproxyObserving => Product::Haproxy,
            Contestant::Evenkeel(path) => Product::Evenkeel(path.clone()),
        }
    }

    /// Starts it before these backends, and waits until all are in service.
    pub(crate) fn start(&self, scenario: Scenario, backends: [SocketAddr; BACKENDS]) -> Proxy {
        let backends = backends.map(|address| address.to_string());
        let admin = free_address();
        let running = Running::start(&self.product(), |listen, folder| {
            let door = match self {
                Contestant::Haproxy | Contestant::HaproxyObserving => {
                    statistics(folder).display().to_string()
                }
                Contestant::Evenkeel(_) => admin.to_string(),
            };
            settings::of(
                self,
                Some(scenario),
                &listen.to_string(),
                &door,
                backends.each_ref().map(String::as_str),
            )
        });
        let door = match self {
            Contestant::Haproxy | Contestant::HaproxyObserving => {
                Door::Statistics(statistics(running.folder()))
            }
            Contestant::Evenkeel(_) => Door::Admin(admin),
        };
        wait::until_true(SOON, "all backends in service", || door.look() == Some([true; BACKENDS]));
        Proxy { running, door }
    }
}

fn statistics(folder: &Path) -> PathBuf {
    folder.join("statistics")
}
