//! `regex`: searching text by patterns. A search takes time linear in the text, whatever the pattern.
//!
//! Invariant: no pattern holds a worker for long. Patterns are bounded when they are compiled; a search whose bound on work is large
//! runs on the lane for long computations, stops between two matches once its process is gone, and has a limit of time of its own:
//! finding *all* matches may be quadratic for patterns made for that.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use regex::{Regex, RegexBuilder};
use vega_bytecode::kinds;
use vega_runtime::error::Error;
use vega_runtime::native::{NativeContext, NativeTable};
use vega_runtime::value::{Array, Map, Value, heap};
use vega_scheduler::Lane;

use crate::arguments::{computed, cost, error, invalid, text};

/// Longest pattern, in bytes.
const PATTERN_BYTES_MAX: usize = 16 << 10;
/// Largest compiled pattern, in bytes.
const COMPILED_BYTES_MAX: usize = 1 << 20;
/// What a search may remember of its automaton, in bytes.
const AUTOMATON_BYTES_MAX: usize = 512 << 10;
/// How deep groups may nest: compiling a group takes stack.
const NESTING_MAX: u32 = 64;
/// How many compiled patterns a worker keeps.
const KEPT_MAX: usize = 64;
/// Work up to which a search runs at once, in bytes of text times bytes of the written-out pattern.
const WORK_AT_ONCE_MAX: usize = 4 << 20;
/// How long a search may take.
const SEARCH_LIMIT: Duration = Duration::from_secs(10);

computed! {
    "regex::escape" / 1 => |a, _| Ok(Value::str(regex::escape(text(a, 0)?)));
}

pub(crate) fn register(table: &mut NativeTable) {
    table.add_blocking("regex::is_match", 2, |context, arguments| {
        let found = search(context, arguments, |regex, text, _| Ok(regex.is_match(text)))?;
        Ok(Value::bool(found).into())
    });
    table.add_blocking("regex::places", 3, |context, arguments| {
        let all = arguments.get(2).and_then(Value::as_bool).unwrap_or(false);
        let found = search(context, arguments, move |regex, text, watch| places(regex, text, all, watch))?;
        Ok(Value::from(found.iter().map(Found::value).collect::<Array>()).into())
    });
    table.add_blocking("regex::replace", 3, |context, arguments| {
        let by = text(arguments, 2)?.to_string();
        let replaced = search(context, arguments, move |regex, text, watch| replace(regex, text, &by, watch))?;
        Ok(Value::str(replaced).into())
    });
    table.add_blocking("regex::split", 2, |context, arguments| {
        let parts = search(context, arguments, split)?;
        Ok(Value::from(parts.into_iter().map(Value::str).collect::<Array>()).into())
    });
}

/// A compiled pattern.
#[derive(Clone)]
struct Pattern {
    regex: Regex,
    /// About how long it would be with its repetitions written out.
    weight: usize,
}

/// The compiled patterns of one worker. A pattern that is needed is compiled once; where there are too many, all are forgotten.
fn pattern(source: &str) -> Result<Pattern, Error> {
    thread_local! {
        static KEPT: RefCell<HashMap<String, Pattern>> = RefCell::default();
    }
    if let Some(pattern) = KEPT.with_borrow(|kept| kept.get(source).cloned()) {
        return Ok(pattern);
    }
    let pattern = compile(source)?;
    KEPT.with_borrow_mut(|kept| {
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
        kept.insert(source.to_string(), pattern.clone());
    });
    Ok(pattern)
}

fn compile(source: &str) -> Result<Pattern, Error> {
    if source.len() > PATTERN_BYTES_MAX {
        return Err(invalid(format!("a pattern of {} bytes is too long; {PATTERN_BYTES_MAX} are allowed", source.len())));
    }
    let regex = RegexBuilder::new(source)
        .size_limit(COMPILED_BYTES_MAX)
        .dfa_size_limit(AUTOMATON_BYTES_MAX)
        .nest_limit(NESTING_MAX)
        .build()
        .map_err(|problem| invalid(reason(source, &problem)))?;
    Ok(Pattern { regex, weight: weight(source) })
}

/// Why a pattern is none, in one line.
fn reason(source: &str, problem: &regex::Error) -> String {
    match problem {
        regex::Error::CompiledTooBig(_) => format!("the pattern `{source}` is too large once its repetitions are written out"),
        _ => {
            let text = problem.to_string();
            let last = text.lines().last().unwrap_or_default().trim();
            format!("`{source}` is no pattern: {}", last.strip_prefix("error: ").unwrap_or(last))
        }
    }
}

