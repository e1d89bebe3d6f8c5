//! What was wrong with a TLS connection to a backend, more precisely than its cause, and what mends it.

use std::fmt;

/// What was wrong with a TLS connection to a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TlsDetail {
    /// It answered in plain HTTP, or another text: its port does not speak TLS.
    PlaintextPeer,
    /// It answered with something that is not TLS.
    NotTls,
    /// No version that both sides speak.
    Version,
    /// No cipher, key exchange or signature that both sides know.
    NoCommonCipher,
    /// It chose a protocol that was not offered (ALPN).
    Alpn,
    /// It broke the protocol in another way, or a record was damaged on its way.
    Malformed,
    /// It closed the connection in the middle of the handshake.
    ClosedInHandshake,
    /// Its certificate is past its validity.
    Expired,
    /// Its certificate is not valid yet.
    NotYetValid,
    /// Its certificate is for other names.
    WrongName,
    /// Nobody who is believed has signed its certificate.
    UnknownCa,
    /// Its certificate is signed by itself alone.
    SelfSigned,
    /// Its certificate has been revoked.
    Revoked,
    /// Its certificate is not one for servers.
    WrongPurpose,
    /// None of its keys is pinned.
    Pin,
    /// Its certificate, or the proof that it has the key, is no good in another way.
    BadCertificate,
    /// Nothing is wrong with it: the clock or the random numbers of this machine failed, or evenkeel did.
    LocalFault,
    /// It ended the connection with this alert (RFC 8446, section 6.2).
    Alert(u8),
}

impl TlsDetail {
    /// The stable name, in logs, `Proxy-Status` and status.
    pub const fn token(self) -> &'static str {
        match self {
            TlsDetail::PlaintextPeer => "plaintext_peer",
            TlsDetail::NotTls => "not_tls",
            TlsDetail::Version => "no_common_version",
            TlsDetail::NoCommonCipher => "no_common_cipher",
            TlsDetail::Alpn => "alpn",
            TlsDetail::Malformed => "malformed",
            TlsDetail::ClosedInHandshake => "closed_in_handshake",
            TlsDetail::Expired => "expired",
            TlsDetail::NotYetValid => "not_yet_valid",
            TlsDetail::WrongName => "wrong_name",
            TlsDetail::UnknownCa => "unknown_ca",
            TlsDetail::SelfSigned => "self_signed",
            TlsDetail::Revoked => "revoked",
            TlsDetail::WrongPurpose => "wrong_purpose",
            TlsDetail::Pin => "pin_mismatch",
            TlsDetail::BadCertificate => "bad_certificate",
            TlsDetail::LocalFault => "local_fault",
            TlsDetail::Alert(42) => "bad_certificate_alert",
            TlsDetail::Alert(48) => "unknown_ca_alert",
            TlsDetail::Alert(number) => alert_name(number),
        }
    }

    /// The number and the name of the alert that it is, by the registry "TLS Alerts" (RFC 9209, section 2.3.15).
    pub const fn alert(self) -> Option<(u8, &'static str)> {
        match self {
            TlsDetail::Alert(number) => Some((number, alert_name(number))),
            _ => None,
        }
    }

    /// What mends it, for an operator in a hurry; lower case, without a full stop.
    pub const fn hint(self) -> &'static str {
        match self {
            TlsDetail::PlaintextPeer => {
                "its port speaks plain HTTP: remove `https://` from its address, or name its TLS port"
            }
            TlsDetail::NotTls => "another protocol is spoken at its port: check the address and the port",
            TlsDetail::Version => "it speaks neither TLS 1.2 nor 1.3: enable one of them there",
            TlsDetail::NoCommonCipher => {
                "enable ECDHE with AES-GCM or ChaCha20 there, and a certificate with an RSA, ECDSA or Ed25519 key"
            }
            TlsDetail::Alpn => "it insists on another protocol: enable HTTP/1.1 (`http/1.1`) there",
            TlsDetail::Malformed => {
                "its TLS is broken, or something on the way changes what is sent: see its own log, then the network between"
            }
            TlsDetail::ClosedInHandshake => {
                "it closed without saying why: see its own log; its port may not speak TLS, or it may want `tls.server_name`"
            }
            TlsDetail::Expired => {
                "renew its certificate and have it loaded; if it is valid, check this machine's clock"
            }
            TlsDetail::NotYetValid => "check the clocks of both machines, then the certificate's validity",
            TlsDetail::WrongName => {
                "set `tls.server_name` to a name that its certificate is for, or issue one for the name that is used"
            }
            TlsDetail::UnknownCa => {
                "set `tls.ca` to the CA that signed its certificate (one made anew is another one), and have it send its intermediate certificates"
            }
            TlsDetail::SelfSigned => {
                "set `tls.ca` to its certificate, or pin its key: `tls.pins` and `verify: off`"
            }
            TlsDetail::Revoked => "replace its certificate: its CA has revoked it",
            TlsDetail::WrongPurpose => "issue its certificate for servers (extended key usage `serverAuth`)",
            TlsDetail::Pin => {
                "if it has a new key on purpose, add its pin to `tls.pins` (with `verify: off` that of its own key, not of a CA's); else somebody else answers there"
            }
            TlsDetail::BadCertificate => {
                "issue its certificate anew: it is malformed, marked as a CA, signed in a way that is no longer believed, or not of the key that is used with it"
            }
            TlsDetail::LocalFault => {
                "the fault is on this side: check this machine's clock, and report a bug if it is right"
            }
            TlsDetail::Alert(number) => alert_hint(number),
        }
    }
}

