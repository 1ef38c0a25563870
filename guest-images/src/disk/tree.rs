//! One root file system out of several packages, as one tar file: their tar streams, one after the other.
//!
//! Debian's systems have `/bin`, `/sbin` and `/lib*` as links into `/usr`, and its packages of the time have files in both, so every
//! path is taken there first: what unpacks the file would else replace a link by a directory.

use std::collections::BTreeSet;
use std::io::{self, BufReader};

use tar::{Archive, Builder, EntryType, Header};

/// Directories that are links into `/usr`.
const MERGED: [&str; 4] = ["bin", "lib", "lib64", "sbin"];

/// What dpkg calls a file of the administrator's (a conffile) between unpacking and configuring.
const NEW: &str = ".dpkg-new";

/// The file under construction.
pub(super) struct Tree<W: io::Write> {
    out: Builder<W>,
    directories: BTreeSet<String>,
}

impl<W: io::Write> Tree<W> {
    /// An empty one, but for the links into `/usr`.
    pub(super) fn new(out: W) -> io::Result<Self> {
        let mut tree = Self {
            out: Builder::new(out),
            directories: BTreeSet::new(),
        };
        for name in MERGED {
            let mut header = header(EntryType::Symlink, 0o777, 0);
            tree.out.append_link(&mut header, name, format!("usr/{name}"))?;
            tree.directory(
                &format!("usr/{name}"),
                &mut self::header(EntryType::Directory, 0o755, 0),
            )?;
        }
        Ok(tree)
    }

    /// Adds what is `wanted` of a package's files, by their paths without a slash at the beginning; the `conffiles` among them, absolute paths, by the
    /// names that they have until they are configured. Returns the package's paths as dpkg lists them.
    pub(super) fn add(
        &mut self,
        stream: impl io::Read,
        conffiles: &[String],
        wanted: impl Fn(&str) -> bool,
    ) -> io::Result<String> {
        let mut list = String::new();
        let mut archive = Archive::new(BufReader::with_capacity(1 << 17, stream));
        for entry in archive.entries()? {
            let mut entry = entry?;
            let path = text(&entry.path_bytes())?;
            let absolute = absolute(&path);
            list += if absolute == "/" { "/." } else { &absolute };
            list += "\n";
            let Some(mut path) = place(&path) else { continue };
            if !wanted(&path) {
                continue;
            }
            if conffiles.contains(&absolute) {
                path += NEW;
            }
            let mut header: Header = entry.header().clone();
            let kind = header.entry_type();
            if kind.is_dir() {
                self.directory(&path, &mut header)?;
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
        Ok(list)
    }

    /// Adds a file of root's.
    pub(super) fn file(&mut self, path: &str, permissions: u32, bytes: &[u8]) -> io::Result<()> {
        let mut header = header(EntryType::Regular, permissions, bytes.len() as u64);
        self.out.append_data(&mut header, path, bytes)
    }

    /// Ends the file.
    pub(super) fn finish(self) -> io::Result<()> {
        let mut out = self.out.into_inner()?;
        out.flush()
    }

    /// Adds a directory, once.
    fn directory(&mut self, path: &str, header: &mut Header) -> io::Result<()> {
        if self.directories.insert(path.to_owned()) {
            self.out.append_data(header, format!("{path}/"), io::empty())?;
        }
        Ok(())
    }
}

/// The header of something of root's.
fn header(kind: EntryType, permissions: u32, bytes: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mode(permissions);
    header.set_size(bytes);
    header
}

fn text(bytes: &[u8]) -> io::Result<String> {
    let text = std::str::from_utf8(bytes).map_err(|_| io::Error::other("a path that is no UTF-8"))?;
    Ok(text.to_owned())
}

/// The path of the installed file, as the package has it: `./usr/bin/` is `/usr/bin`.
fn absolute(path: &str) -> String {
    let path = path.strip_prefix('.').unwrap_or(path).trim_matches('/');
    format!("/{path}")
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

    fn owned(kind: EntryType, mode: u32, owner: u64, bytes: u64) -> Header {
        let mut header = header(kind, mode, bytes);
        header.set_uid(owner);
        header.set_gid(owner + 1);
        header
    }

    fn package() -> Vec<u8> {
        let mut out = Builder::new(Vec::new());
        let directory = |mode| owned(EntryType::Directory, mode, 0, 0);
        for (path, mode) in [("./", 0o755), ("./bin/", 0o755), ("./var/mail/", 0o2775)] {
            out.append_data(&mut directory(mode), path, io::empty()).unwrap();
        }
        let mut file = owned(EntryType::Regular, 0o4755, 33, 4);
        out.append_data(&mut file, "./bin/su", &b"text"[..]).unwrap();
        let mut link = owned(EntryType::Link, 0o755, 0, 0);
        out.append_link(&mut link, "./bin/other", "./bin/su").unwrap();
        let mut link = owned(EntryType::Symlink, 0o777, 0, 0);
        out.append_link(&mut link, "./lib64/ld", "../lib/ld").unwrap();
        let mut file = owned(EntryType::Regular, 0o644, 0, 4);
        out.append_data(&mut file, "./etc/mail", &b"conf"[..]).unwrap();
        out.into_inner().unwrap()
    }

    #[test]
    fn files_keep_their_owners_and_come_where_the_links_lead() {
        let mut all = Vec::new();
        let mut tree = Tree::new(&mut all).unwrap();
        for _ in 0..2 {
            let list = tree.add(&package()[..], &["/etc/mail".to_owned()], |path| path != "usr/lib64/ld");
            assert_eq!(
                list.unwrap(),
                "/.\n/bin\n/var/mail\n/bin/su\n/bin/other\n/lib64/ld\n/etc/mail\n"
            );
        }
        tree.finish().unwrap();
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
        let conf = ("etc/mail.dpkg-new".to_owned(), 0o644, (0, 1), "conf".to_owned());
        assert_eq!(found[0], ("bin".to_owned(), 0o777, (0, 0), "usr/bin".to_owned()));
        assert_eq!(found[1], ("usr/bin/".to_owned(), 0o755, (0, 0), String::new()));
        let packages = [mail, su.clone(), other.clone(), conf.clone(), su, other, conf];
        assert_eq!(found[2 * MERGED.len()..], packages);
    }
}
