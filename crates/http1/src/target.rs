//! The request target: where it points, and the part of it that goes to the backend (RFC 9112, 3.2).

use memchr::memchr2;

use crate::authority::{authority, is_same_place};
use crate::known::starts_with;
use crate::{Method, Refusal, Span};

/// A target taken apart.
pub(crate) struct Target {
    /// The authority of an absolute-form target, which wins over `Host`, and the port that its scheme implies.
    pub(crate) authority: Option<(Span, u16)>,
    /// Path and query.
    pub(crate) path: Span,
}

impl Target {
    /// Reads the target `span` of a request with this method, which is neither CONNECT nor TRACE.
    #[inline]
    pub(crate) fn read(buffer: &[u8], span: Span, method: Method) -> Result<Self, Refusal> {
        let target = span.of(buffer);
        // httparse lets UTF-8 through; a fragment never leaves a client, so one that does is read differently by
        // different servers.
        if !target.is_ascii() || target.contains(&b'#') {
            return Err(Refusal::BadTarget);
        }
        match target {
            [b'/', ..] => Ok(Self { authority: None, path: span }),
            b"*" if method == Method::Options => Ok(Self { authority: None, path: span }),
            _ => Self::absolute(buffer, span),
        }
    }

    #[cold]
    fn absolute(buffer: &[u8], span: Span) -> Result<Self, Refusal> {
        let target = span.of(buffer);
        let (scheme, port) = match target {
            _ if starts_with(target, b"http://") => ("http://", 80),
            _ if starts_with(target, b"https://") => ("https://", 443),
            _ => return Err(Refusal::BadTarget),
        };
        let place = &target[scheme.len()..];
        let (place, path) = place.split_at(memchr2(b'/', b'?', place).unwrap_or(place.len()));
        authority(place).ok_or(Refusal::BadTarget)?;
        Ok(Self { authority: Some((Span::locate(buffer, place), port)), path: Span::locate(buffer, path) })
    }

    /// The authority of the request, given its `Host` if it has one. Empty if nothing names it.
    #[inline]
    pub(crate) fn authority(&self, buffer: &[u8], host: Option<Span>) -> Result<Span, Refusal> {
        if let Some(host) = host {
            authority(host.of(buffer)).ok_or(Refusal::BadHost)?;
        }
        match (self.authority, host) {
            (None, host) => Ok(host.unwrap_or_default()),
            (Some((place, _)), None) => Ok(place),
            (Some((place, port)), Some(host)) if is_same_place(place.of(buffer), host.of(buffer), port) => {
                Ok(place)
            }
            (Some(_), Some(_)) => Err(Refusal::HostMismatch),
        }
    }
}
