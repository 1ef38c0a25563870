//! dpkg's database of packages that are unpacked and not yet configured, as `dpkg --unpack` leaves it: what remains is for the guest to do, with
//! `dpkg --configure --pending`, which runs the packages' scripts.
//!
//! Format: dpkg's sources, `lib/dpkg/dump.c` (`status`), `lib/dpkg/db-ctrl-format.c` (`info`), `lib/dpkg/triglib.c` (`triggers`).

use std::collections::BTreeMap;
use std::io::{self, Read, Write};

use tar::Archive;

use super::tree::Tree;

/// Where it is.
const ADMIN: &str = "var/lib/dpkg";

/// What a package says of itself: its control archive.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Control {
    /// The fields.
    stanza: String,
    /// The administrator's files, by absolute paths.
    pub(super) conffiles: Vec<String>,
    /// Scripts and lists: name, permissions and contents.
    files: Vec<(String, u32, Vec<u8>)>,
}

impl Control {
    /// Reads the archive.
    pub(super) fn read(stream: impl Read) -> io::Result<Self> {
        let mut stanza = String::new();
        let (mut conffiles, mut files) = (Vec::new(), Vec::new());
        for entry in Archive::new(stream).entries()? {
            let mut entry = entry?;
            if !entry.header().entry_type().is_file() {
                continue;
            }
            let name = entry.path()?.to_string_lossy().trim_start_matches("./").to_owned();
            let mode = entry.header().mode()?;
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes)?;
            let text = String::from_utf8_lossy(&bytes);
            if name == "control" {
                text.trim_end().clone_into(&mut stanza);
                continue;
            }
            if name == "conffiles" {
                // Others are of the form `remove-on-upgrade /path`.
                let lines = text.lines().map(str::trim_end).filter(|line| line.starts_with('/'));
                conffiles.extend(lines.map(str::to_owned));
            }
            files.push((name, mode, bytes));
        }
        let control = Self {
            stanza,
            conffiles,
            files,
        };
        match control.field("Package") {
            "" => Err(io::Error::other("a package without a name")),
            _ => Ok(control),
        }
    }

    /// The value of a field, or nothing.
    fn field(&self, name: &str) -> &str {
        let mut lines = self.stanza.lines();
        let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        value.map_or("", str::trim)
    }

    /// What the package's files are called in `info`.
    fn file_name(&self) -> String {
        let name = self.field("Package");
        match self.field("Multi-Arch") {
            "same" => format!("{name}:{}", self.field("Architecture")),
            _ => name.to_owned(),
        }
    }

    /// The package's part of `status`.
    fn status(&self) -> String {
        let mut text = String::new();
        for line in self.stanza.lines() {
            text += &format!("{line}\n");
            if line.starts_with("Package:") {
                text += "Status: install ok unpacked\n";
            }
        }
        if !self.conffiles.is_empty() {
            text += "Conffiles:\n";
        }
        for path in &self.conffiles {
            text += &format!(" {path} newconffile\n");
        }
        text + "\n"
    }

    /// What it wants to be told of: a trigger's name or a path, and what dpkg keeps for it.
    fn interests(&self) -> Vec<(String, String)> {
        let Some((_, _, bytes)) = self.files.iter().find(|(name, ..)| name == "triggers") else {
            return Vec::new();
        };
        let text = String::from_utf8_lossy(bytes);
        let interests = text.lines().filter_map(|line| {
            let mut words = line.split('#').next()?.split_whitespace();
            let waits = match words.next()? {
                "interest" | "interest-await" => "",
                "interest-noawait" => "/noawait",
                _ => return None,
            };
            Some((words.next()?.to_owned(), format!("{}{waits}", self.file_name())))
        });
        interests.collect()
    }
}

/// The database under construction.
#[derive(Debug, Default)]
pub(super) struct Database {
    status: String,
    /// Those whom a trigger of this name is for.
    named: BTreeMap<String, String>,
    /// Those who want to know what happens below a path.
    paths: String,
}

