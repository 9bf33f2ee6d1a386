//! What holds beside a crowd of processes that only make more of them.

use crate::support::{Folder, output, run, stderr, stdout};

#[test]
fn makers_of_processes_without_end_fail_and_the_others_live() {
    let folder = Folder::new("bomb");
    folder.write("vega.toml", "[limits]\nprocesses = 2000\n");
    let program = "fn bomb() { loop { spawn bomb(); } }\n\
         fn echo() { loop { receive { c: Call => reply(c.from, c.value) } } }\n\
         fn main() {\n    let e = spawn echo();\n    let failed = 0;\n\
             // A maker only ends by failing, so from here on more than ten have.\n\
             while failed < 20 {\n\
                 try { process::monitor(spawn bomb()); } catch LimitReached { process::yield(); continue; }\n\
                 receive { d: Down => failed += 1 }\n    }\n\
             for i in 0..20 { assert_eq(process::call(e, i, timeout 60s), i); }\n    print(\"alive\");\n}";
    let run = output(&mut run(&folder, program));
    let error = stderr(&run);
    assert_eq!((stdout(&run).as_str(), run.status.code()), ("alive\n", Some(0)), "{error}");
    assert_eq!(error.matches(" ended: LimitReached: processes").count(), 10, "{error}");
    assert_eq!(error.matches("processes ended like this: LimitReached: processes").count(), 1, "{error}");
}

/// Counted in reductions: if each message waited for every maker, these calls would take tens of millions of them.
#[test]
fn others_talk_beside_a_crowd_of_makers_of_processes() {
    let folder = Folder::new("crowd");
    folder.write("vega.toml", "[limits]\nprocesses = 20000\n");
    let program = "fn bomb() { loop { spawn bomb(); } }\n\
         fn echo() { loop { receive { c: Call => reply(c.from, c.value) } } }\n\
         fn main() {\n    let e = spawn echo();\n    assert_eq(process::call(e, 0, timeout 60s), 0);\n    spawn bomb();\n\
             for i in 0..100 { assert_eq(process::call(e, i, timeout 60s), i); }\n    print(\"alive\");\n}";
    let run = output(run(&folder, program).args(["--workers", "1", "--max-reductions", "3M"]));
    assert_eq!((stdout(&run).as_str(), run.status.code()), ("alive\n", Some(0)), "{}", stderr(&run));
}
