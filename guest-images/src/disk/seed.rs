//! The seed of a root disk: one tar file that the guest of the second stage reads as its second disk.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read as _, Write};
use std::path::{Path, PathBuf};

use tar::{Archive, Builder, Header};

use super::{base, deb, modules};
use crate::host::Host;
use crate::{Error, Progress};

/// What goes into a seed.
pub(super) struct Contents<'a> {
    /// All package files.
    pub(super) all: &'a [PathBuf],
    /// The names of those that are unpacked before dpkg runs.
    pub(super) essential: &'a [String],
    /// The modules.
    pub(super) modules: &'a Path,
    /// The guest's list of sources.
    pub(super) sources: &'a str,
}

/// The file of modules in the seed.
const MODULES: &str = "modules.tar";

/// Writes the seed `to`.
pub(super) fn write(host: &Host, progress: &dyn Progress, contents: &Contents<'_>, to: &Path) -> Result<(), Error> {
    let unwritable = |source| Error::Write {
        path: to.to_owned(),
        source,
    };
    let essential: Vec<&PathBuf> = contents
        .all
        .iter()
        .filter(|path| {
            contents
                .essential
                .iter()
                .any(|name| path.file_name() == Some(name.as_ref()))
        })
        .collect();
    let base_tar = to.with_file_name("base.tar");
    let step = progress.begin("unpacking the essential packages", None);
    let files: Vec<PathBuf> = essential.iter().map(|&path| path.clone()).collect();
    base::merge(host, &files, &base_tar, |_| true)?;
    drop(step);

    let mut step = progress.begin("packing the seed of the disk", None);
    let out = File::create(to).map_err(unwritable)?;
    let mut out = Builder::new(BufWriter::new(out));
    let mut bytes = 0;
    let mut files = |out: &mut Builder<_>, name: &str, path: &Path| -> io::Result<()> {
        let mut file = File::open(path)?;
        bytes += file.metadata()?.len();
        out.append_data(&mut plain(file.metadata()?.len()), name, &mut file)
    };
    files(&mut out, "base.tar", &base_tar).map_err(unwritable)?;
    files(&mut out, MODULES, contents.modules).map_err(unwritable)?;
    super::remove(&base_tar)?;
    for path in contents.all {
        let mut package = Vec::new();
        deb::write_plain(host, path, &mut package)?;
        let name = format!("debs/{}", guest_name(path));
        out.append_data(&mut plain(package.len() as u64), name, &package[..])
            .map_err(unwritable)?;
        bytes += package.len() as u64;
        step.reach(bytes);
    }
    let names: String = essential
        .iter()
        .map(|path| format!("/debs/{}\n", guest_name(path)))
        .collect();
    for (name, text) in [("essential", &*names), ("sources", contents.sources)] {
        out.append_data(&mut plain(text.len() as u64), name, text.as_bytes())
            .map_err(unwritable)?;
    }
    out.into_inner().and_then(|mut out| out.flush()).map_err(unwritable)
}

/// The modules of a seed, by name.
pub(super) fn modules_of(seed: &Path) -> Result<BTreeMap<String, Vec<u8>>, Error> {
    let unreadable = |source| Error::Read {
        path: seed.to_owned(),
        source,
    };
    let read = || -> io::Result<_> {
        let mut all = BTreeMap::new();
        let mut archive = Archive::new(BufReader::new(File::open(seed)?));
        for entry in archive.entries()? {
            let entry = entry?;
            if &*entry.path_bytes() != MODULES.as_bytes() {
                continue;
            }
            for module in Archive::new(entry).entries()? {
                let mut module = module?;
                let path = module.path()?.into_owned();
                if let Some(name) = path.file_name().and_then(|name| modules::name_of(name.to_str()?)) {
                    let mut bytes = Vec::new();
                    module.read_to_end(&mut bytes)?;
                    all.insert(name, bytes);
                }
            }
            break;
        }
        Ok(all)
    };
    read().map_err(unreadable)
}

/// The header of a file of so many bytes.
fn plain(bytes: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_size(bytes);
    header.set_mode(0o644);
    header
}

/// What a package's file is called in the guest: apt wants an underscore, and no percent signs.
fn guest_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.replace("%3a", "-")
}
