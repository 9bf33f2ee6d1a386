//! Programs as lists of steps, run by a state machine that asks agents exactly as the interpreter does.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use vega_agent::script::Script;
use vega_agent::{Agents, AgentsBuilder, Totals};
use vega_bytecode::module::{Agent, AskDescription, Capability, Function, Join, NativeImport, Strategy, Tool, ToolParameter};
use vega_bytecode::{AgentId, FunctionId, Instruction, Module, Opcode, Type, TypeId, VerifiedModule, verify};
use vega_net::client::Lookup;
use vega_runtime::capability::Grants;
use vega_runtime::effects::Effects;
use vega_runtime::error::Error;
use vega_runtime::native::{
    Address, AgentHost, Input, NativeContext, NativeResult, NativeTable, Outcome as NativeOutcome, Port, PortId, Resumable,
    SpawnAgent, SpawnOptions, Step, SupervisionValues, Task,
};
use vega_runtime::output::Collect;
use vega_runtime::value::copy::Message;
use vega_runtime::value::{Map, Value, json};
use vega_runtime::{Builder, Outcome, RunReport, Runtime};
use vega_scheduler::Clock;
use vega_trace::{Collector, Exporter, Record};

/// A value of a clause.
#[derive(Clone, Debug)]
pub(crate) enum Clause {
    Text(String),
    Int(i64),
    Money(i64),
    Time(Duration),
    List(Vec<Clause>),
}

impl From<&str> for Clause {
    fn from(text: &str) -> Clause {
        Clause::Text(text.into())
    }
}

impl From<i64> for Clause {
    fn from(number: i64) -> Clause {
        Clause::Int(number)
    }
}

impl From<Duration> for Clause {
    fn from(time: Duration) -> Clause {
        Clause::Time(time)
    }
}

impl Clause {
    fn value(&self) -> Value {
        match self {
            Clause::Text(text) => text.as_str().into(),
            Clause::Int(number) => Value::int(*number),
            Clause::Money(pico) => Value::money(*pico),
            Clause::Time(time) => Value::duration(i64::try_from(time.as_nanos()).unwrap()),
            Clause::List(parts) => Value::array(parts.iter().map(Clause::value).collect()),
        }
    }
}

