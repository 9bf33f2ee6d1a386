//! Reads JSON text (RFC 8259).
//!
//! Invariant: nothing recurses; open arrays and objects are kept in a list of at most [`DEPTH_MAX`], so hostile text costs no stack.

use std::fmt;

use super::DEPTH_MAX;
use crate::value::map::Map;
use crate::value::{Bytes, Str, Value};

/// Why text is no JSON, and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SyntaxProblem {
    /// What is wrong.
    pub message: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

impl fmt::Display for SyntaxProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at line {}, column {}", self.message, self.line, self.column)
    }
}

/// Reads a whole text as one value of type `json`. Of members with one name the last counts.
pub fn parse(text: &str) -> Result<Value, SyntaxProblem> {
    read(text, Parser::document)
}

/// A part of a JSON text.
#[derive(Clone, Debug)]
pub struct Raw {
    /// Its value.
    pub value: Value,
    /// Its text, as it is written.
    pub written: String,
}

impl Raw {
    /// The characters of a string; everything else as it is written.
    pub fn text(self) -> String {
        self.value.as_text().map(str::to_string).unwrap_or(self.written)
    }
}

/// Reads a text that is an object, and gives its members as they are written.
pub fn raw_members(text: &str) -> Result<Vec<(String, Raw)>, SyntaxProblem> {
    read(text, |parser| parser.parts(b'{', "expected an object"))
}

/// Reads a text that is an array, and gives its elements as they are written.
pub fn raw_elements(text: &str) -> Result<Vec<Raw>, SyntaxProblem> {
    let parts = read(text, |parser| parser.parts(b'[', "expected an array"))?;
    Ok(parts.into_iter().map(|(_, raw)| raw).collect())
}

fn read<'t, T>(text: &'t str, work: impl FnOnce(&mut Parser<'t>) -> Parsed<T>) -> Result<T, SyntaxProblem> {
    let mut parser = Parser { text, place: 0, parts: None };
    let result = work(&mut parser);
    result.map_err(|message| {
        let before = &text[..text.floor_char_boundary(parser.place.min(text.len()))];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        SyntaxProblem { message, line: before.matches('\n').count() + 1, column: before[line_start..].chars().count() + 1 }
    })
}

struct Parser<'t> {
    text: &'t str,
    place: usize,
    /// Where wanted: the parts of the outermost array or object, with the names of members.
    parts: Option<Vec<(String, Raw)>>,
}

/// An array or object whose end was not read yet, and where it began.
struct Open {
    start: usize,
    container: Container,
}

enum Container {
    Array(Vec<Value>),
    /// With the name of the member whose value comes next.
    Object(Map, Str),
}

enum Begun {
    Value(Value),
    Container(Container),
}

type Parsed<T> = Result<T, String>;

