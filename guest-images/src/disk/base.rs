//! One root file system out of several packages: their tar streams, one after the other, in one file.
//!
//! Debian's systems have `/bin`, `/sbin` and `/lib*` as links into `/usr`, and its packages of the time have files in both, so every
//! path is taken there first: what unpacks the file would else replace a link by a directory.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufReader, BufWriter};
use std::path::{Path, PathBuf};

use tar::{Archive, Builder, EntryType, Header};

use super::deb;
use crate::Error;
use crate::host::Host;

/// Directories that are links into `/usr`.
const MERGED: [&str; 4] = ["bin", "lib", "lib64", "sbin"];

/// Writes what the package files `debs` have to the tar file `to`: all whose path there, without a slash at its beginning, is `wanted`.
pub(super) fn merge(host: &Host, debs: &[PathBuf], to: &Path, wanted: impl Fn(&str) -> bool) -> Result<(), Error> {
    let unwritable = |source| Error::Write {
        path: to.to_owned(),
        source,
    };
    let file = File::create(to).map_err(unwritable)?;
    let mut merge = Merge::new(BufWriter::new(file));
    for path in debs {
        deb::read_files(host, path, |stream| merge.add(stream, &wanted))?;
    }
    merge.finish().map_err(unwritable)
}

/// The file under construction.
struct Merge<W: io::Write> {
    out: Builder<W>,
    directories: BTreeSet<String>,
}

impl<W: io::Write> Merge<W> {
    fn new(out: W) -> Self {
        Self {
            out: Builder::new(out),
            directories: BTreeSet::new(),
        }
    }

    /// Adds what is wanted of a tar stream.
    fn add(&mut self, stream: impl io::Read, wanted: &impl Fn(&str) -> bool) -> io::Result<()> {
        let mut archive = Archive::new(BufReader::with_capacity(1 << 17, stream));
        for entry in archive.entries()? {
            let mut entry = entry?;
            let path = text(&entry.path_bytes())?;
            let Some(path) = place(&path) else { continue };
            if !wanted(&path) {
                continue;
            }
            let mut header: Header = entry.header().clone();
            let kind = header.entry_type();
            if kind.is_dir() {
                if self.directories.insert(path.clone()) {
                    self.out.append_data(&mut header, format!("{path}/"), io::empty())?;
                }
            } else if matches!(kind, EntryType::Link | EntryType::Symlink) {
                let target = entry
                    .link_name_bytes()
                    .ok_or_else(|| io::Error::other("a link that leads nowhere"))?;
                let mut target = text(&target)?;
                if kind == EntryType::Link {
                    target = place(&target).ok_or_else(|| io::Error::other("a hard link to no file"))?;
                }
                self.out.append_link(&mut header, path, target)?;
            } else {
                self.out.append_data(&mut header, path, &mut entry)?;
            }
        }
        Ok(())
    }

    fn finish(self) -> io::Result<()> {
        let mut out = self.out.into_inner()?;
        out.flush()
    }
}

fn text(bytes: &[u8]) -> io::Result<String> {
    let text = std::str::from_utf8(bytes).map_err(|_| io::Error::other("a path that is no UTF-8"))?;
    Ok(text.to_owned())
}

/// Where `path` is when the merged directories are links; `None` for the root and for those directories.
fn place(path: &str) -> Option<String> {
    let path = path.strip_prefix("./").unwrap_or(path).trim_matches('/');
    if path.is_empty() || path == "." || MERGED.contains(&path) {
        return None;
    }
    let first = path.split('/').next().unwrap_or_default();
    Some(if MERGED.contains(&first) {
        format!("usr/{path}")
    } else {
        path.to_owned()
    })
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn header(kind: EntryType, mode: u32, owner: u64, bytes: u64) -> Header {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(owner);
        header.set_gid(owner + 1);
        header.set_size(bytes);
        header
    }

    fn package() -> Vec<u8> {
        let mut out = Builder::new(Vec::new());
        let directory = |mode| header(EntryType::Directory, mode, 0, 0);
        for (path, mode) in [("./", 0o755), ("./bin/", 0o755), ("./var/mail/", 0o2775)] {
            out.append_data(&mut directory(mode), path, io::empty()).unwrap();
        }
        let mut file = header(EntryType::Regular, 0o4755, 33, 4);
        out.append_data(&mut file, "./bin/su", &b"text"[..]).unwrap();
        let mut link = header(EntryType::Link, 0o755, 0, 0);
        out.append_link(&mut link, "./bin/other", "./bin/su").unwrap();
        let mut link = header(EntryType::Symlink, 0o777, 0, 0);
        out.append_link(&mut link, "./lib64/ld", "../lib/ld").unwrap();
        out.into_inner().unwrap()
    }

    #[test]
    fn files_keep_their_owners_and_come_where_the_links_lead() {
        let mut all = Vec::new();
        let mut merge = Merge::new(&mut all);
        for _ in 0..2 {
            merge.add(&package()[..], &|path| path != "usr/lib64/ld").unwrap();
        }
        merge.finish().unwrap();
        let mut archive = Archive::new(&all[..]);
        let mut found = Vec::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut data = String::new();
            entry.read_to_string(&mut data).unwrap();
            let header = entry.header();
            let link = entry
                .link_name_bytes()
                .map(|link| String::from_utf8(link.into_owned()).unwrap());
            found.push((
                String::from_utf8(entry.path_bytes().into_owned()).unwrap(),
                header.mode().unwrap(),
                (header.uid().unwrap(), header.gid().unwrap()),
                link.unwrap_or(data),
            ));
        }
        let su = ("usr/bin/su".to_owned(), 0o4755, (33, 34), "text".to_owned());
        let other = ("usr/bin/other".to_owned(), 0o755, (0, 1), "usr/bin/su".to_owned());
        let mail = ("var/mail/".to_owned(), 0o2775, (0, 1), String::new());
        assert_eq!(found, [mail, su.clone(), other.clone(), su, other]);
    }
}
