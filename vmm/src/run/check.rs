//! What can be said of a run without one: what would keep it from being started, as far as it can be found out without starting, making, or
//! locking anything. What it would take to know more (a tap interface, passt, virtiofsd, who has a disk, what is in a qcow2 image) is left to the run.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use devices::nvram::Nvram;

use crate::accel::choose::{Wish, choose};
use crate::boot;
use crate::cli::RunArgs;
use crate::config::{self, Config, Guest};
use crate::disks;
use crate::host::Host;
use crate::images;
use crate::second_console;
use crate::shares;
use crate::socket::Socket;

use super::{Error, Reports};

/// What is wrong with `args`, for this machine.
pub(crate) fn check(args: RunArgs) -> Vec<Error> {
    let origins = args.origins.clone();
    let errors = match Config::new(args, config::host_memory()) {
        Ok(Some(config)) => errors(&config),
        Ok(None) => Vec::new(),
        Err(error) => vec![error.into()],
    };
    errors.into_iter().map(|error| error.placed(&origins)).collect()
}

fn errors(config: &Config) -> Vec<Error> {
    let mut errors = Vec::new();
    let mut note = |checked: Result<(), Error>| errors.extend(checked.err());
    note(choose(&Wish::of(config), &Host::look()).map(drop).map_err(Error::from));
    note(match &config.guest {
        Guest::Kernel { kernel, initrd } => boot::check(kernel, initrd.as_deref(), config.memory).map_err(Error::from),
        Guest::Image(name) => images::check(name, !config.disks.is_empty()).map_err(Error::from),
    });
    for checked in disks::check(&config.disks) {
        note(checked.map_err(Error::from));
    }
    for checked in shares::check(&config.shares) {
        note(checked.map_err(Error::from));
    }
    note(Reports::new(config).map(drop).map_err(Error::ReportPath));
    let vsock = config.vsock.as_ref().map(|arg| arg.path().to_owned());
    for (flag, path) in [
        ("--share-memory", &config.share_memory),
        ("--control", &config.control),
        ("--vsock", &vsock),
    ] {
        let checked = path.as_deref().map_or(Ok(()), |path| Socket::check(flag, path));
        note(checked.map_err(Error::Socket));
    }
    let console = config.virtio_console.as_deref().map_or(Ok(()), second_console::check);
    note(console.map_err(Error::from));
    note(config.nvram.as_deref().map_or(Ok(()), nvram));
    errors
}

/// Whether there is NVRAM at `path`, or could be.
fn nvram(path: &Path) -> Result<(), Error> {
    let failed = |source| Error::Nvram {
        path: path.to_owned(),
        source,
    };
    match File::options().read(true).write(true).open(path) {
        Ok(file) => Nvram::check(&file).map_err(failed),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            let folder = fs::metadata(folder.unwrap_or(Path::new(".")));
            folder.map(drop).map_err(|error| failed(error.into()))
        }
        Err(error) => Err(failed(error.into())),
    }
}
