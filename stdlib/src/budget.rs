//! `budget`: what the innermost limited scope around the running code admits, and what was spent in it.

use vega_runtime::ledger::Scope;
use vega_runtime::native::NativeTable;
use vega_runtime::value::Value;

use crate::money::dollars;

pub(crate) fn register(table: &mut NativeTable) {
    table.add("budget::remaining", 0, |context, _| Ok(Value::float(remaining(&context.scope())).into()));
    table.add("budget::used", 0, |context, _| Ok(Value::float(used(&context.scope())).into()));
    table.add("budget::discarded", 0, |context, _| Ok(Value::float(discarded(&context.scope())).into()));
    table.add("budget::limit", 0, |context, _| Ok(Value::float(limit(&context.scope())).into()));
}

/// The innermost scope with a limit; where there is none, the outermost, which counts everything.
fn limited(scope: &Scope) -> Scope {
    let mut scope = scope.clone();
    while scope.limit().is_none()
        && let Some(parent) = scope.parent().cloned()
    {
        scope = parent;
    }
    scope
}

fn remaining(scope: &Scope) -> f64 {
    limited(scope).remaining().map_or(f64::INFINITY, dollars)
}

fn used(scope: &Scope) -> f64 {
    let scope = limited(scope);
    dollars(scope.spent() - scope.discarded())
}

fn discarded(scope: &Scope) -> f64 {
    dollars(limited(scope).discarded())
}

fn limit(scope: &Scope) -> f64 {
    limited(scope).limit().map_or(f64::INFINITY, dollars)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use vega_runtime::ledger::Outcome;

    use super::*;

    const DOLLAR: i64 = 1_000_000_000_000;

    #[test]
    fn the_innermost_limit_counts_and_without_one_there_is_no_end() {
        let root = Scope::root(None);
        assert_eq!((remaining(&root), limit(&root), used(&root)), (f64::INFINITY, f64::INFINITY, 0.0));
        let session = root.child(Some(2 * DOLLAR));
        let inner = session.child(None);
        inner.reserve(DOLLAR).unwrap().settle(DOLLAR / 2, Outcome::Used);
        inner.reserve(DOLLAR).unwrap().settle(DOLLAR / 4, Outcome::Discarded);
        assert_eq!((limit(&inner), used(&inner), discarded(&inner), remaining(&inner)), (2.0, 0.5, 0.25, 1.25));
        assert_eq!(used(&root), 0.5);
    }
}
