//! A private apt: Debian's archive seen through apt's own eyes, without touching the user's system.
//!
//! One [`Repository`] is one suite for one architecture with a state of its own, so a name has one
//! meaning in it and no pinning is needed. The user's configuration is read, for its proxies and the
//! like; where it would lead back to the system, or trust what is not signed, it is overruled.

mod closure;
mod description;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

pub(crate) use self::description::Description;
use crate::cache::{Lock, create_directory};
use crate::host::run;
use crate::mirror::Mirror;
use crate::package::Package;
use crate::{Cache, Error, Progress};

/// How long package lists are good for.
const LISTS_ARE_FRESH: Duration = Duration::from_hours(24);

/// Read after the user's configuration. Only in a file can lists be emptied: the commands that the
/// user's system runs after an update, and the system's architectures.
const CONFIGURATION: &str = "\
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear APT::Architectures;
";

/// A suite of Debian's archive for one architecture.
pub(crate) struct Repository<'a> {
    cache: &'a Cache,
    lock: &'a Lock,
    progress: &'a dyn Progress,
    suite: &'static str,
    architecture: &'static str,
    /// Everything of this apt's is below.
    root: PathBuf,
}

impl<'a> Repository<'a> {
    /// The repository of `suite` for `architecture`, whose state is kept in `cache`.
    pub(crate) fn open(
        cache: &'a Cache,
        lock: &'a Lock,
        progress: &'a dyn Progress,
        suite: &'static str,
        architecture: &'static str,
    ) -> Result<Self, Error> {
        let root = cache.root().join("apt").join(format!("{suite}-{architecture}"));
        for directory in ["lists/partial", "archives/partial", "packages"] {
            create_directory(&root.join(directory))?;
        }
        let repository = Self {
            cache,
            lock,
            progress,
            suite,
            architecture,
            root,
        };
        write(&repository.root.join("apt.conf"), CONFIGURATION)?;
        // No package is installed in this apt's world.
        write(&repository.root.join("status"), "")?;
        Ok(repository)
    }

    /// Downloads `package`; if it is a meta package, the package `{series}…` that it stands for.
    pub(crate) fn fetch(&self, package: &str, series: Option<&str>) -> Result<Package, Error> {
        self.with_lists(|| self.try_fetch(package, series))
    }

    /// What the lists say of `package`, its version and what it depends on.
    pub(crate) fn look_up(&self, package: &str) -> Result<Description, Error> {
        self.update(Freshness::OfToday)?;
        Ok(self.describe(&[package])?.remove(0))
    }

    /// Downloads `packages`, names or apt's patterns, and all that they depend on, into the directory `to`. Returns the files.
    pub(crate) fn fetch_all(&self, packages: &[&str], to: &Path) -> Result<Vec<PathBuf>, Error> {
        self.with_lists(|| self.try_fetch_all(packages, to))
    }

    /// Downloads `packages` and what they depend on as far as it `is_wanted`, into the directory `to`. Of alternatives it is the first.
    pub(crate) fn fetch_with_dependencies(
        &self,
        packages: &[&str],
        is_wanted: &dyn Fn(&str) -> bool,
        to: &Path,
    ) -> Result<Vec<Package>, Error> {
        self.with_lists(|| {
            // Apt reads all its lists each time that it is asked, which takes seconds: it is asked for many packages at a time.
            let found = closure::with_dependencies(packages, is_wanted, |packages| self.describe(packages))?;
            self.download_all(found, to)
        })
    }

    /// Makes an `attempt` with the lists of today, and another one with those of now if the archive has moved on since.
    fn with_lists<T>(&self, attempt: impl Fn() -> Result<T, Error>) -> Result<T, Error> {
        let updated = self.update(Freshness::OfToday)?;
        match attempt() {
            Err(Error::Program { .. } | Error::BadDescription { .. }) if !updated => {
                self.update(Freshness::OfNow)?;
                attempt()
            }
            result => result,
        }
    }

    fn try_fetch_all(&self, packages: &[&str], to: &Path) -> Result<Vec<PathBuf>, Error> {
        create_directory(&to.join("partial"))?;
        let files = self.plan(packages)?;
        let bytes = files.iter().map(|(_, bytes)| bytes).sum();
        let doing = format!("downloading {} packages", files.len());
        let mut step = self.progress.begin(&doing, Some(bytes));
        let mut command = self.installation(packages)?;
        option_is(&mut command, "Dir::Cache::archives", to);
        command.args(["--download-only", "-o", "APT::Status-Fd=1"]);
        run("apt-get", &mut command, &doing, |line| {
            if let Some(percent) = percent_done(line) {
                step.reach((bytes as f64 * percent / 100.0) as u64);
            }
        })?;
        let paths = files.iter().map(|(name, _)| to.join(name)).collect::<Vec<_>>();
        match paths.iter().find(|path| !path.exists()) {
            None => Ok(paths),
            Some(missing) => Err(Error::Read {
                path: missing.clone(),
                source: std::io::ErrorKind::NotFound.into(),
            }),
        }
    }

