//! Package files: what dpkg-deb makes of a package's two archives, as tar streams.

use std::io::{self, BufReader, Read};
use std::path::Path;

use crate::Error;
use crate::host::{Host, one_line, start};

/// Gives the tar stream of a package's files to `read`, which need not take all of it.
pub(crate) fn read_files<T>(
    host: &Host,
    deb: &Path,
    read: impl FnOnce(&mut dyn Read) -> io::Result<T>,
) -> Result<T, Error> {
    stream(host, deb, "--fsys-tarfile", read)
}

/// Gives the tar stream of what the package says of itself to `read`, which need not take all of it.
pub(crate) fn read_control<T>(
    host: &Host,
    deb: &Path,
    read: impl FnOnce(&mut dyn Read) -> io::Result<T>,
) -> Result<T, Error> {
    stream(host, deb, "--ctrl-tarfile", read)
}

/// What dpkg-deb writes of `deb` if it is told `what`.
fn stream<T>(
    host: &Host,
    deb: &Path,
    what: &str,
    read: impl FnOnce(&mut dyn Read) -> io::Result<T>,
) -> Result<T, Error> {
    let mut child = start("dpkg-deb", host.command("dpkg-deb").arg(what).arg(deb))?;
    let mut stream = BufReader::with_capacity(1 << 17, child.stdout.take().expect("start pipes it"));
    let done = read(&mut stream);
    // What follows the end of the archive is read as well: dpkg-deb would not end otherwise. If that fails, dpkg-deb says why.
    let rest = io::copy(&mut stream, &mut io::sink());
    drop(stream);
    let output = child.wait_with_output().map_err(|source| Error::Run {
        program: "dpkg-deb",
        source,
    })?;
    if !output.status.success() {
        return Err(Error::Program {
            program: "dpkg-deb",
            doing: format!("unpacking {}", deb.display()),
            message: one_line(&output.stderr).unwrap_or_else(|| output.status.to_string()),
        });
    }
    done.and_then(|value| rest.map(|_| value))
        .map_err(|source| Error::Read {
            path: deb.to_owned(),
            source,
        })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::Command;

    use super::*;

    #[test]
    fn both_archives_of_a_package_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let tree = folder.path().join("tree");
        for (path, text) in [
            (
                "DEBIAN/control",
                "Package: some\nVersion: 1\nArchitecture: all\nMaintainer: me <me@host.invalid>\nDescription: one\n",
            ),
            ("usr/some", "text"),
        ] {
            let path = tree.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let deb = folder.path().join("some.deb");
        match Command::new("dpkg-deb").args(["--build"]).arg(&tree).arg(&deb).output() {
            Ok(output) => assert!(output.status.success(), "{output:?}"),
            Err(_) => {
                eprintln!("SKIPPED: this system has no dpkg-deb");
                return;
            }
        }
        let host = Host::of_process();
        let names = |stream: &mut dyn Read| {
            let mut archive = tar::Archive::new(stream);
            let names = archive.entries()?.map(|entry| Ok(entry?.path()?.display().to_string()));
            names.collect::<io::Result<Vec<_>>>()
        };
        assert_eq!(read_control(&host, &deb, names).unwrap(), ["./", "./control"]);
        assert_eq!(read_files(&host, &deb, names).unwrap(), ["./", "./usr/", "./usr/some"]);
        // Who takes nothing of it does not leave dpkg-deb waiting.
        read_files(&host, &deb, |_| Ok(())).unwrap();
        fs::write(&deb, "no package").unwrap();
        let error = read_files(&host, &deb, names).unwrap_err();
        assert!(matches!(error, Error::Program { .. }), "{error:?}");
    }
}
