//! Modules of a kernel for guests that start without a disk: Debian's kernels have the drivers of virtio devices, and the file systems behind them, in
//! modules. An image has those of [`KEPT`] and what they need, as one archive of an initramfs, in which BusyBox's `modprobe` finds them by what they drive:
//!
//! ```text
//! lib/modules/RELEASE/virtio_blk.ko …
//! lib/modules/RELEASE/modules.dep      what each needs, as depmod writes it: what is loaded first stands last
//! lib/modules/RELEASE/modules.alias    patterns of devices, file systems and the like, and who is for them
//! ```
//!
//! A module says itself what it needs and drives: its section `.modinfo` has strings of the form `depends=one,two`, each between zero bytes.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use lzma_rust2::XzReader;

use crate::Error;
use crate::initramfs::Initramfs;

/// What a guest without a disk may want; one that a kernel has no module of is built into it, or does not exist.
const KEPT: [&str; 12] = [
    // Nobody names it, but ext4 wants its checksum when a disk is mounted.
    "crc32c_generic",
    "crc32c_vpmsum",
    "ext4",
    "fuse",
    "virtio_balloon",
    "virtio_blk",
    "virtio_console",
    "virtio_net",
    "virtio_pci",
    "virtio_rng",
    "virtiofs",
    "vmw_vsock_virtio_transport",
];

/// A module, taken out of its package.
struct Module {
    /// Its name, with underscores.
    name: String,
    /// The bytes of its ELF file.
    bytes: Vec<u8>,
}

/// The archive of what is kept of the modules in `tree`, where the kernel's package has been unpacked.
pub(crate) fn archive(tree: &Path) -> Result<Vec<u8>, Error> {
    let mut list = Vec::new();
    let (release, files) = find(tree)?;
    for name in KEPT {
        add(&files, name, &mut list, 0)?;
    }
    pack(&release, &list)
}

/// The kernel's release, and the files of all its modules by their names.
fn find(tree: &Path) -> Result<(String, BTreeMap<String, PathBuf>), Error> {
    let mut files = BTreeMap::new();
    let root = ["lib/modules", "usr/lib/modules"].map(|path| tree.join(path));
    let root = root.iter().find(|path| path.exists()).unwrap_or(&root[0]);
    let mut releases = read_folder(root)?;
    let Some((release, _)) = releases.pop() else {
        return Err(Error::Read {
            path: root.clone(),
            source: std::io::ErrorKind::NotFound.into(),
        });
    };
    let mut open = vec![root.join(&release)];
    while let Some(folder) = open.pop() {
        for (name, is_folder) in read_folder(&folder)? {
            let path = folder.join(&name);
            if is_folder {
                open.push(path);
            } else if let Some(module) = name.strip_suffix(".ko").or_else(|| name.strip_suffix(".ko.xz")) {
                files.insert(module.replace('-', "_"), path);
            }
        }
    }
    Ok((release, files))
}

/// The names in a folder, and whether they are folders.
fn read_folder(folder: &Path) -> Result<Vec<(String, bool)>, Error> {
    let unreadable = |source| Error::Read {
        path: folder.to_owned(),
        source,
    };
    let entries = fs::read_dir(folder).map_err(unreadable)?.map(|entry| {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        Ok((name, entry.file_type()?.is_dir()))
    });
    entries.collect::<Result<_, _>>().map_err(unreadable)
}

/// Adds the module `name` to `list`, behind what it needs.
fn add(files: &BTreeMap<String, PathBuf>, name: &str, list: &mut Vec<Module>, depth: usize) -> Result<(), Error> {
    /// Deeper than any kernel's: a round of modules that need each other.
    const DEEPEST: usize = 32;
    let Some(path) = files.get(name) else { return Ok(()) };
    if list.iter().any(|module| module.name == name) {
        return Ok(());
    }
    if depth > DEEPEST {
        return Err(Error::BadModule { name: name.to_owned() });
    }
    let bytes = read(path)?;
    for other in needs(&bytes) {
        add(files, &other, list, depth + 1)?;
    }
    list.push(Module {
        name: name.to_owned(),
        bytes,
    });
    Ok(())
}

