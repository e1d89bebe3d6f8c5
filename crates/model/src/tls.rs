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
            TlsDetail::Alert(number) => alert_name(number),
        }
    }

    /// What mends it, for an operator in a hurry; lower case, without a full stop.
    pub const fn hint(self) -> &'static str {
        match self {
            TlsDetail::PlaintextPeer => {
                "its port speaks plain HTTP: remove `https://` from its address, or name its TLS port"
            }
            _ => "",
        }
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
        42 => "bad_certificate_alert",
        43 => "unsupported_certificate",
        44 => "certificate_revoked",
        45 => "certificate_expired",
        46 => "certificate_unknown",
        47 => "illegal_parameter",
        48 => "unknown_ca_alert",
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
