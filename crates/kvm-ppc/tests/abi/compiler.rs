//! C compilers for powerpc64, and numbers that they have put into an object file. Nothing that they compile is run.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::process::{Command, Stdio};
use std::{env, fmt, fs};

use object::{Endianness, Object as _, ObjectSection as _};

use crate::Fact;

/// One compiler.
pub struct Compiler {
    program: &'static str,
    endianness: Endianness,
    /// What has it, and the kernel's headers.
    packages: &'static str,
}

/// Debian's names.
const COMPILERS: [Compiler; 2] = [
    Compiler {
        program: "powerpc64le-linux-gnu-gcc",
        endianness: Endianness::Little,
        packages: "gcc-powerpc64le-linux-gnu libc6-dev-ppc64el-cross",
    },
    Compiler {
        program: "powerpc64-linux-gnu-gcc",
        endianness: Endianness::Big,
        packages: "gcc-powerpc64-linux-gnu libc6-dev-ppc64-cross",
    },
];

/// Where it is set, no compiler may be missing.
const ALL_WANTED: &str = "PTEG_KVM_ABI";

impl Compiler {
    /// Those that are installed. Says which are not.
    ///
    /// # Panics
    /// One is missing, and `PTEG_KVM_ABI` wants all.
    pub fn here() -> impl Iterator<Item = Self> {
        COMPILERS.into_iter().filter(|compiler| {
            let is_here = compiler.is_installed();
            assert!(
                is_here || env::var_os(ALL_WANTED).is_none(),
                "{compiler} is missing: install {}",
                compiler.packages
            );
            if !is_here {
                // Past the test harness, which would keep it to itself.
                let why = format!(
                    "SKIPPED: without {compiler} nothing was compared with it; it is in {}",
                    compiler.packages
                );
                let _ = writeln!(io::stderr(), "{why}");
            }
            is_here
        })
    }

    fn is_installed(&self) -> bool {
        let mut version = Command::new(self.program);
        version.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
        version.status().is_ok_and(|status| status.success())
    }

    /// What C makes of the names.
    pub fn evaluate(&self, facts: &[Fact]) -> Vec<u64> {
        let mut source =
            String::from("#include <stddef.h>\n#include <linux/kvm.h>\nconst unsigned long long numbers[] ");
        source += "__attribute__((section(\".numbers\"))) = {\n";
        for fact in facts {
            writeln!(source, "    (unsigned long long)({}),", fact.c).expect("there is memory");
        }
        source += "};\n";

        let directory = tempfile::tempdir().expect("a directory");
        let result = directory.path().join("numbers.o");
        let mut compile = Command::new(self.program);
        compile
            .args(["-x", "c", "-c", "-", "-o"])
            .arg(&result)
            .stdin(Stdio::piped());
        let mut running = compile.spawn().expect("it is installed");
        let mut input = running.stdin.take().expect("it has a pipe");
        input.write_all(source.as_bytes()).expect("it reads all of it");
        drop(input);
        assert!(
            running.wait().expect("it ends").success(),
            "{self} refuses (does it have {}?):\n{source}",
            self.packages
        );
        self.numbers(&fs::read(result).expect("it has written it"))
    }

    fn numbers(&self, object: &[u8]) -> Vec<u64> {
        let object = object::File::parse(object).expect("an object file");
        assert_eq!(object.architecture(), object::Architecture::PowerPc64);
        assert_eq!(object.endianness(), self.endianness);
        let section = object.section_by_name(".numbers").expect("what was asked for");
        let (doublewords, rest) = section.data().expect("it has bytes").as_chunks();
        assert!(rest.is_empty());
        let read = match self.endianness {
            Endianness::Little => u64::from_le_bytes,
            Endianness::Big => u64::from_be_bytes,
        };
        doublewords.iter().copied().map(read).collect()
    }
}

impl fmt::Display for Compiler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.program)
    }
}
