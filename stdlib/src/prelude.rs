//! Output and assertions: the natives that need no import.

use vega_bytecode::{Module, kinds};
use vega_runtime::error::Error;
use vega_runtime::native::NativeTable;
use vega_runtime::value::{Value, equal, print};

use crate::arguments::{Computed, any, boolean, computed, error, text};

computed! {
    "assert" / 2 => |a, _| if boolean(a, 0)? { Ok(Value::NULL) } else { Err(error(kinds::ASSERT_FAILED, text(a, 1)?)) };
    "assert_eq" / 2 => assert_equal;
}

pub(crate) fn register(table: &mut NativeTable) {
    table.add_variadic("print", |context, arguments| {
        context.charge(crate::arguments::cost(arguments));
        let mut line = joined(arguments, context.module())?;
        if let [value] = arguments
            && print::is_chunk(value)
        {
            context.write_chunk(&line);
            return Ok(().into());
        }
        line.push('\n');
        context.write_output(&line)?;
        Ok(().into())
    });
    table.add_variadic("write", |context, arguments| {
        context.charge(crate::arguments::cost(arguments));
        context.write_output(&joined(arguments, context.module())?)?;
        Ok(().into())
    });
    table.add_variadic("eprint", |context, arguments| {
        context.charge(crate::arguments::cost(arguments));
        let mut line = joined(arguments, context.module())?;
        line.push('\n');
        context.write_error(&line)?;
        Ok(().into())
    });
}

/// The texts of the values with a blank between.
fn joined(values: &[Value], module: &Module) -> Result<String, Error> {
    let mut text = String::new();
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            text.push(' ');
        }
        print::append_text(value, module, &mut text)?;
    }
    Ok(text)
}

fn assert_equal(arguments: &mut [Value], module: &Module) -> Computed {
    let (left, right) = (any(arguments, 0)?, any(arguments, 1)?);
    if equal::equal(left, right) {
        return Ok(Value::NULL);
    }
    let (left, right) = (print::to_nested_text(left, module), print::to_nested_text(right, module));
    Err(error(kinds::ASSERT_FAILED, format!("{left} is not equal to {right}")))
}

#[cfg(test)]
mod tests {
    use crate::testing::{fails, shows};

    #[test]
    fn a_failed_assertion_says_what_was_found() {
        shows("assert", (true, "never"), "null");
        fails("assert", (false, "one is two"), "AssertFailed: one is two");
        shows("assert_eq", (2, 2.0), "null");
        fails("assert_eq", ("a", "b"), "AssertFailed: \"a\" is not equal to \"b\"");
    }
}
