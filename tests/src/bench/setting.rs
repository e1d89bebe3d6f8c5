//! How the proxies are set up while something is measured.

/// What the proxies do besides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Setting {
    /// Nothing.
    Plain,
    /// They log each request.
    Logging,
    /// They speak TLS with clients.
    Tls,
    /// They speak TLS with backends.
    TlsToBackends,
}

impl Setting {
    /// In the order in which they are measured.
    pub(crate) const ALL: [Setting; 4] =
        [Setting::Plain, Setting::Logging, Setting::Tls, Setting::TlsToBackends];

    /// Whether anybody speaks TLS.
    pub(crate) fn is_tls(self) -> bool {
        match self {
            Setting::Plain | Setting::Logging => false,
            Setting::Tls | Setting::TlsToBackends => true,
        }
    }
}
