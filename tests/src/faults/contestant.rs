//! Who is compared: a product with its smallest configuration, or with a tuned one.

use std::net::SocketAddr;
use std::time::Duration;

use evenkeel_tests::nginx::{free_address, wait_until_it_answers};
use evenkeel_tests::process::Process;
use evenkeel_tests::product::Product;
use rustix::process::Signal;
use tempfile::TempDir;

use crate::fault::BACKENDS;
use crate::settings;

/// Longest that a product takes to end.
const STOPS_WITHIN: Duration = Duration::from_secs(40);

/// A product and one of its configurations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Contestant {
    pub(crate) product: Product,
    pub(crate) is_tuned: bool,
}

/// A running one.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    process: Process,
    _folder: TempDir,
}

impl Contestant {
    /// As lines of output call it.
    pub(crate) fn name(&self) -> String {
        let configuration = if self.is_tuned { "tuned" } else { "smallest" };
        format!("{}, {configuration}", self.product.name())
    }

    /// Whether this is evenkeel.
    pub(crate) fn is_ours(&self) -> bool {
        matches!(self.product, Product::Evenkeel(_))
    }

    /// Starts it before these backends.
    pub(crate) fn start(&self, backends: [SocketAddr; BACKENDS]) -> Running {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let address = free_address();
        let backends = backends.map(|address| address.to_string());
        let configuration = settings::of(self, &address.to_string(), backends.each_ref().map(String::as_str));
        let process = self.product.launch(folder.path(), &configuration);
        wait_until_it_answers(address);
        Running { address, process, _folder: folder }
    }
}

impl Running {
    /// Ends it; everything that it wrote.
    pub(crate) fn end(mut self) -> String {
        self.process.signal(Signal::TERM);
        self.process.wait(STOPS_WITHIN);
        self.process.output()
    }
}
