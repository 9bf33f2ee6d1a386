//! What a native may do besides computing.

use std::marker::PhantomData;

/// The running process, as a native sees it.
pub struct NativeContext<'a> {
    process: PhantomData<&'a ()>,
}
