//! Which modules a kernel needs to reach its root file system, in the order in which they are loaded.
//!
//! A module says itself what it needs: its section `.modinfo` has strings of the form `depends=one,two`, each ended by a zero byte.

use std::collections::BTreeMap;

use crate::Error;

/// A module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Module {
    /// Its name, with underscores.
    pub(super) name: String,
    /// The bytes of its ELF file.
    pub(super) bytes: Vec<u8>,
}

/// The name of the module in a file of this name; `None` if there is none, or it is compressed.
pub(super) fn name_of(file: &str) -> Option<String> {
    Some(file.strip_suffix(".ko")?.replace('-', "_"))
}

/// The modules `wanted` of `all`, by name, and what they depend on; who is needed comes before who needs it. One that `all` has not is built into
/// the kernel.
pub(super) fn needed(all: &BTreeMap<String, Vec<u8>>, wanted: &[&str]) -> Result<Vec<Module>, Error> {
    let mut list = Vec::new();
    for name in wanted {
        add(all, name, &mut list, 0)?;
    }
    // The checksums that ext4 asks the kernel for when it is used, and does not name.
    for name in ["crc32c_generic", "crc32c_vpmsum"] {
        add(all, name, &mut list, 0)?;
    }
    Ok(list)
}

fn add(all: &BTreeMap<String, Vec<u8>>, name: &str, list: &mut Vec<Module>, depth: usize) -> Result<(), Error> {
    /// Deeper than any kernel's: a round of modules that need each other.
    const DEEPEST: usize = 32;
    let Some(bytes) = all.get(name) else { return Ok(()) };
    if list.iter().any(|module| module.name == name) {
        return Ok(());
    }
    if depth > DEEPEST {
        return Err(Error::BadModule { name: name.to_owned() });
    }
    for other in depends(bytes) {
        add(all, &other, list, depth + 1)?;
    }
    list.push(Module {
        name: name.to_owned(),
        bytes: bytes.clone(),
    });
    Ok(())
}

/// What the module in `bytes` says that it needs.
fn depends(bytes: &[u8]) -> Vec<String> {
    const FIELD: &[u8] = b"\0depends=";
    let Some(at) = bytes.windows(FIELD.len()).position(|window| window == FIELD) else {
        return Vec::new();
    };
    let value = bytes[at + FIELD.len()..]
        .split(|&byte| byte == 0)
        .next()
        .unwrap_or_default();
    let names = value
        .split(|&byte| byte == b',')
        .map(|name| String::from_utf8_lossy(name).replace('-', "_"));
    names.filter(|name| !name.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(modules: &[(&str, &str)]) -> BTreeMap<String, Vec<u8>> {
        let module = |&(name, depends): &(&str, &str)| {
            let text = format!("\x7fELF license=GPL\0depends={depends}\0name={name}\0");
            (name.to_owned(), text.into_bytes())
        };
        modules.iter().map(module).collect()
    }

    #[test]
    fn who_is_needed_is_loaded_first_and_once() {
        let all = all(&[
            ("ext4", "jbd2,mbcache,crc16"),
            ("jbd2", "crc-more"),
            ("mbcache", ""),
            ("crc_more", "crc16"),
            ("crc16", ""),
            ("virtio_blk", ""),
            ("other", ""),
        ]);
        let names: Vec<String> = needed(&all, &["virtio_pci", "virtio_blk", "ext4"])
            .unwrap()
            .into_iter()
            .map(|module| module.name)
            .collect();
        assert_eq!(names, ["virtio_blk", "crc16", "crc_more", "jbd2", "mbcache", "ext4"]);
    }

    #[test]
    fn modules_that_need_each_other_are_an_error() {
        assert!(needed(&all(&[("a", "b"), ("b", "a")]), &["a"]).is_err());
    }

    #[test]
    fn a_file_s_module_has_underscores() {
        assert_eq!(name_of("crc-t10dif.ko").unwrap(), "crc_t10dif");
        assert_eq!(name_of("ext4.ko.xz"), None);
    }
}
