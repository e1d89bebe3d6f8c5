//! From text to a tree: the part of YAML that evenkeel reads.
//!
//! Anchors, aliases, merge keys, tags, several documents and keys written twice are refused; reading goes on behind
//! them, so that one run shows them all. Only text that is no YAML at all ends it.

mod syntax;

use std::collections::HashMap;
use std::ops::Range;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError};

use crate::problem::{Code, Problems};
use crate::text::{first_line, line_around, position};
use crate::tree::{Entry, Kind, Node, Scalar, Value, join};
use crate::words::quoted;

/// Deepest nesting that is read.
const DEEPEST: usize = 64;

/// The key that would take in another map.
const MERGE_KEY: &str = "<<";

/// Reads a text; `None` if nothing can be said about what it holds, with at least one problem.
pub(crate) fn read(text: &str, problems: &mut Problems) -> Option<Node> {
    let mut builder = Builder::new(text, problems);
    for event in Parser::new_from_str(text) {
        let (event, span) = match event {
            Ok((event, span)) => (event, builder.bytes(span.start.index(), span.end.index())),
            Err(error) => {
                builder.report_syntax(&error);
                return None;
            }
        };
        if !builder.take(event, span) {
            break;
        }
    }
    // What is not closed has not become the root.
    let root = builder.root.take();
    if root.is_none() && builder.problems.is_empty() {
        let help = "the smallest file has `listeners` and `pools`; see `evenkeel run --help`";
        builder.problems.add(Code::Empty, String::new(), 0..0, "the file is empty", help);
    }
    root
}

/// A list or map that has not ended.
enum Open {
    List {
        start: Range<usize>,
        nodes: Vec<Node>,
    },
    Map {
        start: Range<usize>,
        entries: Vec<Entry>,
        /// Where each key stands.
        seen: HashMap<String, usize>,
        /// The key whose value comes next.
        key: Option<Node>,
    },
}

struct Builder<'a> {
    text: &'a str,
    /// Byte of each character; empty where they are the same.
    offsets: Vec<usize>,
    open: Vec<Open>,
    root: Option<Node>,
    documents: usize,
    problems: &'a mut Problems,
}

impl<'a> Builder<'a> {
    fn new(text: &'a str, problems: &'a mut Problems) -> Self {
        let offsets =
            if text.is_ascii() { Vec::new() } else { text.char_indices().map(|(at, _)| at).collect() };
        Builder { text, offsets, open: Vec::new(), root: None, documents: 0, problems }
    }

    /// The parser counts characters; everything here counts bytes.
    fn bytes(&self, start: usize, end: usize) -> Range<usize> {
        let byte = |index: usize| {
            let byte = if self.offsets.is_empty() { Some(index) } else { self.offsets.get(index).copied() };
            byte.map_or(self.text.len(), |byte| byte.min(self.text.len()))
        };
        byte(start)..byte(end).max(byte(start))
    }

    /// Whether reading goes on.
    fn take(&mut self, event: Event<'_>, span: Range<usize>) -> bool {
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
            Event::DocumentStart(_) => return self.begin_document(span),
            Event::Alias(_) => {
                if !self.is_merge() {
                    self.refuse(&span, "aliases are refused", "write the value out where it is used");
                }
                self.add(Node { span, value: empty(), is_pruned: true });
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.check_properties(&span, anchor, tag.is_some());
                let kind = if style == ScalarStyle::Plain { Kind::of(&text) } else { Kind::Text };
                let scalar = Scalar { text: text.into_owned(), kind, is_substituted: false };
                self.add(Node { span, value: Value::Scalar(scalar), is_pruned: tag.is_some() });
            }
            Event::SequenceStart(anchor, tag) => {
                self.check_properties(&span, anchor, tag.is_some());
                return self.enter(Open::List { start: span, nodes: Vec::new() });
            }
            Event::MappingStart(anchor, tag) => {
                self.check_properties(&span, anchor, tag.is_some());
                let (entries, seen) = (Vec::new(), HashMap::new());
                return self.enter(Open::Map { start: span, entries, seen, key: None });
            }
            Event::SequenceEnd | Event::MappingEnd => self.leave(span.end),
        }
        true
    }

    fn begin_document(&mut self, span: Range<usize>) -> bool {
        self.documents += 1;
        if self.documents > 1 {
            self.refuse(
                &span,
                "a second document begins here",
                "keep one document in the file; remove the `---`",
            );
        }
        self.documents == 1
    }

    /// Whether the next node is the value of a merge key, which is refused as a whole.
    fn is_merge(&self) -> bool {
        let Some(Open::Map { key: Some(key), .. }) = self.open.last() else { return false };
        matches!(&key.value, Value::Scalar(key) if key.text == MERGE_KEY)
    }

    fn check_properties(&mut self, span: &Range<usize>, anchor: usize, has_tag: bool) {
        if anchor != 0 {
            self.refuse(
                span,
                "anchors are refused",
                "remove the `&name`, and write the value out where it is used",
            );
        }
        if has_tag {
            self.refuse(span, "tags are refused", "remove the `!name`");
        }
    }

    fn enter(&mut self, open: Open) -> bool {
        self.open.push(open);
        if self.open.len() > DEEPEST {
            let span = self.start().map_or(0..0, |start| first_line(self.text, start));
            let message = format!("nested deeper than {DEEPEST}");
            self.problems.add(Code::TooLarge, String::new(), span, message, "");
            return false;
        }
        true
    }

    fn start(&self) -> Option<Range<usize>> {
        match self.open.last()? {
            Open::List { start, .. } | Open::Map { start, .. } => Some(start.clone()),
        }
    }

    fn leave(&mut self, end: usize) {
        let node = match self.open.pop() {
            Some(Open::List { start, nodes }) => closed(self.text, start, end, Value::List(nodes)),
            Some(Open::Map { start, entries, .. }) => closed(self.text, start, end, Value::Map(entries)),
            None => return,
        };
        self.add(node);
    }

    fn add(&mut self, node: Node) {
        let (key, node) = match self.open.last_mut() {
            None => {
                self.root.get_or_insert(node);
                return;
            }
            Some(Open::List { nodes, .. }) => return nodes.push(node),
            Some(Open::Map { key, .. }) => match key.take() {
                None => {
                    *key = Some(node);
                    return;
                }
                Some(key) => (key, node),
            },
        };
        self.add_entry(key, node);
    }

    fn add_entry(&mut self, key: Node, node: Node) {
        let key_span = key.span.clone();
        let Value::Scalar(scalar) = key.value else {
            return self.refuse(&key_span, "a key must be plain text", "");
        };
        if scalar.text == MERGE_KEY {
            let help = "write out the keys that it would merge";
            return self.refuse(&key_span, "merge keys are refused", help);
        }
        let Some(Open::Map { entries, seen, .. }) = self.open.last_mut() else { return };
        match seen.get(&scalar.text).copied() {
            None => {
                seen.insert(scalar.text.clone(), key_span.start);
                entries.push(Entry { key: scalar.text, key_span, node });
            }
            Some(first) => self.report_twice(&scalar.text, key_span, first),
        }
    }

    fn report_twice(&mut self, key: &str, span: Range<usize>, first: usize) {
        if self.problems.is_full() {
            return;
        }
        let (line, _) = position(self.text, first);
        let message = format!("the key {} is written twice", quoted(key));
        let help = format!("it stands on line {line} already; keep one of them");
        self.problems.add(Code::DuplicateKey, join(&self.path(), key), span, message, help);
    }

    fn refuse(&mut self, span: &Range<usize>, message: &str, help: &str) {
        let span = first_line(self.text, span.clone());
        self.problems.add(Code::Refused, self.path(), span, message, help);
    }

    /// Where the node that comes next belongs.
    fn path(&self) -> String {
        self.open.iter().fold(String::new(), |path, open| match open {
            Open::List { nodes, .. } => format!("{path}[{}]", nodes.len()),
            Open::Map { key: Some(Node { value: Value::Scalar(key), .. }), .. } => join(&path, &key.text),
            Open::Map { .. } => path,
        })
    }

    fn report_syntax(&mut self, error: &ScanError) {
        let at = self.bytes(error.marker().index(), error.marker().index()).start;
        let (message, help) = syntax::explain(error.info(), &self.text[line_around(self.text, at)]);
        self.problems.add(Code::Syntax, String::new(), at..at, message, help);
    }
}