/// The length of a pattern times the largest number of each of its counted repetitions: no exact measure, but never far too small.
fn weight(source: &str) -> usize {
    let repetitions = source.split('{').skip(1).filter_map(|part| part.split_once('}'));
    let largest = |bounds: &str| bounds.split(',').filter_map(|bound| bound.trim().parse::<usize>().ok()).max();
    repetitions.fold(source.len().max(1), |weight, (bounds, _)| weight.saturating_mul(largest(bounds).unwrap_or(1).max(1)))
}

/// Why a search was given up. Errors hold values of a process and do not leave its thread; this may.
#[derive(Clone, Copy, Debug)]
enum Stopped {
    /// It took too long, or nobody waits for it any more.
    Time,
    /// What it found is more than the process may hold.
    Room,
}

impl From<Stopped> for Error {
    fn from(stopped: Stopped) -> Error {
        error(kinds::LIMIT_REACHED, if matches!(stopped, Stopped::Time) { "regex: the search takes too long" } else { "heap" })
    }
}

/// Ends a search that takes too long, finds too much, or whose process is gone.
struct Watch {
    deadline: Instant,
    /// How much may be found, in bytes.
    room: usize,
    abandoned: Arc<AtomicBool>,
}

impl Watch {
    /// Notes what was found so far, in bytes.
    fn check(&self, found: usize) -> Result<(), Stopped> {
        if found > self.room {
            return Err(Stopped::Room);
        }
        if self.abandoned.load(Ordering::Relaxed) || Instant::now() > self.deadline {
            return Err(Stopped::Time);
        }
        Ok(())
    }
}

/// Tells a search that nobody waits for it any more.
struct Abandon(Arc<AtomicBool>);

impl Drop for Abandon {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Looks through the second argument for the first: at once where that is little work, otherwise on another thread.
fn search<T: Send + 'static>(
    context: &NativeContext<'_>,
    arguments: &[Value],
    work: impl FnOnce(&Regex, &str, &Watch) -> Result<T, Stopped> + Send + 'static,
) -> Result<T, Error> {
    let (pattern, text) = (pattern(text(arguments, 0)?)?, text(arguments, 1)?);
    context.charge(cost(arguments));
    let abandoned = Arc::new(AtomicBool::new(false));
    let watch = Watch { deadline: Instant::now() + SEARCH_LIMIT, room: heap::room(), abandoned: Arc::clone(&abandoned) };
    if pattern.weight.saturating_mul(text.len()) <= WORK_AT_ONCE_MAX {
        return Ok(work(&pattern.regex, text, &watch)?);
    }
    let _abandon = Abandon(abandoned);
    let text = text.to_string();
    match context.offload(Lane::Cpu, move || work(&pattern.regex, &text, &watch)) {
        Ok(result) => Ok(result?),
        Err(problem) => Err(error(kinds::IO_ERROR, format!("regex: {problem}"))),
    }
}

/// One match: its text, where it begins and ends in characters, its groups, and those of them that have names.
struct Found {
    text: String,
    start: usize,
    end: usize,
    groups: Vec<Option<String>>,
    named: Vec<(String, String)>,
}

impl Found {
    fn value(&self) -> Value {
        let texts = |text: &Option<String>| text.as_deref().map_or(Value::NULL, Value::str);
        let named: Map = self.named.iter().map(|(name, text)| (Value::str(name.as_str()), Value::str(text.as_str()))).collect();
        Value::tuple(vec![
            Value::str(self.text.as_str()),
            Value::int(self.start as i64),
            Value::int(self.end as i64),
            Value::array(self.groups.iter().map(texts).collect()),
            named.into(),
        ])
    }
}

