//! What no good guest does, at random: nothing panics, and what must hold does.

use devices::pci::{Change, MessageKind, SPACES, Space};
use proptest::prelude::*;

use crate::world::Heard::{Edge, Level};
use crate::world::{FIRST_LINE, FIRST_MESSAGE, MESSAGES, Shape, World, address};

#[derive(Clone, Debug)]
enum Step {
    Load(u32, u32),
    Store(u32, u32, u32),
    /// A register of the header or a capability, of one of the functions.
    StoreNear(u8, u32, u32, u32),
    ChangeMsi(u32, Change),
    ChangeMsiOf(u8, u32),
    Query(u32, u32),
    Window(usize, u64, Vec<u8>, bool),
    /// At or near a BAR, wherever it is now.
    Bar(u8, usize, u64, Vec<u8>, bool),
    Signal(u8, u16),
    Line(u8, bool),
    Reset,
}

fn step() -> impl Strategy<Value = Step> {
    let device = 0_u8..3;
    let size = prop_oneof![Just(1_u32), Just(2), Just(4), any::<u32>()];
    let kind = prop_oneof![Just(MessageKind::Any), Just(MessageKind::Msi), Just(MessageKind::MsiX)];
    let change = prop_oneof![
        Just(Change::Query),
        Just(Change::Default),
        (kind, any::<u32>()).prop_map(|(kind, count)| Change::Set(kind, count)),
    ];
    let bytes = prop_oneof![4 => proptest::collection::vec(any::<u8>(), 1..17), 1 => Just(vec![0; 4])];
    prop_oneof![
        1 => (any::<u32>(), size.clone()).prop_map(|(at, size)| Step::Load(at, size)),
        1 => (any::<u32>(), size.clone(), any::<u32>()).prop_map(|(at, size, value)| Step::Store(at, size, value)),
        6 => (device.clone(), 0_u32..0x60, size, any::<u32>())
            .prop_map(|(device, at, size, value)| Step::StoreNear(device, at, size, value)),
        1 => (any::<u32>(), change).prop_map(|(at, change)| Step::ChangeMsi(at, change)),
        2 => (device.clone(), 0_u32..9).prop_map(|(device, count)| Step::ChangeMsiOf(device, count)),
        1 => (any::<u32>(), any::<u32>()).prop_map(|(at, number)| Step::Query(at, number)),
        1 => (0_usize..3, any::<u64>(), bytes.clone(), any::<bool>())
            .prop_map(|(space, at, bytes, store)| Step::Window(space, at, bytes, store)),
        6 => (device.clone(), 0_usize..6, 0_u64..0x2010, bytes, any::<bool>())
            .prop_map(|(device, bar, at, bytes, store)| Step::Bar(device, bar, at, bytes, store)),
        4 => (device.clone(), 0_u16..6).prop_map(|(device, vector)| Step::Signal(device, vector)),
        2 => (device, any::<bool>()).prop_map(|(device, up)| Step::Line(device, up)),
        1 => Just(Step::Reset),
    ]
}

fn take(world: &World, step: Step) {
    let bridge = &world.bridge;
    match step {
        Step::Load(at, size) => drop(bridge.load_config(at, size)),
        Step::Store(at, size, value) => drop(bridge.store_config(at, size, value)),
        Step::StoreNear(device, at, size, value) => drop(bridge.store_config(address(device) | at, size, value)),
        Step::ChangeMsi(at, change) => drop(bridge.change_msi(at, change)),
        Step::ChangeMsiOf(device, count) => {
            let _ = bridge.change_msi(address(device), Change::Set(MessageKind::MsiX, count));
        }
        Step::Query(at, number) => drop(bridge.source_number(at, number)),
        Step::Window(space, at, bytes, store) => {
            let space = SPACES[space];
            // The machine's bus gives only what lies in the window.
            let at = at % (space.window().bytes - 16);
            access(world, space, space.window().bus + at, &bytes, store);
        }
        Step::Bar(device, bar, offset, bytes, store) => {
            let low = world.config(device, 0x10 + 4 * bar as u32, 4);
            let high = if low & 7 == 4 {
                world.config(device, 0x14 + 4 * bar as u32, 4)
            } else {
                0
            };
            let space = match low & 7 {
                1 | 5 => Space::Io,
                4 => Space::Memory64,
                _ => Space::Memory32,
            };
            let at = (u64::from(high) << 32 | u64::from(low & !0xf)).wrapping_add(offset);
            let window = space.window();
            if at >= window.bus && at - window.bus <= window.bytes - 16 {
                access(world, space, at, &bytes, store);
            }
        }
        Step::Signal(device, vector) => world.functions[usize::from(device)].socket.slot.signal(vector),
        Step::Line(device, up) => world.functions[usize::from(device)].socket.slot.set_line(up),
        Step::Reset => bridge.reset(),
    }
}

fn access(world: &World, space: Space, at: u64, bytes: &[u8], store: bool) {
    if store {
        world.store(space, at, bytes);
    } else {
        let _: [u8; 16] = world.load(space, at);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn nothing_that_a_guest_does_breaks_the_bridge(steps in proptest::collection::vec(step(), 0..200)) {
        let world = World::new(&[Shape::default(), Shape::default(), Shape::default()]);
        let identity = world.config(0, 0, 4);
        let mut lines = [false; 4];
        for step in steps {
            take(&world, step);
            for heard in world.ear.take() {
                match heard {
                    Edge(source) => prop_assert!((FIRST_MESSAGE..FIRST_MESSAGE + MESSAGES).contains(&source)),
                    Level(source, up) => {
                        let line = &mut lines[(source - FIRST_LINE) as usize];
                        prop_assert_ne!(*line, up, "a line moves only when it changes");
                        *line = up;
                    }
                }
            }
            // A source has one owner.
            let numbers = (0..3).flat_map(|device| (0..8).map(move |number| (address(device), number)));
            let all: Vec<_> = numbers.filter_map(|(at, number)| world.bridge.source_number(at, number).ok()).collect();
            prop_assert!(all.iter().enumerate().all(|(n, source)| !all[..n].contains(source)));
            prop_assert_eq!(world.config(0, 0, 4), identity);
            // A line is up if its function says so, and nothing keeps it.
            for device in 0..3 {
                let asks = world.config(device, 6, 2) >> 3 & 1 == 1;
                let disabled = world.config(device, 4, 2) >> 10 & 1 == 1;
                prop_assert_eq!(lines[usize::from(device)], asks && !disabled);
            }
        }
    }
}
