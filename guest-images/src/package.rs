//! A package file and what is taken out of it.
//!
//! dpkg-deb knows the format and its compressions, and writes the package's file system to us as a tar
//! stream. Only the files that are asked for are written, only where asked.

use std::fs::{self, File};
use std::io::{self, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Child;

use crate::host::{Host, one_line, run, start};
use crate::{Error, Progress};

/// A `.deb` file, verified by apt.
#[derive(Debug)]
pub(crate) struct Package {
    /// Its name, with the version in it if Debian does so.
    pub(crate) name: String,
    /// Its version.
    pub(crate) version: String,
    /// The file.
    pub(crate) path: PathBuf,
}

/// A file to take out of a package.
pub(crate) struct Wanted<'a> {
    /// How its path in the package begins, without a slash; the first one that does is taken.
    pub(crate) begins: &'static str,
    /// Where to put it.
    pub(crate) to: &'a Path,
    /// Its permissions there.
    pub(crate) mode: u32,
}

impl Package {
    /// Takes one file out.
    pub(crate) fn extract(&self, host: &Host, wanted: &Wanted<'_>, progress: &dyn Progress) -> Result<(), Error> {
        let mut command = host.command("dpkg-deb");
        let mut child = start("dpkg-deb", command.arg("--fsys-tarfile").arg(&self.path))?;
        let stream = BufReader::new(child.stdout.take().expect("start pipes it"));
        let found = self.copy(stream, wanted, progress);
        match found {
            // Kernels stand first in their package: the rest need not be unpacked.
            Ok(true) => {
                stop(&mut child);
                Ok(())
            }
            Err(error @ Error::Write { .. }) => {
                stop(&mut child);
                Err(error)
            }
            // A stream that ends too early or makes no sense is dpkg-deb's to explain.
            Ok(false) | Err(_) => {
                self.explain(child)?;
                found?;
                Err(Error::NotInPackage {
                    package: self.path.clone(),
                    file: wanted.begins,
                })
            }
        }
    }

    /// Takes everything out, into the directory `to`.
    pub(crate) fn unpack(&self, host: &Host, to: &Path, progress: &dyn Progress) -> Result<(), Error> {
        let _step = progress.begin(&format!("unpacking {}", self.name), None);
        let doing = format!("unpacking {}", self.path.display());
        let mut command = host.command("dpkg-deb");
        run("dpkg-deb", command.arg("-x").arg(&self.path).arg(to), &doing, |_| ())
    }

    /// Copies what is wanted out of a tar stream; `false` if it is not there.
    fn copy(&self, stream: impl Read, wanted: &Wanted<'_>, progress: &dyn Progress) -> Result<bool, Error> {
        let unreadable = |source| Error::Read {
            path: self.path.clone(),
            source,
        };
        let mut archive = tar::Archive::new(stream);
        for entry in archive.entries().map_err(unreadable)? {
            let mut entry = entry.map_err(unreadable)?;
            let path = entry.path().map_err(unreadable)?;
            // Paths begin with `./`.
            let path = path.strip_prefix(".").unwrap_or(&path);
            let is_it = path.to_str().is_some_and(|path| path.starts_with(wanted.begins));
            if !is_it || !entry.header().entry_type().is_file() {
                continue;
            }
            let mut step = progress.begin(&format!("unpacking {}", self.name), Some(entry.size()));
            let unwritable = |source| Error::Write {
                path: wanted.to.to_owned(),
                source,
            };
            let mut file = File::create(wanted.to).map_err(unwritable)?;
            let mut buffer = vec![0; 1 << 18];
            let mut done = 0;
            loop {
                let bytes = match entry.read(&mut buffer) {
                    Ok(0) => break,
                    Ok(bytes) => bytes,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(error) => return Err(unreadable(error)),
                };
                file.write_all(&buffer[..bytes]).map_err(unwritable)?;
                done += bytes as u64;
                step.reach(done);
            }
            if done != entry.size() {
                return Err(unreadable(io::ErrorKind::UnexpectedEof.into()));
            }
            // A finished image is trusted for good: it must not be empty after a power failure.
            file.set_permissions(fs::Permissions::from_mode(wanted.mode))
                .map_err(unwritable)?;
            file.sync_all().map_err(unwritable)?;
            return Ok(true);
        }
        Ok(false)
    }

