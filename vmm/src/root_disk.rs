//! Root disks: the guest that installs one, which is this program once more, and the copy that becomes the user's own.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread;

use clap::Args;
use guest_images::{Cache, DiskImage, PreparedDisk, SecondStage, Stage, Stderr};
use rustix::fs::seek;
use rustix::io::Errno;
use tied_child::Tied as _;

use crate::images::ImageError;
use crate::run::Error;
use crate::terminal::say;

/// The flags of `pteg image`.
#[derive(Debug, Args)]
pub(crate) struct ImageArgs {
    /// Image with a root disk, such as debian-disk
    pub(crate) image: String,

    /// File to be made: a raw disk, sparse
    ///
    /// File to be made, a raw and sparse disk that is yours: pteg run writes to it. A file that is there is left alone, and nothing is done.
    /// Example: --output root.img
    #[arg(long, value_name = "FILE")]
    pub(crate) output: PathBuf,
}

/// Why there is no disk of the user's.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CopyError {
    /// It would be lost.
    #[error("--output {}: it is there already; give another name, or remove it", .0.display())]
    IsThere(PathBuf),
    /// The host does not take it.
    #[error("--output {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the host says.
        #[source]
        source: io::Error,
    },
}

/// Makes a root disk that is the user's own.
pub(crate) fn make(args: &ImageArgs) -> Result<ExitCode, Error> {
    let Some(image) = DiskImage::by_name(&args.image) else {
        let name = args.image.clone();
        return Err(ImageError::NoDisk { name }.into());
    };
    // Before the work, not after it.
    if args.output.symlink_metadata().is_ok() {
        return Err(CopyError::IsThere(args.output.clone()).into());
    }
    let prepared = prepare(image)?;
    copy(&prepared.disk, &args.output)?;
    say(&format!(
        "pteg: made {}; start it with: pteg run {} --disk {},format=raw",
        args.output.display(),
        image.name,
        args.output.display()
    ));
    Ok(ExitCode::SUCCESS)
}

/// The image in the user's cache, made if it is not there.
pub(crate) fn prepare(image: &DiskImage) -> Result<PreparedDisk, ImageError> {
    let cache = Cache::from_environment()?;
    Ok(image.prepare(&cache, &Stderr::new(), &ThisProgram)?)
}

/// Copies what is in a sparse file, and nothing where it has holes, to one that appears whole.
fn copy(from: &Path, to: &Path) -> Result<(), CopyError> {
    let failed = |source| CopyError::Write {
        path: to.to_owned(),
        source,
    };
    let directory = match to.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let copied = || -> io::Result<tempfile::NamedTempFile> {
        let mut from = File::open(from)?;
        let mut file = tempfile::NamedTempFile::new_in(directory)?;
        let bytes = from.metadata()?.len();
        file.as_file().set_len(bytes)?;
        let mut at = 0;
        while let Some(data) = next_data(&from, at)? {
            let end = seek(&from, rustix::fs::SeekFrom::Hole(data)).unwrap_or(bytes);
            from.seek(SeekFrom::Start(data))?;
            file.seek(SeekFrom::Start(data))?;
            io::copy(&mut (&mut from).take(end - data), &mut file)?;
            at = end;
        }
        file.flush()?;
        file.as_file().sync_all()?;
        Ok(file)
    };
    let file = copied().map_err(failed)?;
    file.persist_noclobber(to).map_err(|error| match error.error.kind() {
        io::ErrorKind::AlreadyExists => CopyError::IsThere(to.to_owned()),
        _ => failed(error.error),
    })?;
    Ok(())
}

/// Where data begins, from `at` on; `None`: there is no more.
fn next_data(file: &File, at: u64) -> io::Result<Option<u64>> {
    match seek(file, rustix::fs::SeekFrom::Data(at)) {
        Ok(data) => Ok(Some(data)),
        Err(Errno::NXIO) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Runs guests as this program does.
struct ThisProgram;

impl SecondStage for ThisProgram {
    fn run(&self, stage: &Stage<'_>, line: &mut dyn FnMut(&str)) -> Result<(), String> {
        let mut command = Command::new(std::env::current_exe().map_err(|error| error.to_string())?);
        command.args(["run", "--no-reboot", "--kernel"]).arg(stage.kernel);
        command
            .arg("--initrd")
            .arg(stage.initrd)
            .args(["--append", stage.append]);
        command.arg("--mem").arg(format!("{}M", stage.memory_mib));
        command.arg("--smp").arg(stage.processors.to_string());
        command.arg("--disk").arg(disk(stage.disk, "format=raw")?);
        command.arg("--disk").arg(disk(stage.seed, "format=raw,readonly")?);
        command
            .stdin(stage.lock.try_clone().map_err(|error| error.to_string())?)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .tied();
        let mut child = Running(command.spawn().map_err(|error| error.to_string())?);
        let mut stderr = child.0.stderr.take().expect("it is piped");
        let complaints = thread::spawn(move || {
            let mut text = String::new();
            let _ = stderr.read_to_string(&mut text);
            text
        });
        let stdout = BufReader::new(child.0.stdout.take().expect("it is piped"));
        for bytes in stdout.split(b'\n') {
            line(&String::from_utf8_lossy(&bytes.map_err(|error| error.to_string())?));
        }
        let status = child.0.wait().map_err(|error| error.to_string())?;
        let complaints = complaints.join().unwrap_or_default();
        if status.success() {
            return Ok(());
        }
        let last = complaints.lines().last().unwrap_or("it said nothing");
        Err(last.strip_prefix("pteg: ").unwrap_or(last).to_owned())
    }
}

/// A child that does not outlive this value.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // After its end there is nothing left to kill.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A disk as the command line has it: commas of the path are written twice.
fn disk(path: &Path, options: &str) -> Result<String, String> {
    let path = path.to_str().ok_or("the cache's path is no text")?;
    Ok(format!("{},{options}", path.replace(',', ",,")))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{FileExt as _, MetadataExt as _};

    use super::*;

    #[test]
    fn a_copy_has_the_same_bytes_and_the_same_holes() {
        let directory = tempfile::tempdir().unwrap();
        let from = directory.path().join("from");
        let file = File::create(&from).unwrap();
        file.set_len(64 << 20).unwrap();
        for (at, text) in [(0, "first"), (10 << 20, "second"), ((64 << 20) - 4, "last")] {
            file.write_all_at(text.as_bytes(), at).unwrap();
        }
        let bytes = file.metadata().unwrap().len();
        let to = directory.path().join("to");
        copy(&from, &to).unwrap();
        assert!(std::fs::read(&from).unwrap() == std::fs::read(&to).unwrap());
        let about = to.metadata().unwrap();
        assert_eq!(about.len(), bytes);
        assert!(about.blocks() * 512 < 1 << 20, "{} blocks", about.blocks());
        assert!(matches!(copy(&from, &to), Err(CopyError::IsThere(_))));
        assert!(copy(&from, &directory.path().join("none/to")).is_err());
    }

    #[test]
    fn a_child_ends_with_whoever_runs_it() {
        let turn = crate::started::turn();
        let child = Running(Command::new("sleep").arg("1000").spawn().unwrap());
        drop(turn);
        let id = rustix::process::Pid::from_child(&child.0);
        drop(child);
        assert_eq!(rustix::process::test_kill_process(id), Err(Errno::SRCH));
    }

    #[test]
    fn commas_of_a_path_are_written_twice() {
        assert_eq!(disk(Path::new("/a,b/c"), "format=raw").unwrap(), "/a,,b/c,format=raw");
    }
}
