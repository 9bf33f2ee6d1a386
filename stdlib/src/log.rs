//! `log`: what a program tells whoever watches it, one line each on standard error.
//!
//! A line has a time, a level, a message, fields, and the trace and span that it belongs to where one is recorded. What is below the
//! wanted level costs nothing but the call.

use std::fmt::Write as _;
use std::str::FromStr;

use jiff::Timestamp;
use vega_bytecode::Module;
use vega_runtime::error::Error;
use vega_runtime::native::{NativeContext, NativeTable};
use vega_runtime::value::{Map, Value, json, print};

use crate::arguments::{cost, map, text};

/// How much a message matters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum LogLevel {
    /// For whoever looks for a mistake.
    Debug,
    /// What a program does.
    #[default]
    Info,
    /// What may be wrong.
    Warn,
    /// What is wrong.
    Error,
    /// No message matters so much.
    Off,
}

impl LogLevel {
    fn word(self) -> &'static str {
        match self {
            LogLevel::Debug => "debug",
            LogLevel::Info => "info",
            LogLevel::Warn => "warn",
            LogLevel::Error => "error",
            LogLevel::Off => "off",
        }
    }
}

impl FromStr for LogLevel {
    type Err = String;

    fn from_str(text: &str) -> Result<LogLevel, String> {
        let levels = [LogLevel::Debug, LogLevel::Info, LogLevel::Warn, LogLevel::Error, LogLevel::Off];
        let found = levels.into_iter().find(|level| text.eq_ignore_ascii_case(level.word()));
        found.ok_or_else(|| format!("{text:?} is no level of the log: debug, info, warn, error or off"))
    }
}

/// How lines of the log look.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum LogFormat {
    /// For people: `2026-11-22T10:00:00.000Z WARN the disk is full path="/"`.
    #[default]
    Text,
    /// For programs: an object of JSON.
    Json,
}

/// What becomes of messages: an extension of the runtime. Without one, lines for people from `info` on.
#[derive(Clone, Copy, Debug, Default)]
pub struct LogSettings {
    /// What is below it is dropped.
    pub level: LogLevel,
    /// How the rest is written.
    pub format: LogFormat,
}

pub(crate) fn register(table: &mut NativeTable) {
    table.add("log::debug", 2, |context, arguments| write(context, arguments, LogLevel::Debug));
    table.add("log::info", 2, |context, arguments| write(context, arguments, LogLevel::Info));
    table.add("log::warn", 2, |context, arguments| write(context, arguments, LogLevel::Warn));
    table.add("log::error", 2, |context, arguments| write(context, arguments, LogLevel::Error));
    table.add("log::level", 0, |context, _| Ok(Value::str(settings(context).level.word()).into()));
}

fn settings(context: &NativeContext<'_>) -> LogSettings {
    context.extension::<LogSettings>().map(|settings| *settings).unwrap_or_default()
}

fn write(context: &NativeContext<'_>, arguments: &[Value], level: LogLevel) -> vega_runtime::native::NativeResult {
    let settings = settings(context);
    if level < settings.level {
        return Ok(().into());
    }
    context.charge(cost(arguments));
    let nanoseconds = context.wall_clock_nanoseconds()?;
    let time = Timestamp::from_nanosecond(i128::from(nanoseconds)).unwrap_or_default();
    let span = context.span().map(|(trace, span)| (trace.to_string(), span.to_string()));
    let line = Line { time, level, message: text(arguments, 0)?, fields: map(arguments, 1)?, span };
    let line = match settings.format {
        LogFormat::Text => line.text(context.module())?,
        LogFormat::Json => line.json(context.module())?,
    };
    context.write_error(&line)?;
    Ok(().into())
}

/// One line.
struct Line<'a> {
    time: Timestamp,
    level: LogLevel,
    message: &'a str,
    fields: &'a Map,
    span: Option<(String, String)>,
}

impl Line<'_> {
    fn text(&self, module: &Module) -> Result<String, Error> {
        let mut line = format!("{:.3} {} ", self.time, self.level.word().to_uppercase());
        // A message cannot forge a line.
        push_escaped(self.message, &mut line);
        for (key, value) in self.fields.iter() {
            line.push(' ');
            push_escaped(&print::text(key, module)?, &mut line);
            line.push('=');
            push_field(value, module, &mut line)?;
        }
        if let Some((trace, span)) = &self.span {
            let _infallible = write!(line, " trace={trace} span={span}");
        }
        line.push('\n');
        Ok(line)
    }

    fn json(&self, module: &Module) -> Result<String, Error> {
        let mut line = format!("{{\"time\":\"{:.3}\",\"level\":\"{}\",\"message\":", self.time, self.level.word());
        print::write_json_string(self.message, &mut line);
        line.push_str(",\"fields\":{");
        for (index, (key, value)) in self.fields.iter().enumerate() {
            if index > 0 {
                line.push(',');
            }
            print::write_json_string(&print::text(key, module)?, &mut line);
            line.push(':');
            match json::encode(value, module) {
                Ok(text) => line.push_str(&text),
                // What has no JSON, as a process or a function, is shown as it prints.
                Err(_) => print::write_json_string(&print::text(value, module)?, &mut line),
            }
        }
        line.push('}');
        if let Some((trace, span)) = &self.span {
            let _infallible = write!(line, ",\"trace_id\":\"{trace}\",\"span_id\":\"{span}\"");
        }
        line.push_str("}\n");
        Ok(line)
    }
}

/// Text in quotes where it would not be one word; all else as it prints.
fn push_field(value: &Value, module: &Module, line: &mut String) -> Result<(), Error> {
    match value.as_text() {
        Some(text) => print::write_quoted(text, line),
        None => push_escaped(&print::text(value, module)?, line),
    }
    Ok(())
}

fn push_escaped(text: &str, line: &mut String) {
    for character in text.chars() {
        if character.is_control() {
            let _infallible = write!(line, "{}", character.escape_default());
        } else {
            line.push(character);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn line<'a>(message: &'a str, fields: &'a Map) -> Line<'a> {
        Line { time: Timestamp::UNIX_EPOCH, level: LogLevel::Warn, message, fields, span: Some(("t".into(), "s".into())) }
    }

    #[test]
    fn a_line_shows_message_and_fields() {
        let fields: Map = [(Value::str("path"), Value::str("a b")), (Value::str("n"), Value::int(3))].into_iter().collect();
        let module = Module::default();
        let text = line("the disk\nis full", &fields).text(&module).unwrap();
        assert_eq!(text, "1970-01-01T00:00:00.000Z WARN the disk\\nis full path=\"a b\" n=3 trace=t span=s\n");
        let json = line("full", &fields).json(&module).unwrap();
        let expected = "{\"time\":\"1970-01-01T00:00:00.000Z\",\"level\":\"warn\",\"message\":\"full\",\
            \"fields\":{\"path\":\"a b\",\"n\":3},\"trace_id\":\"t\",\"span_id\":\"s\"}\n";
        assert_eq!(json, expected);
    }

    #[test]
    fn levels_are_read_and_ordered() {
        assert_eq!("WARN".parse(), Ok(LogLevel::Warn));
        assert!("loud".parse::<LogLevel>().is_err());
        assert!(LogLevel::Debug < LogLevel::Info && LogLevel::Error < LogLevel::Off);
    }
}
