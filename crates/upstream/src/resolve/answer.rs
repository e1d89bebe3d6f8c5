//! What a server answers to one question, and how failures rank.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use evenkeel_model::{Cause, NameFailure, Rcode};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::RData;

/// Addresses, and how long they are good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) addresses: Vec<IpAddr>,
    pub(super) ttl: Duration,
}

/// No server answered in time.
pub(super) const SILENCE: NameFailure = NameFailure { cause: Cause::DnsTimeout, rcode: None };

impl Answer {
    /// The addresses in it, good for as long as every record that leads to them.
    pub(super) fn of(lookup: &Lookup) -> Result<Self, NameFailure> {
        let address = |data: &RData| match data {
            RData::A(address) => Some(IpAddr::V4(address.0)),
            RData::AAAA(address) => Some(IpAddr::V6(address.0)),
            _ => None,
        };
        let records = lookup.answers();
        let addresses: Vec<_> = records.iter().filter_map(|record| address(&record.data)).collect();
        let ttl = records.iter().map(|record| record.ttl).min().unwrap_or_default();
        match addresses.is_empty() {
            true => Err(answered(Rcode::NoError)),
            false => Ok(Answer { addresses, ttl: Duration::from_secs(ttl.into()) }),
        }
    }

    /// Both families.
    pub(super) fn and(mut self, other: Answer) -> Self {
        self.addresses.extend(other.addresses);
        Answer { ttl: self.ttl.min(other.ttl), ..self }
    }
}

/// Why there is no answer from a server.
pub(super) fn failure(error: &NetError) -> NameFailure {
    match error {
        NetError::Dns(DnsError::NoRecordsFound(none)) => answered(rcode(none.response_code)),
        NetError::Dns(DnsError::ResponseCode(code)) => answered(rcode(*code)),
        NetError::Timeout => SILENCE,
        NetError::Io(error) if error.kind() == io::ErrorKind::TimedOut => SILENCE,
        _ => Cause::DnsFailed.into(),
    }
}

/// Whether another server would say the same.
pub(super) fn is_final(failure: NameFailure) -> bool {
    matches!(failure.rcode, Some(Rcode::NoError | Rcode::NxDomain))
}

/// Of two servers' failures the one that says more; of two that say as much, the first.
pub(super) fn more_telling(noted: NameFailure, new: NameFailure) -> NameFailure {
    let rank = |failure: NameFailure| (failure.rcode.is_some(), failure.cause == Cause::DnsTimeout);
    if rank(new) > rank(noted) { new } else { noted }
}

/// Of the failures of two families, or of two names that one may stand for, the one that leaves more open: that there is
/// no such name is only so if neither has anything else to say.
pub(super) fn more_open(noted: NameFailure, new: NameFailure) -> NameFailure {
    let rank = |failure: NameFailure| match failure.rcode {
        Some(Rcode::NxDomain) => 0,
        Some(Rcode::NoError) => 1,
        Some(Rcode::FormErr | Rcode::ServFail | Rcode::NotImp | Rcode::Refused | Rcode::Other) => 3,
        None => 2,
    };
    if rank(new) > rank(noted) { new } else { noted }
}

fn answered(rcode: Rcode) -> NameFailure {
    NameFailure { cause: Cause::DnsFailed, rcode: Some(rcode) }
}

fn rcode(code: ResponseCode) -> Rcode {
    match code {
        ResponseCode::NoError => Rcode::NoError,
        ResponseCode::FormErr => Rcode::FormErr,
        ResponseCode::ServFail => Rcode::ServFail,
        ResponseCode::NXDomain => Rcode::NxDomain,
        ResponseCode::NotImp => Rcode::NotImp,
        ResponseCode::Refused => Rcode::Refused,
        _ => Rcode::Other,
    }
}