/// The first match, or all that do not overlap.
fn places(regex: &Regex, text: &str, all: bool, watch: &Watch) -> Result<Vec<Found>, Stopped> {
    let names: Vec<Option<&str>> = regex.capture_names().collect();
    let mut found = Vec::new();
    let mut found_bytes = 0;
    // Places come in order, so characters are counted from the last one on.
    let (mut byte, mut characters) = (0, 0);
    for captures in regex.captures_iter(text).take(if all { usize::MAX } else { 1 }) {
        let Some(whole) = captures.get(0) else { continue };
        characters += text[byte..whole.start()].chars().count();
        let start = characters;
        characters += whole.as_str().chars().count();
        byte = whole.end();
        let group = |index: usize| captures.get(index).map(|group| group.as_str().to_string());
        let groups: Vec<Option<String>> = (1..captures.len()).map(group).collect();
        let named = names.iter().enumerate().filter_map(|(index, name)| Some(((*name)?.to_string(), group(index)?))).collect();
        found_bytes += FOUND_BYTES * (1 + groups.len()) + whole.len();
        watch.check(found_bytes)?;
        found.push(Found { text: whole.as_str().to_string(), start, end: characters, groups, named });
    }
    Ok(found)
}

/// About what a match or a group takes besides its text.
const FOUND_BYTES: usize = 128;

/// The text with every match replaced; `$1`, `${name}` and `$$` in the replacement stand for groups and the dollar sign.
fn replace(regex: &Regex, text: &str, by: &str, watch: &Watch) -> Result<String, Stopped> {
    let mut replaced = String::new();
    let mut last = 0;
    for captures in regex.captures_iter(text) {
        let Some(whole) = captures.get(0) else { continue };
        replaced.push_str(&text[last..whole.start()]);
        captures.expand(by, &mut replaced);
        last = whole.end();
        watch.check(replaced.len())?;
    }
    replaced.push_str(&text[last..]);
    watch.check(replaced.len())?;
    Ok(replaced)
}

/// The parts of the text between matches.
fn split(regex: &Regex, text: &str, watch: &Watch) -> Result<Vec<String>, Stopped> {
    let mut parts = Vec::new();
    for (index, part) in regex.split(text).enumerate() {
        watch.check(index * FOUND_BYTES)?;
        parts.push(part.to_string());
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn watch(room: usize) -> Watch {
        Watch { deadline: Instant::now() + SEARCH_LIMIT, room, abandoned: Arc::default() }
    }

    fn refusal(source: &str) -> String {
        compile(source).err().unwrap().message().as_str().to_string()
    }

    #[test]
    fn what_is_no_pattern_is_refused_with_a_reason() {
        assert_eq!(refusal("(a"), "`(a` is no pattern: unclosed group");
        assert!(refusal("a{1000}{1000}{1000}").ends_with("is too large once its repetitions are written out"));
        assert!(refusal(&"(".repeat(200)).contains("is no pattern"));
        assert!(refusal(&format!("{}a{}", "(".repeat(200), ")".repeat(200))).contains("nest"));
        assert!(refusal(&"a".repeat(PATTERN_BYTES_MAX + 1)).contains("too long"));
    }

    #[test]
    fn repetitions_weigh_what_they_stand_for() {
        assert_eq!(weight("abc"), 3);
        assert_eq!(weight("a{2,10}b{3}"), 11 * 10 * 3);
        assert_eq!(weight("{"), 1);
        assert_eq!(weight(&"a{999999999}".repeat(9)), usize::MAX);
    }

    #[test]
    fn places_count_characters() {
        let pattern = compile("(?<vowel>[äo])(x)?").unwrap();
        let found = places(&pattern.regex, "häßox", true, &watch(usize::MAX)).unwrap();
        let place = |found: &Found| (found.start, found.end, found.groups.clone());
        assert_eq!(place(&found[0]), (1, 2, vec![Some("ä".into()), None]));
        assert_eq!(place(&found[1]), (3, 5, vec![Some("o".into()), Some("x".into())]));
        assert_eq!(found[1].named, [("vowel".to_string(), "o".to_string())]);
    }

    #[test]
    fn a_search_stops_where_there_is_no_room_or_nobody_waits() {
        let pattern = compile("a").unwrap();
        let long = "a".repeat(1000);
        assert!(matches!(replace(&pattern.regex, &long, "bbbb", &watch(100)), Err(Stopped::Room)));
        assert!(matches!(split(&pattern.regex, &long, &watch(100)), Err(Stopped::Room)));
        let abandoned = Watch { abandoned: Arc::new(AtomicBool::new(true)), ..watch(usize::MAX) };
        assert!(matches!(places(&pattern.regex, &long, true, &abandoned), Err(Stopped::Time)));
    }

    #[test]
    fn a_pattern_is_compiled_once() {
        let first = pattern("once+").unwrap();
        let second = pattern("once+").unwrap();
        assert!(std::ptr::eq(first.regex.as_str(), second.regex.as_str()), "both share one compiled pattern");
    }
}
