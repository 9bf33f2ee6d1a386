#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;

fn command(words: &[&str]) -> Command {
    Command {
        words: words.iter().map(|&word| word.to_owned()).collect(),
        directory: "/".into(),
        output_bytes_max: 1 << 20,
        time_max: Duration::from_secs(600),
    }
}

fn shell(text: &str) -> Command {
    command(&["sh", "-c", text])
}

fn finished(status: i32, output: &str, errors: &str) -> Finished {
    Finished { status, output: output.into(), errors: errors.into() }
}

#[test]
fn a_command_tells_its_status_and_both_outputs() {
    let run = |text: &str| shell(text).run(&Group::default()).unwrap();
    assert_eq!(run("echo out; echo err >&2; exit 3"), finished(3, "out\n", "err\n"));
    assert_eq!(run("printf '\\377a'"), finished(0, "\u{fffd}a", ""));
    assert_eq!(run("kill -TERM $$"), finished(143, "", ""));
    // More than pipes hold, on both at once.
    let both = run("head -c 300000 /dev/zero | tr '\\0' x; head -c 300000 /dev/zero | tr '\\0' y >&2");
    assert_eq!((both.output.len(), both.errors.len()), (300_000, 300_000));
    // Outputs that are closed long before the end.
    assert_eq!(run("exec >&- 2>&-; exit 5"), finished(5, "", ""));
}

#[test]
fn a_command_sees_a_small_environment_and_no_input() {
    let told = shell("env | sed 's/=.*//' | grep -v -e PWD -e SHLVL -e '^_$' | sort; pwd; cat").run(&Group::default()).unwrap();
    assert_eq!(told, finished(0, "HOME\nLANG\nPATH\n/\n", ""));
}

#[test]
fn what_cannot_be_started_is_named() {
    let reason = |words: &[&str]| command(words).run(&Group::default()).unwrap_err().to_string();
    assert_eq!(reason(&["vega-no-such-command"]), format!("there is no command vega-no-such-command in {PATH}"));
    assert_eq!(reason(&["./vega-no-such-file"]), "there is no file ./vega-no-such-file");
    assert_eq!(reason(&["/etc/passwd"]), "/etc/passwd may not be executed");
    assert_eq!(reason(&[]), "it names no command");
    let mut nowhere = command(&["true"]);
    nowhere.directory = "/no/such/folder".into();
    assert_eq!(nowhere.run(&Group::default()).unwrap_err().to_string(), "there is no folder /no/such/folder to run it in");
}

#[test]
fn a_command_is_ended_at_its_bounds() {
    let mut endless = shell("yes");
    endless.output_bytes_max = 10_000;
    assert!(matches!(endless.run(&Group::default()), Err(CommandProblem::TooMuch(10_000))));
    let mut slow = shell("sleep 1000");
    slow.time_max = Duration::from_millis(1);
    assert!(matches!(slow.run(&Group::default()), Err(CommandProblem::TooLong(_))));
}

#[test]
fn a_command_that_is_over_leaves_nobody_behind() {
    // The sleeper holds the output open, and would for a long time.
    let told = shell("sleep 1000 & echo $!").run(&Group::default()).unwrap();
    let sleeper = Pid::from_raw(told.output.trim().parse().unwrap()).unwrap();
    // Killed, and gone as soon as its parent, the system's first process, takes note.
    let state = std::fs::read_to_string(format!("/proc/{}/stat", sleeper.as_raw_nonzero())).unwrap_or_default();
    let is_dead = |stat: &str| stat.is_empty() || stat.contains(") Z") || stat.contains(") X");
    if !is_dead(&state) {
        let descriptor = pidfd_open(sleeper, PidfdFlags::empty());
        if let Ok(descriptor) = descriptor {
            poll(&mut [PollFd::from_borrowed_fd(descriptor.as_fd(), PollFlags::IN)], None).unwrap();
        }
    }
}

#[test]
fn a_command_ends_when_its_group_is_ended() {
    let group = Group::default();
    let other = group.clone();
    let running = std::thread::spawn(move || shell("echo started; exec sleep 1000").run(&other));
    while !matches!(*group.0.lock().unwrap(), GroupState::Running(_)) {
        std::thread::yield_now();
    }
    drop(group.end_on_drop());
    assert_eq!(running.join().unwrap().unwrap().status, 137);
    // Before it begins, too.
    assert!(matches!(shell("true").run(&group), Err(CommandProblem::Ended)));
}
