//! What the fuzz targets share: a guest's memory, made once for many inputs, a driver of queues that need not keep to anything, and how bytes become steps.

#![forbid(unsafe_code)]

use std::fmt::Debug;
use std::sync::OnceLock;

use arbitrary::{Arbitrary, Unstructured};

pub mod blank;
pub mod memory;
pub mod ring;

/// Has `play` do the steps that `bytes` say, `most` at most. With PTEG_FUZZ_STEPS in the environment each is printed before it is done.
pub fn each_step<'b, Step: Arbitrary<'b> + Debug>(
    bytes: &mut Unstructured<'b>,
    most: usize,
    mut play: impl FnMut(Step),
) {
    static SAYS: OnceLock<bool> = OnceLock::new();
    let says = *SAYS.get_or_init(|| std::env::var_os("PTEG_FUZZ_STEPS").is_some());
    for number in 1..=most {
        if bytes.is_empty() {
            break;
        }
        let Ok(step) = Step::arbitrary(bytes) else { break };
        if says {
            eprintln!("{number}: {step:x?}");
        }
        play(step);
    }
}
