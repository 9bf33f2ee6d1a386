//! Standard output and error of the command.
//!
//! Invariant: writing never panics. Where nobody reads standard output any more, the command ends quietly, as other tools do.

use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use vega_runtime::output::Output;

/// What a shell reports of a tool that was ended by a closed pipe.
const STATUS_CLOSED_PIPE: i32 = 141;

/// Writes to standard output.
pub(crate) fn print(text: &str) {
    let mut out = io::stdout().lock();
    if let Err(error) = out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        end_on(&error);
    }
}

/// Writes to standard error. There is nobody to tell when that fails.
pub(crate) fn complain(text: &str) {
    let mut out = anstream::stderr().lock();
    let _unread = out.write_all(text.as_bytes());
}

/// One line of the command's own on standard error: `error: …`.
pub(crate) fn error(text: &str) {
    let style = anstyle::AnsiColor::BrightRed.on_default().bold();
    complain(&format!("{style}error{style:#}: {text}\n"));
}

/// One line of the command's own on standard error: `warning: …`.
pub(crate) fn warning(text: &str) {
    let style = anstyle::AnsiColor::Yellow.on_default().bold();
    complain(&format!("{style}warning{style:#}: {text}\n"));
}

fn end_on(error: &io::Error) {
    if error.kind() == io::ErrorKind::BrokenPipe {
        std::process::exit(STATUS_CLOSED_PIPE);
    }
    self::error(&format!("cannot write to standard output: {error}"));
    std::process::exit(1);
}

/// Most lines that show running agents at once.
const LINES_MAX: usize = 8;
/// Width of a terminal that does not say how wide it is.
const COLUMNS_DEFAULT: usize = 80;

/// The terminal while a program runs: the program's own text, and below it a line per running agent.
///
/// The lines are taken away before anything else is written and drawn again behind it, so they never stand among the program's text.
pub(crate) struct Screen {
    /// Whether lines are shown at all: only on a terminal.
    is_live: bool,
    state: Mutex<Status>,
}

#[derive(Default)]
struct Status {
    lines: Vec<(u64, String)>,
    /// How many lines stand on the terminal now.
    drawn: usize,
    /// Whether the program's text stopped in the middle of a line, where nothing can be drawn below.
    is_mid_line: bool,
}

impl Screen {
    /// A screen that shows lines if `wanted`, and if standard error is a terminal.
    pub(crate) fn new(wanted: bool) -> Screen {
        Screen { is_live: wanted && io::stderr().is_terminal(), state: Mutex::default() }
    }

    /// Whether lines are shown.
    pub(crate) fn is_live(&self) -> bool {
        self.is_live
    }

    /// Shows, changes or takes away the line of an agent.
    pub(crate) fn set_line(&self, id: u64, text: Option<String>) {
        let mut state = self.lock();
        let at = state.lines.iter().position(|(known, _)| *known == id);
        match (at, text) {
            // A stream says the same for every chunk.
            (Some(at), Some(text)) if state.lines[at].1 == text => return,
            (Some(at), Some(text)) => state.lines[at].1 = text,
            (Some(at), None) => drop(state.lines.remove(at)),
            (None, Some(text)) => state.lines.push((id, text)),
            (None, None) => return,
        }
        let mut frame = erase(&mut state);
        draw(&mut state, &mut frame);
        write_status(&frame);
    }

    /// Takes all lines away.
    pub(crate) fn clear(&self) {
        let mut state = self.lock();
        state.lines.clear();
        write_status(&erase(&mut state));
    }

    /// A warning among the program's text.
    pub(crate) fn warning(&self, text: &str) {
        self.around(b"\n", || warning(text));
    }

    /// Writes something between taking the lines away and drawing them again. `bytes` tell how the text ends.
    fn around(&self, bytes: &[u8], write: impl FnOnce()) {
        if !self.is_live {
            write();
            return;
        }
        let mut state = self.lock();
        write_status(&erase(&mut state));
        write();
        state.is_mid_line = bytes.last().is_some_and(|&last| last != b'\n');
        let mut frame = String::new();
        draw(&mut state, &mut frame);
        write_status(&frame);
    }

    fn lock(&self) -> MutexGuard<'_, Status> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What takes the drawn lines away.
fn erase(state: &mut Status) -> String {
    match std::mem::take(&mut state.drawn) {
        0 => String::new(),
        lines => format!("\x1b[{lines}A\x1b[J"),
    }
}

/// Adds what draws the lines.
fn draw(state: &mut Status, frame: &mut String) {
    if state.is_mid_line {
        return;
    }
    let columns = columns();
    for (_, line) in state.lines.iter().take(LINES_MAX) {
        frame.extend(line.chars().filter(|character| !character.is_control()).take(columns - 1));
        frame.push('\n');
    }
    state.drawn = state.lines.len().min(LINES_MAX);
    if state.lines.len() > LINES_MAX {
        frame.push_str(&format!("… and {} more\n", state.lines.len() - LINES_MAX));
        state.drawn += 1;
    }
}

fn write_status(frame: &str) {
    if !frame.is_empty() {
        let _unread = io::stderr().lock().write_all(frame.as_bytes());
    }
}

/// How wide the terminal is.
fn columns() -> usize {
    let mut size = libc::winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: the pointer is to a live winsize, which is all that this request writes to.
    let failed = unsafe { libc::ioctl(libc::STDERR_FILENO, libc::TIOCGWINSZ, &raw mut size) };
    match usize::from(size.ws_col) {
        columns if failed == 0 && columns > 1 => columns,
        _ => COLUMNS_DEFAULT,
    }
}

/// The standard output of a program that runs. Every line is written at once, so that it stands where it belongs among the lines of
/// standard error.
pub(crate) struct ProgramOutput(pub(crate) Arc<Screen>);

impl Output for ProgramOutput {
    fn write(&self, bytes: &[u8]) {
        self.0.around(bytes, || {
            let mut out = io::stdout().lock();
            if let Err(error) = out.write_all(bytes).and_then(|()| out.flush()) {
                end_on(&error);
            }
        });
    }

    fn flush(&self) {
        if let Err(error) = io::stdout().lock().flush() {
            end_on(&error);
        }
    }
}

/// The standard error of a program that runs.
pub(crate) struct ProgramErrors(pub(crate) Arc<Screen>);

impl Output for ProgramErrors {
    fn write(&self, bytes: &[u8]) {
        self.0.around(bytes, || {
            let _unread = io::stderr().lock().write_all(bytes);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(state: &mut Status) -> String {
        let mut frame = erase(state);
        draw(state, &mut frame);
        frame
    }

    #[test]
    fn lines_are_taken_away_before_they_are_drawn_again() {
        let mut state = Status { lines: vec![(1, "A".into()), (2, "B\x1b[2J".into())], ..Status::default() };
        assert_eq!(frame(&mut state), "A\nB[2J\n", "control characters of a name never reach the terminal");
        state.lines.pop();
        assert_eq!(frame(&mut state), "\x1b[2A\x1b[JA\n");
        state.is_mid_line = true;
        assert_eq!(frame(&mut state), "\x1b[1A\x1b[J", "nothing is drawn behind half a line");
    }

    #[test]
    fn many_agents_take_few_lines() {
        let mut state = Status { lines: (0..100).map(|id| (id, "A".to_owned())).collect(), ..Status::default() };
        assert!(frame(&mut state).ends_with("… and 92 more\n"));
        assert_eq!(state.drawn, LINES_MAX + 1);
    }
}
