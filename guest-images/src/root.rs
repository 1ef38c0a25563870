//! What stands in a guest's root file system: BusyBox, a first process, and what the caller adds.

use crate::initramfs::Initramfs;
use crate::{Error, ImageOptions, Init};

/// The guest's first process.
pub(crate) const INIT: &str = include_str!("init.sh");

/// Powers off in good order.
const POWEROFF: &str = "#!/bin/busybox sh\necho Powering off. > /dev/console\nexec /bin/busybox poweroff -f\n";

/// The initramfs of a guest whose commands are all in the program `busybox`.
pub(crate) fn archive(busybox: &[u8], options: &ImageOptions) -> Result<Vec<u8>, Error> {
    let mut archive = Initramfs::new();
    archive.file("bin/busybox", 0o755, busybox)?;
    archive.symlink("bin/sh", "busybox")?;
    // Linux opens it for the first process, before that can mount anything.
    archive.character_device("dev/console", 0o600, (5, 1))?;
    for directory in ["proc", "sys"] {
        archive.directory(directory, 0o555)?;
    }
    archive.directory("root", 0o700)?;
    archive.directory("tmp", 0o1777)?;
    archive.file("init", 0o755, INIT.as_bytes())?;
    // Linux runs it when it is asked to shut down. The first process, a shell, would not hear of BusyBox's own.
    archive.file("sbin/poweroff", 0o755, POWEROFF.as_bytes())?;
    match &options.init {
        Init::Shell => {}
        Init::Script(script) => archive.file("script", 0o644, script.as_bytes())?,
        Init::Replace(init) => archive.file("init", 0o755, init.as_bytes())?,
    }
    for file in &options.extra_files {
        archive.file(&file.path, file.permissions, &file.contents)?;
    }
    Ok(archive.finish())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn contains(haystack: &[u8], needle: &str) -> bool {
        haystack.windows(needle.len()).any(|window| window == needle.as_bytes())
    }

    #[test]
    fn a_whole_init_takes_the_place_of_ours() {
        let options = ImageOptions {
            init: Init::Replace("#!/mine".into()),
            ..ImageOptions::default()
        };
        let initrd = archive(b"busybox", &options).unwrap();
        assert!(contains(&initrd, "#!/mine"));
        assert!(!contains(&initrd, INIT));
    }
}
