//! The guest's disks: what `--disk` says of each, and from that to block devices.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use devices::disk::{self, Access, Caching, Faults, Format, OpenError, Options};
use devices::virtio::Fittings;
use devices::virtio::block::{Block, Cache, Traits};

use crate::terminal;
use crate::virtio::Virtual;

/// Queues of a disk at most.
const MOST_QUEUES: u16 = 16;

/// Bytes of a serial number at most (virtio 1.2, 5.2.6).
const SERIAL_BYTES: usize = 20;

/// A disk as the user wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DiskArg {
    path: PathBuf,
    format: Option<Format>,
    access: Access,
    serial: String,
    queues: u16,
    caching: Caching,
    cache: Cache,
    discard: bool,
    is_translated: bool,
}

const OPTIONS: &str = "the options are format=raw|qcow2, readonly, serial=S, queues=N, \
    cache=writeback|none|writethrough, discard=on|off and iommu=on|off";

/// Their names; there are no others.
pub(crate) const OPTION_NAMES: [&str; 7] = ["format", "readonly", "serial", "queues", "cache", "discard", "iommu"];

impl FromStr for DiskArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut words = split(text).into_iter();
        let path = words.next().unwrap_or_default();
        if path.is_empty() {
            return Err("give the path of an image first".into());
        }
        let mut disk = Self {
            path: path.into(),
            format: None,
            access: Access::ReadWrite,
            serial: String::new(),
            queues: 1,
            caching: Caching::Cached,
            cache: Cache::Writeback,
            discard: true,
            is_translated: false,
        };
        for word in words {
            disk.set(&word)?;
        }
        Ok(disk)
    }
}

impl DiskArg {
    /// How its image is to be used.
    fn options(&self) -> Options {
        Options {
            path: self.path.clone(),
            format: self.format,
            access: self.access,
            caching: self.caching,
        }
    }

    /// Sets one option.
    fn set(&mut self, word: &str) -> Result<(), String> {
        match word.split_once('=').unwrap_or((word, "")) {
            (name, _) if !OPTION_NAMES.contains(&name) => return Err(format!("`{word}`: {OPTIONS}")),
            ("format", "raw") => self.format = Some(Format::Raw),
            ("format", "qcow2") => self.format = Some(Format::Qcow2),
            ("readonly", "") if word == "readonly" => self.access = Access::ReadOnly,
            ("readonly", "on") => self.access = Access::ReadOnly,
            ("readonly", "off") => self.access = Access::ReadWrite,
            ("serial", serial) => {
                let is_right = serial.len() <= SERIAL_BYTES && serial.bytes().all(|byte| byte.is_ascii_graphic());
                if !is_right {
                    return Err(format!(
                        "`{word}`: give {SERIAL_BYTES} letters, digits and signs at most"
                    ));
                }
                serial.clone_into(&mut self.serial);
            }
            ("queues", queues) => {
                let queues = queues.parse().ok().filter(|queues| (1..=MOST_QUEUES).contains(queues));
                self.queues = queues.ok_or_else(|| format!("`{word}`: give a number from 1 to {MOST_QUEUES}"))?;
            }
            ("cache", "writeback") => (self.caching, self.cache) = (Caching::Cached, Cache::Writeback),
            ("cache", "none") => (self.caching, self.cache) = (Caching::Direct, Cache::Writeback),
            ("cache", "writethrough") => (self.caching, self.cache) = (Caching::Cached, Cache::Writethrough),
            ("discard", "on") => self.discard = true,
            ("discard", "off") => self.discard = false,
            ("iommu", "on") => self.is_translated = true,
            ("iommu", "off") => self.is_translated = false,
            _ => return Err(format!("`{word}`: {OPTIONS}")),
        }
        Ok(())
    }
}

/// The words between commas; a comma that is written twice is one of a word.
pub(crate) fn split(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut rest = text.chars().peekable();
    while let Some(letter) = rest.next() {
        if letter == ',' && rest.next_if_eq(&',').is_none() {
            words.push(String::new());
        } else if let Some(word) = words.last_mut() {
            word.push(letter);
        }
    }
    words
}

