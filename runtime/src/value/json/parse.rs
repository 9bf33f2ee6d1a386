//! Reads JSON text (RFC 8259).
//!
//! Invariant: never recurses beyond [`DEPTH_MAX`], so hostile text costs no stack.

use std::fmt;

use super::DEPTH_MAX;
use crate::value::map::Map;
use crate::value::{Str, Value};

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
    read(text, |parser| {
        let mut members = Vec::new();
        parser.blanks();
        if parser.peek() != Some(b'{') {
            return Err("expected an object".to_string());
        }
        parser.members(|parser, name| {
            members.push((name.as_str().to_string(), parser.raw()?));
            Ok(())
        })?;
        parser.end()?;
        Ok(members)
    })
}

/// Reads a text that is an array, and gives its elements as they are written.
pub fn raw_elements(text: &str) -> Result<Vec<Raw>, SyntaxProblem> {
    read(text, |parser| {
        let mut elements = Vec::new();
        parser.blanks();
        if parser.peek() != Some(b'[') {
            return Err("expected an array".to_string());
        }
        parser.elements(|parser| {
            elements.push(parser.raw()?);
            Ok(())
        })?;
        parser.end()?;
        Ok(elements)
    })
}

fn read<'t, T>(text: &'t str, work: impl FnOnce(&mut Parser<'t>) -> Parsed<T>) -> Result<T, SyntaxProblem> {
    let mut parser = Parser { text, place: 0, depth: 0 };
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
    depth: usize,
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

    /// The next value with its text.
    fn raw(&mut self) -> Parsed<Raw> {
        self.blanks();
        let start = self.place;
        let value = self.value()?;
        Ok(Raw { value, written: self.text[start..self.place].to_string() })
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
        self.blanks();
        let value = match self.peek() {
            Some(b'{') => self.object()?,
            Some(b'[') => self.array()?,
            Some(b'"') => Value::from(self.string()?),
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b't') => self.word("true", Value::bool(true))?,
            Some(b'f') => self.word("false", Value::bool(false))?,
            Some(b'n') => self.word("null", Value::NULL)?,
            Some(_) => return Err("expected a value".to_string()),
            None => return Err("the text ends where a value is expected".to_string()),
        };
        Ok(value.seen_as_json())
    }

    fn word(&mut self, word: &str, value: Value) -> Parsed<Value> {
        if !self.text[self.place..].starts_with(word) {
            return Err("expected a value".to_string());
        }
        self.place += word.len();
        Ok(value)
    }

    fn enter(&mut self) -> Parsed<()> {
        self.depth += 1;
        if self.depth > DEPTH_MAX { Err(format!("nested more than {DEPTH_MAX} deep")) } else { Ok(()) }
    }

    fn array(&mut self) -> Parsed<Value> {
        let mut values = Vec::new();
        self.elements(|parser| {
            values.push(parser.value()?);
            Ok(())
        })?;
        Ok(Value::array(values))
    }

    fn object(&mut self) -> Parsed<Value> {
        let mut map = Map::new();
        self.members(|parser, name| {
            let value = parser.value()?;
            map.insert(name.into(), value);
            Ok(())
        })?;
        Ok(map.into())
    }

    /// Everything from `[` to `]`; `element` reads one.
    fn elements(&mut self, mut element: impl FnMut(&mut Self) -> Parsed<()>) -> Parsed<()> {
        self.enter()?;
        self.place += 1;
        self.blanks();
        if !self.eat(b']') {
            loop {
                element(self)?;
                self.blanks();
                if self.eat(b']') {
                    break;
                }
                if !self.eat(b',') {
                    return Err("expected `,` or `]`".to_string());
                }
            }
        }
        self.depth -= 1;
        Ok(())
    }

    /// Everything from `{` to `}`; `member` reads one's value.
    fn members(&mut self, mut member: impl FnMut(&mut Self, Str) -> Parsed<()>) -> Parsed<()> {
        self.enter()?;
        self.place += 1;
        self.blanks();
        if !self.eat(b'}') {
            loop {
                self.blanks();
                if self.peek() != Some(b'"') {
                    return Err("expected a name in quotes".to_string());
                }
                let name = self.string()?;
                self.blanks();
                if !self.eat(b':') {
                    return Err("expected `:`".to_string());
                }
                member(self, name)?;
                self.blanks();
                if self.eat(b'}') {
                    break;
                }
                if !self.eat(b',') {
                    return Err("expected `,` or `}`".to_string());
                }
            }
        }
        self.depth -= 1;
        Ok(())
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
