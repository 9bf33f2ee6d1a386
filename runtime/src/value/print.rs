//! The text of a value: as `print` shows it, and as JSON.
//!
//! Both are written by one [`Writer`] with a list of open containers, so that depth is bounded by memory alone. Since values share
//! storage, a small value may have a text without end: the writer stops at a bound.

use std::fmt::Write as _;

use vega_bytecode::module::FieldDefinition;
use vega_bytecode::{EnumId, Module, StructId, kinds, prelude};

pub use super::amount::{write_duration, write_float, write_money};
use super::map::Map;
use super::{ERR, OK, RESULT};
use super::{Record, Value, View, heap};
use crate::error::Error;
use crate::process::Pid;

/// How many bytes of a `bytes` value are shown.
const BYTES_SHOWN: usize = 32;

/// The longest text that a program may make.
pub const TEXT_BYTES_MAX: usize = 256 << 20;

/// The longest text that is written of containers. It is written in one go, so this also bounds for how long a value may keep its
/// worker busy.
const WRITTEN_BYTES_MAX: usize = 64 << 20;

/// Text of this size is made even where the heap is full: error messages are made of it.
const TEXT_BYTES_MIN: usize = 4096;

/// The text of a value at top level, as `print`, `str(x)` and `+` show it. Fails where it would not fit the process's heap.
pub fn text(value: &Value, module: &Module) -> Result<String, Error> {
    let mut text = String::new();
    append_text(value, module, &mut text)?;
    Ok(text)
}

/// Appends the text of a value at top level. Fails where it would not fit the process's heap.
pub fn append_text(value: &Value, module: &Module, out: &mut String) -> Result<(), Error> {
    if let Some(text) = plain_text(value) {
        if out.len() + text.len() > heap::room().clamp(TEXT_BYTES_MIN, TEXT_BYTES_MAX) {
            return Err(too_long());
        }
        out.push_str(text);
        return Ok(());
    }
    if write_nested(value, Some(module), out) { Ok(()) } else { Err(too_long()) }
}

/// What is its own text at top level: text, and a chunk of a streamed answer.
fn plain_text(value: &Value) -> Option<&str> {
    match value.view() {
        View::Struct(prelude::CHUNK, chunk) => chunk.values().first().and_then(Value::as_text),
        _ => value.as_text().filter(|_| !value.is_json()),
    }
}

/// Whether the value is a chunk of a streamed answer: printed alone, it ends no line.
pub fn is_chunk(value: &Value) -> bool {
    matches!(value.view(), View::Struct(prelude::CHUNK, _))
}

fn too_long() -> Error {
    Error::new(kinds::LIMIT_REACHED, "string")
}

fn bytes_max() -> usize {
    heap::room().clamp(TEXT_BYTES_MIN, WRITTEN_BYTES_MAX)
}

/// The text of a value at top level, cut with `…` where it is too long: for messages.
pub fn to_text(value: &Value, module: &Module) -> String {
    let mut text = String::new();
    write_text(value, module, &mut text);
    text
}

/// Appends the text of a value at top level, cut with `…` where it is too long.
pub fn write_text(value: &Value, module: &Module, out: &mut String) {
    if let Some(text) = plain_text(value) {
        out.push_str(text);
    } else if !write_nested(value, Some(module), out) {
        out.push('…');
    }
}

/// The text of a value inside a container, where strings are quoted; cut with `…` where it is too long.
pub fn to_nested_text(value: &Value, module: &Module) -> String {
    let mut text = String::new();
    if !write_nested(value, Some(module), &mut text) {
        text.push('…');
    }
    text
}

/// The text of a value for somebody who has no program at hand: structs and enums show their numbers.
pub(crate) fn debug_text(value: &Value) -> String {
    let mut text = String::new();
    write_nested(value, None, &mut text);
    text
}

/// False where the text was cut.
fn write_nested(value: &Value, module: Option<&Module>, out: &mut String) -> bool {
    let mut writer = Writer { out, module, pretty: false, problem: None, is_cut: false };
    writer.write(value, if value.is_json() { Style::Json } else { Style::Plain });
    // What is no JSON cannot be seen as `json`, so there is no other problem to report.
    !writer.is_cut
}

