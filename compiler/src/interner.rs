//! Names as small integers, so that comparing two costs one instruction.
//!
//! Invariant: the first symbols are the words of [`words`], in that order, so the grammar can test for a word by its constant.

use rustc_hash::FxHashMap;
use std::sync::Arc;

/// An interned name. Two are equal exactly if their texts are, as long as one [`Interner`] made both.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Symbol(pub u32);

/// Maps names to symbols and back.
#[derive(Debug, Clone)]
pub struct Interner {
    symbols: FxHashMap<Arc<str>, Symbol>,
    texts: Vec<Arc<str>>,
}

impl Interner {
    /// An interner that knows the words of the language.
    pub fn new() -> Interner {
        let mut interner = Interner { symbols: FxHashMap::default(), texts: Vec::new() };
        for word in words::ALL {
            interner.intern(word);
        }
        interner
    }

    /// The symbol of a name.
    pub fn intern(&mut self, text: &str) -> Symbol {
        if let Some(&symbol) = self.symbols.get(text) {
            return symbol;
        }
        let symbol = Symbol(self.texts.len() as u32);
        let text: Arc<str> = text.into();
        self.texts.push(text.clone());
        self.symbols.insert(text, symbol);
        symbol
    }

    /// The symbol of a name that was interned before.
    pub fn get(&self, text: &str) -> Option<Symbol> {
        self.symbols.get(text).copied()
    }

    /// The name behind a symbol.
    ///
    /// # Panics
    /// If another interner made the symbol.
    pub fn text(&self, symbol: Symbol) -> &str {
        &self.texts[symbol.0 as usize]
    }
}

impl Default for Interner {
    fn default() -> Interner {
        Interner::new()
    }
}

/// Words that the grammar knows.
pub mod words {
    use super::Symbol;

    /// Declares a constant for each word, numbered from 0, and the list of their texts.
    macro_rules! words {
        (@number $at:expr;) => {};
        (@number $at:expr; $name:ident $text:literal $($rest:tt)*) => {
            #[doc = concat!("`", $text, "`")]
            pub const $name: Symbol = Symbol($at);
            words!(@number $at + 1; $($rest)*);
        };
        ($($name:ident $text:literal)*) => {
            words!(@number 0; $($name $text)*);
            /// The texts, in the order of their symbols.
            pub(super) const ALL: &[&str] = &[$($text),*];
        };
    }

    words! {
        FN "fn" LET "let" CONST "const" IF "if" ELSE "else" WHILE "while" LOOP "loop" FOR "for"
        IN "in" MATCH "match" RETURN "return" BREAK "break" CONTINUE "continue" TRUE "true"
        FALSE "false" NULL "null" TRY "try" CATCH "catch" FINALLY "finally" THROW "throw"
        DEFER "defer" SPAWN "spawn" AWAIT "await" IMPORT "import" PUB "pub" STRUCT "struct"
        ENUM "enum" IMPL "impl"
        AGENT "agent" TOOL "tool" TEST "test" ERROR "error" TYPE "type" SESSION "session"
        PARALLEL "parallel" SEQUENTIAL "sequential" ASYNC "async" SUPERVISOR "supervisor"
        MOCK "mock" SUPERVISED "supervised" BY "by" FROM "from" AS "as" MUT "mut" SELF "self"
        COLLECT "collect" RACE "race" DEADLINE "deadline" RECEIVE "receive" AFTER "after"
        SPAWN_LINK "spawn_link" TIMEOUT "timeout" BUDGET "budget" PROCESS "process"
        UNDERSCORE "_" MAIN "main"
        MODEL "model" SYSTEM "system" TEMPERATURE "temperature" MAX_TOKENS "max_tokens"
        MAX_TURNS "max_turns" MAX_TOOL_CALLS "max_tool_calls" PARALLEL_TOOLS "parallel_tools"
        QUEUE_TIMEOUT "queue_timeout" TIMEOUTS "timeouts" HISTORY "history" OUTPUT "output"
        PRIORITY "priority" RATE_LIMIT "rate_limit" RETRY "retry"
        CIRCUIT_BREAKER "circuit_breaker" PROVIDER_OPTIONS "provider_options" STATE "state"
        TOOLS "tools" CONNECT "connect" FIRST_TOKEN "first_token" IDLE "idle"
        CONVERSATION "conversation" ORDERED "ordered" NONE "none" LAST "last" TOKENS "tokens"
        COMPACT "compact" RESET_ON_RESTART "reset_on_restart" REQUESTS "requests" PER "per"
        CONCURRENT "concurrent" MAX_ATTEMPTS "max_attempts" BACKOFF "backoff" ON "on"
        THRESHOLD "threshold" RESET_AFTER "reset_after" CAPABILITIES "capabilities"
        ALLOWED_PATHS "allowed_paths" ALLOWED_COMMANDS "allowed_commands"
        ALLOWED_HOSTS "allowed_hosts" APPROVAL "approval" STRATEGY "strategy"
        MAX_RESTARTS "max_restarts" WINDOW "window" CHILD "child"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_has_its_constant() {
        let interner = Interner::new();
        assert_eq!(interner.text(words::FN), "fn");
        assert_eq!(interner.text(words::CHILD), "child");
        assert_eq!(interner.get("spawn_link"), Some(words::SPAWN_LINK));
        assert_eq!(interner.texts.len(), words::ALL.len());
    }

    #[test]
    fn equal_names_have_equal_symbols() {
        let mut interner = Interner::new();
        let first = interner.intern("reviewer");
        assert_eq!(interner.intern("reviewer"), first);
        assert_ne!(interner.intern("coder"), first);
        assert_eq!(interner.text(first), "reviewer");
    }
}
