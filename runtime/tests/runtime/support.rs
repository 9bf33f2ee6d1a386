//! Running a program and looking at what it did.

use std::sync::Arc;

use vega_bytecode::VerifiedModule;
use vega_runtime::output::Collect;
use vega_runtime::{Builder, Outcome, RunReport, Runtime};

/// What a program did.
pub(crate) struct Ran {
    pub(crate) report: RunReport,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

pub(crate) fn run(module: VerifiedModule) -> Ran {
    run_with(module, |builder| builder)
}

pub(crate) fn run_with(module: VerifiedModule, change: impl FnOnce(Builder) -> Builder) -> Ran {
    let (stdout, stderr) = (Arc::new(Collect::default()), Arc::new(Collect::default()));
    let builder = Runtime::builder().workers(2).stdout(stdout.clone()).stderr(stderr.clone());
    let runtime = change(builder).build().unwrap();
    runtime.load(module).unwrap();
    let report = runtime.run();
    drop(runtime);
    Ran { report, stdout: stdout.text(), stderr: stderr.text() }
}

pub(crate) fn finished(status: i64) -> Outcome {
    Outcome::Finished(status)
}

/// How the run failed.
pub(crate) fn failure(ran: &Ran) -> &str {
    match &ran.report.outcome {
        Outcome::Failed { error, .. } => error,
        other => panic!("{other:?}, stderr: {}", ran.stderr),
    }
}