    /// The files that an installation of `packages` needs, and their sizes in bytes.
    fn plan(&self, packages: &[&str]) -> Result<Vec<(String, u64)>, Error> {
        let mut files = Vec::new();
        let mut command = self.installation(packages)?;
        command.arg("--print-uris");
        let doing = format!("looking for {} packages in Debian {}", packages.len(), self.suite);
        run("apt-get", &mut command, &doing, |line| files.extend(file_of_uri(line)))?;
        Ok(files)
    }

    /// A command that installs `packages` where none is, unless it is told to do less.
    fn installation(&self, packages: &[&str]) -> Result<Command, Error> {
        let mut command = self.command("apt-get")?;
        command
            .args(["-y", "--no-install-recommends", "install"])
            .args(packages);
        Ok(command)
    }

    /// A list of sources for a system of this suite that asks the same mirrors, security updates among them.
    pub(crate) fn sources(&self) -> Result<String, Error> {
        const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
        let archive = Mirror::of(&self.cache.host, self.suite)?;
        let security = archive.for_security(&self.cache.host)?;
        let source = |mirror: &Mirror, suites: &str| mirror.system_source(suites, KEYRING);
        let suites = format!("{0} {0}-updates", self.suite);
        Ok([
            source(&archive, &suites),
            source(&security, &format!("{}-security", self.suite)),
        ]
        .join("\n"))
    }

    fn try_fetch(&self, package: &str, series: Option<&str>) -> Result<Package, Error> {
        let mut description = self.describe(&[package])?.remove(0);
        if let Some(series) = series
            && let Some(real) = description.depends.iter().find(|name| name.starts_with(series))
        {
            description = self.describe(&[real])?.remove(0);
        }
        self.download(description)
    }

    /// Fetches the package lists, unless they are fresh enough; tells whether it did.
    fn update(&self, freshness: Freshness) -> Result<bool, Error> {
        let mirror = Mirror::of(&self.cache.host, self.suite)?;
        let keyrings = &self.cache.host.keyrings;
        let keyring = keyrings.iter().find(|path| path.exists());
        let keyring = keyring.ok_or_else(|| Error::NoKeyring {
            path: keyrings[0].clone(),
        })?;
        let source = mirror.source(self.suite, self.architecture, &keyring.to_string_lossy());

        // Written after a success: where the lists came from, and by its age, when.
        let stamp = self.root.join("updated");
        let age = || fs::metadata(&stamp).ok()?.modified().ok()?.elapsed().ok();
        if freshness == Freshness::OfToday
            && age().is_some_and(|age| age < LISTS_ARE_FRESH)
            && fs::read_to_string(&stamp).is_ok_and(|from| from == source)
        {
            return Ok(false);
        }
        write(&self.root.join("debian.sources"), &source)?;
        let _step = self
            .progress
            .begin(&format!("fetching the package lists of Debian {}", self.suite), None);
        let mut command = self.command("apt-get")?;
        // A mirror that cannot be reached is only a warning otherwise.
        command.args(["-o", "APT::Update::Error-Mode=any", "update"]);
        run(
            "apt-get",
            &mut command,
            &format!("fetching the package lists of Debian {}", self.suite),
            |_| (),
        )?;
        write(&stamp, &source)?;
        Ok(true)
    }

    /// Looks `packages` up in the lists: what these say of each, in the same order.
    fn describe(&self, packages: &[&str]) -> Result<Vec<Description>, Error> {
        let mut text = String::new();
        let mut command = self.command("apt-cache")?;
        command.args(["--no-all-versions", "show"]).args(packages);
        let doing = format!("looking for {} in Debian {}", packages.join(", "), self.suite);
        run("apt-cache", &mut command, &doing, |line| {
            text.push_str(line);
            text.push('\n');
        })?;
        let bad = |package: &str, field| Error::BadDescription {
            suite: self.suite,
            package: package.to_owned(),
            field,
        };
        let stanzas = text.split("\n\n").filter(|stanza| !stanza.trim().is_empty());
        let found = stanzas
            .map(|stanza| Description::parse(stanza).map_err(|field| bad(&packages.join(", "), field)))
            .collect::<Result<Vec<_>, _>>()?;
        packages
            .iter()
            .map(|&package| {
                // Apt passes over a package that there is not, if there is another one.
                let of_it = found.iter().find(|description| description.name == package);
                of_it.cloned().ok_or_else(|| bad(package, "Package"))
            })
            .collect()
    }

    /// Downloads a package and has apt verify it. What an interrupted download left is continued.
    fn download(&self, description: Description) -> Result<Package, Error> {
        let directory = self.root.join("packages").join(description.exactly());
        Ok(self.download_all(vec![description], &directory)?.remove(0))
    }