/// A disk that cannot be.
#[derive(Debug, thiserror::Error)]
#[error("--disk")]
pub(crate) struct DiskError {
    number: usize,
    #[source]
    why: OpenError,
}

impl DiskError {
    /// Which of the disks it is; the first has the number 0.
    pub(crate) fn number(&self) -> usize {
        self.number
    }
}

/// Whether each of the images could be one, as far as that can be said without a lock on it.
pub(crate) fn check(disks: &[DiskArg]) -> impl Iterator<Item = Result<(), DiskError>> {
    let each = disks.iter().enumerate();
    each.map(|(number, arg)| disk::check(&arg.options()).map_err(|why| DiskError { number, why }))
}

/// Opens and locks the images, in the guest's order.
///
/// # Errors
/// One of them is no disk for this use.
pub(crate) fn open(disks: &[DiskArg]) -> Result<Vec<Virtual>, DiskError> {
    let each = disks.iter().enumerate();
    let devices = each.map(|(number, arg)| {
        let disk = disk::open(&arg.options()).map_err(|why| DiskError { number, why })?;
        let traits = Traits {
            serial: arg.serial.clone(),
            queues: arg.queues,
            cache: arg.cache,
            discard: arg.discard,
        };
        let faults = Faults::new(
            name(&arg.path),
            Box::new(|line| terminal::say(&format!("pteg: {line}"))),
        );
        let device = Arc::new(Block::new(disk, &traits, faults));
        let fittings = Fittings {
            name: format!("disk {number}"),
            is_translated: arg.is_translated,
            report: Box::new(|line| terminal::say(&format!("pteg: {line}"))),
        };
        Ok(Virtual { device, fittings })
    });
    devices.collect()
}

/// What a disk is called in messages.
fn name(path: &Path) -> String {
    path.file_name()
        .unwrap_or(path.as_os_str())
        .to_string_lossy()
        .into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(text: &str) -> DiskArg {
        text.parse().unwrap()
    }

    #[test]
    fn a_path_alone_is_a_disk_with_the_defaults() {
        let disk = disk("a/root.img");
        assert_eq!(disk.path, Path::new("a/root.img"));
        assert_eq!((disk.format, disk.access, disk.queues), (None, Access::ReadWrite, 1));
        assert_eq!((disk.caching, disk.cache), (Caching::Cached, Cache::Writeback));
        assert!(disk.discard && !disk.is_translated && disk.serial.is_empty());
    }

    #[test]
    fn options_come_in_any_order() {
        let one = disk("x,readonly,format=qcow2,serial=AB-1,queues=4,cache=none,discard=off,iommu=on");
        let other = disk("x,iommu=on,discard=off,cache=none,queues=4,serial=AB-1,format=qcow2,readonly");
        assert_eq!(one, other);
        assert_eq!((one.format, one.access), (Some(Format::Qcow2), Access::ReadOnly));
        assert_eq!(
            (one.serial.as_str(), one.queues, one.caching),
            ("AB-1", 4, Caching::Direct)
        );
        assert!(!one.discard && one.is_translated);
        assert_eq!(disk("x,readonly=on").access, Access::ReadOnly);
        assert_eq!(disk("x,readonly,readonly=off").access, Access::ReadWrite);
    }

    #[test]
    fn a_comma_of_the_path_is_written_twice() {
        let disk = disk("a,,b,,,readonly");
        assert_eq!(
            (disk.path.as_path(), disk.access),
            (Path::new("a,b,"), Access::ReadOnly)
        );
    }

    #[test]
    fn what_is_wrong_is_told_what_would_be_right() {
        for (text, right) in [
            ("", "path"),
            (",readonly", "path"),
            ("x,formt=raw", "format=raw|qcow2"),
            ("x,format=vmdk", "format=raw|qcow2"),
            ("x,readonly=no", "readonly"),
            ("x,cache=fast", "writethrough"),
            ("x,queues=0", "1 to 16"),
            ("x,queues=17", "1 to 16"),
            ("x,serial=a b", "20 letters"),
            ("x,serial=123456789012345678901", "20 letters"),
            ("x,", "the options are"),
        ] {
            let said = text.parse::<DiskArg>().unwrap_err();
            assert!(said.contains(right), "{text}: {said}");
        }
    }
}
