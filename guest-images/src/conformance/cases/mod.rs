//! Every case, a file for each subject.

mod block;
mod bulk;
mod clear;
mod console;
mod enter;
mod interrupts;
mod memory;
mod numbers;
mod others;
mod processors;
mod protect;
mod protection;
mod read;
mod remove;
mod resize;
mod rtas;
mod set_mode;
mod translation;
mod vpa;

use super::case::{Case, Operand, cell, from_end};
use super::configuration::{Configuration, Pages};
use crate::programs::hypercalls::words::HYPERVISOR;

/// Real addresses where pages of any size may lie, and that nobody else uses.
const HERE: u64 = 0x200_0000;
const THERE: u64 = 0x300_0000;
const CODE: u64 = 0x400_0000;

/// Indices of a group of entries that cases use without looking at hashes: of its first slot, and of the next group's.
const GROUP: u64 = 16;
const NEXT_GROUP: u64 = 24;

/// Every case of `configuration`.
pub(super) fn all(configuration: Configuration) -> Vec<Case> {
    let pages = configuration.pages();
    let mut cases = Cases::default();
    enter::add(&mut cases, pages);
    remove::add(&mut cases, pages);
    read::add(&mut cases, pages);
    protect::add(&mut cases, pages);
    clear::add(&mut cases, pages);
    bulk::add(&mut cases, pages);
    block::add(&mut cases, pages);
    translation::add(&mut cases, pages);
    protection::add(&mut cases, pages);
    resize::add(&mut cases, pages);
    others::add(&mut cases, pages);
    resize::add_several(&mut cases, pages);
    if configuration.is_first_of_its_order() {
        numbers::add(&mut cases, pages);
        rtas::add(&mut cases);
        resize::add_general(&mut cases);
        memory::add(&mut cases);
        set_mode::add(&mut cases);
        vpa::add(&mut cases);
        processors::add(&mut cases);
        processors::add_several(&mut cases);
        interrupts::add(&mut cases);
        console::add(&mut cases);
        processors::add_last(&mut cases);
    }
    cases.0
}

/// The cases so far.
#[derive(Default)]
struct Cases(Vec<Case>);

impl Cases {
    /// A case that `steps` are added to.
    fn add(&mut self, mut case: Case, steps: impl FnOnce(&mut Case)) {
        steps(&mut case);
        self.0.push(case);
    }
}

/// Steps that several subjects share.
impl Case {
    /// A hypercall that must answer `status`.
    fn answers<A: Into<Operand>>(
        &mut self,
        name: &str,
        number: u64,
        arguments: impl IntoIterator<Item = A>,
        status: u64,
    ) {
        self.hcall(name, number, arguments).status(status);
    }

    /// The case is skipped where something may be otherwise than the architecture has it, which is KVM-PR: `why`.
    fn is_exact_or_skipped(&mut self, why: &str) {
        self.call(why, "read_exact", [0_u64; 0]).skip_if(3, 0);
    }

    /// `H_READ` of an entry. The hypervisor's own bits in doubleword 0 may be any.
    fn reads(&mut self, at: impl Into<Operand>, v: u64, r: u64) {
        self.hcall("H_READ", 0x0c, [0.into(), at.into()])
            .status(0)
            .bits(4, !HYPERVISOR, v)
            .is(5, r);
    }

    /// `H_READ` of an entry that is not valid.
    fn reads_nothing(&mut self, at: impl Into<Operand>) {
        self.hcall("H_READ", 0x0c, [0.into(), at.into()])
            .status(0)
            .bits(4, !HYPERVISOR, 0);
    }

    /// `H_ENTER` exactly at `at`, which must succeed.
    fn enters(&mut self, at: impl Into<Operand>, v: u64, r: u64) {
        let at = at.into();
        let arguments: [Operand; 4] = [(1_u64 << 39).into(), at, v.into(), r.into()];
        self.hcall("H_ENTER", 0x08, arguments).status(0).is(4, at);
    }
}

/// The interrupt server number of the second processor.
fn second_processor() -> Operand {
    cell("servers+8")
}

/// A case that is not for a machine of one processor.
fn of_two_processors(name: impl Into<String>, section: &'static str) -> Case {
    let mut case = Case::new(name, section);
    case.needs(2);
    case
}

/// Indices that no table has: the first behind it, and all ones.
fn indices_outside() -> [(&'static str, Operand); 2] {
    [("end", cell("table_entries")), ("all_ones", u64::MAX.into())]
}
