//! Names, addresses and networks, as an operator writes them.

use std::borrow::Cow;
use std::fmt::{self, Display};
use std::marker::PhantomData;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use evenkeel_model::{Address, AddressError};
use ipnet::IpNet;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, Visitor};

use crate::AccessLogRule;
use crate::decode::complaint;
use crate::problem::Code;
use crate::words::quoted;

/// Why a text is refused, and how to mend it.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) message: String,
    pub(crate) help: String,
}

impl Refusal {
    pub(crate) fn new(message: impl Display, help: impl Display) -> Self {
        Refusal { message: message.to_string(), help: help.to_string() }
    }
}

/// A value that is written as text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Text<T>(pub(crate) T);

impl<'de, T: FromStr<Err = Refusal>> Deserialize<'de> for Text<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Reader<T>(PhantomData<T>);

        impl<T: FromStr<Err = Refusal>> Visitor<'_> for Reader<T> {
            type Value = Text<T>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("text")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                let parsed = text.parse().map(Text);
                parsed.map_err(|refusal: Refusal| complaint(Code::BadValue, refusal.message, refusal.help))
            }
        }
        from.deserialize_str(Reader(PhantomData))
    }
}

impl<T> JsonSchema for Text<T> {
    fn schema_name() -> Cow<'static, str> {
        "Text".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "minLength": 1 })
    }
}

/// What operators call a listener, a pool or a backend.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Name(pub(crate) String);

/// Longest name, in bytes.
const LONGEST_NAME: usize = 64;

impl FromStr for Name {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:[]@/".contains(&byte);
        if text.is_empty() || text.len() > LONGEST_NAME || !text.bytes().all(is_plain) {
            let help = format!("use 1 to {LONGEST_NAME} letters, digits and any of `- _ . : @ /`");
            return Err(Refusal::new(format_args!("{} cannot be a name", quoted(text)), help));
        }
        Ok(Name(text.into()))
    }
}

/// Whether it is a token (RFC 9110, section 5.6.2).
pub(crate) fn is_token(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_plain)
}

/// The name in `Via`: a token of RFC 9110, section 5.6.2.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ViaName(pub(crate) String);

impl FromStr for ViaName {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        if text.len() > LONGEST_NAME || !is_token(text) {
            let message = format!("{} cannot be a name in `Via`", quoted(text));
            return Err(Refusal::new(message, "use letters, digits, `-` and `.`; or write `off`"));
        }
        Ok(ViaName(text.into()))
    }
}

/// A protocol of an `Upgrade` field (RFC 9110, section 7.8), in lower case.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct UpgradeName(pub(crate) String);

impl FromStr for UpgradeName {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let name = text.to_ascii_lowercase();
        let is_part = |part: &str| part.parse::<ViaName>().is_ok();
        if !name.split('/').all(is_part) || name.matches('/').count() > 1 {
            let message = format!("{} is no protocol", quoted(text));
            return Err(Refusal::new(
                message,
                "write a name like `websocket`, or a name and a version like `irc/6.9`",
            ));
        }
        // A tunnel in which the next protocol is HTTP again would carry requests past every rule.
        if ["h2c", "h2", "http", "tls"].contains(&name.split('/').next().unwrap_or_default()) {
            let message = format!("{} never passes", quoted(text));
            return Err(Refusal::new(message, "requests inside of it would pass unseen; remove it"));
        }
        Ok(UpgradeName(name))
    }
}

/// Where evenkeel listens: an IP address and a port, 0 for one that the kernel picks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct ListenAddress(pub(crate) SocketAddr);

impl FromStr for ListenAddress {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        if let Ok(address) = text.parse() {
            return Ok(ListenAddress(address));
        }
        let is_later = text.starts_with("unix:") || text.starts_with("systemd:");
        if is_later {
            let message = format!("listening on {} does not work yet", quoted(text));
            return Err(Refusal::new(message, "write an IP address and a port, like `127.0.0.1:8080`"));
        }
        let message = format!("{} is no address to listen on", quoted(text));
        Err(Refusal::new(message, listen_help(text)))
    }
}