/// A module's bytes: newer kernels have them compressed.
fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let unreadable = |source| Error::Read {
        path: path.to_owned(),
        source,
    };
    let bytes = fs::read(path).map_err(unreadable)?;
    if path.extension().is_none_or(|extension| extension != "xz") {
        return Ok(bytes);
    }
    let mut plain = Vec::new();
    let mut reader = XzReader::new(&*bytes, true);
    reader.read_to_end(&mut plain).map_err(unreadable)?;
    Ok(plain)
}

/// The names of what the module in `bytes` says that it needs.
fn needs(bytes: &[u8]) -> Vec<String> {
    let lists = fields(bytes, "depends");
    let names = lists.iter().flat_map(|list| list.split(','));
    names
        .filter(|name| !name.is_empty())
        .map(|name| name.replace('-', "_"))
        .collect()
}

/// The values of a module's fields of this name.
fn fields(bytes: &[u8], name: &str) -> Vec<String> {
    let strings = bytes.split(|&byte| byte == 0);
    let values = strings.filter_map(|text| text.strip_prefix(name.as_bytes())?.strip_prefix(b"="));
    values
        .map(|value| String::from_utf8_lossy(value).into_owned())
        .collect()
}

/// The archive of `list`, in which who is needed stands before who needs it.
fn pack(release: &str, list: &[Module]) -> Result<Vec<u8>, Error> {
    let (mut needed, mut aliases) = (String::new(), String::new());
    for module in list {
        let mut first = Vec::new();
        load_order(list, &module.name, &mut first);
        let first: String = first.iter().rev().map(|name| format!(" {name}.ko")).collect();
        writeln!(needed, "{}.ko:{first}", module.name).expect("a string takes all that is written");
        for alias in fields(&module.bytes, "alias") {
            writeln!(aliases, "alias {alias} {}", module.name).expect("a string takes all that is written");
        }
    }
    let folder = format!("lib/modules/{release}");
    let files = list
        .iter()
        .map(|module| (format!("{folder}/{}.ko", module.name), &*module.bytes));
    let files: Vec<_> = files
        .chain([
            (format!("{folder}/modules.dep"), needed.as_bytes()),
            (format!("{folder}/modules.alias"), aliases.as_bytes()),
        ])
        .collect();
    let mut archive = Initramfs::new();
    for (path, bytes) in &files {
        archive.file(path, 0o644, bytes)?;
    }
    Ok(archive.finish())
}

