//! The program as a user sees it: what the tests in `tests/` have in common.
//!
//! [`Guest`] is a running `pteg` with both ends of its standard streams, [`Pty`] a terminal to run one in,
//! [`Control`] a client of its control socket, [`Turns`] keeps the large guests from running all at once.

#![forbid(unsafe_code)]

mod binary;
mod control;
mod file;
mod flushed;
mod guest;
mod output;
mod pty;
mod turns;

pub use binary::{pteg, pteg_by_env};
pub use control::{Control, Reply, read as read_reply};
pub use file::{ElfFile, write_program};
pub use flushed::{Flushed, assert_journal_mends};
pub use guest::{Ended, Guest};
pub use output::PATIENCE;
pub use pty::Pty;
pub use turns::Turns;