    /// What dpkg-deb has to say for itself, as an error if it failed.
    fn explain(&self, child: Child) -> Result<(), Error> {
        let output = child.wait_with_output().map_err(|source| Error::Run {
            program: "dpkg-deb",
            source,
        })?;
        if output.status.success() {
            return Ok(());
        }
        Err(Error::Program {
            program: "dpkg-deb",
            doing: format!("unpacking {}", self.path.display()),
            message: one_line(&output.stderr).unwrap_or_else(|| output.status.to_string()),
        })
    }
}

/// Ends a program whose output nobody wants any more.
fn stop(child: &mut Child) {
    // It may have ended by itself; either way it is gone after this.
    let _ = child.kill();
    let _ = child.wait();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Silent;

    fn package(path: &Path) -> Package {
        Package {
            name: "some".into(),
            version: "1".into(),
            path: path.to_owned(),
        }
    }

    /// A tar stream of regular files, as dpkg-deb writes it.
    fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (path, contents) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(contents.len() as u64);
            header.set_mode(0o600);
            builder.append_data(&mut header, path, *contents).unwrap();
        }
        builder.into_inner().unwrap()
    }

    #[test]
    fn the_first_file_whose_path_begins_as_wanted_is_copied() {
        let directory = tempfile::tempdir().unwrap();
        let to = directory.path().join("vmlinux");
        let stream = tar(&[
            ("./boot/config-6", b"no"),
            ("./boot/vmlinux-6", b"yes"),
            ("boot/vmlinux-7", b"no"),
        ]);
        let wanted = Wanted {
            begins: "boot/vmlinux-",
            to: &to,
            mode: 0o640,
        };
        assert!(package(&to).copy(&*stream, &wanted, &Silent).unwrap());
        assert_eq!(fs::read(&to).unwrap(), b"yes");
        assert_eq!(fs::metadata(&to).unwrap().permissions().mode() & 0o777, 0o640);
        let wanted = Wanted {
            begins: "bin/busybox",
            to: &to,
            mode: 0o640,
        };
        assert!(!package(&to).copy(&*stream, &wanted, &Silent).unwrap());
    }

    #[test]
    fn a_stream_that_is_cut_short_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let to = directory.path().join("vmlinux");
        let stream = tar(&[("./boot/vmlinux-6", &[7; 2000])]);
        let wanted = Wanted {
            begins: "boot/vmlinux-",
            to: &to,
            mode: 0o640,
        };
        let result = package(&to).copy(&stream[..1500], &wanted, &Silent);
        assert!(matches!(result, Err(Error::Read { .. })), "{result:?}");
    }

    #[test]
    fn a_file_that_cannot_be_written_is_named() {
        let to = Path::new("/nonexistent/vmlinux");
        let stream = tar(&[("./boot/vmlinux-6", b"x")]);
        let wanted = Wanted {
            begins: "boot/vmlinux-",
            to,
            mode: 0o640,
        };
        let result = package(to).copy(&*stream, &wanted, &Silent);
        assert!(
            matches!(&result, Err(Error::Write { path, .. }) if path == to),
            "{result:?}"
        );
    }

    #[test]
    fn a_full_disk_is_told_with_the_file_that_did_not_fit() {
        let to = Path::new("/dev/full");
        let stream = tar(&[("./boot/vmlinux-6", b"x")]);
        let wanted = Wanted {
            begins: "boot/vmlinux-",
            to,
            mode: 0o640,
        };
        match package(to).copy(&*stream, &wanted, &Silent) {
            Err(Error::Write { path, source }) => {
                assert_eq!(path, to);
                assert_eq!(source.kind(), io::ErrorKind::StorageFull);
            }
            result => panic!("{result:?}"),
        }
    }

    #[test]
    fn a_broken_package_is_told_in_dpkg_debs_words() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("broken.deb");
        fs::write(&path, "not a package").unwrap();
        let wanted = Wanted {
            begins: "boot/",
            to: &directory.path().join("out"),
            mode: 0o640,
        };
        match package(&path)
            .extract(&Host::of_process(), &wanted, &Silent)
            .unwrap_err()
        {
            Error::MissingProgram { .. } => eprintln!("SKIPPED: this system has no dpkg-deb"),
            error => assert!(error.to_string().contains("broken.deb: dpkg-deb: "), "{error}"),
        }
    }
}
