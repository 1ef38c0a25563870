//! INTA and messages: who has which source, and when it fires.

use devices::pci::{Change, MessageKind, SourceNumber, Space};
use power::rtas::RtasStatus;

use crate::world::Heard::{Edge, Level};
use crate::world::{FIRST_LINE, FIRST_MESSAGE, MESSAGES, Shape, World, address};

const MASTER: u32 = 4;
const INTERRUPT_DISABLE: u32 = 1 << 10;
const ENABLE: u32 = 1 << 15;
const FUNCTION_MASK: u32 = 1 << 14;

fn set(world: &World, device: u8, count: u32) -> Result<u32, RtasStatus> {
    let change = Change::Set(MessageKind::MsiX, count);
    world
        .bridge
        .change_msi(address(device), change)
        .map(|assigned| assigned.count)
}

/// A function with three messages that go out, its vectors unmasked; and its table.
fn armed() -> (World, u64) {
    let world = World::new(&[Shape::default()]);
    assert_eq!(set(&world, 0, 3), Ok(3));
    world.set_config(0, 4, 2, 2 | MASTER);
    let table = world.table(0);
    for vector in 0..3 {
        mask(&world, table, vector, false);
    }
    world.set_msix(0, ENABLE);
    (world, table)
}

fn mask(world: &World, table: u64, vector: u64, masked: bool) {
    world.store(
        Space::Memory32,
        table + 16 * vector + 12,
        &u32::from(masked).to_le_bytes(),
    );
}

fn pending(world: &World, table: u64) -> u8 {
    let [bits] = world.load(Space::Memory32, table + 0x1000);
    bits
}

#[test]
fn a_function_has_its_line_until_it_has_messages_and_again_after() {
    let world = World::new(&[Shape::default(), Shape::default()]);
    let query = |device, number| world.bridge.source_number(address(device), number);
    assert_eq!(query(1, 0), Ok(SourceNumber::Level(FIRST_LINE + 1)));
    assert_eq!(query(1, 1), Err(RtasStatus::NoInterruptAssigned));
    assert_eq!(set(&world, 1, 2), Ok(2));
    assert_eq!(query(1, 0), Ok(SourceNumber::Edge(FIRST_MESSAGE)));
    assert_eq!(query(1, 1), Ok(SourceNumber::Edge(FIRST_MESSAGE + 1)));
    assert_eq!(query(1, 2), Err(RtasStatus::NoInterruptAssigned));
    assert_eq!(world.config(1, 4, 2), INTERRUPT_DISABLE, "the call turns the line off");
    let query_only = world.bridge.change_msi(address(1), Change::Query).unwrap();
    assert_eq!(query_only.count, 2);
    assert_eq!(world.bridge.change_msi(address(1), Change::Default).unwrap().count, 0);
    assert_eq!(query(1, 0), Ok(SourceNumber::Level(FIRST_LINE + 1)));
    assert_eq!(world.config(1, 4, 2), 0);
    for absent in [address(2), address(1) | 4, 1 << 16, 1 << 24] {
        assert_eq!(world.bridge.source_number(absent, 0), Err(RtasStatus::ParameterError));
        assert_eq!(
            world.bridge.change_msi(absent, Change::Query),
            Err(RtasStatus::ParameterError)
        );
    }
}

/// LoPAR, RTAS Call Definition, "ibm,change-msi": -3 for what the function does not support; zero takes messages of any kind away.
#[test]
fn messages_are_msi_x_or_whatever_there_is() {
    let without = Shape {
        vectors: 0,
        ..Shape::default()
    };
    let world = World::new(&[Shape::default(), without]);
    let change = |device, kind, count| {
        let assigned = world.bridge.change_msi(address(device), Change::Set(kind, count));
        assigned.map(|assigned| assigned.count)
    };
    assert_eq!(change(0, MessageKind::Msi, 1), Err(RtasStatus::ParameterError));
    assert_eq!(change(0, MessageKind::Any, 2), Ok(2));
    assert_eq!(change(0, MessageKind::Msi, 1), Err(RtasStatus::ParameterError));
    assert_eq!(
        world.bridge.change_msi(address(0), Change::Query).unwrap().count,
        2,
        "nothing has changed"
    );
    assert_eq!(change(0, MessageKind::Msi, 0), Ok(0));
    assert_eq!(change(1, MessageKind::MsiX, 1), Err(RtasStatus::ParameterError));
    assert_eq!(change(1, MessageKind::Any, 1), Err(RtasStatus::ParameterError));
    assert_eq!(change(1, MessageKind::MsiX, 0), Ok(0));
}

#[test]
fn functions_share_the_sources_that_there_are() {
    let shape = Shape {
        vectors: 5,
        ..Shape::default()
    };
    let world = World::new(&[shape.clone(), shape]);
    assert_eq!(set(&world, 0, 100), Ok(5), "no more than it has vectors");
    assert_eq!(set(&world, 1, 5), Ok(MESSAGES - 5));
    assert_eq!(set(&world, 0, 1), Ok(1));
    assert_eq!(set(&world, 1, 5), Ok(5));
    let source = |device, number| world.bridge.source_number(address(device), number).unwrap();
    let mine = source(0, 0);
    assert!((0..5).all(|number| source(1, number) != mine));
}

