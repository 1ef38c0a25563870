//! Directories of the host that the guest can mount: what `--share` says of each, and from that to devices.

mod arg;
mod server;

use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use devices::virtio::fs::Fs;

pub(crate) use arg::{OPTION_NAMES, ShareArg};
use server::{Program, ServerError};

use crate::run::said;
use crate::terminal;
use crate::virtio::Virtual;

/// A share that cannot be, and which.
#[derive(Debug)]
pub(crate) struct ShareError {
    number: usize,
    why: Why,
}

/// Why a share cannot be.
#[derive(Debug, thiserror::Error)]
enum Why {
    /// No directory, or not for this user.
    #[error("--share {}: give a directory that is there", directory.display())]
    Directory {
        directory: PathBuf,
        #[source]
        source: io::Error,
    },
    /// Its server could not be told.
    #[error("--share {}: there can be no comma and no backslash in the path, which virtiofsd takes for its own", .0.display())]
    Path(PathBuf),
    /// The guest could not tell them apart.
    #[error("--share: two directories have the tag {0}; give each one its own, as in src,tag=src")]
    SameTag(String),
    /// Its server.
    #[error("--share {}", directory.display())]
    Server {
        directory: PathBuf,
        #[source]
        source: ServerError,
    },
}

impl ShareError {
    /// Which of the shares it is; the first has the number 0.
    pub(crate) fn number(&self) -> usize {
        self.number
    }
}

impl fmt::Display for ShareError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.why.fmt(f)
    }
}

impl Error for ShareError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.why.source()
    }
}

/// What can be said of each without starting its server.
pub(crate) fn check(shares: &[ShareArg]) -> impl Iterator<Item = Result<(), ShareError>> {
    (0..shares.len()).map(|number| {
        let path = path(shares, number);
        path.map(drop).map_err(|why| ShareError { number, why })
    })
}

/// Starts the servers, and makes the devices.
///
/// # Errors
/// A directory is not there, or its server does not start.
pub(crate) fn open(shares: &[ShareArg]) -> Result<Vec<Virtual>, ShareError> {
    let open_one = |number| path(shares, number).and_then(|path| serve(&shares[number], path));
    (0..shares.len())
        .map(|number| open_one(number).map_err(|why| ShareError { number, why }))
        .collect()
}

/// The directory of share `number`, from the root.
fn path(shares: &[ShareArg], number: usize) -> Result<PathBuf, Why> {
    let share = &shares[number];
    if shares[..number].iter().any(|other| other.tag == share.tag) {
        return Err(Why::SameTag(share.tag.clone()));
    }
    let no_directory = |source| Why::Directory {
        directory: share.directory.clone(),
        source,
    };
    let path = share.directory.canonicalize().map_err(no_directory)?;
    if !path.is_dir() {
        return Err(no_directory(io::ErrorKind::NotADirectory.into()));
    }
    let bytes = path.as_os_str().as_encoded_bytes();
    if bytes.iter().any(|byte| b",\\".contains(byte)) {
        return Err(Why::Path(path));
    }
    Ok(path)
}

/// Where the program is that serves shared directories, or why there is none for this user. Whether it starts is another question.
pub(crate) fn server() -> Result<PathBuf, String> {
    match Program::find() {
        Ok(program) => Ok(program.path().to_owned()),
        Err(error) => Err(said(&error)),
    }
}

/// The device of a share, whose directory is at `path`, with its server.
fn serve(share: &ShareArg, path: PathBuf) -> Result<Virtual, Why> {
    let no_server = |source| Why::Server {
        directory: share.directory.clone(),
        source,
    };
    let program = Program::find().map_err(no_server)?;
    let first = program.start(&path).map_err(no_server)?;
    let start = move || program.start(&path).map_err(|error| said(&error));
    let prefix = format!("pteg: share {}: virtiofsd: ", share.tag);
    let report = move |line: &str| terminal::say(&format!("{prefix}{line}"));
    let device = Fs::new(&share.tag, share.is_read_only, first, Box::new(start), Box::new(report));
    Ok(Virtual::named("share", Arc::new(device)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_shared_is_told_with_its_number() {
        let folder = tempfile::tempdir().unwrap();
        let there = folder.path().to_str().unwrap();
        std::fs::create_dir(folder.path().join("a,b")).unwrap();
        let args = [there, "/none", there, &format!("{there}/a,,b,tag=b")];
        let args = args.map(|text| text.replace("/none", "/none,tag=none").parse().unwrap());
        let found: Vec<ShareError> = check(&args).filter_map(Result::err).collect();
        let said: Vec<(usize, String)> = found.iter().map(|error| (error.number(), said(error))).collect();
        assert_eq!(said.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [1, 2, 3]);
        for ((_, line), right) in said
            .iter()
            .zip(["that is there: No such file", "the tag share", "no comma"])
        {
            assert!(line.contains(right), "{line}");
        }
    }
}
