//! A driver, a device, and disks that do as a test wants.

mod faults;
mod model;
mod requests;
mod rig;
