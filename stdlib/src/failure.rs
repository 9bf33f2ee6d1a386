//! `error`: what is known of a caught error.

use vega_bytecode::Module;
use vega_runtime::error::Error;
use vega_runtime::value::{Array, Str, Value};

use crate::arguments::{Computed, caught, computed};

computed! {
    "error::kind" / 1 => |a, module| Ok(Value::str(caught(a, 0)?.kind_name(module)));
    "error::message" / 1 => |a, _| Ok(caught(a, 0)?.message().clone().into());
    "error::payload" / 1 => |a, _| Ok(caught(a, 0)?.payload().iter().cloned().collect::<Array>().into());
    "error::partial" / 1 => |a, _| Ok(Value::optional(caught(a, 0)?.partial().cloned()));
    "error::position" / 1 => position;
    "error::trace_id" / 1 => |a, _| Ok(Value::from(caught(a, 0)?.trace_id().cloned().unwrap_or_else(|| Str::from(""))));
    "error::cause" / 1 => |a, _| Ok(Value::optional(caught(a, 0)?.cause().cloned()));
}

fn position(arguments: &mut [Value], module: &Module) -> Computed {
    let error: &Error = caught(arguments, 0)?;
    Ok(Value::str(error.position(module)))
}

#[cfg(test)]
mod tests {
    use vega_bytecode::kinds;
    use vega_runtime::error::Error;
    use vega_runtime::value::Value;

    use crate::testing::shows;

    #[test]
    fn a_caught_error_tells_what_happened() {
        let error = Error::with_payload(kinds::PROVIDER_ERROR, "too long", vec![Value::int(400), Value::str("too long")]);
        let error: Value = error.with_partial("Once").with_cause(Error::new(kinds::IO_ERROR, "gone")).into();
        shows("error::kind", (error.clone(),), "\"ProviderError\"");
        shows("error::message", (error.clone(),), "\"too long\"");
        shows("error::payload", (error.clone(),), "[400, \"too long\"]");
        shows("error::partial", (error.clone(),), "\"Once\"");
        shows("error::position", (error.clone(),), "\"\"");
        shows("error::trace_id", (error.clone(),), "\"\"");
        shows(
            "error::kind",
            (error.as_error().and_then(Error::cause).map_or(Value::NULL, |cause| cause.clone().into()),),
            "\"IoError\"",
        );
    }
}
