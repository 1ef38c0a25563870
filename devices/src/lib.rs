//! The devices of the machine: console, interrupt controller, clock. None of them knows how a
//! processor is run or where guest memory is; what they need from above they ask for by a trait.

#![forbid(unsafe_code)]

pub mod interrupt;
pub mod rtc;
pub mod vty;
pub mod xics;