impl Database {
    /// Adds a package, and its own files to `tree`; its paths are `list`.
    pub(super) fn add<W: Write>(&mut self, tree: &mut Tree<W>, control: &Control, list: &str) -> io::Result<()> {
        let name = control.file_name();
        tree.file(&format!("{ADMIN}/info/{name}.list"), 0o644, list.as_bytes())?;
        for (kind, mode, bytes) in &control.files {
            tree.file(&format!("{ADMIN}/info/{name}.{kind}"), *mode, bytes)?;
        }
        self.status += &control.status();
        for (what, who) in control.interests() {
            if what.starts_with('/') {
                self.paths += &format!("{what} {who}\n");
            } else {
                *self.named.entry(what).or_default() += &format!("{who}\n");
            }
        }
        Ok(())
    }

    /// Writes what is not of one package alone.
    pub(super) fn finish<W: Write>(self, tree: &mut Tree<W>) -> io::Result<()> {
        let files = [
            ("status", &*self.status),
            ("available", ""),
            // The one with architectures in the names of files.
            ("info/format", "1\n"),
            ("triggers/File", &self.paths),
        ];
        let files = files.map(|(name, text)| (name.to_owned(), text));
        let named = self
            .named
            .iter()
            .map(|(name, who)| (format!("triggers/{name}"), &**who));
        for (name, text) in files.into_iter().chain(named) {
            tree.file(&format!("{ADMIN}/{name}"), 0o644, text.as_bytes())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tar::{Builder, Header};

    use super::*;

    const CONTROL: &str = "Package: some\nArchitecture: ppc64el\nMulti-Arch: same\nDescription: one\n more of it\n\n";

    fn control(files: &[(&str, u32, &str)]) -> io::Result<Control> {
        let mut out = Builder::new(Vec::new());
        for (name, mode, text) in files {
            let mut header = Header::new_gnu();
            header.set_size(text.len() as u64);
            header.set_mode(*mode);
            out.append_data(&mut header, format!("./{name}"), text.as_bytes())
                .unwrap();
        }
        Control::read(&*out.into_inner().unwrap())
    }

    /// The files of a tree, and their permissions.
    fn files(tar: &[u8]) -> BTreeMap<String, (u32, String)> {
        let mut found = BTreeMap::new();
        for entry in Archive::new(tar).entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            let path = entry.path().unwrap().to_string_lossy().into_owned();
            found.insert(path, (entry.header().mode().unwrap(), text));
        }
        found
    }

    #[test]
    fn a_package_is_entered_as_unpacked_with_its_scripts_and_triggers() {
        let some = control(&[
            ("control", 0o644, CONTROL),
            ("conffiles", 0o644, "/etc/some\nremove-on-upgrade /etc/old\n"),
            ("postinst", 0o755, "#!/bin/sh\n"),
            (
                "triggers",
                0o644,
                "# comment\ninterest-noawait ldconfig\ninterest /usr/lib # x\nactivate-noawait a\n",
            ),
        ])
        .unwrap();
        assert_eq!(some.conffiles, ["/etc/some"]);
        let mut out = Vec::new();
        let mut tree = Tree::new(&mut out).unwrap();
        let mut database = Database::default();
        database.add(&mut tree, &some, "/.\n/etc\n").unwrap();
        database.finish(&mut tree).unwrap();
        tree.finish().unwrap();
        let files = files(&out);
        let text = |name: &str| &*files[&format!("var/lib/dpkg/{name}")].1;
        assert_eq!(
            text("status"),
            "Package: some\nStatus: install ok unpacked\nArchitecture: ppc64el\nMulti-Arch: same\nDescription: one\n more of it\n\
             Conffiles:\n /etc/some newconffile\n\n"
        );
        assert_eq!(text("info/some:ppc64el.list"), "/.\n/etc\n");
        assert_eq!(files["var/lib/dpkg/info/some:ppc64el.postinst"].0, 0o755);
        assert_eq!(text("triggers/ldconfig"), "some:ppc64el/noawait\n");
        assert_eq!(text("triggers/File"), "/usr/lib some:ppc64el\n");
    }

    #[test]
    fn a_package_without_a_name_is_none() {
        assert!(control(&[("control", 0o644, "Version: 1\n")]).is_err());
        assert!(control(&[]).is_err());
    }
}
