//! Calls natives by name, as a program would, and compares what comes back with its text.

use vega_bytecode::{Module, kinds};
use vega_runtime::value::Value;

/// Arguments of a call: a tuple of what values are made of.
pub(crate) trait Arguments {
    fn values(self) -> Vec<Value>;
}

/// One argument.
pub(crate) trait Argument {
    fn value(self) -> Value;
}

impl Argument for i32 {
    fn value(self) -> Value {
        Value::int(i64::from(self))
    }
}

impl Argument for i64 {
    fn value(self) -> Value {
        Value::int(self)
    }
}

impl Argument for f64 {
    fn value(self) -> Value {
        Value::float(self)
    }
}

impl Argument for bool {
    fn value(self) -> Value {
        Value::bool(self)
    }
}

impl Argument for &str {
    fn value(self) -> Value {
        Value::str(self)
    }
}

impl Argument for Value {
    fn value(self) -> Value {
        self
    }
}

macro_rules! tuples {
    ($($name:ident),*) => {
        impl<$($name: Argument),*> Arguments for ($($name,)*) {
            #[allow(non_snake_case, reason = "the type parameters name the parts")]
            fn values(self) -> Vec<Value> {
                let ($($name,)*) = self;
                vec![$($name.value()),*]
            }
        }
    };
}
tuples!();
tuples!(A);
tuples!(A, B);
tuples!(A, B, C);
tuples!(A, B, C, D);

fn call(name: &str, mut arguments: Vec<Value>) -> (Result<Value, String>, Vec<Value>) {
    let mut module = Module::default();
    module.kinds = kinds::built_in_definitions(&mut module.types);
    let arity = arguments.len() as u8;
    let native = crate::computed().find(|native| native.name == name && native.arity == arity);
    let native = native.unwrap_or_else(|| panic!("there is no native {name} of {arity} arguments"));
    let result = (native.compute)(&mut arguments, &module).map_err(|error| error.summary(&module));
    (result, arguments)
}

/// The native gives a value with this text.
#[track_caller]
pub(crate) fn shows(name: &str, arguments: impl Arguments, text: &str) {
    let (result, _) = call(name, arguments.values());
    assert_eq!(result.map(|value| format!("{value:?}")), Ok(text.to_string()));
}

/// The native raises an error with this summary.
#[track_caller]
pub(crate) fn fails(name: &str, arguments: impl Arguments, summary: &str) {
    let (result, _) = call(name, arguments.values());
    assert_eq!(result.map(|value| format!("{value:?}")), Err(summary.to_string()));
}

/// The native changes its receiver to one text and gives another.
#[track_caller]
pub(crate) fn changes(name: &str, arguments: impl Arguments, receiver: &str, text: &str) {
    let (result, arguments) = call(name, arguments.values());
    assert_eq!(result.map(|value| format!("{value:?}")), Ok(text.to_string()));
    assert_eq!(format!("{:?}", arguments[0]), receiver);
}
