//! `--config`: the flags of `pteg run` in a TOML file.
//!
//! There is no second list of flags: a key is looked up in `clap`'s own definition of them, its value becomes the word that the command line would have, and
//! `clap` reads both together. What a file is wrong about is told with line and column, and all of it at once.
//!
//! | file | |
//! |---|---|
//! | `settings.rs` | from keys and values to words of a command line |
//! | `tables.rs` | the flags that have options, written as tables |
//! | `merge.rs` | a file's words and the user's own: who goes before whom |
//! | `place.rs` | where in a file something stands |
//! | `check.rs` | `pteg config check` |

mod check;
mod merge;
mod place;
mod settings;
mod tables;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

pub(crate) use check::check;
pub(crate) use merge::merge;
pub(crate) use place::{Mistake, Origins, Place};

/// The most bytes of a file: none that somebody wrote has so many.
const MOST_BYTES: u64 = 1 << 20;

/// A file that has been read.
pub(crate) struct Source {
    path: PathBuf,
    text: String,
}

impl Source {
    /// The file at `path`.
    ///
    /// # Errors
    /// It cannot be read, or is no text.
    pub(crate) fn read(path: &Path) -> Result<Self, Mistake> {
        let wrong = |why: io::Error| {
            Mistake::of_the_whole(format!(
                "--config {}: give a TOML file with flags of pteg run: {why}",
                path.display()
            ))
        };
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(wrong)?;
        file.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(wrong)?;
        if bytes.len() as u64 > MOST_BYTES {
            return Err(wrong(io::Error::other(format!("it has more than {MOST_BYTES} bytes"))));
        }
        String::from_utf8(bytes)
            .map(|text| Self::new(path, text))
            .map_err(|error| {
                let right = error.utf8_error().valid_up_to();
                let text = String::from_utf8_lossy(&error.as_bytes()[..right]).into_owned();
                Self::new(path, text).mistake(right, "this is no UTF-8, as all of a TOML file is")
            })
    }

    /// The `text` of the file at `path`.
    fn new(path: &Path, text: String) -> Self {
        Self {
            path: path.to_owned(),
            text,
        }
    }

    /// The folder that paths in the file begin at.
    fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }

    /// Where the byte `offset` of the text is.
    fn place(&self, offset: usize) -> Place {
        Place::new(&self.path, &self.text, offset)
    }

    /// Something that is wrong at the byte `offset`.
    fn mistake(&self, offset: usize, what: impl Into<String>) -> Mistake {
        Mistake::at(self.place(offset), what.into())
    }
}
