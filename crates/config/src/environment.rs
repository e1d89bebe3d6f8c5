//! `${NAME}` and `${NAME:-default}` in values, from the environment.
//!
//! They are replaced in the tree, after the text was parsed: a value is typed again as one scalar, and whatever it
//! holds can never become a list, a map or a key. `$${` stands for a literal `${`.

use crate::problem::{Code, Problems};
use crate::tree::{Kind, Node, Place, Scalar, Value};
use crate::words::quoted;

/// Where values come from; `None` where a name is not set.
pub(crate) type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Replaces every reference in the tree; a value that cannot be had is reported and pruned.
pub(crate) fn substitute(root: &mut Node, environment: Environment<'_>, problems: &mut Problems) {
    let mut faults = Vec::new();
    visit(root, environment, &mut Vec::new(), &mut faults);
    for (steps, fault) in faults {
        let place = steps.iter().try_fold(Place::root(root), |place, step| place.child(*step));
        if let Some(place) = place {
            problems.at(&place, fault.code, fault.message, fault.help);
        }
    }
}

struct Fault {
    code: Code,
    message: String,
    help: String,
}

fn visit(
    node: &mut Node,
    environment: Environment<'_>,
    steps: &mut Vec<usize>,
    faults: &mut Vec<(Vec<usize>, Fault)>,
) {
    if let Value::Scalar(scalar) = &mut node.value
        && let Err(fault) = scalar.substitute(environment)
    {
        node.is_pruned = true;
        faults.push((steps.clone(), fault));
    }
    for index in 0..node.children() {
        steps.push(index);
        if let Some(child) = node.child_mut(index) {
            visit(child, environment, steps, faults);
        }
        steps.pop();
    }
}

impl Scalar {
    fn substitute(&mut self, environment: Environment<'_>) -> Result<(), Fault> {
        if !self.text.contains("${") {
            return Ok(());
        }
        let (text, has_reference) = replaced(&self.text, environment)?;
        self.text = text;
        if has_reference {
            self.is_substituted = true;
            // An empty variable is an empty text: it must not pass for a key that was left out.
            self.kind = if self.text.is_empty() { Kind::Text } else { Kind::of(&self.text) };
        }
        Ok(())
    }
}

/// The text with its references replaced, and whether there was one.
fn replaced(text: &str, environment: Environment<'_>) -> Result<(String, bool), Fault> {
    let mut out = String::new();
    let mut rest = text;
    let mut has_reference = false;
    while let Some(at) = rest.find("${") {
        let before = &rest[..at];
        if let Some(before) = before.strip_suffix('$') {
            out.push_str(before);
            out.push_str("${");
            rest = &rest[at + 2..];
            continue;
        }
        out.push_str(before);
        let (inner, after) = rest[at + 2..].split_once('}').ok_or_else(|| unclosed(text))?;
        out.push_str(&resolved(inner, environment)?);
        has_reference = true;
        rest = after;
    }
    out.push_str(rest);
    Ok((out, has_reference))
}

/// As in a shell, a variable that is set but empty takes the default too.
fn resolved(inner: &str, environment: Environment<'_>) -> Result<String, Fault> {
    let (name, default) = match inner.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inner, None),
    };
    let starts_well = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    if !starts_well || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return Err(misnamed(name));
    }
    match (environment(name), default) {
        (Some(value), None) => Ok(value),
        (Some(value), Some(_)) if !value.is_empty() => Ok(value),
        (_, Some(default)) => Ok(default.into()),
        (None, None) => Err(unset(name)),
    }
}

fn unclosed(text: &str) -> Fault {
    Fault {
        code: Code::BadValue,
        message: format!("a `${{` is never closed in {}", quoted(text)),
        help: "write `${NAME}`, or `$${` for a literal `${`".into(),
    }
}

fn misnamed(name: &str) -> Fault {
    Fault {
        code: Code::BadValue,
        message: format!("{} is no name of an environment variable", quoted(name)),
        help: "write `${NAME}` or `${NAME:-default}`, or `$${` for a literal `${`".into(),
    }
}

fn unset(name: &str) -> Fault {
    Fault {
        code: Code::UnsetVariable,
        message: format!("the environment variable {} is not set", quoted(name)),
        help: format!("set it, or give it a default: `${{{name}:-default}}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(name: &str) -> Option<String> {
        match name {
            "PORT" => Some("8080".into()),
            "EMPTY" => Some(String::new()),
            "NESTED" => Some("${PORT}".into()),
            _ => None,
        }
    }

    #[test]
    fn references_are_replaced_once() {
        for (text, expected) in [
            ("127.0.0.1:${PORT}", "127.0.0.1:8080"),
            ("${PORT}${PORT}", "80808080"),
            ("${NONE:-a:-b}", "a:-b"),
            ("${EMPTY:-full}", "full"),
            ("${EMPTY}", ""),
            ("${NESTED}", "${PORT}"),
            ("$${PORT} $PORT $", "${PORT} $PORT $"),
        ] {
            let replaced = replaced(text, &environment).map(|(text, _)| text);
            assert_eq!(replaced.map_err(|fault| fault.message), Ok(expected.into()), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_replaced_is_a_fault() {
        for (text, code) in [
            ("${NONE}", Code::UnsetVariable),
            ("${PORT", Code::BadValue),
            ("${}", Code::BadValue),
            ("${1A}", Code::BadValue),
            ("${A B}", Code::BadValue),
        ] {
            assert_eq!(replaced(text, &environment).map_err(|fault| fault.code), Err(code), "{text}");
        }
    }
}
