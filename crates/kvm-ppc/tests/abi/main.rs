//! What C says of KVM's interface on powerpc64, and what the crates beside this one say: numbers of ioctls, sizes of
//! structures, places of the fields that are used, and some constants.
//!
//! A C compiler for each byte order is the judge (`compiler`); `facts` is what is compared. On powerpc64 these are the crates
//! themselves. Elsewhere their sources for powerpc64 are compiled into this test, which so stands for all of them.

#[cfg(not(target_arch = "powerpc64"))]
extern crate self as kvm_bindings;
#[cfg(not(target_arch = "powerpc64"))]
extern crate self as vmm_sys_util;

#[cfg(not(target_arch = "powerpc64"))]
#[path = "../../../kvm-bindings/src/powerpc64/bindings.rs"]
#[expect(missing_docs, reason = "generated; the kernel documents it")]
#[allow(
    unsafe_code,
    dead_code,
    non_camel_case_types,
    non_upper_case_globals,
    clippy::all,
    clippy::undocumented_unsafe_blocks,
    clippy::multiple_unsafe_ops_per_block,
    reason = "generated"
)]
mod bindings;
#[cfg(not(target_arch = "powerpc64"))]
#[path = "../../../vmm-sys-util/src/ioctl.rs"]
pub mod ioctl;
#[cfg(not(target_arch = "powerpc64"))]
#[path = "../../../vmm-sys-util/src/numbers.rs"]
mod numbers;

#[cfg(not(target_arch = "powerpc64"))]
pub use bindings::*;

mod compiler;
mod facts;
#[path = "../../src/requests.rs"]
mod requests;

use compiler::Compiler;

/// What C calls a number, and the number that the crates have for it.
struct Fact {
    c: &'static str,
    ours: u64,
}

#[test]
fn c_has_the_same_numbers_in_either_byte_order() {
    let facts = facts::all();
    for compiler in Compiler::here() {
        let theirs = compiler.evaluate(&facts);
        assert_eq!(theirs.len(), facts.len());
        let differ: Vec<String> = facts
            .iter()
            .zip(theirs)
            .filter(|(fact, theirs)| fact.ours != *theirs)
            .map(|(fact, theirs)| format!("{}: C has {theirs:#x}, the crates {:#x}", fact.c, fact.ours))
            .collect();
        assert!(differ.is_empty(), "with {compiler}:\n{}", differ.join("\n"));
    }
}
