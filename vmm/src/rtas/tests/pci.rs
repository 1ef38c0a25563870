//! The calls of PCI functions, as a guest makes them.

use std::sync::Arc;

use devices::pci::{Bar, Bridge, Function, Identity, Slot, Socket, Space};
use proptest::prelude::*;

use super::{PARAMETER, SUCCESS, raw, rtas};
use crate::machine::Machine;
use crate::sources::{FIRST_LINE, FIRST_MESSAGE};
use crate::test_machine::{machine, machine_with_pci};
use power::rtas::RtasCall;

/// Two vectors and a window in which nothing is.
struct Plain;

impl Function for Plain {
    fn identity(&self) -> Identity {
        Identity {
            vendor: 0x1af4,
            device: 0x1044,
            subsystem_vendor: 0x1af4,
            subsystem: 0x1044,
            revision: 1,
            class: 0xff_00_00,
        }
    }

    fn bars(&self) -> Vec<(usize, Bar)> {
        let bar = Bar {
            bytes: 0x1000,
            space: Space::Memory64,
        };
        vec![(4, bar)]
    }

    fn capabilities(&self) -> Vec<Vec<u8>> {
        Vec::new()
    }

    fn vectors(&self) -> u16 {
        2
    }

    fn load(&self, _bar: usize, _offset: u64, into: &mut [u8]) {
        into.fill(0);
    }

    fn store(&self, _bar: usize, _offset: u64, _from: &[u8]) {}

    fn reset(&self) {}
}

/// A machine with one function, and what that has of the bridge.
pub(super) fn with_function() -> (Machine, Arc<dyn Slot>) {
    let machine = machine_with_pci();
    let (send, slot) = std::sync::mpsc::channel();
    let plug = move |Socket { slot, .. }| {
        send.send(slot).unwrap();
        Arc::new(Plain) as Arc<dyn Function>
    };
    machine.plug(Box::new(plug)).unwrap();
    (machine, slot.recv().unwrap())
}

pub(super) const HIGH: u32 = (Bridge::UNIT >> 32) as u32;
pub(super) const LOW: u32 = Bridge::UNIT as u32;
const NO_INTERRUPT: u32 = 1;

#[test]
fn configuration_space_is_read_and_written_by_either_name() {
    let (machine, _) = with_function();
    assert_eq!(
        rtas(&machine, RtasCall::IbmReadPciConfig, &[0, HIGH, LOW, 4]),
        [SUCCESS, 0x1044_1af4]
    );
    assert_eq!(rtas(&machine, RtasCall::ReadPciConfig, &[2, 2]), [SUCCESS, 0x1044]);
    assert_eq!(
        rtas(&machine, RtasCall::IbmWritePciConfig, &[0x3c, HIGH, LOW, 1, 0x17]),
        [SUCCESS]
    );
    assert_eq!(rtas(&machine, RtasCall::ReadPciConfig, &[0x3c, 1]), [SUCCESS, 0x17]);
    assert_eq!(rtas(&machine, RtasCall::WritePciConfig, &[0x3c, 1, 0x18]), [SUCCESS]);
    assert_eq!(
        rtas(&machine, RtasCall::IbmReadPciConfig, &[0x3c, HIGH, LOW, 2]),
        [SUCCESS, 0x118]
    );
    assert_eq!(
        rtas(&machine, RtasCall::IbmReadPciConfig, &[1 << 11, HIGH, LOW, 2]),
        [SUCCESS, 0xffff]
    );
    for wrong in [
        [0, HIGH, LOW + 1, 4],
        [0, 0, 0, 4],
        [1, HIGH, LOW, 4],
        [0, HIGH, LOW, 8],
    ] {
        let [status, _] = rtas(&machine, RtasCall::IbmReadPciConfig, &wrong);
        assert_eq!(status, PARAMETER, "{wrong:x?}");
    }
}

#[test]
fn a_machine_without_pci_has_no_bridge_to_ask() {
    let machine = machine(1);
    let calls: [(RtasCall, &[u32]); 6] = [
        (RtasCall::ReadPciConfig, &[0, 4]),
        (RtasCall::WritePciConfig, &[0, 4, 0]),
        (RtasCall::IbmReadPciConfig, &[0, HIGH, LOW, 4]),
        (RtasCall::IbmWritePciConfig, &[0, HIGH, LOW, 4, 0]),
        (RtasCall::ChangeMsi, &[0, HIGH, LOW, 4, 1, 1]),
        (RtasCall::QueryInterruptSourceNumber, &[0, HIGH, LOW, 0]),
    ];
    for (call, inputs) in calls {
        assert_eq!(rtas(&machine, call, inputs), [PARAMETER], "{call}");
    }
}

