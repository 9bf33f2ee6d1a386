//! The door to the runtime: building one, loading a program, running it, and ending it.
//!
//! Invariant: there is no global state. A runtime touches what its builder was given and nothing else, and dropping it ends all
//! processes, joins all threads and frees all slots.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use vega_bytecode::module::NativeImport;
use vega_bytecode::{FunctionId, VerifiedModule};
use vega_scheduler::{Clock, Config, Priority, Scheduler, WaitSampler};

use crate::capability::CapabilitySet;
use crate::chance::Chance;
use crate::effects::{Effects, Live, Seam};
use crate::ledger::Scope;
use crate::limits::Limits;
use crate::native::{AgentHost, Extensions, NativeTable};
use crate::output::{Discard, Output};
use crate::process::block::{Birth, Endowment, Extension};
use crate::process::few::Few;
use crate::process::{ExitReason, Pid, ProcessPath, TraceLine};
use crate::supervisor::Ending;
use crate::value::heap::{self, Account};
use crate::value::{Value, View};
use crate::vm::{LoadedProgram, Machine, VmLimits};
use crate::world::{Post, Program, World, WorldParts};

mod handle; // the runtime as other threads see it
mod statistics; // what was done, and what is left

pub use handle::RuntimeHandle;
pub use statistics::{Left, Shutdown, Statistics};

/// Children that may use up their whole time to stop before the end of a run waits no longer for the others.
const STOPS_IN_A_ROW: u64 = 12;

/// Runs one program. Made by [`Runtime::builder`].
pub struct Runtime {
    world: Arc<World>,
    /// Present until the runtime is dropped.
    scheduler: Option<Scheduler<World>>,
    drain: Duration,
}

/// What a runtime is built from.
pub struct Builder {
    config: Config,
    limits: Limits,
    effects: Arc<dyn Effects>,
    grants: Option<CapabilitySet>,
    budget: Option<i64>,
    stdout: Arc<dyn Output>,
    stderr: Arc<dyn Output>,
    arguments: Vec<String>,
    natives: NativeTable,
    extensions: Extensions,
    agents: Option<Arc<dyn AgentHost>>,
    trace: Option<vega_trace::Sink>,
    drain: Duration,
    draws_tree: bool,
    records: bool,
}

/// How a run ended.
#[derive(Clone, PartialEq, Debug)]
pub struct RunReport {
    /// What the first process came to.
    pub outcome: Outcome,
    /// Spent in the run, in pico-dollars.
    pub spent: i64,
    /// What is still reserved in it, in 10^-12 dollars; 0 when every call was settled.
    pub reserved: i64,
    /// Processes that were started.
    pub processes: u64,
    /// Interrupts that came.
    pub interrupts: u32,
}

/// What the first process came to.
#[derive(Clone, PartialEq, Debug)]
pub enum Outcome {
    /// It returned: an exit status, where it returned an int.
    Finished(i64),
    /// Nothing caught an error, or something else ended it: `Kind: message`, and the stack, innermost first.
    Failed {
        /// How the error reads.
        error: String,
        /// The stack, innermost first.
        trace: Vec<TraceLine>,
    },
    /// It was interrupted.
    Interrupted,
}

/// Why a program cannot be loaded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LoadError {
    /// It calls a native that this runtime does not have.
    NoSuchNative {
        /// The native's name.
        name: String,
        /// With how many arguments.
        arity: u8,
    },
    /// This runtime has a program already.
    Loaded,
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LoadError::NoSuchNative { name, arity } => write!(f, "there is no native `{name}` with {arity} arguments"),
            LoadError::Loaded => f.write_str("a runtime runs one program"),
        }
    }
}

impl std::error::Error for LoadError {}

impl RunReport {
    /// The exit status that a system process ends with.
    pub fn status(&self) -> i32 {
        match &self.outcome {
            // A status has eight bits; what does not fit must not look like success.
            Outcome::Finished(status) => i32::from(u8::try_from(*status).unwrap_or(1)),
            Outcome::Failed { .. } => 1,
            Outcome::Interrupted => 130,
        }
    }
}

