//! A YAML file as a tree of nodes that know where they stand in the text.
//!
//! A node that a problem was found in is *pruned*: it stays, so that its neighbours keep their paths, but it is
//! read as if it were not there.

use std::ops::Range;

/// One value with its place in the text.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// Bytes of the text.
    pub(crate) span: Range<usize>,
    /// What stands there.
    pub(crate) value: Value,
    /// A problem was reported for it.
    pub(crate) is_pruned: bool,
}

/// What a node holds.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// A single value.
    Scalar(Scalar),
    /// `- a` or `[a]`.
    List(Vec<Node>),
    /// `key: value` or `{key: value}`, in the order of the file; no key twice.
    Map(Vec<Entry>),
}

/// A key and its value.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// As written, without quotes.
    pub(crate) key: String,
    /// Bytes of the text.
    pub(crate) key_span: Range<usize>,
    /// The value.
    pub(crate) node: Node,
}

/// A single value as written, and what YAML takes it for.
#[derive(Clone, Debug)]
pub(crate) struct Scalar {
    /// Without quotes.
    pub(crate) text: String,
    /// Its type.
    pub(crate) kind: Kind,
    /// Whether it holds something from the environment; then it may also be read as text.
    pub(crate) is_substituted: bool,
}

/// What YAML 1.2 (core schema) takes a scalar for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    /// Nothing, `~` or `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number from zero.
    Whole(u64),
    /// A whole number below zero.
    Negative(i64),
    /// Any other number.
    Float(f64),
    /// Everything else.
    Text,
}

impl Kind {
    /// The type of an unquoted scalar, as serde_yaml resolves it.
    pub(crate) fn of(text: &str) -> Kind {
        if !could_be_typed(text) {
            return Kind::Text;
        }
        match serde_yaml::from_str(text) {
            Ok(serde_yaml::Value::Null) => Kind::Null,
            Ok(serde_yaml::Value::Bool(value)) => Kind::Bool(value),
            Ok(serde_yaml::Value::Number(value)) => number(&value),
            Ok(_) | Err(_) => Kind::Text,
        }
    }
}

/// Whether `text` has the letters of a number, a boolean or a null. A value from the environment may hold anything,
/// a comment or a whole document included, and has to stay one scalar.
fn could_be_typed(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"+-._".contains(&byte);
    let has_core = |text: &str| text.bytes().any(|byte| byte.is_ascii_alphanumeric());
    matches!(text, "" | "~") || (text.bytes().all(is_part) && has_core(text))
}

fn number(value: &serde_yaml::Number) -> Kind {
    match (value.as_u64(), value.as_i64(), value.as_f64()) {
        (Some(whole), _, _) => Kind::Whole(whole),
        (None, Some(negative), _) => Kind::Negative(negative),
        (None, None, float) => float.map_or(Kind::Text, Kind::Float),
    }
}

impl Node {
    /// Whether neither it nor anything below it is pruned.
    pub(crate) fn is_whole(&self) -> bool {
        !self.is_pruned
            && match &self.value {
                Value::Scalar(_) => true,
                Value::List(nodes) => nodes.iter().all(Node::is_whole),
                Value::Map(entries) => entries.iter().all(|entry| entry.node.is_whole()),
            }
    }

    /// Whether nothing is written there.
    pub(crate) fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar(scalar) if scalar.kind == Kind::Null)
    }

    /// How many values stand directly below it, pruned ones included.
    pub(crate) fn children(&self) -> usize {
        match &self.value {
            Value::Scalar(_) => 0,
            Value::List(nodes) => nodes.len(),
            Value::Map(entries) => entries.len(),
        }
    }

    /// The value at this position among its children.
    pub(crate) fn child_mut(&mut self, index: usize) -> Option<&mut Node> {
        match &mut self.value {
            Value::Scalar(_) => None,
            Value::List(nodes) => nodes.get_mut(index),
            Value::Map(entries) => entries.get_mut(index).map(|entry| &mut entry.node),
        }
    }
}

/// A node, how to get there, and what to point at where nothing is written.
#[derive(Clone, Debug)]
pub(crate) struct Place<'a> {
    node: Option<&'a Node>,
    /// Like `pools.web.backends[1]`; empty for the file itself.
    pub(crate) path: String,
    /// Of the value.
    pub(crate) span: Range<usize>,
    /// Of the key that leads there, where one does.
    pub(crate) key_span: Range<usize>,
}

impl<'a> Place<'a> {
    /// The whole file.
    pub(crate) fn root(node: &'a Node) -> Self {
        Place {
            node: Some(node),
            path: String::new(),
            span: node.span.clone(),
            key_span: node.span.start..node.span.start,
        }
    }

