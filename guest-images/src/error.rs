//! What can go wrong between a recipe and a bootable guest, each with what would be right.

use std::io;
use std::path::PathBuf;

/// Why an image or a tool could not be made.
///
/// The cause, where there is one, is the `source` and not part of the message; what apt and dpkg-deb
/// said is part of it, as their words are all that is known.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Nothing tells where to keep the images.
    #[error("no directory for the cache: set PTEG_CACHE, XDG_CACHE_HOME or HOME")]
    NoCacheDirectory,

    /// A directory of the cache cannot be made.
    #[error("creating the directory {} (PTEG_CACHE=DIRECTORY chooses another place)", path.display())]
    CreateDirectory {
        /// The directory.
        path: PathBuf,
        /// What the host said.
        #[source]
        source: io::Error,
    },

    /// The lock of the cache cannot be taken.
    #[error("locking {} (PTEG_CACHE=DIRECTORY chooses another place)", path.display())]
    Lock {
        /// The lock file.
        path: PathBuf,
        /// What the host said.
        #[source]
        source: io::Error,
    },

    /// A file cannot be read.
    #[error("reading {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the host said.
        #[source]
        source: io::Error,
    },

    /// A file cannot be written, most often because the disk is full.
    #[error("writing {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the host said.
        #[source]
        source: io::Error,
    },

    /// A program that recipes need is not there.
    #[error(
        "`{program}` is not installed, and images are made from Debian's packages with it: \
         install it, or pass --kernel and --initrd"
    )]
    MissingProgram {
        /// Its name.
        program: &'static str,
    },

    /// A program cannot be started, or not be listened to.
    #[error("running `{program}`")]
    Run {
        /// Its name.
        program: &'static str,
        /// What the host said.
        #[source]
        source: io::Error,
    },

    /// A program ran and failed.
    #[error("{doing}: {program}: {message}")]
    Program {
        /// Its name.
        program: &'static str,
        /// What it was to do.
        doing: String,
        /// Its own words, in one line.
        message: String,
    },

    /// The user's apt has no Debian mirror, as on Ubuntu.
    #[error(
        "this system's apt has no Debian mirror among its sources: set PTEG_DEBIAN_MIRROR=URI to one \
         that has {suite}, or pass --kernel and --initrd"
    )]
    NoMirror {
        /// The suite that is wanted.
        suite: &'static str,
    },

    /// `PTEG_DEBIAN_MIRROR` is not a URI.
    #[error("PTEG_DEBIAN_MIRROR is `{value}`, which is not a URI such as http://HOST/debian or file:/DIRECTORY")]
    BadMirror {
        /// What it is.
        value: String,
    },

    /// The keys that Debian signs with are not there.
    #[error(
        "no keys to verify Debian's packages with: {} is missing, install the package \
         debian-archive-keyring, or pass --kernel and --initrd",
        path.display()
    )]
    NoKeyring {
        /// Where they should be.
        path: PathBuf,
    },

    /// Debian does not build for this host.
    #[error("Debian has no packages for a host of architecture {architecture}")]
    NoHostArchitecture {
        /// Rust's name for it.
        architecture: &'static str,
    },

    /// The package lists lack a field that a recipe goes by.
    #[error("the package lists of {suite} describe {package} without a usable `{field}`")]
    BadDescription {
        /// The suite.
        suite: &'static str,
        /// The package.
        package: String,
        /// The field.
        field: &'static str,
    },

    /// A package is sound but not what the recipe knows.
    #[error("{} has no file `{file}`", package.display())]
    NotInPackage {
        /// The package.
        package: PathBuf,
        /// The file, or how its name begins.
        file: &'static str,
    },

    /// What should be a kernel is something else.
    #[error("{} is not a little-endian 64-bit POWER kernel (ELF)", path.display())]
    NotAKernel {
        /// The file.
        path: PathBuf,
    },

    /// Modules that need each other.
    #[error("the kernel's module {name} needs itself")]
    BadModule {
        /// Its name.
        name: String,
    },

    /// The guest that does the second half of a disk did not.
    #[error("installing Debian in a guest failed: {said}")]
    SecondStage {
        /// Why, and what it said last.
        said: String,
    },

    /// An extra file's place in the guest is unusable.
    #[error("`{path}` cannot be a file in the guest: {reason}")]
    BadGuestPath {
        /// The place.
        path: String,
        /// Why not.
        reason: &'static str,
    },
}
