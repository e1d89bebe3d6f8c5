//! Who is compared: a product with its smallest configuration, or with a tuned one.

use std::net::SocketAddr;

use evenkeel_tests::product::{Product, Running};

use crate::fault::BACKENDS;
use crate::settings;

/// A product and one of its configurations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Contestant {
    pub(crate) product: Product,
    pub(crate) is_tuned: bool,
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
        let backends = backends.map(|address| address.to_string());
        Running::start(&self.product, |listen, _| {
            settings::of(self, &listen.to_string(), backends.each_ref().map(String::as_str))
        })
    }
}
