//! Commands of the system: started without a shell, with a small environment of their own, and ended with everything that they started.
//!
//! Invariant: a command runs in a process group of its own, and whichever way its run ends, that group has been sent `SIGKILL`.

use std::fmt;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, kill_process_group, pidfd_open, waitid};
use vega_bytecode::{KindId, kinds};

/// Where commands are looked for.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// The language in which commands speak.
pub const LANG: &str = "C.UTF-8";
/// How often a command is asked whether it has ended, on a system that does not tell.
const ASK_AGAIN: Duration = Duration::from_millis(20);
/// Bytes that are read at once.
const CHUNK_BYTES: usize = 16 << 10;

/// A command and its bounds.
#[derive(Clone, Debug)]
pub struct Command {
    /// The command and its arguments.
    pub words: Vec<String>,
    /// Where it runs.
    pub directory: PathBuf,
    /// Bytes that it may write to each of its outputs.
    pub output_bytes_max: usize,
    /// How long it may take.
    pub time_max: Duration,
}

/// What a command came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finished {
    /// Its exit status; 128 and the signal's number for one that a signal ended.
    pub status: i32,
    /// What it wrote. What is no UTF-8 stands as U+FFFD.
    pub output: String,
    /// What it wrote to its error output.
    pub errors: String,
}

/// Why there is no end to tell of.
#[derive(Debug)]
pub enum CommandProblem {
    /// It could not be started.
    NotStarted(String),
    /// It took too long.
    TooLong(Duration),
    /// It wrote too much.
    TooMuch(usize),
    /// It was ended from outside before it ended.
    Ended,
    /// The system failed.
    System(io::Error),
}

impl CommandProblem {
    /// The kind of the error that the program sees.
    pub fn kind(&self) -> KindId {
        match self {
            CommandProblem::TooLong(_) => kinds::TIMEOUT,
            CommandProblem::TooMuch(_) => kinds::LIMIT_REACHED,
            CommandProblem::Ended => kinds::CANCELLED,
            CommandProblem::NotStarted(_) | CommandProblem::System(_) => kinds::IO_ERROR,
        }
    }
}

impl fmt::Display for CommandProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CommandProblem::NotStarted(problem) => f.write_str(problem),
            CommandProblem::TooLong(limit) => {
                write!(f, "it ran longer than {} s and was ended ([limits] exec_ms)", limit.as_secs_f64())
            }
            CommandProblem::TooMuch(limit) => write!(f, "it wrote more than {limit} bytes and was ended ([limits] exec_bytes)"),
            CommandProblem::Ended => f.write_str("it was ended before its end"),
            CommandProblem::System(error) => write!(f, "{error}"),
        }
    }
}

/// The group of a command that runs, for whoever may end it.
#[derive(Clone, Default, Debug)]
pub struct Group(Arc<Mutex<GroupState>>);

#[derive(Clone, Copy, Default, Debug)]
enum GroupState {
    #[default]
    NotStarted,
    Running(Pid),
    /// Nothing of it runs, or will.
    Over,
}

impl Group {
    /// Ends the command and everything in its group, now or before it starts.
    pub fn end(&self) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let GroupState::Running(group) = *state {
            // That there is nobody left to end is as well.
            let _ = kill_process_group(group, Signal::KILL);
        }
        *state = GroupState::Over;
    }

    /// Ends it when the result is dropped.
    pub fn end_on_drop(&self) -> EndOnDrop {
        EndOnDrop(self.clone())
    }

    /// Starts a command as the leader of this group; none where it was ended already.
    fn start(&self, command: &mut std::process::Command) -> io::Result<Option<Child>> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*state, GroupState::Over) {
            return Ok(None);
        }
        let child = command.process_group(0).spawn()?;
        *state = GroupState::Running(Pid::from_child(&child));
        Ok(Some(child))
    }
}