pub(crate) type Body = fn(&mut NativeContext<'_>, &mut [Value]) -> NativeResult;

pub(crate) struct ToolSpec {
    pub(crate) name: &'static str,
    pub(crate) parameters: Vec<(&'static str, Type)>,
    pub(crate) capabilities: Vec<Capability>,
    pub(crate) paths: Option<Vec<String>>,
    pub(crate) body: Body,
}

pub(crate) struct AgentSpec {
    pub(crate) name: &'static str,
    pub(crate) clauses: Vec<(&'static str, Clause)>,
    pub(crate) tools: Vec<ToolSpec>,
}

pub(crate) fn agent(name: &'static str, clauses: Vec<(&'static str, Clause)>) -> AgentSpec {
    AgentSpec { name, clauses, tools: Vec::new() }
}

/// One step of a program.
#[derive(Clone)]
pub(crate) enum Do {
    /// Spawns an agent by its number; handles are numbered in their order.
    Spawn(u32),
    SpawnWith(u32, SupervisionValues),
    Ask(Call),
    /// Joins the rounds of a number.
    Join(u32),
    /// Runs steps in a process of their own, which has the same handles.
    Beside(Vec<Do>),
    /// Waits until all of those have ended.
    Wait,
    Sleep(Duration),
    /// Kills the present incarnation behind a handle.
    Kill(usize),
    /// Kills the process that was started beside, by its number.
    KillBeside(usize),
    /// Notes the time since the start, in milliseconds.
    Clock,
}

#[derive(Clone)]
pub(crate) struct Call {
    handle: usize,
    message: String,
    timeout: Option<Duration>,
    budget: Option<i64>,
    output: Option<Type>,
    join: Join,
    quiet: bool,
}

pub(crate) fn ask(handle: usize, message: &str) -> Call {
    Call { handle, message: message.into(), timeout: None, budget: None, output: None, join: Join::AtOnce, quiet: false }
}

impl Call {
    pub(crate) fn timeout(mut self, timeout: Duration) -> Call {
        self.timeout = Some(timeout);
        self
    }

    pub(crate) fn budget(mut self, pico: i64) -> Call {
        self.budget = Some(pico);
        self
    }

    pub(crate) fn output(mut self, output: Type) -> Call {
        self.output = Some(output);
        self
    }

    pub(crate) fn later(mut self, number: u32) -> Call {
        self.join = Join::Later(number);
        self
    }

    /// Its reply is not noted.
    pub(crate) fn quiet(mut self) -> Call {
        self.quiet = true;
        self
    }

    pub(crate) fn step(self) -> Do {
        Do::Ask(self)
    }
}

/// A program with everything around it.
pub(crate) struct Scenario {
    pub(crate) agents: Vec<AgentSpec>,
    pub(crate) steps: Vec<Do>,
    script: String,
    offline: bool,
    environment: HashMap<String, String>,
    ca: Option<Vec<u8>>,
    connections: Option<u32>,
    lookup: Option<Arc<dyn Lookup>>,
    effects: Option<Arc<dyn Effects>>,
    clock: Clock,
    grants: Grants,
    budget: Option<i64>,
    workers: usize,
}

/// What a run came to.
pub(crate) struct Ran {
    /// Replies as their text, errors as `Kind: message`, in the order in which they were noted.
    pub(crate) notes: Vec<String>,
    pub(crate) totals: Totals,
    pub(crate) records: Vec<Record>,
    pub(crate) warnings: Vec<String>,
    pub(crate) report: RunReport,
    pub(crate) stderr: String,
}

struct Setup {
    agents: Arc<Agents>,
    clauses: Vec<Vec<(&'static str, Clause)>>,
    bodies: Vec<Body>,
    steps: Mutex<Vec<Do>>,
    notes: Mutex<Vec<String>>,
    types: HashMap<Type, TypeId>,
    /// The handles of the first process, for tools.
    handles: Mutex<Option<Message>>,
}

impl Scenario {
    pub(crate) fn new(agents: Vec<AgentSpec>, steps: Vec<Do>) -> Scenario {
        Scenario {
            agents,
            steps,
            script: String::new(),
            offline: true,
            environment: HashMap::new(),
            ca: None,
            connections: None,
            lookup: None,
            effects: None,
            clock: Clock::Virtual { seed: 0 },
            grants: Grants::standard(std::env::temp_dir()),
            budget: None,
            workers: 1,
        }
    }

    pub(crate) fn replies(mut self, script: &str) -> Scenario {
        self.script = script.into();
        self
    }

    /// Goes to a server over HTTP, in real time.
    pub(crate) fn server(mut self, url: &str) -> Scenario {
        self.offline = false;
        self.clock = Clock::Real;
        self.workers = 2;
        self.variable("ANTHROPIC_BASE_URL", url).variable("ANTHROPIC_API_KEY", "sk-test-123")
    }

    pub(crate) fn variable(mut self, name: &str, value: &str) -> Scenario {
        self.environment.insert(name.into(), value.into());
        self
    }

    pub(crate) fn ca(mut self, pem: &str) -> Scenario {
        self.ca = Some(pem.as_bytes().to_vec());
        self
    }

    pub(crate) fn effects(mut self, effects: Arc<dyn Effects>) -> Scenario {
        self.effects = Some(effects);
        self
    }

    pub(crate) fn connections(mut self, connections: u32) -> Scenario {
        self.connections = Some(connections);
        self
    }

    pub(crate) fn lookup(mut self, lookup: Arc<dyn Lookup>) -> Scenario {
        self.lookup = Some(lookup);
        self
    }

    pub(crate) fn grants(mut self, grants: Grants) -> Scenario {
        self.grants = grants;
        self
    }

    pub(crate) fn budget(mut self, pico: i64) -> Scenario {
        self.budget = Some(pico);
        self
    }

    /// Chooses one of the orders in which what happens at one moment may happen.
    pub(crate) fn seed(mut self, seed: u64) -> Scenario {
        self.clock = Clock::Virtual { seed };
        self
    }

    pub(crate) fn run(self) -> Ran {
        let Scenario {
            agents,
            steps,
            script,
            offline,
            environment,
            ca,
            connections,
            lookup,
            effects,
            clock,
            grants,
            budget,
            workers,
        } = self;
        let records = Arc::new(Mutex::new(Vec::new()));
        let collector = Collector::start(Keep(records.clone()), 100_000).unwrap();
        let warnings = Arc::new(Mutex::new(Vec::new()));
        let warned = warnings.clone();
        let builder: AgentsBuilder = Agents::builder()
            .script(Script::parse(&script).unwrap())
            .offline(offline)
            .environment(move |name| environment.get(name).cloned())
            .trace(collector.sink())
            .warnings(Arc::new(move |text| warned.lock().unwrap().push(text.to_owned())))
            .seed(1);
        let builder = match ca {
            Some(pem) => builder.ca_file(pem),
            None => builder,
        };
        let builder = match connections {
            Some(connections) => builder.connections(connections),
            None => builder,
        };
        let builder = match lookup {
            Some(lookup) => builder.lookup(lookup),
            None => builder,
        };
        let host = builder.build().unwrap();
        let clauses = agents.iter().map(|agent| agent.clauses.clone()).collect();
        let bodies = agents.iter().flat_map(|agent| agent.tools.iter().map(|tool| tool.body)).collect();
        let (module, types) = module(&agents, &steps);
        let setup = Arc::new(Setup {
            agents: host.clone(),
            clauses,
            bodies,
            steps: Mutex::new(steps),
            notes: Mutex::default(),
            types,
            handles: Mutex::default(),
        });
        let stderr = Arc::new(Collect::default());
        let builder: Builder = Runtime::builder()
            .workers(workers)
            .clock(clock)
            .natives(natives())
            .grants(grants.build().unwrap())
            .stderr(stderr.clone())
            .extension(setup.clone())
            .agents(host.clone());
        let builder = match budget {
            Some(pico) => builder.budget(pico),
            None => builder,
        };
        let builder = match effects {
            Some(effects) => builder.effects(effects),
            None => builder,
        };
        let runtime = builder.build().unwrap();
        runtime.load(module).unwrap();
        let report = runtime.run();
        drop(runtime);
        drop(collector.finish(Duration::from_secs(5)));
        let notes = std::mem::take(&mut *setup.notes.lock().unwrap());
        let records = std::mem::take(&mut *records.lock().unwrap());
        let warnings = std::mem::take(&mut *warnings.lock().unwrap());
        let ran = Ran { notes, totals: host.totals(), records, warnings, report, stderr: stderr.text() };
        assert_eq!(ran.report.outcome, Outcome::Finished(0), "{}", ran.stderr);
        ran
    }
}

struct Keep(Arc<Mutex<Vec<Record>>>);

impl Exporter for Keep {
    fn export(&mut self, batch: &[Record]) -> std::io::Result<()> {
        self.0.lock().unwrap().extend_from_slice(batch);
        Ok(())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Function 0 runs the steps; then one function for each agent's clauses; then one for each tool.
fn module(agents: &[AgentSpec], steps: &[Do]) -> (VerifiedModule, HashMap<Type, TypeId>) {
    let mut module = Module::new();
    module.entry = Some(FunctionId(0));
    let any = module.types.intern(Type::Any);
    let text = module.types.intern(Type::Str);
    let import = |name: &str, arity| NativeImport { name: name.into(), arity, result: any, changes_self: false };
    module.natives = vec![import("test::drive", 0), import("test::clauses", 1)];
    module.natives.extend((1..=4).map(|arity| import("test::tool", arity)));
    let call = |native: u16, count: u16, base: u16| Instruction::abc(Opcode::CallNative, base, native, count);
    let int = |register: u16, value: usize| Instruction::wide(Opcode::LoadInt, 0, register, value as u32);
    let ret = |register: u16| Instruction::abc(Opcode::Return, register, 0, 0);
    let function = |name: &str, parameters: u16, registers: u16, code: Vec<Instruction>| Function {
        name: name.into(),
        parameters,
        registers,
        value_registers: (0..registers).collect(),
        code,
        ..Function::default()
    };
    let null = Instruction::abc(Opcode::ReturnNull, 0, 0, 0);
    module.functions.push(function("main", 0, 2, vec![call(0, 0, 0), null]));
    for (number, agent) in agents.iter().enumerate() {
        let clauses = FunctionId(module.functions.len() as u32);
        module.functions.push(function(agent.name, 0, 4, vec![int(1, number), call(1, 1, 0), ret(0)]));
        module.agents.push(Agent {
            name: agent.name.into(),
            parameters: Vec::new(),
            clauses,
            output: text,
            state: Vec::new(),
            tools: Vec::new(),
        });
    }
    let mut body = 0;
    for (number, agent) in agents.iter().enumerate() {
        for tool in &agent.tools {
            let count = tool.parameters.len() as u16;
            let mut code = vec![int(count + 1, body)];
            code.extend((0..count).map(|index| Instruction::abc(Opcode::Move, count + 2 + index, index, 0)));
            code.extend([call(2 + count, count + 1, count), ret(count)]);
            body += 1;
            let id = FunctionId(module.functions.len() as u32);
            module.functions.push(function(tool.name, count, 2 * count + 4, code));
            let parameters = tool.parameters.iter().map(|(name, ty)| ToolParameter {
                name: (*name).into(),
                description: String::new(),
                ty: module.types.intern(ty.clone()),
            });
            module.agents[number].tools.push(Tool {
                name: tool.name.into(),
                description: format!("The tool {}.", tool.name),
                parameters: parameters.collect(),
                result: any,
                function: id,
                uses_state: false,
                capabilities: tool.capabilities.clone(),
                allowed_paths: tool.paths.clone(),
                allowed_commands: None,
                allowed_hosts: None,
            });
        }
    }
    let mut types = HashMap::from([(Type::Str, text)]);
    intern_outputs(steps, &mut module, &mut types);
    (verify(module).expect("the test's program is well formed"), types)
}

fn intern_outputs(steps: &[Do], module: &mut Module, types: &mut HashMap<Type, TypeId>) {
    for step in steps {
        match step {
            Do::Ask(Call { output: Some(output), .. }) => {
                types.insert(output.clone(), module.types.intern(output.clone()));
            }
            Do::Beside(steps) => intern_outputs(steps, module, types),
            _ => {}
        }
    }
}

fn natives() -> NativeTable {
    let mut table = NativeTable::new();
    table
        .add("test::drive", 0, |context, _| {
            let setup = context.extension::<Setup>().unwrap();
            let steps = setup.steps.lock().unwrap().clone();
            Ok(NativeOutcome::Resume(Box::new(Driver::new(steps, Message::build(|| Value::array(Vec::new())), None))))
        })
        .add("test::clauses", 1, |context, arguments| {
            let setup = context.extension::<Setup>().unwrap();
            let clauses = &setup.clauses[arguments[0].as_int().unwrap() as usize];
            let map: Map = clauses.iter().map(|(key, clause)| (Value::str(*key), clause.value())).collect();
            Ok(NativeOutcome::Value(map.into()))
        });
    for arity in 1..=4 {
        table.add_blocking("test::tool", arity, |context, arguments| {
            let setup = context.extension::<Setup>().unwrap();
            let body = setup.bodies[arguments[0].as_int().unwrap() as usize];
            body(context, &mut arguments[1..])
        });
    }
    table
}

/// Runs steps, one after the other.
struct Driver {
    steps: std::vec::IntoIter<Do>,
    /// Handles of the agents, as an array.
    handles: Option<Message>,
    inner: Option<Inner>,
    /// Who is told the end.
    parent: Option<Address>,
    port: Option<Port>,
    beside: Vec<vega_runtime::process::Pid>,
    finished: usize,
}

struct Inner {
    state: Box<dyn Resumable>,
    spawning: bool,
    quiet: bool,
}

struct Finished;

impl Driver {
    fn new(steps: Vec<Do>, handles: Message, parent: Option<Address>) -> Driver {
        Driver {
            steps: steps.into_iter(),
            handles: Some(handles),
            inner: None,
            parent,
            port: None,
            beside: Vec::new(),
            finished: 0,
        }
    }

    fn handle(&self, number: usize) -> Value {
        let copy = Message::copy_of(self.handles.as_ref().unwrap().value()).unwrap().adopt();
        copy.as_array().unwrap().as_slice()[number].clone()
    }

    fn add_handle(&mut self, handle: Value, context: &NativeContext<'_>) {
        let mut handles = self.handles.take().unwrap().adopt().as_array().unwrap().as_slice().to_vec();
        handles.push(handle);
        let handles = Value::array(handles);
        *context.extension::<Setup>().unwrap().handles.lock().unwrap() = Some(Message::copy_of(&handles).unwrap());
        self.handles = Some(Message::copy_of(&handles).unwrap());
    }

    /// Starts what a host call gave; its end comes at once or later.
    fn take(&mut self, result: NativeResult, spawning: bool, quiet: bool, context: &mut NativeContext<'_>) -> Option<Step> {
        match result {
            Ok(NativeOutcome::Value(value)) => self.done(Ok(value), spawning, quiet, context),
            Ok(NativeOutcome::Resume(state)) => {
                self.inner = Some(Inner { state, spawning, quiet });
                return self.forward(Input::Start, context);
            }
            Err(error) => self.done(Err(error), spawning, quiet, context),
        }
        None
    }

    fn forward(&mut self, input: Input, context: &mut NativeContext<'_>) -> Option<Step> {
        let mut inner = self.inner.take().unwrap();
        match inner.state.step(context, input) {
            Step::Return(value) => self.done(Ok(value), inner.spawning, inner.quiet, context),
            Step::Fail(error) => self.done(Err(error), inner.spawning, inner.quiet, context),
            other => {
                self.inner = Some(inner);
                return Some(other);
            }
        }
        None
    }

    fn done(&mut self, result: Result<Value, Error>, spawning: bool, quiet: bool, context: &NativeContext<'_>) {
        let setup = context.extension::<Setup>().unwrap();
        let note = match result {
            Ok(value) if spawning => {
                self.add_handle(value, context);
                return;
            }
            Ok(_) if quiet => return,
            Ok(value) => match value.as_text() {
                Some(text) => text.to_owned(),
                None => json::encode(&value, context.module()).unwrap(),
            },
            Err(error) => error.summary(context.module()),
        };
        setup.notes.lock().unwrap().push(note);
    }

    fn next(&mut self, context: &mut NativeContext<'_>) -> Option<Step> {
        let setup = context.extension::<Setup>().unwrap();
        let Some(step) = self.steps.next() else {
            if let Some(parent) = &self.parent {
                context.send_to(parent, Box::new(Finished));
            }
            return Some(Step::Return(Value::NULL));
        };
        match step {
            Do::Spawn(agent) => self.spawn(&setup, agent, SupervisionValues::default(), context),
            Do::SpawnWith(agent, supervision) => self.spawn(&setup, agent, supervision, context),
            Do::Ask(call) => {
                let output = setup.types[&call.output.clone().unwrap_or(Type::Str)];
                let description = AskDescription {
                    output,
                    has_timeout: call.timeout.is_some(),
                    has_budget: call.budget.is_some(),
                    join: call.join,
                };
                let mut values = vec![self.handle(call.handle), call.message.as_str().into()];
                values.extend(call.timeout.map(|time| Value::duration(time.as_nanos() as i64)));
                values.extend(call.budget.map(Value::money));
                let result = setup.agents.ask(context, &description, &mut values, false);
                self.take(result, false, call.quiet, context)
            }
            Do::Join(number) => {
                setup.agents.join_round(context, number).unwrap();
                None
            }
            Do::Beside(steps) => {
                let port = self.port.get_or_insert_with(|| context.open_port());
                let handles = Message::copy_of(self.handles.as_ref().unwrap().value()).unwrap();
                let driver = Driver::new(steps, handles, Some(port.address()));
                let options = SpawnOptions { step: self.beside.len() as u32, ..SpawnOptions::default() };
                self.beside.push(context.spawn(Task::Native(Box::new(driver)), options).unwrap().process);
                None
            }
            Do::Wait => match &self.port {
                Some(port) if self.finished < self.beside.len() => {
                    let id = port.id();
                    self.steps = std::iter::once(Do::Wait).chain(self.steps.by_ref()).collect::<Vec<_>>().into_iter();
                    Some(Step::Receive { port: id, deadline: None })
                }
                _ => None,
            },
            Do::Sleep(time) => Some(Step::Receive { port: PortId::NONE, deadline: Some(context.now() + time) }),
            Do::Kill(handle) => {
                let process = context.process_of(&self.handle(handle)).unwrap();
                context.kill(process.expect("it lives"));
                None
            }
            Do::KillBeside(number) => {
                context.kill(self.beside[number]);
                self.finished += 1;
                None
            }
            Do::Clock => {
                let millis = context.now().as_nanos() / 1_000_000;
                setup.notes.lock().unwrap().push(format!("{millis} ms"));
                None
            }
        }
    }

    fn spawn(
        &mut self,
        setup: &Setup,
        agent: u32,
        supervision: SupervisionValues,
        context: &mut NativeContext<'_>,
    ) -> Option<Step> {
        let spawn = SpawnAgent {
            agent: AgentId(agent),
            arguments: &mut [],
            supervision: Some(supervision),
            asynchronous: false,
            linked: false,
            team: None,
        };
        let result = setup.agents.spawn(context, spawn);
        self.take(result, true, false, context)
    }
}

impl Resumable for Driver {
    fn step(&mut self, context: &mut NativeContext<'_>, input: Input) -> Step {
        let mut waits = None;
        if self.inner.is_some() {
            waits = self.forward(input, context);
        } else if let Input::Message(message) = input
            && message.is::<Finished>()
        {
            self.finished += 1;
        }
        loop {
            if let Some(step) = waits {
                return step;
            }
            waits = self.next(context);
        }
    }
}

/// Supervision under which a crash is the end.
pub(crate) fn stop() -> SupervisionValues {
    SupervisionValues { strategy: Strategy::Stop, ..SupervisionValues::default() }
}

/// What a tool gives that calls an agent by the number of its handle.
pub(crate) fn ask_within_tool(context: &mut NativeContext<'_>, handle: usize, message: &str) -> NativeResult {
    let setup = context.extension::<Setup>().unwrap();
    let handle = {
        let handles = setup.handles.lock().unwrap();
        let copy = Message::copy_of(handles.as_ref().unwrap().value()).unwrap().adopt();
        copy.as_array().unwrap().as_slice()[handle].clone()
    };
    let description =
        AskDescription { output: setup.types[&Type::Str], has_timeout: false, has_budget: false, join: Join::AtOnce };
    setup.agents.ask(context, &description, &mut [handle, message.into()], false)
}
