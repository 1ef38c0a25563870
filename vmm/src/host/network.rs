//! What guests' networks can be connected to on this machine.

use std::env;
use std::fs::OpenOptions;
use std::path::{Path, PathBuf};

use tap_device::TUN;

use crate::nets::PASST;

/// What there is for networks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Network {
    /// Where passt is; `None`: nowhere in `PATH`.
    pub(crate) passt: Option<PathBuf>,
    /// Whether tap interfaces can be used; the host's error otherwise.
    pub(crate) tap: Result<(), String>,
}

impl Network {
    /// Of this machine.
    pub(crate) fn look() -> Self {
        let folders = env::var_os("PATH").unwrap_or_default();
        let passt = env::split_paths(&folders)
            .map(|folder| folder.join(PASST))
            .find(|path| is_program(path));
        let tap = OpenOptions::new().read(true).write(true).open(TUN);
        Self {
            passt,
            tap: tap.map(drop).map_err(|error| error.to_string()),
        }
    }
}

fn is_program(path: &Path) -> bool {
    path.is_file() && rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_a_file_that_can_be_executed() {
        assert!(is_program(Path::new("/bin/sh")));
        for other in ["/bin", "/etc/passwd", "/nowhere"] {
            assert!(!is_program(Path::new(other)), "{other}");
        }
    }
}
