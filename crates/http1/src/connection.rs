//! What `Connection` says, and which fields it makes hop-by-hop (RFC 9110, 7.6.1).

use crate::field::{Notable, list};
use crate::known::{is_forwarding_name, starts_with};
use crate::{Field, Known, Version};

/// More options than this are refused: each is compared with every field.
const MAX_OPTIONS: usize = 64;

/// The options that a proxy acts on.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Options {
    pub(crate) close: bool,
    pub(crate) keep_alive: bool,
    pub(crate) upgrade: bool,
    /// Something else is listed.
    pub(crate) nominates: bool,
}

impl Options {
    /// Whether the connection outlives the message, as far as this side is concerned.
    #[inline]
    pub(crate) fn keeps_alive(self, version: Version) -> bool {
        match version {
            Version::Http11 => !self.close,
            Version::Http10 => self.keep_alive && !self.close,
        }
    }
}

/// Reads every `Connection` field and marks the fields that it nominates. `None`: too many options.
#[inline]
pub(crate) fn options(buffer: &[u8], fields: &mut [Field], notable: &Notable) -> Option<Options> {
    if notable.connection.is_nowhere() { Some(Options::default()) } else { read(buffer, fields) }
}

fn read(buffer: &[u8], fields: &mut [Field]) -> Option<Options> {
    let mut options = Options::default();
    let mut left = MAX_OPTIONS;
    for index in 0..fields.len() {
        if fields[index].known != Known::Connection {
            continue;
        }
        for option in list(fields[index].value.of(buffer)) {
            left = left.checked_sub(1)?;
            if option.eq_ignore_ascii_case(b"keep-alive") {
                options.keep_alive = true;
            } else if option.eq_ignore_ascii_case(b"close") {
                options.close = true;
            } else if option.eq_ignore_ascii_case(b"upgrade") {
                options.upgrade = true;
            } else if !option.is_empty() && !option.eq_ignore_ascii_case(b"te") {
                options.nominates = true;
                nominate(buffer, fields, option);
            }
        }
    }
    Some(options)
}

fn nominate(buffer: &[u8], fields: &mut [Field], option: &[u8]) {
    if !may_be_nominated(option) {
        return;
    }
    for field in fields.iter_mut().filter(|field| field.name.len() == option.len()) {
        // What is hop-by-hop by itself keeps its own meaning.
        if !field.known.is_hop_by_hop() && field.name.of(buffer).eq_ignore_ascii_case(option) {
            field.known = Known::Nominated;
        }
    }
}

/// The values of every `Connection` field, as one list.
pub(crate) fn joined(buffer: &[u8], fields: &[Field]) -> Vec<u8> {
    let connection = fields.iter().filter(|field| field.known == Known::Connection);
    connection.map(|field| field.value.of(buffer)).collect::<Vec<_>>().join(&b","[..])
}

/// Whether `Connection` may take the field away. Otherwise a client could strip what identifies it, what the proxy
/// adds, or what the backend relies on to judge the request.
fn may_be_nominated(name: &[u8]) -> bool {
    match Known::of(name) {
        Known::Accept | Known::RetryAfter | Known::Trailer => true,
        Known::Other => {
            const PROTECTED: [&[u8]; 4] = [b"authorization", b"cookie", b"set-cookie", b"cache-control"];
            let protected = PROTECTED.iter().any(|known| name.eq_ignore_ascii_case(known));
            !protected && !starts_with(name, b"content-") && !is_forwarding_name(name)
        }
        _ => false,
    }
}
