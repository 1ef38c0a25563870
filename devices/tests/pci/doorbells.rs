//! Stores that a kernel takes: where doorbells hang, judged by where a store through the bridge's windows ends.

use std::collections::BTreeMap;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::atomic::Ordering;

use devices::bus::Registers as _;
use devices::pci::{SPACES, Space};
use proptest::prelude::*;

use crate::world::{Shape, World};

const MEMORY: u32 = 2;
const IO: u32 = 1;

/// In each of its windows one, and a second in the last.
const DOORBELLS: [(usize, u64); 4] = [(0, 8), (2, 0x40), (4, 0x1000), (4, 0x1004)];

fn shape() -> Shape {
    Shape {
        doorbells: DOORBELLS.to_vec(),
        ..Shape::default()
    }
}

/// The function, BAR and offset that a store of two bytes at real address `real` comes to.
fn store(world: &World, real: u64) -> Option<(usize, usize, u64)> {
    let window = SPACES
        .into_iter()
        .find(|space| space.window().range().contains(&real))?;
    let offset = real - window.window().real;
    world.bridge.window(window).store(offset, &[1, 0]);
    let made = world.functions.iter().enumerate().flat_map(|(device, function)| {
        let made = std::mem::take(&mut *function.made.lock().unwrap());
        made.into_iter().map(move |(bar, offset, _)| (device, bar, offset))
    });
    let made: Vec<_> = made.collect();
    assert!(made.len() <= 1, "{made:?}");
    made.first().copied()
}

/// Where doorbells should hang: for each the places to which its BAR's register leads, as far as a store there comes to it.
fn wanted(world: &World) -> BTreeMap<u64, RawFd> {
    let mut wanted = BTreeMap::new();
    for (device, function) in world.functions.iter().enumerate() {
        for (&(bar, offset), event) in DOORBELLS.iter().zip(&function.events) {
            let register = |number: usize| u64::from(world.config(device as u8, 0x10 + 4 * number as u32, 4));
            let at = match bar {
                0 => register(0) & !3,
                2 => register(2) & !0xf,
                _ => register(5) << 32 | register(4) & !0xf,
            } + offset;
            for space in SPACES {
                let window = space.window();
                if (space == Space::Io) == (bar == 0) && (window.bus..window.bus + window.bytes).contains(&at) {
                    let real = at - window.bus + window.real;
                    if store(world, real) == Some((device, bar, offset)) {
                        wanted.insert(real, event.as_raw_fd());
                    }
                }
            }
        }
    }
    wanted
}

#[test]
fn doorbells_hang_while_their_window_decodes() {
    let world = World::new(&[shape()]);
    assert!(world.kernel.hung().is_empty());
    world.set_config(0, 4, 2, MEMORY);
    let events = &world.functions[0].events;
    let memory: Vec<RawFd> = events[1..].iter().map(AsRawFd::as_raw_fd).collect();
    assert_eq!(world.kernel.hung().into_values().collect::<Vec<_>>(), memory);
    let first = world.kernel.hung();
    world.set_config(0, 0x18, 4, 0x9234_5000);
    let moved = world.kernel.hung();
    assert_eq!(moved.get(&(0x1_0000_9234_5040)), Some(&memory[0]));
    assert_eq!(moved.len(), first.len());
    // Nothing that matters to them.
    world.set_config(0, 4, 2, MEMORY | 4);
    world.set_msix(0, 0x8000);
    assert_eq!(world.kernel.hung(), moved);
    world.set_config(0, 4, 2, MEMORY | IO);
    assert_eq!(world.kernel.hung().len(), 4);
    world.bridge.reset();
    assert!(world.kernel.hung().is_empty());
    world.set_config(0, 4, 2, MEMORY);
    assert_eq!(world.kernel.hung(), first);
}

#[test]
fn a_kernel_that_refuses_is_asked_again_when_something_changes() {
    let world = World::new(&[shape()]);
    world.kernel.refuses.store(true, Ordering::Relaxed);
    world.set_config(0, 4, 2, MEMORY);
    assert!(world.kernel.hung().is_empty());
    assert!(!wanted(&world).is_empty(), "their stores come to the window");
    world.kernel.refuses.store(false, Ordering::Relaxed);
    world.set_config(0, 4, 2, MEMORY | IO);
    assert_eq!(world.kernel.hung(), wanted(&world));
}

/// Nothing else may hang there meanwhile, and nobody loses count of what does.
#[test]
fn one_that_the_kernel_keeps_is_taken_down_when_something_changes() {
    let world = World::new(&[shape()]);
    world.set_config(0, 4, 2, MEMORY);
    let hung = world.kernel.hung();
    world.kernel.keeps.store(true, Ordering::Relaxed);
    world.set_config(0, 4, 2, 0);
    assert_eq!(world.kernel.hung(), hung);
    world.set_config(0, 4, 2, MEMORY);
    assert_eq!(world.kernel.hung(), wanted(&world), "it hangs where it is wanted again");
    world.set_config(0, 4, 2, 0);
    world.kernel.keeps.store(false, Ordering::Relaxed);
    world.set_config(0, 4, 2, IO);
    assert_eq!(world.kernel.hung(), wanted(&world));
}

/// What a guest does to a function.
#[derive(Clone, Debug)]
enum Step {
    Command(u8, u32),
    /// Device, number of the register, what is stored there.
    Bar(u8, u32, u32),
    Reset,
}

/// Addresses that meet each other, and such as no window leads to.
fn step() -> impl Strategy<Value = Step> {
    let device = 0..3_u8;
    let low = prop::sample::select(vec![0x8000_0000, 0x8000_1000, 0x8000_2000, 0xbfff_f000, 0x4000_0000]);
    let io = prop::sample::select(vec![0x1000, 0x1020, 0x1040, 0xffc0, 0x1_0000]);
    let high = prop::sample::select(vec![0, 0x1_0100, 0x2_0000]);
    prop_oneof![
        4 => (device.clone(), 0..8_u32).prop_map(|(device, bits)| Step::Command(device, bits)),
        // The MSI-X table's, which lies over others, is one of them.
        4 => (device.clone(), 1..5_u32, low).prop_map(|(device, number, at)| Step::Bar(device, number, at)),
        1 => (device.clone(), io).prop_map(|(device, at)| Step::Bar(device, 0, at)),
        2 => (device, high).prop_map(|(device, at)| Step::Bar(device, 5, at)),
        1 => Just(Step::Reset),
    ]
}

proptest! {
    #[test]
    fn a_doorbell_hangs_where_a_store_would_come_to_it(steps in prop::collection::vec(step(), 1..40)) {
        let world = World::new(&[shape(), shape(), shape()]);
        for step in steps {
            match step {
                Step::Command(device, bits) => world.set_config(device, 4, 2, bits),
                Step::Bar(device, number, at) => world.set_config(device, 0x10 + 4 * number, 4, at),
                Step::Reset => world.bridge.reset(),
            }
            prop_assert_eq!(world.kernel.hung(), wanted(&world));
        }
    }
}
