//! A file that something is written to, once or again and again. The path is tried before the guest starts: one that cannot
//! be written is the user's mistake, and told while nothing is lost. What is there stays until a whole report takes its
//! place: it is written beside it and renamed. Devices and pipes are opened at the start and written directly.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// A file for a report.
pub(crate) struct ReportFile {
    path: PathBuf,
    target: Target,
}

enum Target {
    /// A file that is replaced: its path without symbolic links. It need not exist.
    Replaced(PathBuf),
    /// Something else, or a file in a folder that takes no other one.
    Direct(File),
}

/// A report cannot be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReportError {
    /// To the path that the user gave.
    #[error("{flag} {}: give a file in a folder that exists and that you may write to", path.display())]
    Path {
        /// The flag that named it.
        flag: &'static str,
        /// The path.
        path: PathBuf,
        /// What is wrong with it.
        source: io::Error,
    },
    /// One would take the place of the other.
    #[error("{} and {}: both are {}; give each a file of its own", flags[0], flags[1], path.display())]
    Same {
        /// The flags that named it.
        flags: [&'static str; 2],
        /// Its path, as the second has it.
        path: PathBuf,
    },
    /// In the end.
    #[error("writing {}", path.display())]
    Write {
        /// The path.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
}

impl ReportError {
    /// The flag that it is about.
    pub(crate) fn flag(&self) -> Option<&'static str> {
        match self {
            Self::Path { flag, .. } => Some(flag),
            Self::Same { flags, .. } => Some(flags[0]),
            Self::Write { .. } => None,
        }
    }
}

impl ReportFile {
    /// The file at `path`, which the user gave with `flag`. Leaves nothing behind where there is no such file yet.
    pub(crate) fn new(flag: &'static str, path: &Path) -> Result<Self, ReportError> {
        match Target::new(path) {
            Ok(target) => Ok(Self {
                path: path.to_owned(),
                target,
            }),
            Err(source) => Err(ReportError::Path {
                flag,
                path: path.to_owned(),
                source,
            }),
        }
    }

    /// Writes `report` in place of what was there.
    pub(crate) fn write(&mut self, report: &str) -> Result<(), ReportError> {
        self.target.write(report).map_err(|source| ReportError::Write {
            path: self.path.clone(),
            source,
        })
    }
}

/// Checks that no two of these flags with their paths are one file, of which one would be lost. To be asked before any of them is written.
///
/// # Errors
/// [`ReportError::Same`].
pub(crate) fn apart<'a>(files: impl IntoIterator<Item = (&'static str, Option<&'a Path>)>) -> Result<(), ReportError> {
    let mut seen: Vec<(&'static str, PathBuf)> = Vec::new();
    for (flag, path) in files {
        let Some(path) = path else { continue };
        // One that leads nowhere is told of by who opens it.
        let place = without_links(path).unwrap_or_else(|_| path.to_owned());
        if let Some(&(other, _)) = seen.iter().find(|(_, it)| *it == place) {
            return Err(ReportError::Same {
                flags: [other, flag],
                path: path.to_owned(),
            });
        }
        seen.push((flag, place));
    }
    Ok(())
}

impl Target {
    fn new(path: &Path) -> io::Result<Self> {
        let existing = match fs::metadata(path) {
            Ok(metadata) => Some(metadata),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let file = match &existing {
            // What it holds stays until there is a report.
            Some(_) => Some(OpenOptions::new().write(true).open(path)?),
            None => None,
        };
        if let (Some(file), Some(false)) = (file.as_ref(), existing.as_ref().map(fs::Metadata::is_file)) {
            return Ok(Self::Direct(file.try_clone()?));
        }
        let place = without_links(path)?;
        match (beside(&place), file) {
            (Ok(_probe), _) => Ok(Self::Replaced(place)),
            (Err(_), Some(file)) => Ok(Self::Direct(file)),
            (Err(error), None) => Err(error),
        }
    }

    fn write(&mut self, report: &str) -> io::Result<()> {
        match self {
            Self::Replaced(place) => {
                let mut file = beside(place)?;
                file.write_all(report.as_bytes())?;
                if let Ok(metadata) = fs::metadata(&*place) {
                    file.as_file().set_permissions(metadata.permissions())?;
                }
                file.persist(place).map_err(|error| error.error)?;
                Ok(())
            }
            Self::Direct(file) => {
                if file.metadata()?.is_file() {
                    io::Seek::rewind(file)?;
                    file.set_len(0)?;
                }
                file.write_all(report.as_bytes())
            }
        }
    }
}

/// An empty file in the folder of `place`, which goes away when it is dropped.
fn beside(place: &Path) -> io::Result<NamedTempFile> {
    let folder = place.parent().ok_or(io::ErrorKind::IsADirectory)?;
    tempfile::Builder::new()
        .prefix(".pteg-")
        // Less what the user's mask takes away, as with any new file.
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder)
}

