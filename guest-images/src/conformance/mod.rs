//! Conformance of a hypervisor's hypercalls and translation: named cases, each decided by a section of the manuals.
//!
//! A [`Case`] is data: steps that make a hypercall or access memory through the page table, and what must come of each. It begins with a table
//! that nothing is entered in, and says one line by itself, so one that fails does not end the others. The cases of a
//! [`Configuration`] are made into a guest program, which runs on any hypervisor that starts an ELF file (see [`programs`](crate::programs)).
//!
//! The program says for each case one of
//!
//! ```text
//! CASE <name>: pass
//! CASE <name>: fail: step <number> (<step>): r<n> expected <value> got <value>
//! CASE <name>: skip: <what the machine has not>
//! ```
//!
//! and at last a verdict of all of them. Words on its command line: `exact=1`, without which it puts up with what KVM-PR does otherwise
//! than the architecture, and `from=N`, which leaves the first N cases out, so that it can go on behind one that the hypervisor did not survive.
//!
//! - `case`: what a case is; `cases/`: all of them, a file for each subject;
//! - `configuration`: byte orders, page and segment sizes, and their words in entries;
//! - `table`: cases as assembler text; `engine.s` goes through them, `routines.s` is what steps call;
//! - `others.s`: other processors, which make steps when they are told to; `meanwhile.s` is what steps of several call.
//!
//! Words of entries, numbers of hypercalls and flags are written here as the manuals have them, and not taken from `power`, so that no mistake
//! there can hide.

mod case;
mod cases;
mod configuration;
mod table;

pub use case::Case;
pub use configuration::{Configuration, Order, PageSize, SegmentSize};

/// Memory in MiB of the machine that the programs are for.
pub const MEMORY_MIB: u32 = 256;

/// Every case of `configuration`, in the order in which its program goes through them.
pub fn cases(configuration: Configuration) -> Vec<Case> {
    cases::all(configuration)
}

/// The program that goes through `cases`, which are of `configuration`, as an ELF file.
pub fn elf(configuration: Configuration, cases: &[Case]) -> Vec<u8> {
    let endian = configuration.order.endian();
    let source = crate::programs::of_processors(&[&table::source(cases), include_str!("../programs/pause.s")], endian);
    crate::programs::build("conformance", &source, endian)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_configuration_assembles() {
        for configuration in Configuration::all() {
            let cases = cases(configuration);
            assert!(cases.len() > 100, "{configuration}: {}", cases.len());
            assert!(!elf(configuration, &cases).is_empty());
        }
    }

    #[test]
    fn each_case_has_a_name_of_its_own_and_something_to_look_at() {
        for configuration in Configuration::all() {
            let mut names = BTreeSet::new();
            for case in cases(configuration) {
                let looks = case.steps.iter().map(|step| step.then.len()).sum::<usize>();
                assert!(looks > 0, "{}", case.name());
                let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '/';
                assert!(case.name().chars().all(is_plain), "{}", case.name());
                assert!(case.section().starts_with("LoPAR") || case.section().starts_with("Power ISA"));
                assert!(names.insert(case.name().to_owned()), "{} twice", case.name());
            }
        }
    }

    /// It would be a line of another form.
    #[test]
    fn no_step_is_called_something_that_ends_a_text() {
        for configuration in Configuration::all() {
            for case in cases(configuration) {
                for step in &case.steps {
                    assert!(
                        step.arguments.len() <= 10 && !step.what.contains(['"', '\\', '\n']),
                        "{step:?}"
                    );
                }
            }
        }
    }
}
