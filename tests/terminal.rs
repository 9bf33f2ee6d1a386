//! Tools with `approval required` as a person meets them: on a terminal, which a pseudo-terminal stands for.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use crate::support::{Folder, output, stderr, stdout, vega};

/// How long a program may take to say what is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

const PROGRAM: &str = r#"
agent A {
    model "claude-haiku-5-5"
    tool deploy(to: str) -> str approval required { return "deployed to " + to; }
}
fn main() {
    let a = spawn A;
    print("reply: " + (a <- "go"));
}
"#;

const REPLIES: &str = r#"
[[reply]]
turn = 1
tool_calls = [{ name = "deploy", args = { to = "prod" } }]

[[reply]]
contains = "deployed to prod"
text = "it is done"

[[reply]]
contains = "nobody"
text = "there was nobody"

[[reply]]
text = "it was refused"
"#;

/// A program on a terminal of its own.
struct Terminal {
    child: Child,
    keys: File,
    pieces: Receiver<Vec<u8>>,
    screen: String,
}

impl Terminal {
    fn start(command: &mut Command) -> Terminal {
        let (keys, terminal) = pair();
        let same = || Stdio::from(terminal.try_clone().expect("it can be shared"));
        command.stdin(same()).stdout(same()).stderr(same());
        // SAFETY: between fork and exec only two system calls are made; neither allocates nor takes a lock.
        unsafe {
            command.pre_exec(|| {
                // So that the keys for signals reach this process and no other.
                if libc::setsid() < 0 || libc::ioctl(0, libc::TIOCSCTTY, 0) < 0 {
                    return Err(std::io::Error::last_os_error());
                }
                Ok(())
            });
        }
        let child = command.spawn().expect("it starts");
        // Else the end of the program would not be the end of the terminal.
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        drop(terminal);
        let mut reader = keys.try_clone().expect("it can be shared");
        let (sender, pieces) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 1024];
            // At the end of the program the terminal is gone, which is an error here.
            while let Ok(amount @ 1..) = reader.read(&mut buffer) {
                if sender.send(buffer[..amount].to_vec()).is_err() {
                    return;
                }
            }
        });
        Terminal { child, keys, pieces, screen: String::new() }
    }

    /// Waits until the screen shows a text, and takes it and all before it.
    fn until(&mut self, text: &str) -> String {
        loop {
            if let Some(place) = self.screen.find(text) {
                let rest = self.screen.split_off(place + text.len());
                return std::mem::replace(&mut self.screen, rest);
            }
            let piece = self.pieces.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("no {text:?} in {:?}", self.screen));
            self.screen.push_str(&String::from_utf8_lossy(&piece));
        }
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("the terminal takes keys");
    }

    /// What else the screen shows until the program ends, and its exit status.
    fn end(mut self) -> (String, Option<i32>) {
        loop {
            match self.pieces.recv_timeout(PATIENCE) {
                Ok(piece) => self.screen.push_str(&String::from_utf8_lossy(&piece)),
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => break,
                Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {
                    let _gone = self.child.kill();
                    panic!("the program does not end: {:?}", self.screen);
                }
            }
        }
        let status = self.child.wait().expect("it ends");
        (self.screen, status.code())
    }
}

/// Both sides of a pseudo-terminal: where a person would sit, and the program's.
fn pair() -> (File, OwnedFd) {
    let (mut person, mut program) = (0, 0);
    let none = std::ptr::null_mut();
    // SAFETY: both numbers live across the call, and the other pointers may be null.
    let made = unsafe { libc::openpty(&mut person, &mut program, none, none.cast(), none.cast()) };
    assert_eq!(made, 0, "{}", std::io::Error::last_os_error());
    for descriptor in [person, program] {
        // SAFETY: the descriptor was opened above; the call takes no pointer.
        assert_eq!(unsafe { libc::fcntl(descriptor, libc::F_SETFD, libc::FD_CLOEXEC) }, 0);
    }
    // SAFETY: both were opened above and belong to nobody else.
    unsafe { (File::from_raw_fd(person), OwnedFd::from_raw_fd(program)) }
}

