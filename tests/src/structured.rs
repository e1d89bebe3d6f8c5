//! Structured fields read strictly (RFC 8941): a list of items with parameters, as `Proxy-Status` is one.
//!
//! It shares no code with the product. Inner lists are refused: no field that is read here has them.

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// At most fifteen digits.
    Integer(i64),
    /// Up to twelve digits, a dot, and up to three more.
    Decimal(f64),
    /// Between quotes.
    String(String),
    /// A bare word.
    Token(String),
    /// Base64 between colons, as sent.
    Bytes(String),
    /// `?0` or `?1`.
    Boolean(bool),
}

/// A member of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// What it is.
    pub value: Value,
    /// In order; a key that came twice stands once, at its last value.
    pub parameters: Vec<(String, Value)>,
}

impl Item {
    /// The value of a parameter.
    pub fn parameter(&self, key: &str) -> Option<&Value> {
        self.parameters.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// The text of a parameter that is a string or a token.
    pub fn text(&self, key: &str) -> Option<&str> {
        match self.parameter(key)? {
            Value::String(text) | Value::Token(text) => Some(text),
            Value::Integer(_) | Value::Decimal(_) | Value::Bytes(_) | Value::Boolean(_) => None,
        }
    }
}

/// Reads a list; several lines of a field are joined with a comma first (section 4.2).
///
/// # Errors
/// What is against the grammar, and where.
pub fn list(lines: &[&str]) -> Result<Vec<Item>, String> {
    let text = lines.join(", ");
    let mut reader = Reader { text: text.as_bytes(), at: 0 };
    reader.list().map_err(|fault| format!("{fault} at {} of {text:?}", reader.at))
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn list(&mut self) -> Result<Vec<Item>, &'static str> {
        let mut items = Vec::new();
        self.skip(b" ");
        while self.next().is_some() {
            items.push(self.item()?);
            self.skip(b" \t");
            match self.take() {
                None => return Ok(items),
                Some(b',') => self.skip(b" \t"),
                Some(_) => return Err("no comma"),
            }
            if self.next().is_none() {
                return Err("a comma at the end");
            }
        }
        Ok(items)
    }

    fn item(&mut self) -> Result<Item, &'static str> {
        let value = self.value()?;
        let mut parameters: Vec<(String, Value)> = Vec::new();
        while self.next() == Some(b';') {
            self.at += 1;
            self.skip(b" ");
            let key = self.key()?;
            let value = match self.next() {
                Some(b'=') => {
                    self.at += 1;
                    self.value()?
                }
                _ => Value::Boolean(true),
            };
            parameters.retain(|(name, _)| *name != key);
            parameters.push((key, value));
        }
        Ok(Item { value, parameters })
    }

    fn key(&mut self) -> Result<String, &'static str> {
        if !self.next().is_some_and(|first| first.is_ascii_lowercase() || first == b'*') {
            return Err("no key");
        }
        let is_part =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-.*".contains(&byte);
        Ok(self.run(is_part))
    }

    fn value(&mut self) -> Result<Value, &'static str> {
        match self.next().ok_or("no value")? {
            b'-' | b'0'..=b'9' => self.number(),
            b'"' => self.string().map(Value::String),
            b':' => self.bytes().map(Value::Bytes),
            b'?' => self.boolean().map(Value::Boolean),
            first if first.is_ascii_alphabetic() || first == b'*' => {
                let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:/".contains(&byte);
                Ok(Value::Token(self.run(is_part)))
            }
            _ => Err("no value"),
        }
    }

    fn number(&mut self) -> Result<Value, &'static str> {
        let is_negative = self.next() == Some(b'-');
        self.at += usize::from(is_negative);
        let sign = if is_negative { -1 } else { 1 };
        let whole = self.run(|byte| byte.is_ascii_digit());
        if self.next() != Some(b'.') {
            let fits = (1..=15).contains(&whole.len());
            let number = whole.parse::<i64>().ok().filter(|_| fits).ok_or("a bad integer")?;
            return Ok(Value::Integer(sign * number));
        }
        self.at += 1;
        let part = self.run(|byte| byte.is_ascii_digit());
        let fits = (1..=12).contains(&whole.len()) && (1..=3).contains(&part.len());
        let number = format!("{whole}.{part}").parse::<f64>().ok().filter(|_| fits);
        Ok(Value::Decimal(f64::from(sign as i32) * number.ok_or("a bad decimal")?))
    }

    fn string(&mut self) -> Result<String, &'static str> {
        self.at += 1;
        let mut text = String::new();
        loop {
            match self.take().ok_or("a string without an end")? {
                b'"' => return Ok(text),
                b'\\' => match self.take() {
                    Some(escaped @ (b'"' | b'\\')) => text.push(char::from(escaped)),
                    _ => return Err("a bad escape"),
                },
                plain @ 0x20..=0x7e => text.push(char::from(plain)),
                _ => return Err("a character that no string has"),
            }
        }
    }

    fn bytes(&mut self) -> Result<String, &'static str> {
        self.at += 1;
        let bytes = self.run(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte));
        match self.take() {
            Some(b':') => Ok(bytes),
            _ => Err("bytes without an end"),
        }
    }

    fn boolean(&mut self) -> Result<bool, &'static str> {
        self.at += 1;
        match self.take() {
            Some(b'0') => Ok(false),
            Some(b'1') => Ok(true),
            _ => Err("a bad boolean"),
        }
    }

    fn run(&mut self, is_part: impl Fn(u8) -> bool) -> String {
        let rest = &self.text[self.at..];
        let length = rest.iter().position(|byte| !is_part(*byte)).unwrap_or(rest.len());
        self.at += length;
        rest[..length].iter().copied().map(char::from).collect()
    }

    fn skip(&mut self, what: &[u8]) {
        while self.next().is_some_and(|byte| what.contains(&byte)) {
            self.at += 1;
        }
    }

    fn next(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn take(&mut self) -> Option<u8> {
        let next = self.next();
        self.at += usize::from(next.is_some());
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(text: &str) -> Value {
        Value::Token(text.to_owned())
    }

    #[test]
    fn what_the_standard_shows_is_read() {
        let items = list(&[
            r#"r34.example.net; http_request_error; error=connection_timeout, "a b"; x=-1;y=1.50; y=?0"#,
            "*c; next-hop=\"a\\\"b\"",
        ]);
        let items = items.unwrap();
        assert_eq!(items.len(), 3);
        assert_eq!(items[0].value, token("r34.example.net"));
        assert_eq!(items[0].parameter("http_request_error"), Some(&Value::Boolean(true)));
        assert_eq!(items[0].text("error"), Some("connection_timeout"));
        assert_eq!(items[1].parameter("x"), Some(&Value::Integer(-1)));
        assert_eq!(items[1].parameter("y"), Some(&Value::Boolean(false)));
        assert_eq!(items[2].text("next-hop"), Some("a\"b"));
        assert_eq!(list(&[]), Ok(Vec::new()));
    }

    #[test]
    fn what_is_against_the_grammar_is_not() {
        for bad in [
            "a,",
            "a,,b",
            "a b",
            "a; Error=b",
            "a; =b",
            "a;b=",
            "a ;b=c",
            "a; b = c",
            "\"a",
            "\"\u{e4}\"",
            "\"a\\b\"",
            "1234567890123456",
            "1.2345",
            "1.",
            "?2",
            ":a",
            "(a)",
            "a; details='b'",
            "127.0.0.1:80",
        ] {
            assert!(list(&[bad]).is_err(), "{bad} is read");
        }
    }
}
