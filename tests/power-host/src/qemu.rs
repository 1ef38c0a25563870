//! A QEMU that runs on the host, to compare with: Debian's for ppc64el, with its loader and its libraries beside it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use guest_images::{Archive, Cache, Progress};

use crate::host::Error;

/// The package, of the release that has it with all it needs.
const PACKAGE: &str = "qemu-system-ppc";

/// The program, its loader, and the firmware that starts a kernel at once, where the packages have them.
const FILES: [&str; 3] = [
    "usr/bin/qemu-system-ppc64",
    "lib/powerpc64le-linux-gnu/ld64.so.2",
    "usr/share/qemu/vof.bin",
];

/// Where the packages have libraries.
const LIBRARIES: [&str; 2] = ["lib/powerpc64le-linux-gnu", "usr/lib/powerpc64le-linux-gnu"];

/// The files by their names: [`FILES`] in `qemu`, the libraries in `qemu/lib`.
pub(crate) fn contents(cache: &Cache, progress: &dyn Progress) -> Result<Vec<(String, Vec<u8>)>, Error> {
    let directory = cache.made(Path::new("tools/qemu-on-power"), progress, fetch)?;
    let mut contents = Vec::new();
    for (from, to) in [(directory.clone(), "qemu"), (directory.join("lib"), "qemu/lib")] {
        for path in files(&from)? {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            contents.push((format!("{to}/{name}"), fs::read(&path).map_err(unreadable(&path))?));
        }
    }
    Ok(contents)
}

/// Unpacks the package and all that it depends on, and keeps what the program is linked with: a tenth of it.
fn fetch(archive: &Archive<'_>, directory: &Path) -> Result<(), Error> {
    let unpacked = directory.join("unpacked");
    fs::create_dir(&unpacked).map_err(unreadable(&unpacked))?;
    // The other packages are for installing, or for programs beside it.
    let is_library = |name: &str| name.starts_with("lib") || name == "zlib1g" || name == "qemu-system-data";
    archive.unpack_with_dependencies(("bookworm", "ppc64el"), &[PACKAGE], &is_library, &unpacked)?;
    let library = directory.join("lib");
    fs::create_dir(&library).map_err(unreadable(&library))?;
    for file in FILES {
        copy(&unpacked.join(file), directory)?;
    }
    let mut linked = needed(&unpacked.join(FILES[0]))?;
    let mut there = BTreeSet::new();
    while let Some(name) = linked.pop() {
        let path = LIBRARIES.map(|directory| unpacked.join(directory).join(&name));
        if let Some(path) = path.iter().find(|path| path.exists())
            && there.insert(name)
        {
            copy(path, &library)?;
            linked.extend(needed(path)?);
        }
    }
    fs::remove_dir_all(&unpacked).map_err(unreadable(&unpacked))
}

/// The names of the libraries that a program or a library is linked with.
fn needed(path: &Path) -> Result<Vec<String>, Error> {
    let told = Command::new("readelf").arg("-d").arg(path).output();
    let told = told.map_err(unreadable(path))?.stdout;
    let told = String::from_utf8_lossy(&told);
    let names = told.lines().filter(|line| line.contains("(NEEDED)"));
    let names = names.filter_map(|line| Some(line.split_once('[')?.1.trim_end().trim_end_matches(']').to_owned()));
    Ok(names.collect())
}

fn copy(from: &Path, to: &Path) -> Result<(), Error> {
    let to = to.join(from.file_name().unwrap_or_default());
    fs::copy(from, to).map_err(unreadable(from)).map(drop)
}

/// What is a file in `directory`.
fn files(directory: &Path) -> Result<Vec<PathBuf>, Error> {
    let entries = fs::read_dir(directory).map_err(unreadable(directory))?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path()));
    let mut paths = paths.collect::<Result<Vec<_>, _>>().map_err(unreadable(directory))?;
    paths.retain(|path| path.is_file());
    paths.sort();
    Ok(paths)
}

fn unreadable(path: &Path) -> impl Fn(std::io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Read {
        path: path.clone(),
        source,
    }
}