/// Adds all that the module `name` of `list` needs, in the order of loading.
fn load_order<'a>(list: &'a [Module], name: &str, order: &mut Vec<&'a str>) {
    let Some(module) = list.iter().find(|module| module.name == name) else {
        return;
    };
    for other in needs(&module.bytes) {
        let Some(other) = list.iter().find(|module| module.name == other) else {
            continue;
        };
        if !order.contains(&&*other.name) {
            load_order(list, &other.name, order);
            order.push(&other.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::initramfs::tests::read as entries;

    /// A kernel's tree with these modules, by path, of which each says so.
    fn tree(modules: &[(&str, &str)]) -> tempfile::TempDir {
        let tree = tempfile::tempdir().unwrap();
        for (path, info) in modules {
            let path = tree.path().join("lib/modules/7-some/kernel").join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, format!("\x7fELF\0license=GPL\0{}\0", info.replace(' ', "\0"))).unwrap();
        }
        tree
    }

    /// What an archive has in the modules' folder.
    fn packed(tree: &tempfile::TempDir) -> BTreeMap<String, String> {
        let all = entries(&archive(tree.path()).unwrap());
        let named = all.into_iter().filter_map(|(name, _, data)| {
            let name = name.strip_prefix("lib/modules/7-some/")?.to_owned();
            Some((name, String::from_utf8_lossy(&data).into_owned()))
        });
        named.collect()
    }

    #[test]
    fn what_is_kept_brings_what_it_needs_and_the_rest_stays_away() {
        let packed = packed(&tree(&[
            ("fs/ext4/ext4.ko", "depends=jbd2,crc-16 alias=fs-ext3 alias=fs-ext4"),
            ("fs/jbd2.ko", "depends=crc-16,built_in"),
            ("lib/crc-16.ko", "depends="),
            ("drivers/char/virtio-rng.ko", "depends= alias=virtio:d00000004v*"),
            ("fs/other.ko", "depends=crc-16"),
        ]));
        let names: Vec<_> = packed.keys().map(String::as_str).collect();
        assert_eq!(
            names,
            [
                "crc_16.ko",
                "ext4.ko",
                "jbd2.ko",
                "modules.alias",
                "modules.dep",
                "virtio_rng.ko"
            ]
        );
        assert_eq!(
            packed["modules.dep"],
            "crc_16.ko:\njbd2.ko: crc_16.ko\next4.ko: jbd2.ko crc_16.ko\nvirtio_rng.ko:\n"
        );
        assert_eq!(
            packed["modules.alias"],
            "alias fs-ext3 ext4\nalias fs-ext4 ext4\nalias virtio:d00000004v* virtio_rng\n"
        );
    }

    #[test]
    fn compressed_modules_are_unpacked() {
        let tree = tree(&[("fs/fuse/fuse.ko", "depends=")]);
        let path = tree.path().join("lib/modules/7-some/kernel/virtio_blk.ko.xz");
        fs::write(&path, COMPRESSED).unwrap();
        let packed = packed(&tree);
        assert_eq!(packed["virtio_blk.ko"], "\x7fELF\0depends=\0alias=virtio:d00000002v*\0");
        assert_eq!(packed["modules.alias"], "alias virtio:d00000002v* virtio_blk\n");
        fs::write(&path, &COMPRESSED[..COMPRESSED.len() - 9]).unwrap();
        assert!(matches!(archive(tree.path()), Err(Error::Read { .. })));
    }

    #[test]
    fn modules_that_need_each_other_are_an_error() {
        let tree = tree(&[("ext4.ko", "depends=b"), ("b.ko", "depends=ext4")]);
        assert!(matches!(archive(tree.path()), Err(Error::BadModule { .. })));
    }

    #[test]
    fn a_package_without_modules_is_an_error() {
        let tree = tempfile::tempdir().unwrap();
        assert!(archive(tree.path()).is_err());
    }

    /// What `xz --check=crc32` makes of a module that says two things.
    const COMPRESSED: [u8; 92] = [
        0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00, 0x00, 0x01, 0x69, 0x22, 0xde, 0x36, 0x02, 0x00, 0x21, 0x01, 0x10, 0x00,
        0x00, 0x00, 0xa8, 0x70, 0x8e, 0x86, 0x01, 0x00, 0x26, 0x7f, 0x45, 0x4c, 0x46, 0x00, 0x64, 0x65, 0x70, 0x65,
        0x6e, 0x64, 0x73, 0x3d, 0x00, 0x61, 0x6c, 0x69, 0x61, 0x73, 0x3d, 0x76, 0x69, 0x72, 0x74, 0x69, 0x6f, 0x3a,
        0x64, 0x30, 0x30, 0x30, 0x30, 0x30, 0x30, 0x30, 0x32, 0x76, 0x2a, 0x00, 0x00, 0x00, 0x7c, 0xfc, 0xac, 0xc0,
        0x00, 0x01, 0x3b, 0x27, 0x78, 0xef, 0x3e, 0xb9, 0x90, 0x42, 0x99, 0x0d, 0x01, 0x00, 0x00, 0x00, 0x00, 0x01,
        0x59, 0x5a,
    ];
}
