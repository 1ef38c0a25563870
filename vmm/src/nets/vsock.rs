//! What `--vsock` says, and the device of it.

use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use devices::virtio::Fittings;
use devices::virtio::vsock::{LARGEST_CID, LEAST_CID, Vsock};

use crate::socket::{MOST_PATH_BYTES, Socket};
use crate::terminal;
use crate::virtio::Virtual;

/// What stands behind the path where the guest connects to, at most.
const LONGEST_PORT: &str = "_4294967295";

/// A socket device as the user wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct VsockArg {
    cid: u32,
    path: PathBuf,
}

impl FromStr for VsockArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (cid, path) = text
            .split_once(',')
            .filter(|(_, path)| !path.is_empty())
            .ok_or("give the guest's context ID and the path of a socket, such as 3,vm.vsock")?;
        let cid = cid.parse().ok().filter(|cid| (LEAST_CID..=LARGEST_CID).contains(cid));
        let cid = cid.ok_or_else(|| format!("give a context ID from {LEAST_CID} to {LARGEST_CID} first"))?;
        let most = MOST_PATH_BYTES - LONGEST_PORT.len();
        if path.len() > most {
            return Err(format!(
                "give a path of {most} bytes at most, as ports of the host are sockets beside it"
            ));
        }
        Ok(Self { cid, path: path.into() })
    }
}

impl VsockArg {
    /// Where programs of the host connect to.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// The device, whose programs of the host connect to `socket`.
///
/// # Errors
/// The host has no descriptor left.
pub(crate) fn vsock(arg: &VsockArg, socket: &Socket) -> io::Result<Virtual> {
    let listener = socket.listener().try_clone()?;
    let fittings = Fittings {
        name: "vsock".into(),
        is_translated: false,
        report: Box::new(|line| terminal::say(&format!("pteg: {line}"))),
    };
    let device = Arc::new(Vsock::new(arg.cid, listener, arg.path.clone()));
    Ok(Virtual { device, fittings })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_id_and_a_path_are_a_device() {
        let arg: VsockArg = "3,folder/a,b".parse().unwrap();
        assert_eq!(
            arg,
            VsockArg {
                cid: 3,
                path: "folder/a,b".into()
            }
        );
    }

    #[test]
    fn what_is_wrong_is_told_what_would_be_right() {
        let long = format!("3,{}", "x".repeat(97));
        for (text, right) in [
            ("", "3,vm.vsock"),
            ("3", "3,vm.vsock"),
            ("3,", "3,vm.vsock"),
            ("2,path", "from 3"),
            ("4294967295,path", "to 4294967294"),
            ("path,3", "from 3"),
            (&long, "96 bytes"),
        ] {
            let said = text.parse::<VsockArg>().unwrap_err();
            assert!(said.contains(right), "{text}: {said}");
        }
        assert!(long[..long.len() - 1].parse::<VsockArg>().is_ok());
    }
}
