//! The recipes against Debian's real archive, in the user's own cache: the first run needs the network.

use std::fs;

use guest_images::{Cache, Image, ImageOptions, Lines, Prepared, Tool};
use object::elf::{EM_PPC64, FileHeader64};
use object::read::elf::FileHeader;
use object::{LittleEndian, elf};

fn prepare(name: &str) -> Prepared {
    let cache = Cache::from_environment().expect("the environment names a cache");
    let progress = Lines::new(std::io::stderr(), std::time::Duration::from_secs(5));
    let image = Image::by_name(name).expect("the image exists");
    image
        .prepare(&cache, &progress, &ImageOptions::default())
        .unwrap_or_else(|error| {
            let source = std::error::Error::source(&error).map(ToString::to_string);
            panic!("{error} {}", source.unwrap_or_default())
        })
}

#[test]
fn the_kernel_is_an_executable_for_little_endian_power() {
    let prepared = prepare("debian");
    let kernel = fs::read(prepared.kernel).unwrap();
    let header = FileHeader64::<LittleEndian>::parse(&*kernel).unwrap();
    let endian = header.endian().unwrap();
    assert_eq!(header.e_machine(endian), EM_PPC64);
    assert_eq!(header.e_type(endian), elf::ET_EXEC);
    assert_eq!(header.e_entry(endian), 0xc000_0000_0000_0000);
}

#[test]
fn the_initramfs_begins_as_linux_expects() {
    let initrd = fs::read(prepare("debian").initrd).unwrap();
    assert!(initrd.starts_with(b"070701"));
    assert!(initrd.len() > 1 << 20, "no BusyBox in {} bytes", initrd.len());
}

#[test]
fn a_tool_for_the_host_runs_the_guests_busybox() {
    let cache = Cache::from_environment().unwrap();
    let progress = Lines::new(std::io::stderr(), std::time::Duration::from_secs(5));
    let qemu = Tool::QEMU_PPC64.fetch(&cache, &progress).unwrap();
    let busybox = prepare("debian").kernel.with_file_name("busybox");
    let output = std::process::Command::new(qemu)
        .arg(busybox)
        .args(["echo", "hello"])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "hello\n");
}