fn listen_help(text: &str) -> String {
    let port = text.strip_prefix("*:").or_else(|| text.strip_prefix(':')).unwrap_or(text);
    if port.parse::<u16>().is_ok() {
        return format!(
            "write `0.0.0.0:{port}` for every address of this machine, or `127.0.0.1:{port}` for itself only"
        );
    }
    if let Some(port) = text.strip_prefix("localhost:") {
        return format!("names are not resolved here; write `127.0.0.1:{port}`");
    }
    match text.parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) => format!("the port is missing; write it as `{ip}:8080`"),
        Ok(IpAddr::V6(ip)) => format!("the port is missing; write it as `[{ip}]:8080`"),
        Err(_) => {
            "write an IP address and a port from 0 to 65535, like `127.0.0.1:8080` or `[::]:8080`".into()
        }
    }
}

/// Where a backend is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct BackendAddress(pub(crate) Address);

impl FromStr for BackendAddress {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        match text.parse() {
            Ok(address) => Ok(BackendAddress(address)),
            Err(error) => Err(Refusal::new(backend_message(text, error), backend_help(text, error))),
        }
    }
}

fn backend_message(text: &str, error: AddressError) -> String {
    let text = quoted(text);
    match error {
        AddressError::MissingPort => format!("{text} has no port"),
        AddressError::BadPort => format!("the port of {text} is not a number from 1 to 65535"),
        AddressError::BadHost => format!("the host of {text} is neither an IP address nor a host name"),
        AddressError::BadPath => format!("{text} needs an absolute path of at most 107 bytes"),
        AddressError::Scheme => format!("{text} begins with a scheme"),
    }
}

fn backend_help(text: &str, error: AddressError) -> String {
    match (error, text.split_once("://")) {
        (AddressError::Scheme, Some(("http", rest))) => {
            let host = rest.split('/').next().unwrap_or_default();
            let port = if host.contains(':') { "" } else { ":80" };
            format!("write {}", quoted(&format!("{host}{port}")))
        }
        (AddressError::Scheme, Some(("https", _))) => "TLS to backends does not work yet".into(),
        (AddressError::MissingPort, _) if text.contains("::") => {
            format!("write {}", quoted(&format!("[{text}]:80")))
        }
        (AddressError::MissingPort, _) => format!("write {}", quoted(&format!("{text}:80"))),
        _ => "write `host:port`, `ip:port`, `[ipv6]:port` or `unix:/path`".into(),
    }
}

/// A network of addresses.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Network(pub(crate) IpNet);

impl FromStr for Network {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Network(address.into()));
        }
        let Ok(network) = text.parse::<IpNet>() else {
            let help = "write a network like `10.0.0.0/8` or `fd00::/8`, or one address";
            return Err(Refusal::new(format_args!("{} is no network", quoted(text)), help));
        };
        if network.trunc() != network {
            let message = format!("{} has bits set behind its prefix", quoted(text));
            return Err(Refusal::new(
                message,
                format_args!("write `{}`, or one address alone", network.trunc()),
            ));
        }
        Ok(Network(network))
    }
}

/// Where the access log goes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LogPath(pub(crate) AccessLogRule);

impl FromStr for LogPath {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        match text {
            "stdout" => Ok(LogPath(AccessLogRule::Stdout)),
            _ if text.starts_with('/') && !text.ends_with('/') && !text.contains('\0') => {
                Ok(LogPath(AccessLogRule::File(PathBuf::from(text))))
            }
            _ => {
                let message = format!("{} is no place for a log", quoted(text));
                Err(Refusal::new(message, "write `stdout`, or the absolute path of a file"))
            }
        }
    }
}

/// Where the admin socket is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SocketPath(pub(crate) PathBuf);

/// Longest path that a Unix socket address can hold on Linux, in bytes.
const LONGEST_SOCKET_PATH: usize = 107;

impl FromStr for SocketPath {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let is_path = text.starts_with('/') && !text.ends_with('/') && !text.chars().any(char::is_control);
        if !is_path {
            let help = match text.strip_prefix("unix:") {
                Some(path) if path.starts_with('/') => format!("write the path alone: {}", quoted(path)),
                _ => "write the absolute path of a file, like `/run/evenkeel/admin.sock`; or `off`".into(),
            };
            return Err(Refusal::new(format_args!("{} is no place for a socket", quoted(text)), help));
        }
        if text.len() > LONGEST_SOCKET_PATH {
            let message = format!("{} is longer than {LONGEST_SOCKET_PATH} bytes", quoted(text));
            return Err(Refusal::new(
                message,
                "Linux has no longer addresses of sockets; write a shorter path",
            ));
        }
        Ok(SocketPath(PathBuf::from(text)))
    }
}
