//! `str`: text, counted in characters.

use vega_runtime::error::Error;
use vega_runtime::value::{Array, Bytes, Str, Value};

use crate::arguments::{Computed, computed, count, int, invalid, outside, room, string, text};

computed! {
    "str::len" / 1 => |a, _| Ok(Value::int(string(a, 0)?.len() as i64));
    "str::is_empty" / 1 => |a, _| Ok(Value::bool(text(a, 0)?.is_empty()));
    "str::has" / 2 => |a, _| Ok(Value::bool(text(a, 0)?.contains(text(a, 1)?)));
    "str::contains" / 2 => |a, _| Ok(Value::bool(text(a, 0)?.contains(text(a, 1)?)));
    "str::starts_with" / 2 => |a, _| Ok(Value::bool(text(a, 0)?.starts_with(text(a, 1)?)));
    "str::ends_with" / 2 => |a, _| Ok(Value::bool(text(a, 0)?.ends_with(text(a, 1)?)));
    "str::find" / 2 => |a, _| { let at = text(a, 0)?.find(text(a, 1)?); place(a, at) };
    "str::rfind" / 2 => |a, _| { let at = text(a, 0)?.rfind(text(a, 1)?); place(a, at) };
    "str::count" / 2 => |a, _| occurrences(a);
    "str::split" / 2 => |a, _| Ok(strings(split(text(a, 0)?, text(a, 1)?)));
    "str::split" / 3 => |a, _| split_at_most(a);
    "str::split_len" / 2 => |a, _| Ok(Value::int(split(text(a, 0)?, text(a, 1)?).count() as i64));
    "str::lines" / 1 => |a, _| Ok(strings(text(a, 0)?.lines()));
    "str::words" / 1 => |a, _| Ok(strings(text(a, 0)?.split_whitespace()));
    "str::chars" / 1 => |a, _| Ok(characters(text(a, 0)?));
    "str::trim" / 1 => |a, _| part(a, str::trim);
    "str::trim_start" / 1 => |a, _| part(a, str::trim_start);
    "str::trim_end" / 1 => |a, _| part(a, str::trim_end);
    "str::upper" / 1 => |a, _| Ok(Value::str(text(a, 0)?.to_uppercase()));
    "str::lower" / 1 => |a, _| Ok(Value::str(text(a, 0)?.to_lowercase()));
    "str::char_lower" / 1 => |a, _| Ok(Value::str(text(a, 0)?.to_lowercase()));
    "str::replace" / 3 => |a, _| replace(a);
    "str::repeat" / 2 => |a, _| repeat(a);
    "str::pad_left" / 3 => |a, _| pad(a, true);
    "str::pad_right" / 3 => |a, _| pad(a, false);
    "str::reverse" / 1 => |a, _| Ok(Value::str(text(a, 0)?.chars().rev().collect::<String>()));
    "str::strip_prefix" / 2 => |a, _| Ok(text(a, 0)?.strip_prefix(text(a, 1)?).map_or(Value::NULL, Value::str));
    "str::strip_suffix" / 2 => |a, _| Ok(text(a, 0)?.strip_suffix(text(a, 1)?).map_or(Value::NULL, Value::str));
    "str::char_at" / 2 => |a, _| Ok(Value::str(character(a)?));
    "str::char_code" / 2 => |a, _| Ok(Value::int(i64::from(u32::from(character(a)?))));
    "str::bytes" / 1 => |a, _| Ok(Bytes::from(text(a, 0)?.as_bytes()).into());
    "str::from_int" / 1 => |a, _| Ok(Value::str(int(a, 0)?.to_string()));
    "str::from_code" / 1 => |a, _| from_code(a);
    "parse_int" / 2 => |a, _| parse_int(a);
    "parse_float" / 1 => |a, _| parse_float(a);
}

/// A place in bytes as an index in characters, or null.
fn place(arguments: &[Value], at: Option<usize>) -> Computed {
    let text = string(arguments, 0)?;
    Ok(at.map_or(Value::NULL, |byte| Value::int(text.character_index(byte) as i64)))
}

fn strings<'a>(parts: impl Iterator<Item = &'a str>) -> Value {
    parts.map(Value::str).collect::<Array>().into()
}

fn characters(text: &str) -> Value {
    text.chars().map(Value::str).collect::<Array>().into()
}

/// An empty separator would split before the first and after the last character too; what is wanted are the characters.
fn split<'a>(text: &'a str, separator: &'a str) -> Box<dyn Iterator<Item = &'a str> + 'a> {
    if separator.is_empty() {
        Box::new(text.char_indices().map(|(place, character)| &text[place..place + character.len_utf8()]))
    } else {
        Box::new(text.split(separator))
    }
}

fn split_at_most(arguments: &mut [Value]) -> Computed {
    let (text, separator, max) = (text(arguments, 0)?, text(arguments, 1)?, count(arguments, 2)?);
    if max == 0 {
        return Err(invalid("a text has at least one part"));
    }
    if separator.is_empty() {
        let mut places: Vec<usize> = text.char_indices().map(|(place, _)| place).take(max).collect();
        places.push(text.len());
        return Ok(strings(places.windows(2).map(|pair| &text[pair[0]..pair[1]])));
    }
    Ok(strings(text.splitn(max, separator)))
}

fn occurrences(arguments: &mut [Value]) -> Computed {
    let (text, part) = (text(arguments, 0)?, text(arguments, 1)?);
    if part.is_empty() {
        return Err(invalid("the empty text occurs everywhere"));
    }
    Ok(Value::int(text.matches(part).count() as i64))
}

