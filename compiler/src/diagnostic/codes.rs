//! All diagnostic codes, with what they mean. The one table behind the stages and `vega explain`.
//!
//! A code is never reused for something else: people look it up, and silence it by name.

use std::fmt;

/// A stable name of a kind of problem, such as `V0101`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(&'static str);

impl Code {
    /// The name as users see it.
    pub fn as_str(self) -> &'static str {
        self.0
    }

    /// What the table says about it.
    pub fn info(self) -> Option<&'static CodeInfo> {
        find(self.0)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0)
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0)
    }
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct CodeInfo {
    /// The code.
    pub code: Code,
    /// The kind of problem in a few words.
    pub title: &'static str,
    /// What it means and how to get rid of it.
    pub explanation: &'static str,
}

/// The row of a code given by its name, in any case of letters.
pub fn find(name: &str) -> Option<&'static CodeInfo> {
    ALL.iter().find(|info| info.code.0.eq_ignore_ascii_case(name))
}

/// Declares a constant for each code, and the table of all of them.
macro_rules! codes {
    ($($name:ident $code:literal $title:literal $explanation:literal;)*) => {
        $(#[doc = $title] pub const $name: Code = Code($code);)*
        /// Every code, in ascending order.
        pub const ALL: &[CodeInfo] = &[
            $(CodeInfo { code: $name, title: $title, explanation: $explanation },)*
        ];
    };
}

// V01: syntax. V02: names. V03: types. V04: agents, processes and capabilities. V06: limits of the bytecode format.
// V09: what this version does not run yet.
codes! {
    UNKNOWN_CHARACTER "V0101" "a character that means nothing here"
        "The text holds a character that no Vega token starts with. Typographic quotes and dashes pasted from a document are the usual cause.";

    // V02
    DUPLICATE_NAME "V0201" "a name is declared twice"
        "Two declarations of one kind in one place have the same name, so the name could mean either. Rename one of them.";
    UNKNOWN_NAME "V0202" "a name that nothing has"
        "No variable, constant or function of this name is known at this place. Variables are known from their `let` to the end of the block; names of other files need an import.";
    UNKNOWN_TYPE "V0203" "a type that does not exist"
        "No struct, enum, agent or type of the language has this name here. Types of other files need an import.";
    UNKNOWN_MODULE "V0204" "a module that does not exist"
        "The word before `::` is no imported file, no module of the standard library and no type.";
    IMPORT_NOT_FOUND "V0205" "an imported file does not exist"
        "Paths of imports are relative to the file that they stand in, start with `./` or `../`, and have no `.vega`. Names without `./` are modules of the standard library.";
    IMPORT_CYCLE "V0206" "files import each other in a circle"
        "Files are loaded in the order of their imports, so a circle has no beginning. Move what both sides need into a file of its own.";
    AMBIGUOUS_NAME "V0207" "a name that two imports define"
        "A plain import brings the public names of a file along. Where two files bring the same name, say which one is meant by writing the file's name before `::`.";
    PRIVATE_NAME "V0208" "a name that is not public"
        "Only declarations with `pub` are seen by other files. The fields of a public struct and the variants of a public enum are public too; methods need their own `pub`.";
    UNKNOWN_FIELD "V0209" "a field that does not exist"
        "The struct, tuple or error has no part of this name.";
    UNKNOWN_METHOD "V0210" "a method that does not exist"
        "Neither an `impl` of the type nor the standard library has a method of this name.";
    UNKNOWN_VARIANT "V0211" "a variant that does not exist"
        "The enum has no variant of this name.";
    UNKNOWN_KIND "V0212" "an error kind that does not exist"
        "A name that starts with an upper-case letter in `catch` must be an error kind of the language or one declared with `error`. A name that starts lower-case catches everything and names the error.";
    UNKNOWN_LABEL "V0213" "a label that no loop has"
        "`break` and `continue` name a label of a loop around them, written before the loop as `name:`.";
    IMPORT_UNREADABLE "V0214" "an imported file cannot be read"
        "The file exists, but the system did not let it be read, or it is no UTF-8 text.";
    MAIN_SIGNATURE "V0215" "a `main` that cannot be started"
        "`main` takes nothing or the arguments of the command line as `str[]`, and gives nothing or an exit status as `int`.";
    STATEMENTS_BESIDE_MAIN "V0216" "statements beside a function `main`"
        "A program starts either with its top-level statements or with its function `main`. With both, it is not clear what runs.";
    STATEMENTS_IN_IMPORT "V0217" "statements in an imported file"
        "Importing a file only makes its declarations known and runs nothing, so statements outside of functions would never run.";
    FOREIGN_IMPL "V0218" "methods for a type of somebody else"
        "Methods of a struct or enum belong into the file that declares it, so that everybody sees the same ones. Write a function that takes the value instead.";
    UNKNOWN_BOUND "V0219" "a bound that does not exist"
        "A type parameter can be bound by `Ord`, `Key` and `Num`.";

    // V03
    MISMATCHED "V0301" "a value of another type than expected"
        "Every place has a type, and a value of another type does not fit. Only a few conversions are implicit; `int(x)`, `float(x)` and `str(x)` convert explicitly.";
    ARGUMENT_COUNT "V0302" "a wrong number of values"
        "A call gives each parameter without default exactly one value.";
    UNKNOWN_ARGUMENT "V0303" "an argument that has no parameter"
        "An argument written `name: value` goes to the parameter of that name, which must exist and get only one value.";
    OPERATOR "V0304" "an operator that does not go with its operands"
        "Arithmetic is for numbers, durations and money; `+` also joins text, arrays and bytes; ordering is for numbers and text.";
    NOT_CALLABLE "V0305" "a call of something that is no function"
        "Only functions and closures can be called. Structs are made with braces, agents are started with `spawn`.";
    NOT_ITERABLE "V0306" "a loop over something that has no elements"
        "`for` goes through arrays, ranges, text, maps and streams.";
    NOT_INDEXABLE "V0307" "an index into something that has no elements"
        "Arrays, text, bytes, maps and JSON have elements that `[ ]` names.";
    NOT_A_PLACE "V0308" "a change of something that nobody holds"
        "Assignments and methods with `mut self` change a variable, or a field or element of one. Constants, results of calls and parts of text cannot be changed.";
    CAPTURE_CHANGED "V0309" "a change of a captured variable"
        "A closure copies the variables that it uses when it is made, so a change inside of it could not be seen outside. Return the new value instead.";
    MISSING_RETURN "V0310" "a function that can end without its value"
        "Every way through a function with a result has to `return` one or end with a value.";
    UNREACHABLE "V0311" "code that is never reached"
        "What stands before it always returns, throws, breaks or continues.";
    NEEDS_ANNOTATION "V0312" "a type that cannot be told"
        "Types are told from the value itself and from what is expected at its place. Where neither says enough, write the type.";
    MAYBE_NULL "V0313" "use of a value that may be null"
        "A value of a type with `?` has to be tested, matched or given a default before it is used.";
    MISSING_FIELD "V0314" "a struct without one of its fields"
        "A struct is made with a value for every field, or from another one with `..`.";
    NOT_EXHAUSTIVE "V0315" "a `match` that does not cover every value"
        "`match` must have an arm for every value that its subject can have; `_` fits all.";
    UNREACHABLE_ARM "V0316" "an arm that no value reaches"
        "The arms above already fit everything that this one fits.";
    OUTSIDE_LOOP "V0317" "a `break` or `continue` without a loop"
        "They leave or go on with a loop of the same function.";
    NOT_THROWABLE "V0318" "a throw of something that is no error"
        "Only errors are thrown: kinds of the language, kinds declared with `error`, and errors that were caught.";
    COMPARE "V0319" "a comparison of values that are never equal"
        "`==` compares two values of one type, an int with a float, or anything with `null`.";
    BOUND "V0320" "a type that a generic function cannot work with"
        "The function asks of a type parameter that its values can be ordered, be keys or be numbers.";
    STRUCT_CYCLE "V0321" "a struct that holds itself"
        "A value of it would never end. A field that is optional or an array can be empty.";
    TYPE_CYCLE "V0322" "a declaration that stands for itself"
        "A type or error kind is explained by itself in a circle.";
    PATTERN "V0323" "a pattern that does not fit its value"
        "The pattern could never match values of this type, or lacks parts of them.";
    REFUTABLE "V0324" "a pattern that may fail where none may"
        "`let`, `for` and parameters take apart every value that comes; only `match`, `receive` and `catch` choose.";
    KEY_TYPE "V0325" "a type that cannot be a key"
        "Keys of maps are `str`, `int`, `bool` and enums without payload.";
    TYPE_ARGUMENT_COUNT "V0326" "a wrong number of type arguments"
        "A generic type takes as many type arguments as it declares parameters.";
    NOT_CONSTANT "V0327" "a constant that is not constant"
        "The value of a constant, a default or a tool's list is made of literals, operators and other constants.";
    CONST_CYCLE "V0328" "a constant that depends on itself"
        "Its value could never be worked out.";
    VOID_VALUE "V0329" "use of something that gives no value"
        "A function without a result type and a loop give nothing that could be used.";
    PARAMETER_CHANGED "V0330" "a change that the caller does not see"
        "Parameters are copies. To make a variable of one, write `let x = x;`; to change the caller's value, use a method with `mut self`.";
    UNUSED_VALUE "V0331" "a value that is computed and dropped"
        "The statement has no effect. Often an assignment was meant.";
    NEVER_NULL "V0332" "a test for null of something that is never null"
        "Only values of a type with `?`, of `any` and of `json` can be null.";
    PROPAGATE "V0333" "a `?` that cannot leave the function"
        "`?` leaves the function with null or with the error, so the function must give an optional or a `Result`.";
    FORMAT "V0334" "a format that does not fit its value"
        "Digits behind the point are for floats, bases for ints, filling with zeros for numbers.";
    NOT_A_VALUE "V0335" "a name that stands for no value"
        "Types, natives and generic functions are no values by themselves.";
    MISSING_BODY "V0336" "a function without a body"
        "Only the standard library declares functions that are built into the runtime.";
    DEFAULT_ORDER "V0337" "a parameter without default after one with"
        "Parameters that may be left out stand behind those that may not.";
    MISSING_ELSE "V0338" "an `if` without `else` whose value is used"
        "Where the condition is false there would be no value.";

    // V04
    NOT_AN_AGENT "V0401" "a question to something that is no agent"
        "`<-` and `<~` ask agents. Messages to processes are sent with `send`. A comparison with a negative number needs a space: `x < -1`.";
    SENDS_COMPARISON "V0402" "a comparison is sent where an answer was to be compared"
        "`<-` binds more loosely than `==`, so `h <- a == b` sends the outcome of `a == b`. Put the question in parentheses.";
    NOT_A_MESSAGE "V0403" "a value that cannot be sent to an agent"
        "A message is text, or a value that can be written as JSON.";
    SEND_TO_AGENT "V0404" "a message to an agent's mailbox"
        "Agents have a queue of questions instead of a mailbox; `<-` asks them.";
    NOT_SENDABLE "V0405" "a value that belongs to one process"
        "Futures, streams, monitors and spans stay with the process that made them.";
    NOT_SPAWNABLE "V0406" "a spawn of something that cannot run"
        "Agents and functions are spawned by their names.";
    CLAUSE_VALUE "V0407" "a setting with a value that cannot be meant"
        "The value is of the right type but out of its range, or not written in the form that the setting has.";
    UNKNOWN_SETTING "V0408" "a setting that does not exist"
        "The clause has no setting of this name.";
    UNKNOWN_CAPABILITY "V0409" "a capability that does not exist"
        "The capabilities are `fs::read`, `fs::write`, `net`, `process::exec`, `env` and `agent`.";
    UNDECLARED_CAPABILITY "V0410" "a tool that uses more than it declares"
        "A tool runs with exactly the capabilities that it declares, so what it uses beyond them is denied when it runs.";
    NOT_JSON "V0411" "a type that a model cannot give or take"
        "What a model answers and what tools take and give is written as JSON.";

    // V06
    FORMAT_LIMIT "V0601" "the program is larger than bytecode can be"
        "Instructions name registers, types and constants by numbers of limited size. A function or program that needs more of them than there are numbers must be split.";

    // V09
    UNSUPPORTED "V0901" "a part of the language that this version does not run"
        "The program is understood, but this version cannot run the part. It is refused, so that it does not silently do something else.";
    UNSUPPORTED_CLAUSE "V0902" "a clause that this version does not act on"
        "The clause is understood, but would have no effect in this version. It is refused, so that nobody relies on it.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_ascending_and_has_no_duplicates() {
        for pair in ALL.windows(2) {
            assert!(pair[0].code < pair[1].code, "{} stands before {}", pair[0].code, pair[1].code);
        }
    }

    #[test]
    fn every_code_has_an_explanation_in_sentences() {
        for info in ALL {
            assert!(info.explanation.ends_with('.'), "{}", info.code);
            assert!(!info.title.ends_with('.'), "{}", info.code);
        }
    }

    #[test]
    fn a_code_is_found_in_any_case() {
        assert_eq!(find("v0101").map(|info| info.code), Some(UNKNOWN_CHARACTER));
        assert!(find("V9999").is_none());
    }
}
