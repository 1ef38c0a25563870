//! Guests to boot: the recipes that turn Debian's packages into a kernel and an initramfs, [`programs`] that
//! need no operating system, the [`stress`] of a page table among them, and the [`workload`] that tries a guest's page table.
//!
//! An [`Image`] is a recipe by name; [`Image::prepare`] makes it from packages that apt fetches and
//! verifies, keeps it in a [`Cache`] of the user's, and needs no network from then on. The user's own
//! system and its apt are read (which mirror, which proxy) and never changed.

#![forbid(unsafe_code)]

mod apt;
mod archive;
mod cache;
pub mod conformance;
mod deb;
mod disk;
mod error;
mod host;
mod image;
mod initramfs;
mod mirror;
mod modules;
mod options;
mod package;
pub mod programs;
mod progress;
mod root;
pub mod stress;
mod tool;
mod userland;
pub mod workload;

pub use archive::{Archive, Described, PackageName};
pub use cache::Cache;
pub use disk::{DiskImage, PreparedDisk, SecondStage, Stage};
pub use error::Error;
pub use image::{Image, Prepared, UnknownImage};
pub use options::{Console, ExtraFile, ImageOptions, Init};
pub use progress::{Lines, Progress, Silent, Stderr, Step};
pub use tool::Tool;
pub use userland::Userland;
