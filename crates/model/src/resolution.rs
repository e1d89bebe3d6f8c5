//! Why a name does not resolve.

use std::fmt;

use crate::Cause;

/// A look-up that gave no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NameFailure {
    /// [`Cause::DnsFailed`] or [`Cause::DnsTimeout`].
    pub cause: Cause,
    /// What the server answered, if it answered.
    pub rcode: Option<Rcode>,
}

/// The answer of a DNS server without an address (RFC 1035, section 4.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rcode {
    /// The name exists, without an address.
    NoError,
    /// The server could not read the query.
    FormErr,
    /// The server failed.
    ServFail,
    /// There is no such name.
    NxDomain,
    /// The server does not do that.
    NotImp,
    /// The server will not answer.
    Refused,
    /// Any other.
    Other,
}

impl Rcode {
    /// The mnemonic of the IANA registry, as the `rcode` parameter of RFC 9209 wants it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Rcode::NoError => "NOERROR",
            Rcode::FormErr => "FORMERR",
            Rcode::ServFail => "SERVFAIL",
            Rcode::NxDomain => "NXDOMAIN",
            Rcode::NotImp => "NOTIMP",
            Rcode::Refused => "REFUSED",
            Rcode::Other => "OTHER",
        }
    }
}

impl From<Cause> for NameFailure {
    fn from(cause: Cause) -> Self {
        NameFailure { cause, rcode: None }
    }
}

impl fmt::Display for NameFailure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.rcode {
            Some(rcode) => write!(out, "{} ({})", self.cause.token(), rcode.as_str()),
            None => out.write_str(self.cause.token()),
        }
    }
}
