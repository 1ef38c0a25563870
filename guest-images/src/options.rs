//! What a caller may change about an image: its first script, files of its own, what its console is.

use crate::Userland;

/// How an image is made different from what `pteg run` gives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageOptions {
    /// What the guest does once it is up.
    pub init: Init,
    /// Files to put into the guest.
    pub extra_files: Vec<ExtraFile>,
    /// Programs of Debian's to put into the guest.
    pub userland: Option<&'static Userland>,
    /// Who is at the other end of the console.
    pub console: Console,
}

/// What the guest does once its kernel is up. In every case but [`Init::Replace`] the file systems are
/// mounted, BusyBox's commands are in `/bin`, and the guest powers off afterwards.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Init {
    /// A shell with job control on the console.
    #[default]
    Shell,
    /// This shell script (without `#!`), on the console.
    Script(String),
    /// This text is `/init` itself, and all is left to it.
    Replace(String),
}

/// A file to put into the guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtraFile {
    /// Where, from the root of the guest's file system; directories that lead there are made.
    pub path: String,
    /// Its permissions, as in `chmod`.
    pub permissions: u32,
    /// What is in it.
    pub contents: Vec<u8>,
}

/// Who is at the other end of the guest's console.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Console {
    /// A person at a terminal.
    #[default]
    Terminal,
    /// A program: what it types is not echoed, lines end without a carriage return, and the shell sends
    /// no escape sequences.
    Pipe,
}