impl Builder {
    /// Threads that run processes.
    pub fn workers(mut self, workers: usize) -> Self {
        self.config.workers = workers;
        self
    }

    /// The clock. A virtual one takes one worker and moves only when nothing else can.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.config.clock = clock;
        self
    }

    /// The scheduler's own measures, all at once.
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// The bounds.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// What stands behind the door to the world.
    pub fn effects(mut self, effects: Arc<dyn Effects>) -> Self {
        self.effects = effects;
        self
    }

    /// What the program may touch. Without this, nothing.
    pub fn grants(mut self, grants: CapabilitySet) -> Self {
        self.grants = Some(grants);
        self
    }

    /// What the whole run may spend, in pico-dollars.
    pub fn budget(mut self, limit: i64) -> Self {
        self.budget = Some(limit);
        self
    }

    /// Where the program's output goes.
    pub fn stdout(mut self, output: Arc<dyn Output>) -> Self {
        self.stdout = output;
        self
    }

    /// Where error output and reports of ended processes go.
    pub fn stderr(mut self, output: Arc<dyn Output>) -> Self {
        self.stderr = output;
        self
    }

    /// The program's own arguments.
    pub fn arguments(mut self, arguments: Vec<String>) -> Self {
        self.arguments = arguments;
        self
    }

    /// Adds natives. Those of processes are there from the start.
    pub fn natives(mut self, natives: NativeTable) -> Self {
        self.natives.extend(natives);
        self
    }

    /// Adds a value that natives find by its type.
    pub fn extension<T: std::any::Any + Send + Sync>(mut self, value: Arc<T>) -> Self {
        self.extensions.insert(value);
        self
    }

    /// Who runs agents.
    pub fn agents(mut self, agents: Arc<dyn AgentHost>) -> Self {
        self.agents = Some(agents);
        self
    }

    /// Where trace records go.
    pub fn trace(mut self, sink: vega_trace::Sink) -> Self {
        self.trace = Some(sink);
        self
    }

    /// How long calls to models may go on after the first interrupt.
    pub fn drain(mut self, drain: Duration) -> Self {
        self.drain = drain;
        self
    }

    /// Draws the tree of supervised processes on the error output when the first process ends, before they stop.
    pub fn draws_tree(mut self, draws: bool) -> Self {
        self.draws_tree = draws;
        self
    }

    /// Records the length of slices and queues, and how long processes wait for their turn: for [`Runtime::statistics`]. Costs some
    /// looks at the clock for each slice.
    pub fn records(mut self, records: bool) -> Self {
        self.records = records;
        self
    }

    /// Starts the threads.
    pub fn build(self) -> io::Result<Runtime> {
        let mut config = self.config;
        config.stack_bytes = self.limits.stack_bytes;
        config.stacks_max = self.limits.stacks;
        config.records_slices = self.records;
        let chance = match config.clock {
            Clock::Virtual { seed } => Chance::seeded(seed),
            _ => Chance::of_the_machine(),
        };
        let parts = WorldParts {
            limits: self.limits,
            seam: Seam::new(self.effects),
            grants: self.grants.unwrap_or_else(CapabilitySet::nothing),
            scope: Scope::root(self.budget),
            stdout: self.stdout,
            stderr: self.stderr,
            arguments: self.arguments,
            extensions: self.extensions,
            agents: self.agents,
            trace: self.trace,
            natives: self.natives,
            draws_tree: self.draws_tree,
            waits: self.records.then(|| Box::new(WaitSampler::new(config.workers.max(1)))),
            chance,
        };
        let world = Arc::new_cyclic(|itself| World::new(parts, RuntimeHandle(itself.clone())));
        let scheduler = Scheduler::start(config, Arc::clone(&world))?;
        world.set_remote(Some(scheduler.remote().clone()));
        Ok(Runtime { world, scheduler: Some(scheduler), drain: self.drain })
    }
}

