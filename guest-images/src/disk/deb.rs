//! Package files that are not compressed: what dpkg-deb makes of a package's two archives, in the container that a package file is
//! (`deb(5)`: an `ar` archive of `debian-binary`, `control.tar` and `data.tar`).

use std::io::{self, BufReader, Read, Write};
use std::path::Path;

use crate::Error;
use crate::host::{Host, one_line, start};

/// Gives the tar stream of a package's files to `read`, all of it.
pub(super) fn read_files(
    host: &Host,
    deb: &Path,
    read: impl FnOnce(&mut dyn Read) -> io::Result<()>,
) -> Result<(), Error> {
    stream(host, deb, "--fsys-tarfile", read)
}

/// Writes the package to `out`, not compressed.
pub(super) fn write_plain(host: &Host, deb: &Path, out: &mut dyn Write) -> Result<(), Error> {
    let (mut control, mut data) = (Vec::new(), Vec::new());
    for (what, bytes) in [("--ctrl-tarfile", &mut control), ("--fsys-tarfile", &mut data)] {
        stream(host, deb, what, |stream| stream.read_to_end(bytes).map(|_| ()))?;
    }
    let unwritable = |source| Error::Write {
        path: deb.to_owned(),
        source,
    };
    write_ar(
        out,
        &[
            ("debian-binary", b"2.0\n"),
            ("control.tar", &control),
            ("data.tar", &data),
        ],
    )
    .map_err(unwritable)
}

/// An `ar` archive: a magic word, and each member behind a header of 60 bytes, at even places.
fn write_ar(out: &mut dyn Write, members: &[(&str, &[u8])]) -> io::Result<()> {
    out.write_all(b"!<arch>\n")?;
    for (name, bytes) in members {
        writeln!(
            out,
            "{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`",
            0,
            0,
            0,
            "100644",
            bytes.len()
        )?;
        out.write_all(bytes)?;
        if bytes.len() % 2 == 1 {
            out.write_all(b"\n")?;
        }
    }
    Ok(())
}

/// What dpkg-deb writes of `deb` if it is told `what`.
fn stream(
    host: &Host,
    deb: &Path,
    what: &str,
    read: impl FnOnce(&mut dyn Read) -> io::Result<()>,
) -> Result<(), Error> {
    let mut child = start("dpkg-deb", host.command("dpkg-deb").arg(what).arg(deb))?;
    let mut stream = BufReader::with_capacity(1 << 17, child.stdout.take().expect("start pipes it"));
    // What follows the end of the archive is read as well: dpkg-deb would not end otherwise.
    let done = read(&mut stream).and_then(|()| io::copy(&mut stream, &mut io::sink()).map(|_| ()));
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
    done.map_err(|source| Error::Read {
        path: deb.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dpkg_deb_reads_what_was_written() {
        let host = Host::of_process();
        let directory = tempfile::tempdir().unwrap();
        let mut tar = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(7);
        header.set_mode(0o644);
        tar.append_data(&mut header, "./control", &b"odd one"[..]).unwrap();
        let tar = tar.into_inner().unwrap();
        let mut plain = Vec::new();
        write_ar(
            &mut plain,
            &[("debian-binary", b"2.0\n"), ("control.tar", &tar), ("data.tar", &tar)],
        )
        .unwrap();
        let path = directory.path().join("some.deb");
        std::fs::write(&path, &plain).unwrap();
        let mut again = Vec::new();
        match write_plain(&host, &path, &mut again) {
            Err(Error::MissingProgram { .. }) => eprintln!("SKIPPED: this system has no dpkg-deb"),
            done => {
                done.unwrap();
                assert!(plain == again, "{} and {} bytes", plain.len(), again.len());
            }
        }
    }
}