/// Linux takes the messages from the table, where the call has put them.
#[test]
fn the_table_holds_a_message_for_each_source() {
    let (world, table) = armed();
    let address: [u8; 8] = world.load(Space::Memory32, table);
    for vector in 0..3 {
        assert_eq!(world.load(Space::Memory32, table + 16 * vector), address);
        let data = u32::from_le_bytes(world.load(Space::Memory32, table + 16 * vector + 8));
        assert_eq!(data, FIRST_MESSAGE + vector as u32);
    }
}

#[test]
fn a_masked_vector_is_pending_until_it_may_go_out() {
    let (world, table) = armed();
    let slot = &world.functions[0].socket.slot;
    slot.signal(1);
    assert_eq!(world.ear.take(), [Edge(FIRST_MESSAGE + 1)]);
    mask(&world, table, 1, true);
    slot.signal(1);
    slot.signal(1);
    slot.signal(2);
    assert_eq!(
        (world.ear.take(), pending(&world, table)),
        (vec![Edge(FIRST_MESSAGE + 2)], 0b010)
    );
    mask(&world, table, 1, false);
    assert_eq!(
        (world.ear.take(), pending(&world, table)),
        (vec![Edge(FIRST_MESSAGE + 1)], 0)
    );
    // All at once.
    world.set_msix(0, ENABLE | FUNCTION_MASK);
    slot.signal(0);
    slot.signal(2);
    assert_eq!((world.ear.take(), pending(&world, table)), (vec![], 0b101));
    world.set_msix(0, ENABLE);
    assert_eq!(world.ear.take(), [Edge(FIRST_MESSAGE), Edge(FIRST_MESSAGE + 2)]);
    // A message is a store: for masters of the bus.
    world.set_config(0, 4, 2, 2);
    slot.signal(0);
    assert_eq!((world.ear.take(), pending(&world, table)), (vec![], 0b001));
    world.set_config(0, 4, 2, 2 | MASTER);
    assert_eq!(world.ear.take(), [Edge(FIRST_MESSAGE)]);
    slot.signal(3);
    slot.signal(u16::MAX);
    world.set_msix(0, 0);
    slot.signal(0);
    assert_eq!((world.ear.take(), slot.has_msix()), (vec![], false));
}

#[test]
fn a_message_that_the_guest_makes_up_goes_nowhere() {
    let (world, table) = armed();
    let slot = &world.functions[0].socket.slot;
    for data in [FIRST_LINE, FIRST_MESSAGE + 3, 0x1000, 0, u32::MAX] {
        world.store(Space::Memory32, table + 8, &data.to_le_bytes());
        slot.signal(0);
        assert_eq!(world.ear.take(), [], "{data:#x}");
    }
    // One of its own it is.
    world.store(Space::Memory32, table + 8, &(FIRST_MESSAGE + 2).to_le_bytes());
    slot.signal(0);
    assert_eq!(world.ear.take(), [Edge(FIRST_MESSAGE + 2)]);
    world.store(Space::Memory32, table, &0x1000_u64.to_le_bytes());
    slot.signal(0);
    assert_eq!(world.ear.take(), []);
}

#[test]
fn the_line_reaches_the_guest_unless_it_is_disabled_or_there_is_msi_x() {
    let world = World::new(&[Shape::default()]);
    let slot = &world.functions[0].socket.slot;
    let status = || world.config(0, 6, 2) >> 3 & 1;
    slot.set_line(true);
    assert_eq!((world.ear.take(), status()), (vec![Level(FIRST_LINE, true)], 1));
    world.set_config(0, 4, 2, INTERRUPT_DISABLE);
    assert_eq!((world.ear.take(), status()), (vec![Level(FIRST_LINE, false)], 1));
    world.set_config(0, 4, 2, 0);
    assert_eq!(world.ear.take(), [Level(FIRST_LINE, true)]);
    world.set_msix(0, ENABLE);
    assert_eq!((world.ear.take(), status()), (vec![Level(FIRST_LINE, false)], 0));
    world.set_msix(0, 0);
    assert_eq!(world.ear.take(), [Level(FIRST_LINE, true)]);
    slot.set_line(false);
    slot.set_line(false);
    assert_eq!((world.ear.take(), status()), (vec![Level(FIRST_LINE, false)], 0));
}

#[test]
fn a_reset_gives_sources_back_and_takes_the_line_down() {
    let (world, _) = armed();
    world.set_msix(0, 0);
    world.set_config(0, 4, 2, 0);
    world.functions[0].socket.slot.set_line(true);
    assert_eq!(world.ear.take(), [Level(FIRST_LINE, true)]);
    world.bridge.reset();
    assert_eq!(world.ear.take(), [Level(FIRST_LINE, false)]);
    assert_eq!(
        world.bridge.source_number(address(0), 0),
        Ok(SourceNumber::Level(FIRST_LINE))
    );
    assert_eq!(set(&world, 0, 3), Ok(3));
    assert_eq!(
        world.bridge.source_number(address(0), 0),
        Ok(SourceNumber::Edge(FIRST_MESSAGE))
    );
}
