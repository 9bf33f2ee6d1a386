//! Server-sent events out of bytes, incrementally: feed what arrived, take the events that are complete.
//!
//! Follows the event-stream format of the HTML standard: lines end in LF, CR or CRLF, wherever the bytes are cut; `data:` lines join
//! with LF; lines that begin with a colon are comments; an event ends at an empty line, and one without it is not delivered.

/// One event.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Event {
    /// The `event:` field; empty where there was none.
    pub name: String,
    /// The `data:` lines, joined by LF.
    pub data: String,
}

/// Why a stream is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SseError {
    /// A line or an event is longer than the limit, in bytes.
    TooLong(usize),
}

impl std::fmt::Display for SseError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            SseError::TooLong(limit) => write!(f, "an event of the stream is longer than {limit} bytes"),
        }
    }
}

/// The longest event that is accepted, in bytes, unless another limit is given.
pub const EVENT_BYTES_MAX: usize = 16 << 20;

/// Turns bytes into events. Holds at most one unfinished event.
#[derive(Debug)]
pub struct Parser {
    line: Vec<u8>,
    name: Vec<u8>,
    data: Vec<u8>,
    has_data: bool,
    after_cr: bool,
    at_start: bool,
    limit: usize,
}

impl Default for Parser {
    fn default() -> Self {
        Self::new(EVENT_BYTES_MAX)
    }
}

impl Parser {
    /// A parser at the start of a stream that refuses events of more than `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { line: Vec::new(), name: Vec::new(), data: Vec::new(), has_data: false, after_cr: false, at_start: true, limit }
    }

    /// Takes the next bytes and appends every event that they complete to `events`.
    pub fn feed(&mut self, mut bytes: &[u8], events: &mut Vec<Event>) -> Result<(), SseError> {
        while !bytes.is_empty() {
            if self.after_cr {
                self.after_cr = false;
                if bytes[0] == b'\n' {
                    bytes = &bytes[1..];
                    continue;
                }
            }
            let Some(end) = bytes.iter().position(|&byte| byte == b'\n' || byte == b'\r') else {
                self.line.extend_from_slice(bytes);
                return self.check_length();
            };
            self.line.extend_from_slice(&bytes[..end]);
            self.after_cr = bytes[end] == b'\r';
            bytes = &bytes[end + 1..];
            self.check_length()?;
            let line = std::mem::take(&mut self.line);
            self.end_line(&line, events);
            self.line = line;
            self.line.clear();
        }
        Ok(())
    }

    fn check_length(&self) -> Result<(), SseError> {
        if self.line.len() + self.data.len() > self.limit { Err(SseError::TooLong(self.limit)) } else { Ok(()) }
    }

    fn end_line(&mut self, line: &[u8], events: &mut Vec<Event>) {
        let line = match line.strip_prefix("\u{feff}".as_bytes()) {
            Some(rest) if self.at_start => rest,
            _ => line,
        };
        self.at_start = false;
        if line.is_empty() {
            if self.has_data {
                events.push(Event {
                    name: String::from_utf8_lossy(&self.name).into_owned(),
                    data: String::from_utf8_lossy(&self.data).into_owned(),
                });
            }
            self.name.clear();
            self.data.clear();
            self.has_data = false;
            return;
        }
        let (field, value) = match line.iter().position(|&byte| byte == b':') {
            Some(0) => return,
            Some(colon) => (&line[..colon], &line[colon + 1..]),
            None => (line, &[][..]),
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"event" => {
                self.name.clear();
                self.name.extend_from_slice(value);
            }
            b"data" => {
                if self.has_data {
                    self.data.push(b'\n');
                }
                self.data.extend_from_slice(value);
                self.has_data = true;
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use proptest::prelude::*;

    fn parse_in_pieces(text: &[u8], sizes: &[usize]) -> Vec<Event> {
        let mut parser = Parser::default();
        let mut events = Vec::new();
        let mut rest = text;
        let mut turn = 0;
        while !rest.is_empty() {
            let size = sizes[turn % sizes.len()].clamp(1, rest.len());
            parser.feed(&rest[..size], &mut events).unwrap();
            rest = &rest[size..];
            turn += 1;
        }
        events
    }

    fn event(name: &str, data: &str) -> Event {
        Event { name: name.into(), data: data.into() }
    }

    #[test]
    fn all_three_line_ends_and_joined_data_lines_are_understood() {
        let text = b"event: a\ndata: 1\ndata:2\n\nevent: b\r\ndata: x\r\n\r\nevent: c\rdata: y\r\r";
        assert_eq!(parse_in_pieces(text, &[1000]), [event("a", "1\n2"), event("b", "x"), event("c", "y")]);
    }

    #[test]
    fn comments_unknown_fields_and_a_byte_order_mark_are_skipped() {
        let text = "\u{feff}: keep-alive\nid: 7\nretry: 10\ndata: x\n\n:\n\n".as_bytes();
        assert_eq!(parse_in_pieces(text, &[1000]), [event("", "x")]);
    }

    #[test]
    fn an_event_without_its_empty_line_is_not_delivered() {
        assert_eq!(parse_in_pieces(b"data: whole\n\ndata: cut\n", &[1000]), [event("", "whole")]);
    }

    #[test]
    fn an_endless_line_is_refused() {
        let mut parser = Parser::new(100);
        assert_eq!(parser.feed(&[b'x'; 101], &mut Vec::new()), Err(SseError::TooLong(100)));
    }

    /// The format read from a whole text, line by line.
    fn read_whole(text: &str) -> Vec<Event> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text).replace("\r\n", "\n").replace('\r', "\n");
        // What follows the last line end is no line.
        let lines = text.rsplit_once('\n').map_or("", |(lines, _)| lines);
        let (mut events, mut name, mut data) = (Vec::new(), String::new(), Vec::new());
        for line in lines.split('\n') {
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "" if line.is_empty() => {
                    if !data.is_empty() {
                        events.push(event(&name, &data.join("\n")));
                    }
                    name.clear();
                    data.clear();
                }
                "event" => name = value.to_owned(),
                "data" => data.push(value.to_owned()),
                _ => {}
            }
        }
        events
    }

    proptest! {
        #[test]
        fn pieces_read_as_the_whole_text_does(
            pieces in prop::collection::vec(1usize..9, 1..9),
            bom in prop::bool::ANY,
            lines in prop::collection::vec("(data: ?[a-zé€😀:]{0,6}|event: [a-z]{1,3}|: c|data|[a-z]{1,4}|)(\n|\r\n|\r)", 0..30),
            rest in "(data: cut)?",
        ) {
            let text = format!("{}{}{rest}", if bom { "\u{feff}" } else { "" }, lines.concat());
            prop_assert_eq!(parse_in_pieces(text.as_bytes(), &pieces), read_whole(&text));
        }

        #[test]
        fn where_the_bytes_are_cut_does_not_matter(
            pieces in prop::collection::vec(1usize..9, 1..9),
            lines in prop::collection::vec("(data: ?[a-zé€😀]{0,6}|event: [a-z]{1,3}|: c|)(\n|\r\n|\r)", 0..30),
        ) {
            let text = lines.concat();
            prop_assert_eq!(parse_in_pieces(text.as_bytes(), &pieces), parse_in_pieces(text.as_bytes(), &[usize::MAX]));
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = Parser::default().feed(&bytes, &mut Vec::new());
        }
    }
}
