//! Linux for the host, with KVM-PR, which Debian's own kernels lack: built from Debian's sources, once for a configuration.

use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use guest_images::{Archive, Cache, PackageName, Stderr};
use power_host_tests::{KERNEL_CONFIG, Pages};

use super::failed::Failed;
use super::packages::{For, see_to};
use crate::output::say;
use crate::step::seconds;

/// Linux 6.12 as Debian keeps it.
const SOURCE: PackageName<'_> = PackageName {
    suite: "bookworm-security",
    architecture: "amd64",
    package: "linux-source-6.12",
};

/// How far apart the lines are that tell how far a build is.
const NEWS: Duration = Duration::from_secs(15);

/// The kernel, an ELF file; it is built if the cache does not have it. A newer one is built when `sources/linux` is deleted
/// from the cache.
pub fn prepare(pages: Pages) -> Result<PathBuf, Failed> {
    let cache = Cache::from_environment()?;
    let sources = cache.made(Path::new("sources/linux"), &Stderr::new(), fetch)?;
    let configuration = configuration(pages);
    let mut hasher = DefaultHasher::new();
    (&configuration, fs::read_to_string(sources.join(VERSION))?).hash(&mut hasher);
    let name = format!("kernels/{}-{:016x}", pages.name(), hasher.finish());
    let made = cache.made(Path::new(&name), &Stderr::new(), |_, directory| {
        see_to(&[For::Programs, For::Kernels])?;
        build(&sources, &configuration, pages, directory)
    })?;
    Ok(made.join("vmlinux"))
}

/// The file that says which version the sources are.
const VERSION: &str = "version";

/// Keeps the sources as Debian packs them, a tenth of their size.
fn fetch(archive: &Archive<'_>, directory: &Path) -> Result<(), Failed> {
    let version = archive.unpack(SOURCE, directory)?;
    fs::write(directory.join(VERSION), version)?;
    Ok(())
}

/// What the kernel is to have; all else is left out.
fn configuration(pages: Pages) -> String {
    let size = match pages {
        Pages::Small => "CONFIG_PPC_4K_PAGES=y\n",
        Pages::Large => "CONFIG_PPC_64K_PAGES=y\n",
    };
    KERNEL_CONFIG.to_owned() + size
}

/// Builds the kernel `vmlinux` in `directory`.
fn build(sources: &Path, configuration: &str, pages: Pages, directory: &Path) -> Result<(), Failed> {
    let began = Instant::now();
    say(&format!("    building Linux with {} pages, once", pages.name()));
    // The sources and what is built of them are 2 GB that nobody needs again.
    let work = tempfile::tempdir_in(directory)?;
    let packed = sources.join("usr/src").join(format!("{}.tar.xz", SOURCE.package));
    let mut tar = Command::new("tar");
    tar.arg("-xf").arg(packed).arg("-C").arg(work.path());
    tar.arg("--strip-components=1");
    quietly(&mut tar, "unpacking the sources of Linux", |_| ())?;
    let wanted = directory.join("wanted.config");
    fs::write(&wanted, configuration)?;
    let jobs = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let make = |goal: &str, lines: &mut dyn FnMut(&str)| {
        let mut command = Command::new("make");
        command
            .current_dir(work.path())
            .args(["ARCH=powerpc", "CROSS_COMPILE=powerpc64le-linux-gnu-"])
            .args([&format!("-j{jobs}"), goal])
            .env("KCONFIG_ALLCONFIG", &wanted)
            // The build that started us has opinions on these.
            .env_remove("MAKEFLAGS")
            .env_remove("CFLAGS");
        quietly(&mut command, "building Linux", lines)
    };
    make("allnoconfig", &mut |_| ())?;
    let (mut files, mut told) = (0, Instant::now());
    make("vmlinux", &mut |line| {
        files += u32::from(line.trim_start().starts_with("CC "));
        if told.elapsed() >= NEWS {
            told = Instant::now();
            say(&format!(
                "    building Linux: {files} files of about 930, {}",
                seconds(began.elapsed())
            ));
        }
    })?;
    fs::copy(work.path().join("vmlinux"), directory.join("vmlinux"))?;
    fs::copy(work.path().join(".config"), directory.join("config"))?;
    say(&format!("    building Linux: done, {}", seconds(began.elapsed())));
    Ok(())
}

/// Runs a command to its end; what it complained of is shown only if it fails.
fn quietly(command: &mut Command, doing: &str, mut line: impl FnMut(&str)) -> Result<(), Failed> {
    let complaints = tempfile::tempfile()?;
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(complaints.try_clone()?);
    let mut child = command.spawn().map_err(|error| {
        Failed(format!(
            "{doing}: starting {}: {error}",
            command.get_program().display()
        ))
    })?;
    let output = child.stdout.take().expect("it is piped");
    for text in BufReader::new(output).split(b'\n') {
        line(&String::from_utf8_lossy(&text?));
    }
    let status = child.wait()?;
    if status.success() {
        return Ok(());
    }
    let mut said = String::new();
    std::io::Seek::rewind(&mut &complaints)?;
    std::io::Read::read_to_string(&mut &complaints, &mut said)?;
    said.lines().for_each(say);
    Err(Failed(format!("{doing}: {status}; what it said is above")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_has_pages_of_one_size() {
        for (pages, size) in [(Pages::Small, "4K"), (Pages::Large, "64K")] {
            let configuration = configuration(pages);
            let sizes: Vec<&str> = configuration
                .lines()
                .filter(|line| line.contains("K_PAGES=y"))
                .collect();
            assert_eq!(sizes, [format!("CONFIG_PPC_{size}_PAGES=y")]);
        }
    }
}
