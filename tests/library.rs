//! The examples in the documentation of the standard library: each is compiled and run, and does what its comments say.
//!
//! A line of an example may end in one of these; the others are statements that only have to run:
//!
//! ```text
//! EXPRESSION  // expect: TEXT   the expression prints as this
//! STATEMENT   // output: TEXT   a line that it prints
//! STATEMENT   // raises: KIND   it raises an error of this kind
//! ```

use std::sync::{Arc, Mutex};

use vega_bytecode::verify;
use vega_compiler::source::{LoadError, Loader};
use vega_runtime::capability::Grants;
use vega_runtime::output::Output;
use vega_runtime::{Outcome, Runtime};
use vega_scheduler::Clock;

use crate::support::Folder;

/// The file name of an example.
const NAME: &str = "example.vega";

/// One example, as a program and what it has to print.
struct Example {
    place: String,
    program: String,
    output: Vec<String>,
}

impl Example {
    fn new(place: String, lines: &[&str]) -> Example {
        let (mut program, mut output) = (String::new(), Vec::new());
        for line in lines {
            let (code, comment) = line.split_once("// ").unwrap_or((line, ""));
            let code = code.trim_end();
            if let Some(text) = comment.strip_prefix("expect:") {
                program.push_str(&format!("print({code});\n"));
                output.push(text.strip_prefix(' ').unwrap_or(text).to_owned());
            } else if let Some(kind) = comment.strip_prefix("raises:") {
                program.push_str(&format!("try {{ {code}; print(\"nothing\"); }} catch e {{ print(e.kind); }}\n"));
                output.push(kind.trim().to_owned());
            } else {
                program.push_str(&format!("{code}\n"));
                output.extend(comment.strip_prefix("output:").map(|text| text.strip_prefix(' ').unwrap_or(text).to_owned()));
            }
        }
        Example { place, program, output }
    }

    /// What is wrong with it, if anything.
    fn check(&self, folder: &Folder) -> Result<(), String> {
        let compiled = vega_compiler::compile(&Text(&self.program), NAME).expect("the text was given");
        let Some(module) = compiled.module else {
            let problems: Vec<String> = compiled.diagnostics.iter().map(|diagnostic| format!("{diagnostic:?}")).collect();
            return Err(format!("it does not compile: {}", problems.join("\n")));
        };
        let module = verify::verify(module).map_err(|problem| problem.to_string())?;
        let printed = Arc::new(Printed::default());
        let agents = vega_agent::Agents::builder().offline(true).build().expect("a script needs nothing");
        let runtime = Runtime::builder()
            .workers(1)
            .clock(Clock::Virtual { seed: 0 })
            .grants(Grants::standard(folder.path()).build().expect("the folder is there"))
            .natives(vega_stdlib::natives())
            .extension(agents.clone())
            .agents(agents)
            .stdout(printed.clone())
            .build()
            .expect("the runtime starts");
        runtime.load(module).map_err(|problem| problem.to_string())?;
        let report = runtime.run();
        drop(runtime);
        let printed = String::from_utf8_lossy(&printed.0.lock().expect("nobody panics while printing")).into_owned();
        if let Outcome::Failed { error, .. } = &report.outcome {
            return Err(format!("it ends with {error}, after it printed\n{printed}"));
        }
        if printed.lines().ne(self.output.iter().map(String::as_str)) {
            return Err(format!("it prints\n{printed}instead of\n{}", self.output.join("\n")));
        }
        Ok(())
    }
}

/// The text of one example, and the standard library.
struct Text<'a>(&'a str);

impl Loader for Text<'_> {
    fn load(&self, path: &str) -> Result<Arc<str>, LoadError> {
        if path == NAME { Ok(self.0.into()) } else { Err(LoadError::NotFound) }
    }

    fn standard(&self, module: &str) -> Option<Arc<str>> {
        vega_stdlib::module_source(module).map(Arc::from)
    }
}

/// What a program printed.
#[derive(Default)]
struct Printed(Mutex<Vec<u8>>);

impl Output for Printed {
    fn write(&self, bytes: &[u8]) {
        self.0.lock().expect("nobody panics while printing").extend_from_slice(bytes);
    }
}

/// The examples of a module, and the public functions and types that have none.
fn examples(module: &str) -> (Vec<Example>, Vec<String>) {
    let (mut examples, mut without) = (Vec::new(), Vec::new());
    let mut lines: Vec<&str> = Vec::new();
    let text = vega_stdlib::module_source(module).expect("the module is listed");
    for (index, line) in text.lines().enumerate() {
        let line = line.trim_start();
        if let Some(comment) = line.strip_prefix("///") {
            lines.extend(comment.strip_prefix("     "));
            continue;
        }
        if line.starts_with("pub fn ") || line.starts_with("pub struct ") || line.starts_with("pub enum ") {
            let place = format!("vega-std/{module}.vega:{}: {line}", index + 1);
            if lines.is_empty() {
                without.push(place);
            } else {
                examples.push(Example::new(place, &lines));
            }
        }
        lines.clear();
    }
    (examples, without)
}

#[test]
fn every_example_in_the_librarys_documentation_does_what_it_says() {
    let (mut all, mut failures) = (Vec::new(), Vec::new());
    for module in vega_stdlib::module_names() {
        let (examples, without) = examples(module);
        failures.extend(without.into_iter().map(|place| format!("{place}\nhas no example")));
        all.extend(examples.into_iter().map(|example| (module, example)));
    }
    assert!(all.len() > 250, "only {} examples were found", all.len());
    let next = Mutex::new(all.into_iter());
    let failures = Mutex::new(failures);
    std::thread::scope(|scope| {
        for worker in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            let (next, failures) = (&next, &failures);
            scope.spawn(move || {
                let folder = Folder::new(&format!("library-{worker}"));
                loop {
                    let Some((module, example)) = next.lock().expect("no check panics").next() else { return };
                    // Standard input is the test's own, and may be a terminal; the command is given none.
                    let result = if module == "io" { by_command(&example, &folder) } else { example.check(&folder) };
                    if let Err(problem) = result {
                        let text = format!("{}\n{}{problem}", example.place, example.program);
                        failures.lock().expect("no check panics").push(text);
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().expect("no check panics");
    assert!(failures.is_empty(), "{} examples fail\n{}", failures.len(), failures.join("\n\n"));
}

fn by_command(example: &Example, folder: &Folder) -> Result<(), String> {
    let program = folder.write(NAME, &example.program);
    let output = crate::support::output(crate::support::vega().arg("run").arg(program).args(["--quiet", "--offline"]));
    let printed = crate::support::stdout(&output);
    if printed.lines().ne(example.output.iter().map(String::as_str)) {
        return Err(format!("it prints\n{printed}{}", crate::support::stderr(&output)));
    }
    Ok(())
}