/// A part of the text; the very same text where that is all of it.
fn part(arguments: &mut [Value], cut: fn(&str) -> &str) -> Computed {
    let whole = string(arguments, 0)?;
    let part = cut(whole.as_str());
    Ok(if part.len() == whole.as_str().len() { whole.clone().into() } else { Value::str(part) })
}

fn replace(arguments: &mut [Value]) -> Computed {
    let (whole, part, by) = (text(arguments, 0)?, text(arguments, 1)?, text(arguments, 2)?);
    if part.is_empty() {
        return Err(invalid("the empty text cannot be replaced"));
    }
    if by.len() > part.len() {
        let grown = whole.matches(part).count().checked_mul(by.len() - part.len());
        room(grown.and_then(|grown| grown.checked_add(whole.len())))?;
    }
    Ok(Value::str(whole.replace(part, by)))
}

fn repeat(arguments: &mut [Value]) -> Computed {
    let (text, times) = (text(arguments, 0)?, count(arguments, 1)?);
    room(text.len().checked_mul(times))?;
    Ok(Value::str(text.repeat(times)))
}

fn pad(arguments: &mut [Value], left: bool) -> Computed {
    let (whole, width, fill) = (string(arguments, 0)?, count(arguments, 1)?, text(arguments, 2)?);
    let missing = width.saturating_sub(whole.len());
    if missing == 0 {
        return Ok(whole.clone().into());
    }
    if fill.is_empty() {
        return Err(invalid("there is nothing to fill up with"));
    }
    room(missing.checked_mul(4))?;
    let filling: String = fill.chars().cycle().take(missing).collect();
    Ok(Value::str(if left { filling + whole.as_str() } else { whole.as_str().to_string() + &filling }))
}

fn character(arguments: &[Value]) -> Result<char, Error> {
    let (text, index): (&Str, i64) = (string(arguments, 0)?, int(arguments, 1)?);
    text.character(index).ok_or_else(|| outside(index, text.len()))
}

fn from_code(arguments: &mut [Value]) -> Computed {
    let code = int(arguments, 0)?;
    let character = u32::try_from(code).ok().and_then(char::from_u32);
    character.map(Value::str).ok_or_else(|| invalid(format!("{code} is no code point")))
}

fn parse_int(arguments: &mut [Value]) -> Computed {
    let (text, base) = (text(arguments, 0)?, int(arguments, 1)?);
    if !(2..=36).contains(&base) {
        return Err(invalid(format!("{base} is no base from 2 to 36")));
    }
    Ok(i64::from_str_radix(text.trim(), base as u32).map_or(Value::NULL, Value::int))
}

fn parse_float(arguments: &mut [Value]) -> Computed {
    Ok(text(arguments, 0)?.trim().parse().map_or(Value::NULL, Value::float))
}

#[cfg(test)]
mod tests {
    use crate::testing::{fails, shows};

    #[test]
    fn text_is_searched_and_cut_by_characters() {
        shows("str::len", ("häß",), "3");
        shows("str::find", ("aäba", "b"), "2");
        shows("str::rfind", ("aäba", "a"), "3");
        shows("str::find", ("abc", "x"), "null");
        shows("str::char_at", ("aäb", 1), "\"ä\"");
        shows("str::char_code", ("a", 0), "97");
        fails("str::char_at", ("ab", 2), "IndexOutOfBounds: index 2, length 2");
        shows("str::count", ("aaaa", "aa"), "2");
        shows("str::strip_prefix", ("abc", "ab"), "\"c\"");
        shows("str::strip_suffix", ("abc", "ab"), "null");
    }

    #[test]
    fn text_is_split_and_padded() {
        shows("str::split", ("a,b,,c", ","), "[\"a\", \"b\", \"\", \"c\"]");
        shows("str::split", ("aäb", ""), "[\"a\", \"ä\", \"b\"]");
        shows("str::split", ("a,b,c", ",", 2), "[\"a\", \"b,c\"]");
        shows("str::split", ("abc", "", 2), "[\"a\", \"bc\"]");
        shows("str::split_len", ("a,b", ","), "2");
        shows("str::lines", ("a\nb\r\nc\n",), "[\"a\", \"b\", \"c\"]");
        shows("str::words", ("  a  b ",), "[\"a\", \"b\"]");
        shows("str::pad_left", ("7", 3, "0"), "\"007\"");
        shows("str::pad_right", ("ab", 5, "xy"), "\"abxyx\"");
        shows("str::pad_left", ("abc", 2, " "), "\"abc\"");
        fails("str::pad_left", ("a", 2, ""), "InvalidArgument: there is nothing to fill up with");
        shows("str::repeat", ("ab", 2), "\"abab\"");
        fails("str::repeat", ("ab", -1), "InvalidArgument: -1 is negative");
        fails("str::repeat", ("ab", i64::MAX), "LimitReached: heap");
        shows("str::replace", ("aXbX", "X", "--"), "\"a--b--\"");
        shows("str::reverse", ("aäb",), "\"bäa\"");
        shows("str::trim", ("\t x ",), "\"x\"");
    }

    #[test]
    fn numbers_are_read_from_text_or_not() {
        shows("parse_int", ("-42", 10), "-42");
        shows("parse_int", ("ff", 16), "255");
        shows("parse_int", ("9223372036854775808", 10), "null");
        shows("parse_int", ("4x", 10), "null");
        fails("parse_int", ("1", 1), "InvalidArgument: 1 is no base from 2 to 36");
        shows("parse_float", ("1e3",), "1000.0");
        shows("parse_float", ("",), "null");
        shows("str::from_code", (0x1F600,), "\"😀\"");
        fails("str::from_code", (0xd800,), "InvalidArgument: 55296 is no code point");
    }
}
