//! What serde's visitors complain about, kept as facts instead of a sentence.

use std::fmt::{self, Display};

use serde::de::{Error, Expected, Unexpected};

use crate::problem::Code;
use crate::words::{did_you_mean, listed, quoted};

/// Why a node could not be decoded, and the way to it.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) code: Code,
    pub(crate) message: String,
    pub(crate) help: String,
    /// The key that is missing, if one is.
    pub(super) missing: Option<&'static str>,
    /// Positions among the children, the innermost first.
    steps: Vec<usize>,
}

/// A visitor's own complaint with its code and help, in the one form that serde lets through: a text.
pub(crate) fn complaint<E: Error>(code: Code, message: impl Display, help: impl Display) -> E {
    E::custom(format_args!("{}{SEPARATOR}{message}{SEPARATOR}{help}", code.as_str()))
}

/// Never part of a message, since quotes escape control characters.
const SEPARATOR: char = '\u{1f}';

impl Fault {
    fn new(code: Code, message: String, help: String) -> Self {
        Fault { code, message, help, missing: None, steps: Vec::new() }
    }

    /// The same fault, seen from one level up.
    pub(super) fn below(mut self, index: usize) -> Self {
        self.steps.push(index);
        self
    }

    /// From the root to the faulty node.
    pub(super) fn steps(&self) -> impl Iterator<Item = usize> {
        self.steps.iter().rev().copied()
    }

    pub(super) fn is_at_root(&self) -> bool {
        self.steps.is_empty()
    }

    /// Whether the key is wrong, or lacks something below it, rather than the value.
    pub(super) fn is_about_key(&self) -> bool {
        matches!(self.code, Code::UnknownKey | Code::MissingKey)
    }
}

impl Error for Fault {
    fn custom<T: Display>(message: T) -> Self {
        let message = message.to_string();
        let mut parts = message.split(SEPARATOR);
        match (parts.next(), parts.next(), parts.next()) {
            (Some(code), Some(message), Some(help)) => Fault::new(code_of(code), message.into(), help.into()),
            _ => Fault::new(Code::BadValue, message, String::new()),
        }
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let wanted = expected.to_string();
        let help = match found {
            Unexpected::Unsigned(_) | Unexpected::Signed(_) | Unexpected::Float(_) | Unexpected::Bool(_)
                if wanted.contains("text") =>
            {
                "put it in quotes to make it text"
            }
            _ if wanted == "a boolean" => "write `true` or `false`",
            _ => "",
        };
        Fault::new(Code::WrongType, format!("expected {wanted}, found {}", shown(found)), help.into())
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Fault::new(Code::BadValue, format!("expected {expected}, found {}", shown(found)), String::new())
    }

    fn unknown_field(key: &str, known: &'static [&'static str]) -> Self {
        let guess = did_you_mean(key, known.iter().copied());
        let help = format!("{guess}valid here: {}", listed(known.iter().copied()));
        Fault::new(Code::UnknownKey, format!("unknown key {}", quoted(key)), help)
    }

    fn unknown_variant(word: &str, known: &'static [&'static str]) -> Self {
        let guess = did_you_mean(word, known.iter().copied());
        let help = format!("{guess}valid here: {}", listed(known.iter().copied()));
        Fault::new(Code::BadValue, format!("unknown value {}", quoted(word)), help)
    }

    fn missing_field(key: &'static str) -> Self {
        let fault = Fault::new(Code::MissingKey, format!("the key `{key}` is missing"), String::new());
        Fault { missing: Some(key), ..fault }
    }
}

fn code_of(word: &str) -> Code {
    let codes = [Code::NotYet, Code::WrongType, Code::Conflict, Code::MissingKey, Code::Empty];
    codes.into_iter().find(|code| code.as_str() == word).unwrap_or(Code::BadValue)
}

fn shown(found: Unexpected<'_>) -> String {
    match found {
        Unexpected::Bool(value) => format!("`{value}`"),
        Unexpected::Unsigned(value) => format!("`{value}`"),
        Unexpected::Signed(value) => format!("`{value}`"),
        Unexpected::Float(value) => format!("`{value}`"),
        Unexpected::Str(text) => quoted(text),
        Unexpected::Unit | Unexpected::Option => "nothing".into(),
        Unexpected::Seq => "a list".into(),
        Unexpected::Map => "a map".into(),
        other => other.to_string(),
    }
}

impl Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.message)
    }
}

impl std::error::Error for Fault {}