impl Parser<'_> {
    fn document(&mut self) -> Parsed<Value> {
        let value = self.value()?;
        self.end()?;
        Ok(value)
    }

    fn end(&mut self) -> Parsed<()> {
        self.blanks();
        if self.place < self.text.len() { Err("expected the end of the text".to_string()) } else { Ok(()) }
    }

    /// The parts of an array or object, as the first byte says.
    fn parts(&mut self, first: u8, otherwise: &str) -> Parsed<Vec<(String, Raw)>> {
        self.blanks();
        if self.peek() != Some(first) {
            return Err(otherwise.to_string());
        }
        self.parts = Some(Vec::new());
        self.document()?;
        Ok(self.parts.take().unwrap_or_default())
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.place).copied()
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.place += 1;
        }
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.place += usize::from(found);
        found
    }

    fn value(&mut self) -> Parsed<Value> {
        let mut open: Vec<Open> = Vec::new();
        loop {
            self.blanks();
            let mut start = self.place;
            let mut value = match self.begin(open.len())? {
                Begun::Value(value) => value,
                Begun::Container(container) => {
                    open.push(Open { start, container });
                    continue;
                }
            };
            // Gives the value to the container around it, and that one to the next, as far as they end here.
            loop {
                value = value.seen_as_json();
                self.note_part(&open, &value, start);
                let Some(top) = open.last_mut() else { return Ok(value) };
                if self.add(&mut top.container, value)? {
                    break;
                }
                let Some(ended) = open.pop() else { return Err("expected a value".to_string()) };
                start = ended.start;
                value = match ended.container {
                    Container::Array(values) => Value::array(values),
                    Container::Object(map, _) => map.into(),
                };
            }
        }
    }

    /// A value without parts, or the container that begins here.
    fn begin(&mut self, depth: usize) -> Parsed<Begun> {
        let value = match self.peek() {
            Some(b'{' | b'[') if depth >= DEPTH_MAX => return Err(format!("nested more than {DEPTH_MAX} deep")),
            Some(b'{') => {
                self.place += 1;
                self.blanks();
                if self.eat(b'}') {
                    Map::new().into()
                } else {
                    return Ok(Begun::Container(Container::Object(Map::new(), self.name()?)));
                }
            }
            Some(b'[') => {
                self.place += 1;
                self.blanks();
                if self.eat(b']') { Value::array(Vec::new()) } else { return Ok(Begun::Container(Container::Array(Vec::new()))) }
            }
            Some(b'"') => Value::from(self.string()?),
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b't') => self.word("true", Value::bool(true))?,
            Some(b'f') => self.word("false", Value::bool(false))?,
            Some(b'n') => self.word("null", Value::NULL)?,
            Some(_) => return Err("expected a value".to_string()),
            None => return Err("the text ends where a value is expected".to_string()),
        };
        Ok(Begun::Value(value))
    }

    /// Adds a value to a container; true where another follows, false where the container ends.
    fn add(&mut self, container: &mut Container, value: Value) -> Parsed<bool> {
        let (end, problem) = match container {
            Container::Array(values) => {
                values.push(value);
                (b']', "expected `,` or `]`")
            }
            Container::Object(map, name) => {
                map.insert(name.clone().into(), value);
                (b'}', "expected `,` or `}`")
            }
        };
        self.blanks();
        if self.eat(end) {
            return Ok(false);
        }
        if !self.eat(b',') {
            return Err(problem.to_string());
        }
        if let Container::Object(_, name) = container {
            *name = self.name()?;
        }
        Ok(true)
    }

    /// The name of a member and the colon after it.
    fn name(&mut self) -> Parsed<Str> {
        self.blanks();
        if self.peek() != Some(b'"') {
            return Err("expected a name in quotes".to_string());
        }
        let name = self.string()?;
        self.blanks();
        if self.eat(b':') { Ok(name) } else { Err("expected `:`".to_string()) }
    }

    fn note_part(&mut self, open: &[Open], value: &Value, start: usize) {
        let ([outermost], Some(parts)) = (open, &mut self.parts) else { return };
        let name = match &outermost.container {
            Container::Array(_) => String::new(),
            Container::Object(_, name) => name.as_str().to_string(),
        };
        parts.push((name, Raw { value: value.clone(), written: self.text[start..self.place].to_string() }));
    }

    fn word(&mut self, word: &str, value: Value) -> Parsed<Value> {
        if !self.text[self.place..].starts_with(word) {
            return Err("expected a value".to_string());
        }
        self.place += word.len();
        Ok(value)
    }

    fn number(&mut self) -> Parsed<Value> {
        let start = self.place;
        self.eat(b'-');
        let digits = |parser: &mut Self| {
            let start = parser.place;
            while matches!(parser.peek(), Some(b'0'..=b'9')) {
                parser.place += 1;
            }
            if parser.place == start { Err("expected a digit".to_string()) } else { Ok(()) }
        };
        let leading_zero = self.peek() == Some(b'0');
        digits(self)?;
        if leading_zero && self.place - start > 1 + usize::from(self.text.as_bytes()[start] == b'-') {
            return Err("a number does not begin with 0".to_string());
        }
        let mut is_int = true;
        if self.eat(b'.') {
            is_int = false;
            digits(self)?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            is_int = false;
            self.place += 1;
            if !self.eat(b'+') {
                self.eat(b'-');
            }
            digits(self)?;
        }
        let text = &self.text[start..self.place];
        if let (true, Ok(int)) = (is_int, text.parse()) {
            return Ok(Value::int(int));
        }
        if is_int {
            return Ok(Value::from(Bytes::from(text.as_bytes().to_vec())));
        }
        match text.parse::<f64>() {
            Ok(float) if float.is_finite() => Ok(Value::float(float)),
            _ => Err("the number is out of range".to_string()),
        }
    }

    fn string(&mut self) -> Parsed<Str> {
        self.place += 1;
        let start = self.place;
        // Most strings have no escapes and are taken as they stand.
        while !matches!(self.peek(), None | Some(b'"' | b'\\' | 0..=0x1f)) {
            self.place += 1;
        }
        let mut text = self.text[start..self.place].to_string();
        loop {
            match self.peek() {
                None => return Err("the string is not closed".to_string()),
                Some(b'"') => {
                    self.place += 1;
                    return Ok(Str::from(text));
                }
                Some(b'\\') => {
                    self.place += 1;
                    text.push(self.escape()?);
                }
                Some(0..=0x1f) => return Err("a control character in a string must be escaped".to_string()),
                Some(_) => {
                    let start = self.place;
                    while !matches!(self.peek(), None | Some(b'"' | b'\\' | 0..=0x1f)) {
                        self.place += 1;
                    }
                    text.push_str(&self.text[start..self.place]);
                }
            }
        }
    }

    fn escape(&mut self) -> Parsed<char> {
        let escape = self.peek();
        self.place += 1;
        Ok(match escape {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode_escape(),
            _ => return Err("unknown escape".to_string()),
        })
    }

    fn unicode_escape(&mut self) -> Parsed<char> {
        let first = self.four_hex_digits()?;
        let code = match first {
            0xd800..=0xdbff => {
                if !self.text[self.place..].starts_with("\\u") {
                    return Err("half of a surrogate pair".to_string());
                }
                self.place += 2;
                let second = self.four_hex_digits()?;
                if !(0xdc00..=0xdfff).contains(&second) {
                    return Err("half of a surrogate pair".to_string());
                }
                0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00)
            }
            code => code,
        };
        char::from_u32(code).ok_or_else(|| "half of a surrogate pair".to_string())
    }

    fn four_hex_digits(&mut self) -> Parsed<u32> {
        let digits =
            self.text.get(self.place..self.place + 4).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let code = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()).ok_or("expected four hexadecimal digits")?;
        self.place += 4;
        Ok(code)
    }
}