    /// What stands under `key`; where nothing does, a place that points at this one.
    pub(crate) fn key(&self, key: &str) -> Place<'a> {
        match self.entries_as_written().iter().find(|entry| entry.key == key) {
            Some(entry) => self.enter(entry),
            None => Place {
                node: None,
                path: join(&self.path, key),
                span: self.span.clone(),
                key_span: self.key_span.clone(),
            },
        }
    }

    /// The keys of a map that are not pruned, in the order of the file.
    pub(crate) fn entries(&self) -> Vec<Place<'a>> {
        let entries = self.entries_as_written().iter();
        entries.filter(|entry| !entry.node.is_pruned).map(|entry| self.enter(entry)).collect()
    }

    /// The keys of a map, pruned or not.
    pub(crate) fn keys_as_written(&self) -> Vec<&'a str> {
        self.entries_as_written().iter().map(|entry| entry.key.as_str()).collect()
    }

    /// The elements of a list that are not pruned, in order.
    pub(crate) fn items(&self) -> Vec<Place<'a>> {
        let Some(Value::List(nodes)) = self.node.map(|node| &node.value) else { return Vec::new() };
        let places = nodes.iter().enumerate().filter(|(_, node)| !node.is_pruned);
        places.map(|(index, node)| self.item(index, node)).collect()
    }

    /// Whether something is written there, good or not.
    pub(crate) fn is_written(&self) -> bool {
        self.node.is_some_and(|node| !node.is_null())
    }

    /// Whether something below it has been reported.
    pub(crate) fn is_broken(&self) -> bool {
        self.node.is_some_and(|node| !node.is_whole())
    }

    /// Whether something below one of these keys has been reported.
    pub(crate) fn is_any_broken(&self, keys: &[&str]) -> bool {
        keys.iter().any(|key| self.key(key).is_broken())
    }

    /// Whether it is a list or a map with nothing in it, or not there at all; what was reported counts as there.
    pub(crate) fn is_empty(&self) -> bool {
        self.node.is_none_or(|node| !node.is_pruned && node.children() == 0)
    }

    /// The child at this position, as the decoder counts, pruned ones included.
    pub(crate) fn child(&self, index: usize) -> Option<Place<'a>> {
        match &self.node?.value {
            Value::Scalar(_) => None,
            Value::List(nodes) => nodes.get(index).map(|node| self.item(index, node)),
            Value::Map(entries) => entries.get(index).map(|entry| self.enter(entry)),
        }
    }

    /// The same place, pointing at its key.
    pub(crate) fn at_key(mut self) -> Place<'a> {
        self.span = self.key_span.clone();
        self
    }

    fn entries_as_written(&self) -> &'a [Entry] {
        match self.node.map(|node| &node.value) {
            Some(Value::Map(entries)) => entries,
            _ => &[],
        }
    }

    fn enter(&self, entry: &'a Entry) -> Place<'a> {
        let span = match entry.node.value {
            Value::Scalar(_) if !entry.node.is_null() => entry.node.span.clone(),
            _ => entry.key_span.clone(),
        };
        Place {
            node: Some(&entry.node),
            path: join(&self.path, &entry.key),
            span,
            key_span: entry.key_span.clone(),
        }
    }

    fn item(&self, index: usize, node: &'a Node) -> Place<'a> {
        let path = format!("{}[{index}]", self.path);
        Place { node: Some(node), path, span: node.span.clone(), key_span: node.span.clone() }
    }
}

/// The path of a key below `path`.
pub(crate) fn join(path: &str, key: &str) -> String {
    let key = crate::words::shortened(key);
    if path.is_empty() { key } else { format!("{path}.{key}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unquoted_scalars_have_the_types_of_the_core_schema() {
        for (text, kind) in [
            ("", Kind::Null),
            ("~", Kind::Null),
            ("true", Kind::Bool(true)),
            ("off", Kind::Text),
            ("no", Kind::Text),
            ("0", Kind::Whole(0)),
            ("+5", Kind::Whole(5)),
            ("-5", Kind::Negative(-5)),
            ("0x10", Kind::Whole(16)),
            ("1.5", Kind::Float(1.5)),
            ("1e3", Kind::Float(1000.0)),
            ("2s", Kind::Text),
            ("1_000", Kind::Text),
            ("inf", Kind::Text),
            ("-", Kind::Text),
            ("127.0.0.1:80", Kind::Text),
        ] {
            assert_eq!(Kind::of(text), kind, "{text}");
        }
    }
}