    /// Downloads packages into the directory `to` and has apt verify them.
    fn download_all(&self, all: Vec<Description>, to: &Path) -> Result<Vec<Package>, Error> {
        create_directory(to)?;
        let bytes = all.iter().map(|description| description.bytes).sum();
        let doing = match &*all {
            [one] => format!("downloading {}", one.name),
            all => format!("downloading {} packages", all.len()),
        };
        let mut step = self.progress.begin(&doing, Some(bytes));
        let mut command = self.command("apt-get")?;
        command.current_dir(to).args(["-o", "APT::Status-Fd=1", "download"]);
        command.args(all.iter().map(Description::exactly));
        run("apt-get", &mut command, &doing, |line| {
            if let Some(percent) = percent_done(line) {
                step.reach((bytes as f64 * percent / 100.0) as u64);
            }
        })?;
        all.into_iter()
            .map(|Description { name, version, .. }| {
                let path = file_of(&name, to)?;
                Ok(Package { name, version, path })
            })
            .collect()
    }

    /// A command of apt's that sees this repository and nothing else.
    fn command(&self, program: &'static str) -> Result<Command, Error> {
        let mut command = self.cache.host.command(program);
        let shared = self.lock.share().map_err(|source| Error::Run { program, source })?;
        command
            .stdin(shared)
            .arg("-qq")
            .arg("-c")
            .arg(self.root.join("apt.conf"));
        let ours = [
            ("Dir::State", "."),
            ("Dir::State::lists", "lists"),
            ("Dir::State::status", "status"),
            ("Dir::Cache", "."),
            ("Dir::Cache::archives", "archives"),
            ("Dir::Etc::sourcelist", "debian.sources"),
        ]
        .map(|(option, name)| (option, self.root.join(name)));
        for (option, path) in &ours {
            option_is(&mut command, option, path);
        }
        for (option, value) in [
            ("APT::Architecture", self.architecture),
            ("APT::Default-Release", ""),
            ("APT::Get::AllowUnauthenticated", "false"),
            ("Acquire::AllowInsecureRepositories", "false"),
            ("Acquire::AllowWeakRepositories", "false"),
            ("Acquire::AllowDowngradeToInsecureRepositories", "false"),
            // As root, apt would download as a user who may not write here.
            ("APT::Sandbox::User", "root"),
            // Tens of megabytes that save half a second.
            ("Dir::Cache::pkgcache", ""),
            ("Dir::Cache::srcpkgcache", ""),
            ("Dir::Etc::sourceparts", "/dev/null"),
            ("Dir::Etc::preferences", "/dev/null"),
            ("Dir::Etc::preferencesparts", "/dev/null"),
        ] {
            option_is(&mut command, option, Path::new(value));
        }
        Ok(command)
    }
}

/// Removes a downloaded package of which everything wanted has been taken.
pub(crate) fn discard(package: &Package) {
    // A file more in the cache is no reason to fail.
    if let Some(directory) = package.path.parent() {
        let _ = fs::remove_dir_all(directory);
    }
}

/// How new the package lists must be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Freshness {
    OfToday,
    OfNow,
}

/// The percentage in a line of apt's status, `dlstatus:1:65.9961:Retrieving file 1 of 1`.
fn percent_done(line: &str) -> Option<f64> {
    let percent: f64 = line.strip_prefix("dlstatus:")?.split(':').nth(1)?.parse().ok()?;
    percent.is_finite().then(|| percent.clamp(0.0, 100.0))
}

/// Name and bytes of the file in a line of `--print-uris`: `'http://HOST/…/a_1_all.deb' a_1_all.deb 1436 SHA256:…`.
fn file_of_uri(line: &str) -> Option<(String, u64)> {
    let (_, rest) = line.strip_prefix('\'')?.split_once("' ")?;
    let mut words = rest.split(' ');
    let name = words
        .next()
        .filter(|name| name.ends_with(".deb") && !name.contains('/'))?;
    Some((name.to_owned(), words.next()?.parse().ok()?))
}

fn option_is(command: &mut Command, option: &str, value: &Path) {
    let mut argument = std::ffi::OsString::from(option);
    argument.push("=");
    argument.push(value);
    command.arg("-o").arg(argument);
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    fs::write(path, text).map_err(|source| Error::Write {
        path: path.to_owned(),
        source,
    })
}

/// The file of the package `name` that apt has put into `directory`: `NAME_VERSION_ARCHITECTURE.deb`.
fn file_of(name: &str, directory: &Path) -> Result<PathBuf, Error> {
    let unreadable = |source| Error::Read {
        path: directory.to_owned(),
        source,
    };
    for entry in fs::read_dir(directory).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        if file.split('_').next() == Some(name) && file.ends_with(".deb") {
            return Ok(path);
        }
    }
    Err(unreadable(std::io::ErrorKind::NotFound.into()))
}

#[cfg(test)]
mod tests;
