//! A guest program, run by a hypervisor that is a child of this program: pteg itself, or another one to compare it with.
//!
//! - [`Hypervisor`] (`hypervisor`): who runs it, and the words that tell it to.
//! - [`running::Running`] (`running`): one run: what the guest says, line by line, and how it ended.
//! - [`Interrupt`] (`interrupt`): whether the user wants the end of all.
//!
//! That the hypervisor dies, hangs or says nothing sensible is a result here, and never an error. What is an error is that it cannot be started.

mod hypervisor;
mod interrupt;
mod running;

pub(crate) use hypervisor::{Hypervisor, NoHypervisor, Task};
pub(crate) use interrupt::{Interrupt, Interrupted, LOOK};
pub(crate) use running::{Ended, Said};