impl Runtime {
    /// What a runtime is built from; every part has a default.
    pub fn builder() -> Builder {
        Builder {
            config: Config::default(),
            limits: Limits::default(),
            effects: Arc::new(Live),
            grants: None,
            budget: None,
            stdout: Arc::new(Discard),
            stderr: Arc::new(Discard),
            arguments: Vec::new(),
            natives: crate::process::natives(),
            extensions: Extensions::default(),
            agents: None,
            trace: None,
            drain: Duration::from_secs(10),
            draws_tree: false,
            records: false,
        }
    }

    /// Makes a program ready to run: all that it calls must be there.
    pub fn load(&self, module: VerifiedModule) -> Result<(), LoadError> {
        let find = |import: &NativeImport| {
            self.world
                .natives
                .find(&import.name, import.arity)
                .ok_or_else(|| LoadError::NoSuchNative { name: import.name.clone(), arity: import.arity })
        };
        let natives: Result<_, _> = module.module().natives.iter().map(find).collect();
        let limits = VmLimits { call_depth: self.world.limits.call_depth, registers: self.world.limits.registers };
        let program = Program { loaded: LoadedProgram::new(module, limits), natives: natives? };
        self.world.set_program(program).map_err(|_| LoadError::Loaded)
    }

    /// Runs the program's entry to its end, and stops what it left. Blocks. A program without entry is over at once.
    pub fn run(&self) -> RunReport {
        match self.world.program().loaded.entry() {
            Some(entry) => self.run_function(entry),
            None => self.report(Outcome::Finished(0)),
        }
    }

    /// The same with a function of the program as the entry. It takes no arguments, or the program's as an array. A program may be
    /// run again; plain processes of an earlier run that have not ended live on.
    pub fn run_function(&self, entry: FunctionId) -> RunReport {
        let world = &self.world;
        world.run.reset();
        world.failures.reset();
        world.set_draining(world.run.wait(None, |end| Some(end.interrupts > 0)).unwrap_or(false));
        let program = &world.program().loaded;
        let outer = heap::enter(Account::with_limit(world.limits.heap_bytes));
        let machine = match program.module().functions[entry.0 as usize].parameters {
            0 => Machine::new(program, entry, std::iter::empty()),
            _ => {
                let arguments = world.arguments.iter().map(|argument| Value::str(argument.as_str())).collect();
                Machine::new(program, entry, std::iter::once(Value::array(arguments)))
            }
        };
        let account = heap::enter(outer);
        let birth = Birth {
            machine,
            path: ProcessPath::root(),
            rest: Endowment {
                account,
                capabilities: None,
                scope: None,
                parent: Pid::from_bits(0),
                priority: Priority::Normal,
                watchers: Few::None,
                extension: Some(Box::new(Extension { ending: Some(Ending::Main), ..Extension::default() })),
            },
        };
        self.scheduler().remote().post(0, Post::BeginMain(Box::new(birth)));
        let outcome = self.wait_for_end();
        self.report(outcome)
    }

    /// For other threads: interrupts, and messages into the runtime.
    pub fn handle(&self) -> RuntimeHandle {
        self.world.handle()
    }

    /// What was done so far.
    pub fn statistics(&self) -> Statistics {
        Statistics::of(&self.world, self.scheduler().remote())
    }

    /// Ends every thread and every process, and tells what was done, and what is left. Dropping does the same and tells nothing.
    pub fn shutdown(mut self) -> Shutdown {
        let scheduler = self.scheduler.take().expect("the scheduler lives as long as the runtime");
        let remote = scheduler.remote().clone();
        let abandoned_threads = scheduler.shutdown().abandoned_threads;
        let statistics = Statistics::of(&self.world, &remote);
        let timers = remote.take_left_timers().into_iter().filter(|&process| !self.world.is_alive(process)).count();
        drop(remote);
        self.end_processes();
        let left = Left {
            processes: self.world.alive(),
            stacks: statistics.scheduler.workers.iter().map(|worker| worker.stacks_in_use).sum(),
            bytes: self.world.lost_bytes(),
            timers: timers as u64,
            calls: self.world.calls() as u64,
            reserved_pico: self.world.scope.reserved(),
            threads: abandoned_threads as u64,
        };
        Shutdown { statistics, left }
    }

