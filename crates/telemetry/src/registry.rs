//! What a scrape of `/metrics` answers: our families, and the library's about the process.

use std::fmt;

use evenkeel_routing::View;
use prometheus::TextEncoder;
use prometheus::core::{Collector, Desc};
use prometheus::process_collector::ProcessCollector;
use prometheus::proto::MetricFamily;

use crate::collect::collect;
use crate::{AccessLog, FilesState, ReloadState, names};

/// Renders metrics on request; holds no counter of its own.
pub struct Registry(prometheus::Registry);

impl Registry {
    /// Metrics of whatever `view` shows at the time of a scrape.
    pub fn new(view: View, reload: ReloadState, files: FilesState, access_log: AccessLog) -> Registry {
        let registry = prometheus::Registry::new();
        let snapshots = Snapshots { descriptions: descriptions(), view, reload, files, access_log };
        for collector in [Box::new(snapshots) as Box<dyn Collector>, Box::new(ProcessCollector::for_self())] {
            registry.register(collector).expect("each name is registered once");
        }
        Registry(registry)
    }

    /// Every metric, in the Prometheus text format 0.0.4.
    pub fn render(&self) -> String {
        TextEncoder::new()
            .encode_to_string(&self.0.gather())
            .expect("every family that is gathered has a name and a series")
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Registry").finish_non_exhaustive()
    }
}

/// Our families, made anew at each scrape.
struct Snapshots {
    descriptions: Vec<Desc>,
    view: View,
    reload: ReloadState,
    files: FilesState,
    access_log: AccessLog,
}

impl Collector for Snapshots {
    fn desc(&self) -> Vec<&Desc> {
        self.descriptions.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        collect(&self.view.load_full(), &self.reload, &self.files, &self.access_log)
    }
}

fn descriptions() -> Vec<Desc> {
    let describe = |name: &&names::Name| {
        let labels = name.labels.iter().map(|label| (*label).to_string()).collect();
        Desc::new(name.name.to_string(), name.help.to_string(), labels, Default::default())
            .expect("names and labels are literals, and valid")
    };
    names::ALL.iter().map(describe).collect()
}
