//! powerpc64, of either byte order.

#[expect(missing_docs, reason = "generated; the kernel documents it")]
#[expect(non_camel_case_types, non_upper_case_globals, reason = "generated; C's names")]
#[expect(unsafe_code, reason = "generated; flexible arrays and bit fields")]
#[allow(
    clippy::all,
    clippy::pedantic,
    clippy::undocumented_unsafe_blocks,
    clippy::multiple_unsafe_ops_per_block,
    reason = "generated"
)]
mod bindings;
#[cfg(feature = "fam-wrappers")]
mod flexible;

pub use bindings::*;
#[cfg(feature = "fam-wrappers")]
pub use flexible::*;
