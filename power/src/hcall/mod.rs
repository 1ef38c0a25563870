//! Hypervisor calls (LoPAR, Logical Partitioning Option, 5.4): their numbers, what they answer, and the
//! bits of their arguments. What each call does is its caller's business.

mod arguments;
mod number;
mod status;

pub use arguments::{access, block_remove, bulk_remove, cpu_characteristics, register_vpa, set_mode};
pub use number::Hcall;
pub use status::Status;
