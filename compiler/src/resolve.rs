//! From names to what they stand for: the modules of a program, their declarations, and who sees which.
//!
//! Nothing here knows types; `check` gives the declarations theirs.

pub(crate) mod module; // the files of a program and how they import each other
pub(crate) mod definition; // what a name may stand for, and the scopes that say so
pub(crate) mod suggest; // which known name somebody may have meant