fn empty() -> Value {
    Value::Scalar(Scalar { text: String::new(), kind: Kind::Null, is_substituted: false })
}

fn closed(text: &str, start: Range<usize>, end: usize, value: Value) -> Node {
    Node { span: first_line(text, start.start..end.max(start.start)), value, is_pruned: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tree as another reader of YAML would have it.
    fn plain(node: &Node) -> serde_yaml::Value {
        match &node.value {
            Value::List(nodes) => serde_yaml::Value::Sequence(nodes.iter().map(plain).collect()),
            Value::Map(entries) => serde_yaml::Value::Mapping(
                entries.iter().map(|entry| (entry.key.clone().into(), plain(&entry.node))).collect(),
            ),
            Value::Scalar(scalar) => match scalar.kind {
                Kind::Null => serde_yaml::Value::Null,
                Kind::Bool(value) => value.into(),
                Kind::Whole(value) => value.into(),
                Kind::Negative(value) => value.into(),
                Kind::Float(value) => value.into(),
                Kind::Text => scalar.text.clone().into(),
            },
        }
    }

    fn tree(text: &str) -> Node {
        let mut problems = Problems::new("test.yaml", text);
        let root = read(text, &mut problems);
        assert!(problems.is_empty(), "{problems}");
        root.unwrap()
    }

    #[test]
    fn another_reader_of_yaml_sees_the_same() {
        let examples = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/");
        for name in ["smallest", "routes", "health", "environment", "full"] {
            let text = std::fs::read_to_string(format!("{examples}{name}.yaml")).unwrap();
            let other: serde_yaml::Value = serde_yaml::from_str(&text).unwrap();
            assert_eq!(plain(&tree(&text)), other, "{name}");
        }
        for text in [
            "[1, -1, 1.5, 0x1f, 0o17, true, off, null, ~, \"1\", 'true', 10.0.0.0/8, 1m30s, 1_000, +3, .5, 1e3]",
            "a: |\n  x\n  y\nb: >\n  x\n  y\nc: \"a\\tb\"\n",
            "? a\n: b\n",
            "a:\n- b\n- c:\n    d\n",
        ] {
            let other: serde_yaml::Value = serde_yaml::from_str(text).unwrap();
            assert_eq!(plain(&tree(text)), other, "{text}");
        }
    }

    #[test]
    fn spans_count_bytes_whatever_the_characters_and_line_ends() {
        let text = "\u{feff}# äöü 😀\r\nä: [\"ö\", web]\r\nname: x\r\n";
        let root = tree(text);
        let Value::Map(entries) = &root.value else { panic!("{root:?}") };
        let keys: Vec<&str> = entries.iter().map(|entry| &text[entry.key_span.clone()]).collect();
        assert_eq!(keys, ["ä", "name"]);
        let Value::List(nodes) = &entries[0].node.value else { panic!("{root:?}") };
        assert_eq!(&text[nodes[0].span.clone()], "\"ö\"");
        assert_eq!(&text[nodes[1].span.clone()], "web");
    }
}
