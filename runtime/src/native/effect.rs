//! Effects, as natives begin and end them: files, commands, clock, random bits, variables.

use std::io;
use std::time::Duration;

use vega_bytecode::kinds;
use vega_scheduler::Lane;

use super::NativeContext;
use crate::capability::{Denied, FileAccess};
use crate::command::{Command, Finished, Group};
use crate::effects::{Class, EffectResult, Failure, Locate, Passed, Payload, Permit, Refusal, Request, Ticket};
use crate::error::Error;
use crate::process::Coordinate;
use crate::value::Value;

/// The time of day when a run on the virtual clock begins: 2026-01-01T00:00:00Z, in nanoseconds since the beginning of 1970.
const VIRTUAL_BEGINNING: i64 = 1_767_225_600_000_000_000;

impl NativeContext<'_> {
    /// Does something to the world, through the door: asks whether it may and should happen, does it, and tells what it came to.
    pub fn effect(
        &self,
        request: &Request<'_>,
        class: Class,
        run: impl FnOnce(Permit) -> EffectResult,
    ) -> Result<Payload, Error> {
        let result = match self.begin_effect(request, class)? {
            Passed::Run(permit, ticket) => {
                let result = run(permit);
                self.end_effect(ticket, &result);
                result
            }
            Passed::Replayed(result) => result,
        };
        result.map_err(|failure| Error::new(failure.kind, failure.message))
    }

    /// The first half of an effect, for one whose request is not to be kept until its end: asks whether it may and should happen.
    /// What passed to be run must be ended with [`NativeContext::end_effect`].
    pub fn begin_effect(&self, request: &Request<'_>, class: Class) -> Result<Passed, Error> {
        self.begin_effect_at(self, request, class)
    }

    /// The same for an effect of a state machine's step: its coordinate has the step's number.
    pub fn begin_effect_of_step(&self, step: u32, request: &Request<'_>, class: Class) -> Result<Passed, Error> {
        self.begin_effect_at(&AtStep { context: self, step }, request, class)
    }

    fn begin_effect_at(&self, place: &dyn Locate, request: &Request<'_>, class: Class) -> Result<Passed, Error> {
        let capabilities = self.capabilities();
        self.turn().world.seam.begin(place, &capabilities, request, class).map_err(|refusal| match refusal {
            Refusal::Denied(denied) => Error::new(kinds::CAPABILITY_DENIED, denied.to_string()),
            Refusal::Failed(failure) => Error::new(failure.kind, failure.message),
        })
    }

    /// The second half: tells what it came to.
    pub fn end_effect(&self, ticket: Ticket, result: &EffectResult) {
        self.turn().world.seam.end(ticket, result);
    }

    /// Whether anybody wants to be told what effects come to, beyond that they ended.
    pub fn keeps_effects(&self) -> bool {
        self.turn().world.seam.keeps_results()
    }

    /// Reads a whole file. Blocks.
    pub fn read_file(&self, path: &str) -> Result<Vec<u8>, Error> {
        let bytes_max = self.limits().file_bytes;
        let payload = self
            .file_effect(&Request::FileRead { path }, Class::Read, path, move |file| file.read(bytes_max).map(Payload::Bytes))?;
        match payload {
            Payload::Bytes(content) => Ok(content),
            other => Err(unexpected(&other)),
        }
    }

    /// Replaces a file's content, making the file where there is none. Blocks.
    pub fn write_file(&self, path: &str, content: &[u8]) -> Result<(), Error> {
        let copy = content.to_vec();
        self.file_effect(&Request::FileWrite { path, content }, Class::Idempotent, path, move |file| {
            file.write(&copy).map(|()| Payload::Nothing)
        })?;
        Ok(())
    }

    /// Whether there is a file or directory. Blocks.
    pub fn file_exists(&self, path: &str) -> Result<bool, Error> {
        match self.file_effect(&Request::FileExists { path }, Class::Read, path, |file| Ok(Payload::Flag(file.exists())))? {
            Payload::Flag(exists) => Ok(exists),
            other => Err(unexpected(&other)),
        }
    }

    /// The names in a directory, in order. Blocks.
    pub fn list_files(&self, path: &str) -> Result<Vec<String>, Error> {
        match self.file_effect(&Request::FileList { path }, Class::Read, path, |file| file.list().map(Payload::Texts))? {
            Payload::Texts(names) => Ok(names),
            other => Err(unexpected(&other)),
        }
    }

    /// Whether time is virtual. Then nothing in the outside world may be waited for.
    pub fn is_virtual(&self) -> bool {
        self.turn().world.chance.is_seeded()
    }

    /// Runs a command to its end. Blocks. The command and everything that it started end with the process that waits for it.
    pub fn run_command(&self, words: &[&str]) -> Result<Finished, Error> {
        let payload = self.effect(&Request::Exec { words }, Class::Irrevocable, |_| {
            let failure = |kind, problem: String| Failure { kind, message: format!("`{}`: {problem}", words.join(" ")) };
            if self.is_virtual() {
                let problem = "commands take real time, so there are none on the virtual clock (--virtual-time)";
                return Err(failure(kinds::IO_ERROR, problem.into()));
            }
            let limits = self.limits();
            let command = Command {
                words: words.iter().map(|&word| word.to_owned()).collect(),
                directory: self.capabilities().working_directory().to_owned(),
                output_bytes_max: limits.exec_bytes,
                time_max: Duration::from_millis(limits.exec_ms),
            };
            let group = Group::default();
            // Ends the command if this process ends first.
            let _end = group.end_on_drop();
            let run = {
                let group = group.clone();
                move || command.run(&group)
            };
            match self.offload(Lane::Commands, run) {
                Ok(Ok(finished)) => Ok(Payload::Texts(vec![finished.status.to_string(), finished.output, finished.errors])),
                Ok(Err(problem)) => {
                    let Failure { kind, message } = failure(problem.kind(), problem.to_string());
                    let message = if kind == kinds::LIMIT_REACHED { format!("exec: {message}") } else { message };
                    Err(Failure { kind, message })
                }
                Err(error) => Err(failure(kinds::IO_ERROR, error.to_string())),
            }
        });
        let payload = payload.map_err(|error| match error.kind() {
            kinds::TIMEOUT => {
                let limit = self.limits().exec_ms.saturating_mul(1_000_000);
                let after = Value::duration(i64::try_from(limit).unwrap_or(i64::MAX));
                Error::with_payload(kinds::TIMEOUT, error.message().clone(), vec![after])
            }
            _ => error,
        })?;
        match payload {
            Payload::Texts(texts) => match <[String; 3]>::try_from(texts) {
                Ok([status, output, errors]) if let Ok(status) = status.parse() => Ok(Finished { status, output, errors }),
                Ok(texts) => Err(unexpected(&Payload::Texts(texts.to_vec()))),
                Err(texts) => Err(unexpected(&Payload::Texts(texts))),
            },
            other => Err(unexpected(&other)),
        }
    }

    /// The time of day: nanoseconds since the beginning of 1970. On the virtual clock a run begins at 2026-01-01T00:00:00Z.
    pub fn wall_clock_nanoseconds(&self) -> Result<i64, Error> {
        let read = |_| {
            if self.is_virtual() {
                return Ok(Payload::Int(VIRTUAL_BEGINNING.saturating_add(self.monotonic_nanoseconds())));
            }
            let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
            Ok(Payload::Int(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)))
        };
        match self.effect(&Request::Clock, Class::Read, read)? {
            Payload::Int(nanoseconds) => Ok(nanoseconds),
            other => Err(unexpected(&other)),
        }
    }

    /// Nanoseconds on the runtime's clock, which is virtual where the runtime's is.
    pub fn monotonic_nanoseconds(&self) -> i64 {
        i64::try_from(self.now().as_nanos()).unwrap_or(i64::MAX)
    }

    /// Random bits. On the virtual clock its seed decides them.
    pub fn random(&self) -> Result<u64, Error> {
        match self.effect(&Request::Random, Class::Read, |_| Ok(Payload::Int(self.turn().world.chance.bits())))? {
            Payload::Int(bits) => Ok(bits.cast_unsigned()),
            other => Err(unexpected(&other)),
        }
    }

    /// An environment variable; none where it is not set.
    pub fn variable(&self, name: &str) -> Result<Option<String>, Error> {
        let read = |_| Ok(std::env::var(name).map_or(Payload::Nothing, Payload::Text));
        match self.effect(&Request::Variable { name }, Class::Read, read)? {
            Payload::Text(value) => Ok(Some(value)),
            Payload::Nothing => Ok(None),
            other => Err(unexpected(&other)),
        }
    }

    fn file_effect(
        &self,
        request: &Request<'_>,
        class: Class,
        path: &str,
        work: impl FnOnce(&FileAccess) -> io::Result<Payload> + Send + 'static,
    ) -> Result<Payload, Error> {
        self.effect(request, class, |permit| {
            let Permit::File(file) = permit else { unreachable!("the gate gives a file for a file") };
            let done = self.offload(Lane::Files, move || work(&file));
            done.and_then(|result| result).map_err(|error| io_failure(path, &error))
        })
    }
}