fn command(folder: &Folder, replies: &str) -> Command {
    let program = folder.write("a.vega", PROGRAM);
    let replies = folder.write("replies.toml", replies);
    let mut command = vega();
    command.arg("run").arg(program).args(["--offline", "--quiet", "--replies"]).arg(replies);
    command
}

const QUESTION: &str = "Allow it? [y/N] ";

#[test]
fn a_person_at_the_terminal_decides() {
    let folder = Folder::new("terminal-decides");
    let decided = |keys: &str| {
        let mut terminal = Terminal::start(&mut command(&folder, REPLIES));
        let asked = terminal.until(QUESTION);
        assert!(asked.ends_with("A wants to call deploy({\"to\":\"prod\"}). Allow it? [y/N] "), "{asked:?}");
        terminal.press(keys);
        let (screen, status) = terminal.end();
        assert_eq!(status, Some(0), "{screen}");
        screen.lines().last().unwrap_or_default().to_owned()
    };
    assert_eq!(decided("y\n"), "reply: it is done");
    assert_eq!(decided("yes\n"), "reply: it is done");
    assert_eq!(decided("n\n"), "reply: it was refused");
    assert_eq!(decided("\n"), "reply: it was refused");
    // The end of the input: the person has left.
    assert_eq!(decided("\x04"), "reply: there was nobody");
}

#[test]
fn an_interrupt_at_the_question_ends_the_program() {
    let folder = Folder::new("terminal-interrupt");
    let mut terminal = Terminal::start(&mut command(&folder, REPLIES));
    terminal.until(QUESTION);
    terminal.press("\x03");
    let (screen, status) = terminal.end();
    assert_eq!(status, Some(130), "{screen}");
    assert!(!screen.contains("reply:"), "{screen}");
}

#[test]
fn questions_of_one_turn_come_one_at_a_time_and_each_has_its_own_answer() {
    let folder = Folder::new("terminal-two");
    let replies = REPLIES.replace(
        "tool_calls = [{ name = \"deploy\", args = { to = \"prod\" } }]",
        "tool_calls = [{ name = \"deploy\", args = { to = \"prod\" } }, { name = \"deploy\", args = { to = \"moon\" } }]",
    ) + "\n";
    let replies = replies.replace("contains = \"deployed to prod\"", "contains = \"deployed to moon\"");
    let mut terminal = Terminal::start(&mut command(&folder, &replies));
    let mut asked = 0;
    for _ in 0..2 {
        let question = terminal.until(QUESTION);
        assert_eq!(question.matches("wants to call").count(), 1, "{question:?}");
        let is_moon = question.contains("moon");
        asked += if is_moon { 1 } else { 10 };
        terminal.press(if is_moon { "y\n" } else { "n\n" });
    }
    assert_eq!(asked, 11, "each is asked about once");
    let (screen, status) = terminal.end();
    assert_eq!((screen.lines().last(), status), (Some("reply: it is done"), Some(0)));
}

#[test]
fn without_a_terminal_nobody_is_asked() {
    let folder = Folder::new("terminal-none");
    // Standard input is no terminal, whatever it would say.
    let mut child =
        command(&folder, REPLIES).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    // It may have ended before it could read this, and must not read it at all.
    let _unread = child.stdin.take().expect("piped").write_all(b"y\n");
    let ended = child.wait_with_output().expect("it ends");
    assert_eq!(stdout(&ended), "reply: there was nobody\n", "{}", stderr(&ended));
    assert!(!stderr(&ended).contains("Allow it?"));
    let plain = output(&mut command(&folder, REPLIES));
    assert_eq!(stdout(&plain), "reply: there was nobody\n");
}
