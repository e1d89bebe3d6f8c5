//! Which file is to blame that a profile cannot be made of what was read.

use evenkeel_tls::{ClientError, ServerError};

use super::authorities::{unusable_authorities, unusable_list};
use super::pair::certificate_help;
use super::read::Fault;
use super::{ClientFiles, PoolFiles};
use crate::problem::Code;

/// Why a server cannot be made; `client` is where its knowledge of clients comes from.
pub(crate) fn server_fault(error: &ServerError, client: Option<&ClientFiles>) -> Fault {
    match (error, client) {
        (ServerError::BadCa(why), Some(ClientFiles { ca, .. })) => unusable_authorities(ca, "client.ca", why),
        (ServerError::BadCrl(why), Some(ClientFiles { crl: Some(crl), .. })) => {
            unusable_list(crl, "client.crl", why)
        }
        (ServerError::BadCa(_) | ServerError::BadCrl(_) | ServerError::Other(_), _) => {
            Fault::new("certificates", Code::BadValue, error.to_string(), "")
        }
    }
}

/// Why a client cannot be made.
pub(crate) fn client_fault(error: &ClientError, files: &PoolFiles) -> Fault {
    match (error, &files.ca, &files.identity) {
        (ClientError::BadCa(why), Some(ca), _) => unusable_authorities(ca, "ca", why),
        (ClientError::BadIdentity(_), _, Some(pair)) => {
            let path = &pair.certificate;
            let message = format!("`{}`: {error}", path.display());
            Fault::new("certificate", Code::BadValue, message, certificate_help(path))
        }
        (ClientError::NoSystemRoots(_) | ClientError::BadCa(_) | ClientError::BadIdentity(_), ..) => {
            let help = "write `ca` with the path of a file";
            Fault::new("ca", Code::BadValue, error.to_string(), help)
        }
    }
}
