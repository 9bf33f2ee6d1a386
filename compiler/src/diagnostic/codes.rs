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

    /// Whether it is about text that the grammar cannot read.
    pub(crate) fn is_syntax(self) -> bool {
        self.0.starts_with("V01")
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
        "The text holds a character that no Vega token starts with. Typographic dashes and arrows pasted from a document are the usual cause. A comment starts with `//`.";
    UNCLOSED_COMMENT "V0102" "a comment that is never closed"
        "Comments between `/*` and `*/` nest, so each `/*` needs its own `*/`, also one inside a path pattern such as `src/**`. The message points at the innermost one that is still open.";
    UNCLOSED_STRING "V0103" "a text that is never closed"
        "A text between `\"` ends on its line. One between `\"\"\"` may span lines, and ends with three quotes as well.";
    BAD_ESCAPE "V0104" "an escape that does not exist"
        "A backslash starts one of the escapes \\n \\t \\r \\0 \\\\ \\\" and \\u{…}. Double it to write a backslash, or use a raw text `r\"…\"`.";
    BAD_NUMBER "V0105" "a malformed number"
        "Letters follow a number that are no unit of time, or a digit does not exist in the number's base.";
    NUMBER_TOO_LARGE "V0106" "a number that does not fit its type"
        "An `int` and a `duration` have 64 bits, `money` counts 10^-12 dollars in 64 bits, and a `float` ends near 1.8e308.";
    BAD_DURATION "V0107" "a malformed duration"
        "A duration is a run of numbers with the units d, h, m, s, ms and us, from large to small and each once, as in `1h30m`. It is a whole number of nanoseconds.";
    BAD_MONEY "V0108" "a malformed amount of money"
        "An amount of money is `$`, digits, and at most 12 digits behind a point, as in `$0.50`.";
    FOREIGN_QUOTES "V0109" "a text between quotes of another language"
        "A text stands between double quotes: `\"text\"`.";
    UNCLOSED_HOLE "V0110" "a hole of a text that is never closed"
        "In `f\"…\"` a `{` starts a value to print, which ends with `}`, in a text of one line on the same line. `{{` stands for a brace.";
    BAD_FORMAT "V0111" "a format that does not exist"
        "Behind the `:` of a hole stand, in this order and each optional: a fill character with `<`, `^` or `>`; `0`; a width; `.` and a precision; one of x, X, b, o and e.";
    LONE_BRACE "V0112" "a brace that closes no hole"
        "In `f\"…\"` a single `}` stands only at the end of a hole. `}}` stands for a brace.";
    SOURCE_TOO_LARGE "V0113" "a file that is too large"
        "A file has at most 16 MiB, and at most 4194304 words, literals and marks.";
    TOO_DEEP "V0114" "code that is nested too deeply"
        "Blocks, brackets and the like stand at most 128 deep inside each other. Move the inner part into a function.";
    EXPRESSION_TOO_LONG "V0115" "an expression with too many operators in a row"
        "One expression holds at most 256 operators, calls and field accesses in a row. Split it with `let`, or join an array with `join`.";
    TOO_MANY_MISTAKES "V0116" "a file with too many mistakes"
        "Only the first 200 mistakes of a file are shown. A file with more is probably no Vega program, or damaged.";
    UNEXPECTED "V0120" "something else was expected"
        "The text does not continue as the grammar asks for at this place. The message says what may stand there.";
    MISSING_SEMICOLON "V0121" "a missing `;`"
        "A statement ends with `;`, unless it ends with its block. The last expression of a block stands without one to be the block's value.";
    UNCLOSED_BRACKET "V0122" "a bracket that is never closed"
        "A `(`, `[` or `{` has no partner. If the message points at a block that looks complete, an inner block lacks its `}`.";
    UNMATCHED_CLOSER "V0123" "a closing bracket without an opening one"
        "There is one closing bracket too many, or an earlier one closed more than it should.";
    RESERVED_WORD "V0124" "a reserved word as a name"
        "The words of the grammar such as `match` and `in` cannot name a variable, a function or a type. Fields, parameters and labels may be called so.";
    ITEM_IN_BLOCK "V0125" "a declaration inside a block"
        "Functions, types, agents and the like are declared at the top level of a file. Inside a block use a closure, or `const` for a value.";
    UNKNOWN_CLAUSE "V0126" "a clause that does not exist"
        "Agents, tools and supervisors take only the clauses that the language knows; a misspelled one would silently change nothing.";
    REPEATED_CLAUSE "V0127" "a clause that is given twice"
        "Each clause of an agent, a tool or a supervisor is given once.";
    UNKNOWN_WORD "V0128" "a word that is not among the choices"
        "Some clauses take one of a few words, such as `strategy restart`. The message lists them.";
    MISPLACED_MODIFIER "V0129" "a `timeout` or `budget` that belongs to no call"
        "`timeout` and `budget` follow the message of a `<-` or `<~`, each at most once.";
    ASSIGNMENT_AS_VALUE "V0130" "an assignment where a value is needed"
        "`=` assigns and has no value. `==` compares.";
    CHAINED_COMPARISON "V0131" "comparisons in a row"
        "`a < b < c` would compare a truth value with `c`. Write `a < b && b < c`.";
    COMPARED_MESSAGE "V0132" "a comparison as a message"
        "`<-` binds looser than a comparison, so `h <- a == b` sends the result of `a == b`. Write `(h <- a) == b` to compare the reply.";
    SEND_AS_OPERAND "V0133" "a call of an agent as an operand without parentheses"
        "`<-` binds looser than other operators, so `a + h <- m` would send to `a + h`. Write `a + (h <- m)`.";
    LITERAL_IN_HEAD "V0134" "a struct or map literal in front of a block"
        "In the head of `if`, `while`, `for`, `match` and `session` a `{` starts the block. Put the literal into parentheses.";
    OPEN_RANGE "V0135" "a range without an end"
        "Only between the brackets of an index may a range leave out its ends, as in `xs[1..]`.";
    FOREIGN_SYNTAX "V0136" "a form of another language"
        "The message says how Vega writes it.";
    MISPLACED_PUB "V0137" "a `pub` that makes nothing public"
        "`pub` stands before a declaration at the top level or a function of an `impl`. Fields and variants are as visible as their type.";
    BAD_CATCH "V0138" "a `catch` that names what it catches in a way that does not exist"
        "A `catch` takes a kind of error, with its payload by position, or a name: `catch Timeout { … }`, `catch AgentFailed(reason) { … }`, `catch e { … }`.";
    MISSING_TYPE "V0139" "a missing type"
        "Parameters, fields and state have their types written: `name: str`.";
    BAD_PATTERN "V0140" "a pattern that cannot stand here"
        "`..` stands once in an array, a tuple, a variant or a struct pattern, and names its rest only in an array.";
    MISPLACED_SELF "V0141" "a `self` that has no meaning here"
        "`self` and `mut self` are the first parameter of a function in an `impl`.";
    MAP_AS_BLOCK "V0142" "a map where a block starts"
        "A `{` at the start of a statement, behind `=>`, `|…|`, `async` and `defer` starts a block. Put a map into parentheses.";
    IMPORT_FORM "V0143" "an import that cannot be read"
        "The forms are `import \"./file\";`, `import \"math\" as m;` and `import { max, min } from \"math\";`.";

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
    KIND_PAYLOAD "V0339" "an error kind that its parent's `catch` cannot take apart"
        "Catching a kind catches the kinds below it and takes their values apart by position. So a kind carries what its parent carries first, then its own.";
    COPY_CHANGED "V0340" "a change of a copy that nobody reads"
        "The variable of a loop is a copy of the element. To change the element itself, name it through the array: `xs[i]`.";
    CONST_TOO_LARGE "V0341" "a constant made of too many others"
        "A constant is written out wherever it is used, with every constant that it is made of. One that doubles another, again and again, grows without bound.";

    // V04
    NOT_AN_AGENT "V0401" "a question to something that is no agent"
        "`<-` and `<~` ask agents. Messages to processes are sent with `send`. A comparison with a negative number needs a space: `x < -1`.";
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
    UNSEEN_CALL "V0412" "a call that does not see an earlier one"
        "An answer that is only given a name joins the conversation when the name is used. Calls before that begin from the same conversation, so they are independent of each other.";
    DROPPED_HANDLE "V0413" "a handle that a loop drops"
        "Dropping a handle ends nothing: what was spawned lives until it ends or its supervisor does. A loop that spawns and forgets leaves something behind in each round.";
    MODEL_SETTING "V0414" "a setting that the model does not take"
        "The model refuses the setting, so it is left out of what is sent to it. The agent works as if it were not written.";
    DROPPED_STREAM "V0415" "a stream that nobody reads"
        "A stream that nothing refers to any more ends its call, so asking for one and dropping it does nothing.";
    PARALLEL_ARMS "V0416" "arms of `parallel` that need each other"
        "The arms of `parallel` run at once. So no arm uses a name that another declares, or changes a variable that another uses.";

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
