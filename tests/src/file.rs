//! Files to start.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::Path;

use guest_images::programs::Program;
use power::insn::Endian;
use tempfile::NamedTempFile;

/// A file that is gone when this is dropped.
pub struct ElfFile(NamedTempFile);

impl ElfFile {
    /// A file that holds these bytes.
    ///
    /// # Panics
    /// It cannot be written.
    pub fn with(bytes: &[u8]) -> Self {
        let mut file = NamedTempFile::with_prefix("pteg-test-").expect("a temporary file can be made");
        file.write_all(bytes).expect("and written");
        Self(file)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

impl AsRef<OsStr> for ElfFile {
    fn as_ref(&self) -> &OsStr {
        self.path().as_os_str()
    }
}

/// The guest program of that name as a file.
///
/// # Panics
/// There is no such program.
pub fn write_program(name: &str, endian: Endian) -> ElfFile {
    let program = Program::by_name(name).unwrap_or_else(|| panic!("there is no program `{name}`"));
    ElfFile::with(&program.elf(endian))
}
