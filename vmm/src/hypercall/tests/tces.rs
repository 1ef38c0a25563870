//! The hypercalls of the table that translates for PCI devices.

use devices::pci::Bridge;
use power::hcall::{Hcall, Status};

use crate::test_machine::{RAM, Registers, machine, machine_with_pci};

const NUMBER: u64 = Bridge::LIOBN as u64;
const END: u64 = Bridge::DMA_BYTES;

#[test]
fn an_entry_is_read_as_it_was_put() {
    let machine = machine_with_pci();
    let mut cpu = Registers::default();
    cpu.call(&machine, 0, Hcall::PutTce, [NUMBER, 0x5000, 0x20_0003]);
    cpu.assert_answer(Status::Success);
    cpu.call(&machine, 0, Hcall::GetTce, [NUMBER, 0x5000]);
    cpu.assert_answer(Status::Success);
    assert_eq!(cpu.gprs[4], 0x20_0003);
    cpu.call(&machine, 0, Hcall::StuffTce, [NUMBER, 0x4000, 0x30_0001, 3]);
    cpu.assert_answer(Status::Success);
    cpu.call(&machine, 0, Hcall::GetTce, [NUMBER, 0x6fff]);
    assert_eq!(cpu.gprs[4], 0x30_0001);
    for (n, tce) in [0x1000_u64 | 1, 0x2000 | 2, 0].into_iter().enumerate() {
        machine.ram.write(0x8000 + 8 * n as u64, &tce.to_be_bytes()).unwrap();
    }
    cpu.call(&machine, 0, Hcall::PutTceIndirect, [NUMBER, 0x4000, 0x8000, 3]);
    cpu.assert_answer(Status::Success);
    for (at, tce) in [(0x4000, 0x1001), (0x5000, 0x2002), (0x6000, 0)] {
        cpu.call(&machine, 0, Hcall::GetTce, [NUMBER, at]);
        assert_eq!(cpu.gprs[4], tce);
    }
}

#[test]
fn what_is_no_table_no_address_or_no_memory_is_h_parameter() {
    let machine = machine_with_pci();
    let mut cpu = Registers::default();
    let mut refused = |call, arguments: [u64; 4]| {
        cpu.call(&machine, 0, call, arguments);
        cpu.assert_answer(Status::Parameter);
    };
    for call in [Hcall::GetTce, Hcall::PutTce, Hcall::StuffTce, Hcall::PutTceIndirect] {
        refused(call, [NUMBER + 1, 0, 0, 0]);
        refused(call, [NUMBER | 1 << 32, 0, 0, 0]);
        refused(call, [NUMBER, END, 0, 1]);
        refused(call, [NUMBER, u64::MAX, 0, 1]);
    }
    refused(Hcall::PutTce, [NUMBER, 0, RAM | 1, 0]);
    refused(Hcall::StuffTce, [NUMBER, 0, RAM | 2, 1]);
    refused(Hcall::StuffTce, [NUMBER, END - 0x1000, 0, 2]);
    refused(Hcall::PutTceIndirect, [NUMBER, 0, RAM, 1]);
    refused(Hcall::PutTceIndirect, [NUMBER, 0, 0x8008, 1]);
    refused(Hcall::PutTceIndirect, [NUMBER, 0, 0x8000, 513]);
    cpu.call(&machine, 0, Hcall::StuffTce, [NUMBER, 0, 0, 513]);
    cpu.assert_answer(Status::P4);
    // Several tables at once are an option that this machine does not have.
    cpu.call(&machine, 0, Hcall::PutTceIndirect, [u64::MAX, 0, 0x8000, 1]);
    cpu.assert_answer(Status::Function);
}

#[test]
fn a_machine_without_pci_has_no_table() {
    let machine = machine(1);
    let mut cpu = Registers::default();
    for call in [Hcall::GetTce, Hcall::PutTce, Hcall::StuffTce, Hcall::PutTceIndirect] {
        cpu.call(&machine, 0, call, [NUMBER, 0, 0, 1]);
        cpu.assert_answer(Status::Parameter);
    }
}
