//! Where the program under test is.

use std::env;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::Command;

/// A command that runs `pteg` with `arguments`: the file that `PTEG_BIN` names, or else the one that was built
/// beside this test.
pub fn pteg<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(binary());
    command.args(arguments);
    command
}

/// `pteg`, started by `env` with a flag of its own, such as one that says which signals are ignored.
pub fn pteg_by_env<S: AsRef<OsStr>>(flag: &str, arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new("env");
    command.arg(flag).arg(binary()).args(arguments);
    command
}

/// The file.
///
/// # Panics
/// There is none.
pub(crate) fn binary() -> PathBuf {
    if let Some(named) = env::var_os("PTEG_BIN") {
        let named = PathBuf::from(named);
        assert!(named.is_file(), "PTEG_BIN={}: no such file", named.display());
        return named;
    }
    // The test is target/<profile>/deps/<name>.
    let test = env::current_exe().expect("a test knows its own file");
    let beside = test
        .ancestors()
        .nth(2)
        .expect("it lies in a directory of a target directory")
        .join("pteg");
    assert!(
        beside.is_file(),
        "there is no {}: build it with `cargo build -p vmm`, or name another one in PTEG_BIN",
        beside.display()
    );
    beside
}