/// A step of the state machine that runs.
struct AtStep<'c> {
    context: &'c NativeContext<'c>,
    step: u32,
}

impl Locate for AtStep<'_> {
    fn coordinate(&self) -> Coordinate {
        self.context.coordinate_of_step(self.step)
    }
}

impl Locate for NativeContext<'_> {
    fn coordinate(&self) -> Coordinate {
        NativeContext::coordinate(self)
    }
}

fn io_failure(path: &str, error: &io::Error) -> Failure {
    if let Some(denied) = error.get_ref().and_then(|source| source.downcast_ref::<Denied>()) {
        return Failure { kind: kinds::CAPABILITY_DENIED, message: denied.to_string() };
    }
    let path = if path.is_empty() { "\"\"" } else { path };
    let message = match error.kind() {
        io::ErrorKind::IsADirectory => format!("{path}: it is a folder, not a file"),
        io::ErrorKind::NotFound => format!("{path}: no such file or directory"),
        io::ErrorKind::PermissionDenied => format!("{path}: permission denied"),
        _ => format!("{path}: {error}"),
    };
    if error.kind() == io::ErrorKind::FileTooLarge {
        return Failure { kind: kinds::LIMIT_REACHED, message: format!("file: {message}") };
    }
    Failure { kind: kinds::IO_ERROR, message }
}

/// A replay gave something that this request cannot have come to.
fn unexpected(payload: &Payload) -> Error {
    Error::new(kinds::IO_ERROR, format!("the recorded result does not fit: {payload:?}"))
}
