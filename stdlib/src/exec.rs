//! `exec`: commands of the system, without a shell.

use vega_bytecode::kinds;
use vega_runtime::command::Finished;
use vega_runtime::error::Error;
use vega_runtime::native::{NativeContext, NativeTable};
use vega_runtime::value::Value;

use crate::arguments::{error, text};
use crate::json::decoded;

/// Bytes of each output of a failed command that its error tells: the end, where tools say what is wrong.
const TOLD_BYTES_MAX: usize = 4 << 10;

pub(crate) fn register(table: &mut NativeTable) {
    table.add_blocking("exec", 1, |context, arguments| {
        let command = text(arguments, 0)?;
        let finished = run(context, command)?;
        if finished.status == 0 { Ok(Value::str(finished.output).into()) } else { Err(failed(command, finished)) }
    });
    table.add_blocking("exec::run", 1, |context, arguments| {
        let Finished { status, output, errors } = run(context, text(arguments, 0)?)?;
        Ok(decoded(context, &serde_json::json!({ "status": status, "output": output, "errors": errors }))?.into())
    });
}

fn run(context: &NativeContext<'_>, command: &str) -> Result<Finished, Error> {
    let words = words(command).map_err(|problem| error(kinds::IO_ERROR, format!("`{command}`: {problem}")))?;
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    context.run_command(&words)
}

/// The words of a command.
fn words(command: &str) -> Result<Vec<String>, String> {
    // Quoted, such a word is an argument like any other.
    if let Some(operator) = command.split_whitespace().find(|word| OPERATORS.contains(word)) {
        return Err(format!(
            "there is no shell that would understand `{operator}`; run one command at a time, or put quotes around what the command is to get"
        ));
    }
    let words = shlex::split(command).ok_or("a quote is not closed")?;
    if words.is_empty() { Err("it names no command".into()) } else { Ok(words) }
}

/// What a shell would understand.
const OPERATORS: [&str; 12] = ["|", "||", "&", "&&", ";", ">", ">>", "<", "<<", "2>", "2>&1", "&>"];

/// The error of a command whose status is not 0.
fn failed(command: &str, finished: Finished) -> Error {
    let mut message = format!("`{command}` ended with status {}", finished.status);
    for told in [&finished.output, &finished.errors] {
        let told = told.trim_end();
        if !told.is_empty() {
            let start = told.ceil_char_boundary(told.len().saturating_sub(TOLD_BYTES_MAX));
            message.push_str(if start > 0 { "\n…" } else { "\n" });
            message.push_str(&told[start..]);
        }
    }
    error(kinds::IO_ERROR, message).with_partial(finished.output)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_split_as_a_shell_does_it() {
        assert_eq!(
            words("git commit -m 'two words' \"a b\""),
            Ok(["git", "commit", "-m", "two words", "a b"].map(String::from).to_vec())
        );
        assert_eq!(words("grep '|' \"&&\" a;b"), Ok(["grep", "|", "&&", "a;b"].map(String::from).to_vec()));
        assert_eq!(words("echo 'open"), Err("a quote is not closed".into()));
        assert_eq!(words("  "), Err("it names no command".into()));
        assert!(words("ls | wc").is_err_and(|problem| problem.contains("understand `|`")));
        assert!(words("a && b").is_err_and(|problem| problem.contains("understand `&&`")));
    }

    #[test]
    fn a_failed_command_tells_the_end_of_what_it_wrote() {
        let finished = Finished { status: 2, output: "é".repeat(TOLD_BYTES_MAX), errors: "bad\n".into() };
        let error = failed("make", finished);
        let message = error.message().as_str();
        assert!(message.starts_with("`make` ended with status 2\n…é"), "{message}");
        assert!(message.ends_with("é\nbad"), "{message}");
        assert!(message.len() < TOLD_BYTES_MAX + 100);
    }
}
