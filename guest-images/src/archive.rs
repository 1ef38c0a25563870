//! Debian's archive for recipes outside this crate: what a package is, and what is in it.

use std::fs;
use std::path::Path;

use crate::apt::{Description, Repository, discard};
use crate::cache::Lock;
use crate::{Cache, Error, Progress};

/// Debian's archive, asked through an apt of our own; [`Cache::made`] lends it.
pub struct Archive<'a> {
    cache: &'a Cache,
    lock: &'a Lock,
    progress: &'a dyn Progress,
}

/// A package by where it is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackageName<'a> {
    /// The suite: `bookworm`, `bookworm-backports`, `bookworm-security`.
    pub suite: &'static str,
    /// The architecture in Debian's words: `amd64`, `ppc64el`.
    pub architecture: &'static str,
    /// The package.
    pub package: &'a str,
}

/// What the package lists say of a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// Its version.
    pub version: String,
    /// The names of what it depends on; of alternatives, the first.
    pub depends: Vec<String>,
}

impl<'a> Archive<'a> {
    pub(crate) fn new(cache: &'a Cache, lock: &'a Lock, progress: &'a dyn Progress) -> Self {
        Self { cache, lock, progress }
    }

    /// Looks a package up.
    pub fn describe(&self, name: PackageName<'_>) -> Result<Described, Error> {
        let Description { version, depends, .. } = self.repository(name)?.look_up(name.package)?;
        Ok(Described { version, depends })
    }

    /// Fetches a package and takes everything out of it, into the directory `to`. Nothing is installed. Returns its version.
    pub fn unpack(&self, name: PackageName<'_>, to: &Path) -> Result<String, Error> {
        let package = self.repository(name)?.fetch(name.package, None)?;
        package.unpack(&self.cache.host, to, self.progress)?;
        discard(&package);
        Ok(package.version)
    }

    /// Fetches the packages `names` of `suite` for `architecture`, and what they depend on as far as it `is_wanted`, and takes everything out of them, into
    /// the directory `to`. Nothing is installed. Returns their names with their versions.
    pub fn unpack_with_dependencies(
        &self,
        (suite, architecture): (&'static str, &'static str),
        names: &[&str],
        is_wanted: &dyn Fn(&str) -> bool,
        to: &Path,
    ) -> Result<Vec<(String, String)>, Error> {
        let repository = Repository::open(self.cache, self.lock, self.progress, suite, architecture)?;
        let files = to.with_added_extension("packages");
        let all = repository.fetch_with_dependencies(names, is_wanted, &files)?;
        for package in &all {
            package.unpack(&self.cache.host, to, self.progress)?;
        }
        fs::remove_dir_all(&files).map_err(|source| Error::Write { path: files, source })?;
        Ok(all.into_iter().map(|package| (package.name, package.version)).collect())
    }

    /// What it is asked through.
    pub(crate) fn parts(&self) -> (&'a Cache, &'a Lock, &'a dyn Progress) {
        (self.cache, self.lock, self.progress)
    }

    fn repository(&self, name: PackageName<'_>) -> Result<Repository<'_>, Error> {
        Repository::open(self.cache, self.lock, self.progress, name.suite, name.architecture)
    }
}
