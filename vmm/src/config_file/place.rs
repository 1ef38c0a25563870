//! Where in a configuration file something stands, and what is wrong there.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    file: PathBuf,
    line: usize,
    column: usize,
}

impl Place {
    /// Line and column.
    pub(super) fn position(&self) -> (usize, usize) {
        (self.line, self.column)
    }

    /// Where the byte `offset` of `text` is, the text of `file`. Lines and columns count from 1, columns in letters.
    pub(super) fn new(file: &Path, text: &str, offset: usize) -> Self {
        let before = &text.as_bytes()[..offset.min(text.len())];
        let start = before.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        Self {
            file: file.to_owned(),
            line: 1 + before.iter().filter(|&&byte| byte == b'\n').count(),
            column: 1 + String::from_utf8_lossy(&before[start..]).chars().count(),
        }
    }
}

impl fmt::Display for Place {
    /// As compilers say it: `vm.toml:3:7`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file.display(), self.line, self.column)
    }
}

/// Something that is wrong with a file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Mistake {
    place: Option<Place>,
    what: String,
}

impl Mistake {
    /// At this place.
    pub(super) fn at(place: Place, what: String) -> Self {
        Self {
            place: Some(place),
            what,
        }
    }

    /// At none; `what` names the file.
    pub(super) fn of_the_whole(what: String) -> Self {
        Self { place: None, what }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        f.write_str(&self.what)
    }
}

/// Where the values of flags are from that a file gives: by the flag's name, and of those that may be repeated also by number.
#[derive(Clone, Debug, Default)]
pub(crate) struct Origins(BTreeMap<(String, usize), Place>);

impl Origins {
    /// The next value of `flag` is from `place`.
    pub(super) fn add(&mut self, flag: &str, place: Place) {
        let number = self.0.keys().filter(|(name, _)| name == flag).count();
        self.0.insert((flag.to_owned(), number), place);
    }

    /// Where the value with this number is from, if a file gives it; the first has the number 0.
    pub(crate) fn find(&self, flag: &str, number: usize) -> Option<&Place> {
        self.0.get(&(flag.to_owned(), number))
    }
}
