//! The host's kernel: its release, how it was booted, and which of KVM's modules are there.

use std::fs;
use std::path::Path;

/// The host's kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Kernel {
    /// Release, as `uname -r` says it.
    pub(crate) release: String,
    /// Its command line; empty if it does not say.
    pub(crate) command_line: String,
    /// KVM-PR is loaded, or a part of the kernel.
    pub(crate) has_kvm_pr: bool,
    /// KVM-HV is.
    pub(crate) has_kvm_hv: bool,
}

impl Kernel {
    /// That of this machine.
    pub(crate) fn look() -> Self {
        let release = rustix::system::uname().release().to_string_lossy().into_owned();
        Self {
            command_line: fs::read_to_string("/proc/cmdline")
                .unwrap_or_default()
                .trim()
                .to_owned(),
            has_kvm_pr: has_module("kvm_pr", &release),
            has_kvm_hv: has_module("kvm_hv", &release),
            release,
        }
    }

    /// Whether it was told to leave radix trees alone.
    pub(crate) fn is_told_to_hash(&self) -> bool {
        let mut words = self.command_line.split_whitespace();
        // The last one counts; `disable_radix=no` takes it back.
        words
            .rfind(|word| *word == "disable_radix" || word.starts_with("disable_radix="))
            .is_some_and(|word| !matches!(word, "disable_radix=0" | "disable_radix=n" | "disable_radix=no"))
    }
}

/// Whether a module is loaded, or built into the kernel. (One without parameters that is built in has no folder
/// in `/sys/module`.)
fn has_module(name: &str, release: &str) -> bool {
    let built_in = || fs::read_to_string(format!("/lib/modules/{release}/modules.builtin"));
    Path::new("/sys/module").join(name).exists() || built_in().is_ok_and(|list| lists(&list, name))
}

/// Whether `modules.builtin` names a module; file names have dashes or underscores.
fn lists(built_in: &str, name: &str) -> bool {
    let file_of = |line: &str| {
        let file = line.rsplit('/').next().unwrap_or_default();
        file.strip_suffix(".ko").map(|name| name.replace('-', "_"))
    };
    built_in.lines().any(|line| file_of(line).as_deref() == Some(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_about_radix_counts() {
        for (command_line, told) in [
            ("", false),
            ("quiet disable_radix", true),
            ("disable_radix=yes quiet", true),
            ("disable_radix=no", false),
            ("disable_radix disable_radix=0", false),
            ("disable_radix_and_more", false),
        ] {
            let kernel = Kernel {
                command_line: command_line.into(),
                ..Kernel::default()
            };
            assert_eq!(kernel.is_told_to_hash(), told, "{command_line}");
        }
    }

    #[test]
    fn a_module_that_is_built_in_is_found_by_its_file() {
        let list = "kernel/virt/lib/irqbypass.ko\nkernel/arch/powerpc/kvm/kvm-pr.ko\n";
        assert!(lists(list, "kvm_pr") && lists(list, "irqbypass"));
        assert!(!lists(list, "kvm_hv") && !lists(list, "kvm") && !lists("", "kvm"));
    }

    #[test]
    fn this_kernel_has_a_release() {
        assert!(!Kernel::look().release.is_empty());
    }
}