    /// Drops what still lives, once no worker is left.
    fn end_processes(&self) {
        self.world.set_remote(None);
        self.world.end_all();
    }

    fn scheduler(&self) -> &Scheduler<World> {
        self.scheduler.as_ref().expect("the scheduler lives as long as the runtime")
    }

    fn wait_for_end(&self) -> Outcome {
        let run = &self.world.run;
        // First the end of the first process, or an interrupt.
        let ended = run.wait(None, |end| match (&end.main, end.interrupts) {
            (None, 0) => None,
            (main, _) => Some(main.is_some()),
        });
        if ended != Some(true) {
            // Calls to models may finish: until there are none, the time is over, or somebody asks again.
            let until = std::time::Instant::now() + self.drain;
            run.wait(Some(until), |end| (end.main.is_some() || end.interrupts > 1 || self.world.calls() == 0).then_some(()));
            self.stop_tree();
            return Outcome::Interrupted;
        }
        // Then its children stop in order, which is bounded by their shutdown time. That is what a first interrupt asks for too; a
        // second one cuts it short.
        let until = std::time::Instant::now() + self.patience();
        let is_cut_short = run.wait(Some(until), |end| match (end.family_ended, end.interrupts > 1) {
            (true, _) => Some(false),
            (false, true) => Some(true),
            (false, false) => None,
        });
        if is_cut_short == Some(true) {
            return Outcome::Interrupted;
        }
        run.wait(None, |end| end.main.take().map(outcome_of)).expect("the first process has ended")
    }

    /// How long the end of the tree may take: children stop one after the other, and each has its time.
    fn patience(&self) -> Duration {
        Duration::from_millis(STOPS_IN_A_ROW * self.world.limits.shutdown_ms)
    }

    /// After an interrupt: the first process is told to end, killed if it does not, and its children stop after it. Another interrupt
    /// cuts that short.
    fn stop_tree(&self) {
        let run = &self.world.run;
        let is_over = |end: &mut crate::world::RunEnd| (end.family_ended || end.interrupts > 1).then_some(());
        let Some(process) = run.wait(None, |end| Some(end.process)).flatten() else { return };
        self.scheduler().remote().post(0, Post::StopMain(process));
        let time = Duration::from_millis(self.world.limits.shutdown_ms);
        let until = std::time::Instant::now() + time;
        run.wait(Some(until), |end| is_over(end).or(end.main.is_some().then_some(())));
        self.scheduler().remote().post(0, Post::Kill(process));
        run.wait(Some(std::time::Instant::now() + self.patience()), is_over);
    }

    fn report(&self, outcome: Outcome) -> RunReport {
        self.world.stderr.write(self.world.failures.summary().as_bytes());
        self.world.stdout.flush();
        self.world.stderr.flush();
        let interrupts = self.world.run.wait(None, |end| Some(end.interrupts)).unwrap_or(0);
        let scope = &self.world.scope;
        let (spent, reserved) = (scope.spent(), scope.reserved());
        RunReport { outcome, spent, reserved, processes: self.world.started(), interrupts }
    }
}

fn outcome_of(main: crate::world::MainEnd) -> Outcome {
    match main.reason {
        ExitReason::Normal | ExitReason::Shutdown => {
            let status = main.result.as_ref().map(|message| match message.value().view() {
                View::Int(status) => status,
                _ => 0,
            });
            Outcome::Finished(status.unwrap_or(0))
        }
        reason => Outcome::Failed { error: reason.to_string(), trace: main.trace },
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        if let Some(scheduler) = self.scheduler.take() {
            scheduler.shutdown();
        }
        // No worker is left, so every process that still lives is this thread's.
        self.end_processes();
    }
}