/// What mends what a backend refuses.
const fn alert_hint(number: u8) -> &'static str {
    match number {
        40 | 71 => {
            "nothing in common, or it wants a client certificate or a name: see its own log, then `tls.certificate` and `tls.server_name`"
        }
        42..=46 | 48 | 49 | 51 => {
            "it does not accept our client certificate: check `tls.certificate`, and what it trusts"
        }
        70 | 86 => "it speaks neither TLS 1.2 nor 1.3: enable one of them there",
        80 => "it failed by itself: see its own log",
        109 | 112 => "it does not serve this name: set `tls.server_name` to one that it serves",
        116 => "it wants a client certificate: set `tls.certificate` and `tls.key`",
        120 => "it insists on another protocol: enable HTTP/1.1 (`http/1.1`) there",
        _ => "see its own log for why it refused",
    }
}

/// The name that RFC 8446 gives to an alert.
const fn alert_name(number: u8) -> &'static str {
    match number {
        0 => "close_notify",
        10 => "unexpected_message",
        20 => "bad_record_mac",
        22 => "record_overflow",
        40 => "handshake_failure",
        42 => "bad_certificate",
        43 => "unsupported_certificate",
        44 => "certificate_revoked",
        45 => "certificate_expired",
        46 => "certificate_unknown",
        47 => "illegal_parameter",
        48 => "unknown_ca",
        49 => "access_denied",
        50 => "decode_error",
        51 => "decrypt_error",
        70 => "protocol_version",
        71 => "insufficient_security",
        80 => "internal_error",
        86 => "inappropriate_fallback",
        90 => "user_canceled",
        109 => "missing_extension",
        110 => "unsupported_extension",
        112 => "unrecognized_name",
        113 => "bad_certificate_status_response",
        115 => "unknown_psk_identity",
        116 => "certificate_required",
        120 => "no_application_protocol",
        _ => "unknown_alert",
    }
}

impl fmt::Display for TlsDetail {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.token())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> impl Iterator<Item = TlsDetail> {
        use TlsDetail::*;
        let own = [
            PlaintextPeer,
            NotTls,
            Version,
            NoCommonCipher,
            Alpn,
            Malformed,
            ClosedInHandshake,
            Expired,
            NotYetValid,
            WrongName,
            UnknownCa,
            SelfSigned,
            Revoked,
            WrongPurpose,
            Pin,
            BadCertificate,
            LocalFault,
        ];
        own.into_iter().chain((0..=255).map(Alert))
    }

    #[test]
    fn every_detail_has_a_token_of_its_own_and_a_hint() {
        let mut tokens: Vec<_> =
            all().map(TlsDetail::token).filter(|token| *token != "unknown_alert").collect();
        let count = tokens.len();
        tokens.sort_unstable();
        tokens.dedup();
        assert_eq!(tokens.len(), count);
        for detail in all() {
            let hint = detail.hint();
            assert!(
                !hint.is_empty() && !hint.ends_with('.') && !hint.starts_with(char::is_uppercase),
                "{hint}"
            );
        }
    }

    #[test]
    fn an_alert_goes_by_its_number_and_its_registered_name() {
        assert_eq!(TlsDetail::Alert(48).alert(), Some((48, "unknown_ca")));
        assert_eq!(TlsDetail::Alert(48).token(), "unknown_ca_alert");
        assert_eq!(TlsDetail::UnknownCa.alert(), None);
    }

    #[test]
    fn the_manual_has_every_detail_with_its_hint() {
        let manual = include_str!("../../../docs/causes.md");
        for detail in all().filter(|detail| detail.token() != "unknown_alert") {
            let row = format!("| `{}` | {} |", detail.token(), detail.hint());
            assert!(manual.contains(&row), "missing:\n{row}");
        }
    }
}