/// Where `path` leads; there need not be a file.
fn without_links(path: &Path) -> io::Result<PathBuf> {
    /// As many as Linux follows.
    const MOST_LINKS: usize = 40;
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        let folder = match path.parent() {
            Some(folder) if folder.as_os_str().is_empty() => Path::new("."),
            Some(folder) => folder,
            None => return Err(io::ErrorKind::IsADirectory.into()),
        };
        let folder = fs::canonicalize(folder)?;
        let is_folder = path.as_os_str().as_encoded_bytes().ends_with(b"/");
        let name = path
            .file_name()
            .filter(|_| !is_folder)
            .ok_or(io::ErrorKind::IsADirectory)?;
        let place = folder.join(name);
        match fs::read_link(&place) {
            Ok(link) => path = folder.join(link),
            Err(_) => return Ok(place),
        }
    }
    Err(io::Error::other("too many symbolic links"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let name = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
        let mut names: Vec<String> = fs::read_dir(folder).unwrap().map(name).collect();
        names.sort();
        names
    }

    #[test]
    fn a_report_takes_the_place_of_the_last_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report");
        drop(ReportFile::new("--flag", &path).unwrap());
        assert!(names(folder.path()).is_empty());
        fs::write(&path, "what was there before").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        let mut file = ReportFile::new("--flag", &path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "what was there before");
        for report in ["long and first", "second"] {
            file.write(report).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), report);
        }
        assert_eq!(names(folder.path()), ["report"]);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    }

    #[test]
    fn a_link_stays_and_what_it_leads_to_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        symlink("second", path("first")).unwrap();
        symlink(path("report"), path("second")).unwrap();
        let mut linked = ReportFile::new("--flag", &path("first")).unwrap();
        linked.write("text").unwrap();
        assert_eq!(fs::read_to_string(path("report")).unwrap(), "text");
        assert_eq!(names(folder.path()), ["first", "report", "second"]);
        assert!(fs::symlink_metadata(path("first")).unwrap().is_symlink());
    }

    #[test]
    fn one_file_by_two_flags_is_refused_also_through_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        symlink("report", path("link")).unwrap();
        let said = |names: [Option<&str>; 3]| {
            let paths = names.map(|name| name.map(path));
            let flags = ["--one", "--other", "--third"];
            let files = flags.into_iter().zip(paths.iter().map(Option::as_deref));
            apart(files).map_err(|error| error.to_string())
        };
        assert_eq!(said([Some("report"), None, Some("other")]), Ok(()));
        assert_eq!(said([None, None, Some("report")]), Ok(()));
        for (names, flags) in [
            ([Some("report"), Some("report"), None], "--one and --other: both are "),
            (
                [Some("report"), Some("other"), Some("link")],
                "--one and --third: both are ",
            ),
            ([None, Some("./link"), Some("report")], "--other and --third: both are "),
        ] {
            let said = said(names).unwrap_err();
            assert!(
                said.starts_with(flags) && said.ends_with("; give each a file of its own"),
                "{said}"
            );
        }
    }

    #[test]
    fn a_device_is_written_as_it_is() {
        let mut file = ReportFile::new("--flag", Path::new("/dev/null")).unwrap();
        file.write("text").unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
    }

    #[test]
    fn a_path_that_cannot_be_written_is_named_with_its_flag_and_what_is_right() {
        for path in ["/nowhere/report.html", "/", "/proc", "..", "new/"] {
            let Err(error) = ReportFile::new("--flag", Path::new(path)) else {
                panic!("{path} is no file");
            };
            let said = error.to_string();
            assert!(
                said.starts_with(&format!("--flag {path}: ")) && said.contains("give a file"),
                "{said}"
            );
        }
    }
}
