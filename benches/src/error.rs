//! Why something could not be measured.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

/// What most functions here return.
pub type Result<T> = std::result::Result<T, Error>;

/// Why something could not be measured.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file.
    #[error("{doing} {path}")]
    Io {
        /// "reading", "writing".
        doing: &'static str,
        /// Which file.
        path: PathBuf,
        /// What the system answered.
        #[source]
        source: io::Error,
    },
    /// A program.
    #[error("running {program}")]
    Run {
        /// Which program.
        program: String,
        /// What the system answered.
        #[source]
        source: io::Error,
    },
    /// A guest did not do what it is measured at.
    #[error("{who}: no `{awaited}` on the console within {seconds} s; the end of what it said:\n{said}")]
    Silent {
        /// Who ran it.
        who: String,
        /// What was waited for.
        awaited: String,
        /// For how long.
        seconds: u64,
        /// The last of the console and of stderr.
        said: String,
    },
    /// The program around a guest failed.
    #[error("{who} ended with {status}; the end of what it said:\n{said}")]
    Failed {
        /// Who ran it.
        who: String,
        /// How it ended.
        status: ExitStatus,
        /// The last of the console and of stderr.
        said: String,
    },
    /// An image.
    #[error(transparent)]
    Image(#[from] guest_images::Error),
    /// A kernel that cannot be changed.
    #[error("{path}: no 64-bit ELF file with a segment around its entry")]
    NoEntry {
        /// Which file.
        path: PathBuf,
    },
    /// A report of the system in another form than expected.
    #[error("{what} cannot be understood: `{text}`")]
    Unreadable {
        /// What was read.
        what: &'static str,
        /// The text.
        text: String,
    },
    /// No guest told what hypercalls cost.
    #[error("{path}: no line `cost NAME TICKS per OPS` behind a line `clock HZ`")]
    NoCosts {
        /// What a guest said.
        path: PathBuf,
    },
    /// The page of results has no place for a benchmark's.
    #[error("{path}: there is no section of results between {begin} and {end}")]
    NoSection {
        /// The page.
        path: PathBuf,
        /// First line of the section.
        begin: String,
        /// Last line of the section.
        end: String,
    },
    /// A picture.
    #[error("drawing the picture: {0}")]
    Picture(String),
}

impl Error {
    /// An error with a file.
    pub fn io(doing: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io {
            doing,
            path: path.to_owned(),
            source,
        }
    }
}
