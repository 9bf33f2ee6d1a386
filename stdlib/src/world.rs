//! `env` and `io`: what a program is given from outside.

use std::io::{BufRead, Read};

use vega_bytecode::kinds;
use vega_runtime::error::Error;
use vega_runtime::native::NativeTable;
use vega_runtime::value::{Array, Value};
use vega_scheduler::Lane;

use crate::arguments::{error, text};

pub(crate) fn register(table: &mut NativeTable) {
    table.add("env::get", 1, |context, arguments| {
        let value = context.variable(text(arguments, 0)?)?;
        Ok(Value::optional(value).into())
    });
    table.add("env::arguments", 0, |context, _| {
        let arguments = context.arguments().iter().map(|argument| Value::str(argument.as_str()));
        Ok(Value::from(arguments.collect::<Array>()).into())
    });
    table.add_blocking("io::read_line", 1, |context, arguments| {
        let prompt = text(arguments, 0)?;
        if !prompt.is_empty() {
            context.write_output(prompt)?;
        }
        let line = context.offload(Lane::Files, || {
            let mut line = String::new();
            std::io::stdin().lock().read_line(&mut line).map(|bytes| (bytes > 0).then_some(line))
        });
        let line = line.and_then(|line| line).map_err(input_error)?;
        Ok(Value::optional(line.map(without_end)).into())
    });
    table.add_blocking("io::read_all", 0, |context, _| {
        let text = context.offload(Lane::Files, || {
            let mut text = String::new();
            std::io::stdin().lock().read_to_string(&mut text).map(|_| text)
        });
        Ok(Value::str(text.and_then(|text| text).map_err(input_error)?).into())
    });
}

fn input_error(problem: std::io::Error) -> Error {
    error(kinds::IO_ERROR, format!("standard input: {problem}"))
}

fn without_end(mut line: String) -> String {
    if line.ends_with('\n') {
        line.pop();
        if line.ends_with('\r') {
            line.pop();
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_given_without_its_end() {
        assert_eq!(without_end("a\r\n".to_string()), "a");
        assert_eq!(without_end("a".to_string()), "a");
    }
}