/// The JSON text of a value; `pretty` with a line for each member. Fails on what has no JSON form, and says why.
pub(crate) fn json_text(value: &Value, module: &Module, pretty: bool) -> Result<String, Error> {
    let mut out = String::new();
    let mut writer = Writer { out: &mut out, module: Some(module), pretty, problem: None, is_cut: false };
    writer.write(value, Style::Json);
    match (writer.problem, writer.is_cut) {
        (Some(problem), _) => Err(Error::new(kinds::JSON_ERROR, problem)),
        (None, true) => Err(too_long()),
        (None, false) => Ok(out),
    }
}

/// Appends text in quotes, with escapes.
pub fn write_quoted(text: &str, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            '\0' => out.push_str("\\0"),
            control if control.is_control() => {
                let _ = write!(out, "\\u{{{:x}}}", control as u32);
            }
            other => out.push(other),
        }
    }
    out.push('"');
}

/// Appends text as a JSON string; characters beyond ASCII stay as they are.
pub fn write_json_string(text: &str, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            control if (control as u32) < 0x20 => {
                let _ = write!(out, "\\u{:04x}", control as u32);
            }
            other => out.push(other),
        }
    }
    out.push('"');
}

/// Name of a struct.
pub fn struct_name(id: StructId, module: &Module) -> &str {
    module.structs.get(id.0 as usize).map_or("struct", |definition| &definition.name)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    Plain,
    Json,
}

/// A container whose parts are being written.
struct Open<'a> {
    parts: Parts<'a>,
    style: Style,
    close: &'static str,
    first: bool,
}

