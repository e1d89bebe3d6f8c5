//! What is wrong with a configuration: each problem with its place, what it is, and how to mend it.
//!
//! What is only worth a look, a warning, is a problem, too, of a code of its own; the two are never in one list.

use std::ops::Range;

use serde::Serialize;

use crate::text;
use crate::tree::Place;

/// Whether a configuration with a problem is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// It is.
    Error,
    /// It works.
    Warning,
}

/// The kind of a problem, stable for scripts; shown as in `error[unknown-key]`, or `warning[expired]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    /// The file cannot be read.
    Unreadable,
    /// The file is larger than 1 MiB, or nested deeper than 64.
    TooLarge,
    /// The text is not YAML.
    Syntax,
    /// YAML that evenkeel refuses: anchors, aliases, merge keys, tags, several documents.
    Refused,
    /// A key that does not exist.
    UnknownKey,
    /// A key that is written twice.
    DuplicateKey,
    /// A key that has to be there.
    MissingKey,
    /// A list where a number belongs, and the like.
    WrongType,
    /// The right type, but not a value that can be meant.
    BadValue,
    /// A key that is planned, but does not work yet.
    NotYet,
    /// An environment variable that is not set.
    UnsetVariable,
    /// A name that leads nowhere.
    UnknownName,
    /// Something that is there twice, or stands in the way of something else.
    Conflict,
    /// Something that no request can reach.
    Unreachable,
    /// A list or map that needs at least one element.
    Empty,
    /// A warning: a certificate is no longer valid.
    Expired,
    /// A warning: a certificate will not be valid for much longer.
    ExpiresSoon,
    /// A warning: a certificate is not valid yet.
    NotYetValid,
    /// A warning: everybody may read a private key.
    Permissions,
    /// A warning: whoever answers is taken for a backend.
    Unverified,
    /// A warning: a certificate that no CA signed.
    SelfSigned,
    /// A warning: a certificate that is for no name.
    NoName,
    /// A warning: two certificates for the same name.
    DuplicateName,
    /// A warning: a certificate without its key, or a key without its certificate.
    Unpaired,
    /// A warning: a part of a folder that cannot be looked into.
    PassedOver,
    /// A warning: a certificate that is for another use.
    Purpose,
}

impl Code {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Code::Unreadable => "unreadable",
            Code::TooLarge => "too-large",
            Code::Syntax => "syntax",
            Code::Refused => "refused",
            Code::UnknownKey => "unknown-key",
            Code::DuplicateKey => "duplicate-key",
            Code::MissingKey => "missing-key",
            Code::WrongType => "wrong-type",
            Code::BadValue => "bad-value",
            Code::NotYet => "not-yet",
            Code::UnsetVariable => "unset-variable",
            Code::UnknownName => "unknown-name",
            Code::Conflict => "conflict",
            Code::Unreachable => "unreachable",
            Code::Empty => "empty",
            Code::Expired => "expired",
            Code::ExpiresSoon => "expires-soon",
            Code::NotYetValid => "not-yet-valid",
            Code::Permissions => "permissions",
            Code::Unverified => "unverified",
            Code::SelfSigned => "self-signed",
            Code::NoName => "no-name",
            Code::DuplicateName => "duplicate-name",
            Code::Unpaired => "unpaired",
            Code::PassedOver => "passed-over",
            Code::Purpose => "purpose",
        }
    }

    /// Whether a configuration with such a problem is refused.
    pub fn severity(self) -> Severity {
        match self {
            Code::Unreadable
            | Code::TooLarge
            | Code::Syntax
            | Code::Refused
            | Code::UnknownKey
            | Code::DuplicateKey
            | Code::MissingKey
            | Code::WrongType
            | Code::BadValue
            | Code::NotYet
            | Code::UnsetVariable
            | Code::UnknownName
            | Code::Conflict
            | Code::Unreachable
            | Code::Empty => Severity::Error,
            Code::Expired
            | Code::ExpiresSoon
            | Code::NotYetValid
            | Code::Permissions
            | Code::Unverified
            | Code::SelfSigned
            | Code::NoName
            | Code::DuplicateName
            | Code::Unpaired
            | Code::PassedOver
            | Code::Purpose => Severity::Warning,
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Whether it is reason enough to refuse the configuration.
    pub severity: Severity,
    /// What kind of problem it is.
    pub code: Code,
    /// Where in the document, like `pools.web.backends[1]`; a flag, like `--listen`, where there is no file.
    pub path: String,
    /// From 1; 0 where there is no text to point at.
    pub line: usize,
    /// In characters, from 1; 0 where there is no text to point at.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// How to mend it.
    pub help: Option<String>,
    /// Bytes of the text.
    #[serde(skip)]
    pub(crate) span: Range<usize>,
}

/// Everything that is wrong with one configuration; never empty when returned as an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems {
    pub(crate) file: String,
    pub(crate) source: String,
    pub(crate) list: Vec<Problem>,
}

/// Most problems that are kept: so many have one reason. Warnings are not counted, for there are no more than files, and
/// each is about something else.
pub(crate) const MOST_PROBLEMS: usize = 100;

impl Problems {
    /// None yet, for this text.
    pub(crate) fn new(file: &str, source: &str) -> Self {
        Problems { file: file.into(), source: source.into(), list: Vec::new() }
    }

    /// In the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.list.iter()
    }

    /// How many there are; of errors, up to 100.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Reports something at a place.
    pub(crate) fn at(
        &mut self,
        place: &Place<'_>,
        code: Code,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.add(code, place.path.clone(), place.span.clone(), message, help);
    }

    /// Reports something at a stretch of the text.
    pub(crate) fn add(
        &mut self,
        code: Code,
        path: String,
        span: Range<usize>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        if code.severity() == Severity::Error && self.is_full() {
            return;
        }
        let (line, column) = text::position(&self.source, span.start);
        let help = Some(help.into()).filter(|help| !help.is_empty());
        let (severity, message) = (code.severity(), message.into());
        self.list.push(Problem { severity, code, path, line, column, message, help, span });
    }

    /// Reports something that has no place in a text.
    pub(crate) fn add_unplaced(
        &mut self,
        code: Code,
        path: &str,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        let help = Some(help.into()).filter(|help| !help.is_empty());
        let (severity, path, message) = (code.severity(), path.into(), message.into());
        self.list.push(Problem { severity, code, path, line: 0, column: 0, message, help, span: 0..0 });
    }

    /// Those of some codes, without the text that they point into.
    pub(crate) fn without_text(&self, is_wanted: impl Fn(Code) -> bool) -> Problems {
        let wanted = self.list.iter().filter(|problem| is_wanted(problem.code));
        let list = wanted.map(|problem| Problem { span: 0..0, ..problem.clone() }).collect();
        Problems { list, ..Problems::new(&self.file, "") }
    }

    /// Whether looking for more is of no use.
    pub(crate) fn is_full(&self) -> bool {
        self.list.len() >= MOST_PROBLEMS
    }

    /// `value`, if nothing is wrong.
    pub(crate) fn or<T>(mut self, value: T) -> Result<T, Problems> {
        if self.list.is_empty() {
            return Ok(value);
        }
        self.sort();
        Err(self)
    }

    /// Puts them in the order of the file.
    pub(crate) fn sort(&mut self) {
        self.list.sort_by_key(|problem| (problem.span.start, problem.span.end));
    }
}

impl std::error::Error for Problems {}