/// What Linux does for a driver that wants two messages: it asks for MSI-X with room for four outputs, then for each source.
#[test]
fn a_driver_gets_its_messages_and_they_reach_the_processor() {
    let (machine, slot) = with_function();
    let change = |function, count, sequence| {
        rtas::<4>(
            &machine,
            RtasCall::ChangeMsi,
            &[0, HIGH, LOW, function, count, sequence],
        )
    };
    let query = |number| rtas::<3>(&machine, RtasCall::QueryInterruptSourceNumber, &[0, HIGH, LOW, number]);
    assert_eq!(query(0), [SUCCESS, FIRST_LINE, 0]);
    assert_eq!(query(1)[0], NO_INTERRUPT);
    assert_eq!(change(3, 0, 1)[..2], [SUCCESS, 0], "as Linux does at its start");
    assert_eq!(change(4, 4, 1), [SUCCESS, 2, 1, 2]);
    assert_eq!(query(0), [SUCCESS, FIRST_MESSAGE, 1]);
    assert_eq!(query(1), [SUCCESS, FIRST_MESSAGE + 1, 1]);
    assert_eq!(query(2)[0], NO_INTERRUPT);
    assert_eq!(change(0, 0, 1), [SUCCESS, 2, 1, 2]);
    // MSI-X on, master of the bus, memory decoded; the second vector unmasked.
    let capability = rtas::<2>(&machine, RtasCall::ReadPciConfig, &[0x34, 1])[1];
    assert_eq!(
        rtas(&machine, RtasCall::WritePciConfig, &[capability + 2, 2, 0x8000]),
        [SUCCESS]
    );
    assert_eq!(rtas(&machine, RtasCall::WritePciConfig, &[4, 2, 0x406]), [SUCCESS]);
    let table = u64::from(rtas::<2>(&machine, RtasCall::ReadPciConfig, &[0x10, 4])[1]);
    let memory = Space::Memory32.window();
    machine.bus.store(memory.real + (table - memory.bus) + 16 + 12, &[0; 4]);
    let xics = machine.xics.as_ref().unwrap();
    let source = FIRST_MESSAGE + 1;
    assert_eq!(rtas(&machine, RtasCall::SetXive, &[source, 0, 5]), [SUCCESS]);
    assert_eq!(rtas(&machine, RtasCall::IntOn, &[source]), [SUCCESS]);
    let _ = xics.set_cppr(0, 0xff);
    slot.signal(0);
    assert_eq!(xics.xirr(0) & 0xff_ffff, 0, "it is masked");
    slot.signal(1);
    assert_eq!(xics.xirr(0) & 0xff_ffff, source);
    assert_eq!(change(2, 0, 1)[..2], [SUCCESS, 0]);
    assert_eq!(query(0), [SUCCESS, FIRST_LINE, 0]);
}

/// LoPAR, RTAS Call Definition, "ibm,change-msi", R1-3, R1-7.
#[test]
fn what_change_msi_does_not_know_is_a_parameter_error() {
    let (machine, _) = with_function();
    let change = |inputs: [u32; 6]| rtas::<4>(&machine, RtasCall::ChangeMsi, &inputs)[0];
    assert_eq!(change([0, HIGH, LOW, 6, 1, 1]), PARAMETER, "no such function");
    assert_eq!(
        change([0, HIGH, LOW, 4, 1, 2]),
        PARAMETER,
        "the first call has sequence number 1"
    );
    assert_eq!(change([0, HIGH, LOW, 3, 1, 1]), PARAMETER, "it has no MSI");
    assert_eq!(change([0, HIGH, LOW, 5, 1, 1]), PARAMETER);
    assert_eq!(change([4, HIGH, LOW, 4, 1, 1]), PARAMETER, "a register");
    assert_eq!(change([0, HIGH, 0, 4, 1, 1]), PARAMETER);
    // Without room for the type it is MSI that is asked for.
    assert_eq!(
        rtas::<3>(&machine, RtasCall::ChangeMsi, &[0, HIGH, LOW, 1, 1, 1])[0],
        PARAMETER
    );
    assert_eq!(change([0, HIGH, LOW, 1, 1, 1]), SUCCESS);
    assert_eq!(
        rtas::<3>(&machine, RtasCall::ChangeMsi, &[0, HIGH, LOW, 1, 0, 1]),
        [SUCCESS, 0, 1]
    );
}

proptest! {
    #[test]
    fn no_arguments_break_the_calls(
        calls in proptest::collection::vec(
            (18_u32..24, proptest::collection::vec(prop_oneof![0_u32..8, Just(HIGH), Just(LOW), any::<u32>()], 0..8)),
            1..40,
        ),
    ) {
        let (machine, _) = with_function();
        for (token, mut inputs) in calls {
            // Mostly the bridge that there is.
            if inputs.len() > 3 && inputs[0] % 4 != 3 {
                (inputs[1], inputs[2]) = (HIGH, LOW);
            }
            let [status, _, _, _] = raw(&machine, token, &inputs);
            prop_assert!([SUCCESS, PARAMETER, NO_INTERRUPT].contains(&status), "{} {:x?}: {}", token, inputs, status);
        }
    }
}