enum Parts<'a> {
    Values(std::slice::Iter<'a, Value>),
    Fields(&'a [FieldDefinition], std::slice::Iter<'a, Value>),
    Entries(&'a Map, usize),
}

struct Writer<'a, 'o> {
    out: &'o mut String,
    module: Option<&'a Module>,
    pretty: bool,
    problem: Option<String>,
    /// Whether the text would have gone beyond the bound.
    is_cut: bool,
}

impl<'a> Writer<'a, '_> {
    fn write(&mut self, value: &'a Value, style: Style) {
        let mut open: Vec<Open<'a>> = Vec::new();
        let bytes_max = bytes_max();
        self.begin(value, style, &mut open);
        while let Some(top) = open.last_mut() {
            if self.out.len() > bytes_max {
                self.is_cut = true;
                return;
            }
            let style = top.style;
            let first = std::mem::replace(&mut top.first, false);
            let next = match &mut top.parts {
                Parts::Values(values) => values.next().map(|value| (None, value)),
                Parts::Fields(names, values) => values.next().map(|value| {
                    let (name, rest) = names.split_first().map_or(("", *names), |(field, rest)| (field.name.as_str(), rest));
                    *names = rest;
                    (Some(Name::Field(name)), value)
                }),
                Parts::Entries(map, cursor) => map.entry_from(*cursor).map(|(next, key, value)| {
                    *cursor = next;
                    (Some(Name::Key(key)), value)
                }),
            };
            let Some((name, value)) = next else {
                let close = top.close;
                open.pop();
                if style == Style::Json && self.pretty && !first {
                    self.new_line(open.len());
                }
                self.out.push_str(close);
                continue;
            };
            if !first {
                self.out.push_str(if style == Style::Json { "," } else { ", " });
            }
            if style == Style::Json && self.pretty {
                self.new_line(open.len());
            }
            if let Some(name) = name {
                self.name(name, style);
            }
            // A part that is seen as JSON stays so inside of a plain container, and everything inside of JSON is JSON.
            let style = if value.is_json() { Style::Json } else { style };
            self.begin(value, style, &mut open);
        }
    }

    fn new_line(&mut self, depth: usize) {
        self.out.push('\n');
        for _ in 0..depth {
            self.out.push_str("  ");
        }
    }

    fn name(&mut self, name: Name<'a>, style: Style) {
        match (name, style) {
            (Name::Field(name), Style::Plain) => self.out.push_str(name),
            (Name::Field(name), Style::Json) => write_json_string(name, self.out),
            (Name::Key(key), Style::Plain) => self.plain_scalar_or_empty(key),
            (Name::Key(key), Style::Json) => match key.as_text() {
                Some(text) => write_json_string(text, self.out),
                None => {
                    let mut text = String::new();
                    std::mem::swap(self.out, &mut text);
                    self.plain_scalar_or_empty(key);
                    std::mem::swap(self.out, &mut text);
                    write_json_string(&text, self.out);
                }
            },
        }
        self.out.push_str(match (style, self.pretty) {
            (Style::Json, false) => ":",
            _ => ": ",
        });
    }

    /// Keys have no parts.
    fn plain_scalar_or_empty(&mut self, key: &'a Value) {
        let mut open = Vec::new();
        self.begin(key, Style::Plain, &mut open);
    }

    fn open(&mut self, open: &mut Vec<Open<'a>>, parts: Parts<'a>, style: Style, begin: &str, close: &'static str) {
        self.out.push_str(begin);
        open.push(Open { parts, style, close, first: true });
    }

    /// Writes a value without parts, or opens one that has them.
    fn begin(&mut self, value: &'a Value, style: Style, open: &mut Vec<Open<'a>>) {
        if style == Style::Json {
            return self.begin_json(value, open);
        }
        match value.view() {
            View::Null | View::Frame(_) => self.out.push_str("null"),
            View::Bool(value) => self.out.push_str(if value { "true" } else { "false" }),
            View::Int(value) => {
                let _ = write!(self.out, "{value}");
            }
            View::Float(value) => write_float(value, self.out),
            View::Duration(value) => write_duration(value, self.out),
            View::Money(value) => write_money(value, self.out),
            View::UnitVariant(id, variant) => self.out.push_str(&self.variant_name(id, variant)),
            View::Function(id) | View::Closure(id, _) => {
                let name =
                    self.module.and_then(|module| module.functions.get(id.0 as usize)).map_or("", |function| &function.name);
                let _ = write!(self.out, "<fn {name}>");
            }
            View::Process(word) => {
                let _ = write!(self.out, "<process {}>", Pid::from_bits(word));
            }
            View::Monitor(number) => {
                let _ = write!(self.out, "<monitor {number}>");
            }
            View::Str(text) => write_quoted(text.as_str(), self.out),
            View::Bytes(bytes) => self.bytes(bytes.as_slice()),
            View::Array(array) => self.open(open, Parts::Values(array.as_slice().iter()), style, "[", "]"),
            View::Map(map) => self.open(open, Parts::Entries(map, 0), style, "{", "}"),
            View::Tuple(record) => self.open(open, Parts::Values(record.values().iter()), style, "(", ")"),
            View::Struct(id, record) => {
                let fields = self.fields(id);
                match self.module {
                    Some(module) => self.out.push_str(last_segment(struct_name(id, module))),
                    None => {
                        let _ = write!(self.out, "struct#{}", id.0);
                    }
                }
                if record.values().is_empty() {
                    self.out.push_str(" {}");
                } else {
                    self.open(open, Parts::Fields(fields, record.values().iter()), style, " { ", " }");
                }
            }
            View::Enum(id, variant, record) => {
                let name = self.variant_name(id, variant);
                self.out.push_str(&name);
                match self.payload(id, variant) {
                    Some(fields) => self.open(open, Parts::Fields(fields, record.values().iter()), style, " { ", " }"),
                    None => self.open(open, Parts::Values(record.values().iter()), style, "(", ")"),
                }
            }
            View::Range(range) => {
                let _ = write!(self.out, "{}..{}{}", range.start(), if range.is_inclusive() { "=" } else { "" }, range.end());
            }
            View::Error(error) => match self.module {
                Some(module) => self.out.push_str(&error.summary(module)),
                None => {
                    let _ = write!(self.out, "error#{}: {}", error.kind().0, error.message().as_str());
                }
            },
            View::Handle(handle) => self.out.push_str(&handle.target().text()),
            View::Secret(_) => self.out.push_str("***"),
        }
    }

    fn begin_json(&mut self, value: &'a Value, open: &mut Vec<Open<'a>>) {
        let style = Style::Json;
        match value.view() {
            View::Null | View::Frame(_) => self.out.push_str("null"),
            View::Bool(value) => self.out.push_str(if value { "true" } else { "false" }),
            View::Int(value) => {
                let _ = write!(self.out, "{value}");
            }
            View::Float(value) if value.is_finite() => write_float(value, self.out),
            View::Float(_) => self.no_json("a float that is not finite"),
            View::Duration(value) => {
                self.out.push('"');
                write_duration(value, self.out);
                self.out.push('"');
            }
            View::Money(value) => {
                self.out.push('"');
                write_money(value, self.out);
                self.out.push('"');
            }
            View::UnitVariant(id, variant) => {
                let name = self.variant_name(id, variant);
                write_json_string(&name, self.out);
            }
            View::Str(text) => write_json_string(text.as_str(), self.out),
            // An integer beyond 64 bits.
            View::Bytes(digits) if value.is_json() => self.out.push_str(&String::from_utf8_lossy(digits.as_slice())),
            View::Bytes(bytes) => {
                let text = super::bytes::to_base64(bytes.as_slice());
                write_json_string(&text, self.out);
            }
            View::Array(array) => self.open(open, Parts::Values(array.as_slice().iter()), style, "[", "]"),
            View::Tuple(record) => self.open(open, Parts::Values(record.values().iter()), style, "[", "]"),
            View::Map(map) => self.open(open, Parts::Entries(map, 0), style, "{", "}"),
            View::Struct(id, record) => {
                let fields = self.fields(id);
                self.open(open, Parts::Fields(fields, record.values().iter()), style, "{", "}");
            }
            View::Enum(id, variant, record) => {
                let name = self.variant_name(id, variant);
                self.json_variant(&name, self.payload(id, variant), record, open);
            }
            View::Range(range) => {
                let _ = write!(self.out, "\"{}..{}{}\"", range.start(), if range.is_inclusive() { "=" } else { "" }, range.end());
            }
            View::Error(error) => {
                let text = match self.module {
                    Some(module) => error.summary(module),
                    None => error.message().as_str().to_string(),
                };
                write_json_string(&text, self.out);
            }
            View::Function(_) | View::Closure(..) => self.no_json("a function"),
            View::Process(_) => self.no_json("a process"),
            View::Monitor(_) => self.no_json("a handle"),
            View::Handle(_) => self.no_json("a handle"),
            View::Secret(_) => self.no_json("a secret"),
        }
    }

    /// `{"Name": payload}`: one value as it is, several as an array, named ones as an object.
    fn json_variant(&mut self, name: &str, fields: Option<&'a [FieldDefinition]>, record: &'a Record, open: &mut Vec<Open<'a>>) {
        self.out.push('{');
        write_json_string(name, self.out);
        self.out.push_str(if self.pretty { ": " } else { ":" });
        let values = record.values();
        match (fields, values) {
            (Some(fields), _) => self.open(open, Parts::Fields(fields, values.iter()), Style::Json, "{", "}}"),
            (None, [value]) => {
                // A container without brackets of its own, which closes the variant's.
                open.push(Open { parts: Parts::Values([].iter()), style: Style::Plain, close: "}", first: true });
                self.begin_json(value, open);
            }
            (None, _) => self.open(open, Parts::Values(values.iter()), Style::Json, "[", "]}"),
        }
    }

    fn no_json(&mut self, what: &str) {
        self.out.push_str("null");
        self.problem.get_or_insert_with(|| format!("{what} has no JSON form"));
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.out.push_str("bytes[");
        for (index, byte) in bytes.iter().take(BYTES_SHOWN).enumerate() {
            let _ = write!(self.out, "{}{byte:02x}", if index == 0 { "" } else { " " });
        }
        if bytes.len() > BYTES_SHOWN {
            let _ = write!(self.out, " … {}", bytes.len());
        }
        self.out.push(']');
    }

    fn fields(&self, id: StructId) -> &'a [FieldDefinition] {
        self.module.and_then(|module| module.structs.get(id.0 as usize)).map_or(&[], |definition| &definition.fields)
    }

    fn variant_name(&self, id: EnumId, variant: u16) -> String {
        variant_name(id, variant, self.module)
    }

    /// Names of a variant's payload, where it has names.
    fn payload(&self, id: EnumId, variant: u16) -> Option<&'a [FieldDefinition]> {
        let definition = self.module?.enums.get(id.0 as usize)?.variants.get(variant as usize)?;
        definition.payload.first().filter(|field| !field.name.is_empty()).map(|_| definition.payload.as_slice())
    }
}

enum Name<'a> {
    Field(&'a str),
    Key(&'a Value),
}

/// Name of a variant.
pub(crate) fn variant_name(id: EnumId, variant: u16, module: Option<&Module>) -> String {
    if id == RESULT {
        return if variant == OK {
            "Ok".to_string()
        } else {
            debug_assert_eq!(variant, ERR);
            "Err".to_string()
        };
    }
    match module.and_then(|module| module.enums.get(id.0 as usize)?.variants.get(variant as usize)) {
        Some(definition) => definition.name.clone(),
        None => format!("enum#{}.{variant}", id.0),
    }
}

/// A definition's name without the module before it.
fn last_segment(name: &str) -> &str {
    name.rsplit("::").next().unwrap_or(name)
}

#[cfg(test)]
mod tests;
