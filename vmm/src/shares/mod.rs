//! Directories of the host that the guest can mount: what `--share` says of each, and from that to devices.

mod arg;
mod server;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use devices::virtio::fs::Fs;

pub(crate) use arg::ShareArg;
use server::{Program, ServerError};

use crate::run::said;
use crate::terminal;
use crate::virtio::Virtual;

/// A share that cannot be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ShareError {
    /// No directory, or not for this user.
    #[error("--share {}: give a directory that is there", directory.display())]
    Directory {
        /// What the user gave.
        directory: PathBuf,
        #[source]
        source: io::Error,
    },
    /// Its server could not be told.
    #[error("--share {}: there must be no comma and no backslash in the path, which is how virtiofsd separates its options", .0.display())]
    Path(PathBuf),
    /// The guest could not tell them apart.
    #[error("--share: two directories have the tag {0}; give each one its own, as in src,tag=src")]
    SameTag(String),
    /// Its server.
    #[error("--share {}", directory.display())]
    Server {
        /// What the user gave.
        directory: PathBuf,
        #[source]
        source: ServerError,
    },
}

/// Starts the servers, and makes the devices.
///
/// # Errors
/// A directory is not there, or its server does not start.
pub(crate) fn open(shares: &[ShareArg]) -> Result<Vec<Virtual>, ShareError> {
    for (number, share) in shares.iter().enumerate() {
        if shares[..number].iter().any(|other| other.tag == share.tag) {
            return Err(ShareError::SameTag(share.tag.clone()));
        }
    }
    shares.iter().map(open_one).collect()
}

fn open_one(share: &ShareArg) -> Result<Virtual, ShareError> {
    let directory = || share.directory.clone();
    let no_directory = |source| ShareError::Directory {
        directory: directory(),
        source,
    };
    let path = share.directory.canonicalize().map_err(no_directory)?;
    if !path.is_dir() {
        return Err(no_directory(io::ErrorKind::NotADirectory.into()));
    }
    if path
        .as_os_str()
        .as_encoded_bytes()
        .iter()
        .any(|byte| b",\\".contains(byte))
    {
        return Err(ShareError::Path(path));
    }
    let no_server = |source| ShareError::Server {
        directory: directory(),
        source,
    };
    let program = Program::find().map_err(no_server)?;
    let first = program.start(&path).map_err(no_server)?;
    let start = move || program.start(&path).map_err(|error| said(&error));
    let name = format!("share {}", share.tag);
    let prefix = format!("pteg: {name}: virtiofsd: ");
    let report = move |line: &str| terminal::say(&format!("{prefix}{line}"));
    let device = Fs::new(&share.tag, share.is_read_only, first, Box::new(start), Box::new(report));
    Ok(Virtual::named("share", Arc::new(device)))
}