/// See [`Group::end_on_drop`].
#[derive(Debug)]
pub struct EndOnDrop(Group);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl Command {
    /// Runs the command to its end. Blocks the thread.
    pub fn run(&self, group: &Group) -> Result<Finished, CommandProblem> {
        let [program, arguments @ ..] = self.words.as_slice() else {
            return Err(CommandProblem::NotStarted("it names no command".into()));
        };
        let mut command = std::process::Command::new(program);
        command.args(arguments).env_clear().env("PATH", PATH).env("LANG", LANG).current_dir(&self.directory);
        if let Some(home) = std::env::home_dir() {
            command.env("HOME", home);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let started = group.start(&mut command).map_err(|error| CommandProblem::NotStarted(self.reason(&error)))?;
        let Some(mut child) = started else { return Err(CommandProblem::Ended) };
        let gathered = self.gather(&mut child);
        // Also what the command left behind in its group. Nobody has waited for the leader yet, so the number still means this group.
        group.end();
        let status = child.wait().map_err(CommandProblem::System)?;
        let [output, errors] = gathered?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        Ok(Finished { status: code(status), output, errors })
    }

    /// Why it could not be started.
    fn reason(&self, error: &io::Error) -> String {
        let program = &self.words[0];
        match error.kind() {
            _ if !self.directory.is_dir() => format!("there is no folder {} to run it in", self.directory.display()),
            io::ErrorKind::NotFound if program.contains('/') => format!("there is no file {program}"),
            io::ErrorKind::NotFound => format!("there is no command {program} in {PATH}"),
            io::ErrorKind::PermissionDenied => format!("{program} may not be executed"),
            _ => format!("{program} cannot be started: {error}"),
        }
    }

    /// Reads both outputs until the command has ended.
    fn gather(&self, child: &mut Child) -> Result<[Vec<u8>; 2], CommandProblem> {
        let deadline = Instant::now().checked_add(self.time_max);
        let leader = Pid::from_child(child);
        let ended = pidfd_open(leader, PidfdFlags::empty()).ok();
        let mut pipes: [Option<Pipe>; 2] =
            [child.stdout.take().map(|pipe| Pipe::new(pipe.into())), child.stderr.take().map(|pipe| Pipe::new(pipe.into()))];
        let mut gathered = [Vec::new(), Vec::new()];
        loop {
            // Asked before reading: what an ended command wrote is there to be read.
            let is_over = has_ended(leader).map_err(CommandProblem::System)?;
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if !is_over && left.is_some_and(|left| left.is_zero()) {
                return Err(CommandProblem::TooLong(self.time_max));
            }
            let wait = match (is_over, &ended) {
                (true, _) => Some(Duration::ZERO),
                (false, Some(_)) => left,
                (false, None) => Some(left.map_or(ASK_AGAIN, |left| left.min(ASK_AGAIN))),
            };
            let readable = wait_for(&pipes, ended.as_ref().filter(|_| !is_over), wait).map_err(CommandProblem::System)?;
            for ((pipe, into), readable) in pipes.iter_mut().zip(&mut gathered).zip(readable) {
                if readable && pipe.as_mut().is_some_and(|pipe| !pipe.read_some(into)) {
                    *pipe = None;
                }
                if into.len() > self.output_bytes_max {
                    return Err(CommandProblem::TooMuch(self.output_bytes_max));
                }
            }
            if is_over && readable == [false; 2] {
                return Ok(gathered);
            }
        }
    }
}

/// The reading end of an output.
struct Pipe(std::fs::File);

impl Pipe {
    fn new(end: OwnedFd) -> Pipe {
        Pipe(end.into())
    }

    /// Reads what is there, once; false at the end.
    fn read_some(&mut self, into: &mut Vec<u8>) -> bool {
        let mut chunk = [0; CHUNK_BYTES];
        match self.0.read(&mut chunk) {
            Ok(0) => false,
            Ok(amount) => {
                into.extend_from_slice(&chunk[..amount]);
                true
            }
            Err(error) => error.kind() == io::ErrorKind::Interrupted,
        }
    }
}

/// Waits until a pipe can be read or the command has ended, at most so long; which of the pipes can be read.
fn wait_for(pipes: &[Option<Pipe>; 2], ended: Option<&OwnedFd>, limit: Option<Duration>) -> io::Result<[bool; 2]> {
    let mut places = [None; 2];
    let mut waited: Vec<PollFd<'_>> = Vec::with_capacity(3);
    for (place, pipe) in places.iter_mut().zip(pipes) {
        if let Some(pipe) = pipe {
            *place = Some(waited.len());
            waited.push(PollFd::from_borrowed_fd(pipe.0.as_fd(), PollFlags::IN));
        }
    }
    waited.extend(ended.map(|ended| PollFd::from_borrowed_fd(ended.as_fd(), PollFlags::IN)));
    let limit = limit.map(|limit| Timespec::try_from(limit).unwrap_or(Timespec { tv_sec: i64::from(i32::MAX), tv_nsec: 0 }));
    match poll(&mut waited, limit.as_ref()) {
        Ok(_) => {}
        Err(rustix::io::Errno::INTR) => return Ok([false; 2]),
        Err(error) => return Err(error.into()),
    }
    Ok(places.map(|place| place.is_some_and(|place| !waited[place].revents().is_empty())))
}

/// Whether a child has ended; it stays to be waited for.
fn has_ended(child: Pid) -> io::Result<bool> {
    match waitid(WaitId::Pid(child), WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT) {
        Ok(ended) => Ok(ended.is_some()),
        Err(rustix::io::Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// The number that a shell would show.
fn code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

#[cfg(test)]
mod tests;
