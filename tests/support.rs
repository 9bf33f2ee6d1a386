//! What the tests of the whole product share: running the `vega` command and its mock server as a user would.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// The folder of the project; commands run there.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The `vega` command, in the project's folder, with an environment that holds no keys of the person who tests.
pub(crate) fn vega() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vega"));
    command.current_dir(root());
    for name in ["ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL", "OPENAI_API_KEY", "OPENAI_BASE_URL", "VEGA_PATH"] {
        command.env_remove(name);
    }
    command.env("NO_COLOR", "1").stdin(Stdio::null());
    command
}

/// The command that runs a program, which is written into that folder, without anything but what the program says.
pub(crate) fn run(folder: &Folder, program: &str) -> Command {
    let path = folder.write("a.vega", program);
    let mut command = vega();
    command.arg("run").arg(path).args(["--quiet", "--offline"]);
    command
}

/// Runs a command to its end.
pub(crate) fn output(command: &mut Command) -> Output {
    command.output().expect("the command starts")
}

/// Standard output as text.
pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Standard error as text.
pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A program of one file, ready to run.
pub(crate) fn compiled(program: &'static str) -> vega_bytecode::VerifiedModule {
    let compiled = vega_compiler::compile(&OneFile(program), "main.vega").expect("the text can be loaded");
    let module = compiled.module.unwrap_or_else(|| panic!("mistakes: {:?}", compiled.diagnostics));
    vega_bytecode::verify(module).expect("the compiler's output is valid")
}

struct OneFile(&'static str);

impl vega_compiler::source::Loader for OneFile {
    fn load(&self, path: &str) -> Result<std::sync::Arc<str>, vega_compiler::source::LoadError> {
        if path == "main.vega" { Ok(self.0.into()) } else { Err(vega_compiler::source::LoadError::NotFound) }
    }

    fn standard(&self, module: &str) -> Option<std::sync::Arc<str>> {
        vega_stdlib::module_source(module).map(std::sync::Arc::from)
    }
}

/// A request as a server gets it.
pub(crate) struct HttpRequest {
    /// Its lines, without their ends, the first with method and path.
    pub(crate) head: Vec<String>,
    pub(crate) body: String,
}

/// Reads one request with its body; none where the client is gone.
pub(crate) fn read_request(from: &mut impl BufRead) -> Option<HttpRequest> {
    let (mut head, mut length) = (Vec::new(), 0);
    loop {
        let mut line = String::new();
        if from.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        head.push(line.to_owned());
    }
    let mut body = vec![0; length];
    from.read_exact(&mut body).ok()?;
    Some(HttpRequest { head, body: String::from_utf8_lossy(&body).into_owned() })
}

/// A resolver that answers nothing until it is told to give up.
#[derive(Default)]
pub(crate) struct SilentLookup {
    released: Mutex<bool>,
    changed: Condvar,
}

impl SilentLookup {
    /// Lets it give up.
    pub(crate) fn release(&self) {
        *self.released.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
    }
}

impl vega_net::client::Lookup for SilentLookup {
    fn lookup(&self, _: &str, _: u16) -> std::io::Result<Vec<SocketAddr>> {
        let mut released = self.released.lock().unwrap_or_else(PoisonError::into_inner);
        while !*released {
            released = self.changed.wait(released).unwrap_or_else(PoisonError::into_inner);
        }
        Err(std::io::Error::other("nobody knows"))
    }
}

/// Agents whose models stand behind a name that a resolver has to find.
pub(crate) fn agents_behind(lookup: Arc<SilentLookup>) -> Arc<vega_agent::Agents> {
    let environment = |name: &str| match name {
        "ANTHROPIC_API_KEY" => Some("test-key".to_owned()),
        "ANTHROPIC_BASE_URL" => Some("http://models.example".to_owned()),
        _ => None,
    };
    vega_agent::Agents::builder().environment(environment).lookup(lookup).build().expect("agents")
}

/// A folder of a test's own, removed at its end.
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// A new empty folder. Tests that run at the same time may use the same name.
    pub(crate) fn new(name: &str) -> Folder {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("vega-test-{name}-{}-{number}", std::process::id()));
        let _absent = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).expect("the temporary folder can be written");
        Folder(path)
    }

    /// Its path.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file into it and gives its path.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).expect("the temporary folder can be written");
        }
        std::fs::write(&path, content).expect("the temporary folder can be written");
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _kept = std::fs::remove_dir_all(&self.0);
    }
}

/// A running `vega mock-server`, stopped at the end of the test.
pub(crate) struct MockServer {
    child: Child,
    /// Its address, as a base URL.
    pub(crate) url: String,
}

impl MockServer {
    /// Starts one with a replies file and further flags, and waits until it says where it listens.
    pub(crate) fn start(replies: &Path, flags: &[&str]) -> MockServer {
        let mut command = vega();
        command.arg("mock-server").arg("--replies").arg(replies).args(["--port", "0"]).args(flags);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().expect("the command starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("it says where it listens");
        let url =
            line.split_whitespace().find(|word| word.starts_with("http")).unwrap_or_else(|| panic!("no address in {line:?}"));
        MockServer { url: url.to_owned(), child }
    }

    /// Ends it at once, as if its machine had failed.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }

    /// `vega run` against this server.
    pub(crate) fn run(&self, program: &Path) -> Command {
        let mut command = vega();
        command.arg("run").arg(program).env("ANTHROPIC_API_KEY", "test-key-123").env("ANTHROPIC_BASE_URL", &self.url);
        command
    }
}

impl Drop for MockServer {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}
