//! Configuration space, BARs that move, memory for functions.

use devices::dma::BadAddress;
use devices::pci::{PlugError, Space, Tce};
use power::hcall::Status;
use power::rtas::RtasStatus;

use crate::world::{Shape, World, address, bar};

const MEMORY: u32 = 2;
const IO: u32 = 1;
const MASTER: u32 = 4;

#[test]
fn a_function_has_windows_where_the_tree_says() {
    let world = World::new(&[Shape::default(), Shape::default()]);
    for device in 0..2 {
        world.set_config(device, 4, 2, MEMORY | IO);
        for place in world.plugged(device).places {
            let low = world.config(device, 0x10 + 4 * place.bar as u32, 4);
            assert_eq!(u64::from(low & !0xf), place.at & 0xffff_fff0, "BAR {}", place.bar);
            let offset = place.bytes - 4;
            if place.bar == 1 {
                // The MSI-X table, in the first register that was free: masked entries, and nothing pending.
                assert_eq!(world.load(place.space, place.at + 12), [1, 0, 0, 0]);
                assert_eq!(world.load(place.space, place.at + offset), [0; 4]);
                continue;
            }
            let bytes = [device, place.bar as u8, 3, 4];
            world.store(place.space, place.at + offset, &bytes);
            assert_eq!(world.load(place.space, place.at + offset), bytes);
        }
    }
}

#[test]
fn a_window_that_is_moved_answers_at_its_new_place_alone() {
    let world = World::new(&[Shape::default()]);
    world.set_config(0, 4, 2, MEMORY);
    let old = u64::from(world.config(0, 0x18, 4));
    world.store(Space::Memory32, old, &[1, 2, 3, 4]);
    world.set_config(0, 0x18, 4, 0x9234_5678);
    assert_eq!(world.config(0, 0x18, 4), 0x9234_5000);
    assert_eq!(world.load(Space::Memory32, old), [0xff; 4]);
    assert_eq!(world.load(Space::Memory32, 0x9234_5000), [1, 2, 3, 4]);
    world.set_config(0, 4, 2, IO);
    assert_eq!(world.load(Space::Memory32, 0x9234_5000), [0xff; 4]);
    // A wide one decodes in the other window as well.
    world.set_config(0, 4, 2, MEMORY);
    world.store(Space::Memory64, Space::Memory64.window().bus, &[5, 6]);
    world.set_config(0, 0x24, 4, 0);
    world.set_config(0, 0x20, 4, 0xa000_0000);
    assert_eq!(world.load(Space::Memory32, 0xa000_0000), [5, 6]);
}

#[test]
fn an_access_reaches_a_function_in_aligned_pieces() {
    let world = World::new(&[Shape::default()]);
    world.set_config(0, 4, 2, MEMORY);
    let at = u64::from(world.config(0, 0x18, 4));
    let bytes: Vec<u8> = (0..16).collect();
    world.store(Space::Memory32, at + 0x103, &bytes);
    let pieces = [(0x103, 1), (0x104, 4), (0x108, 8), (0x110, 2), (0x112, 1)];
    let made: Vec<_> = world.functions[0].made.lock().unwrap().drain(..).collect();
    assert_eq!(made, pieces.map(|(offset, length)| (2, offset, length)));
    assert_eq!(world.load::<16>(Space::Memory32, at + 0x103)[..], bytes);
    assert_eq!(
        world.load(Space::Memory32, at + 0xffe),
        [0xff; 4],
        "not all of it is there"
    );
}

/// LoPAR, RTAS Call Definition, R1-[ibm,read-pci-config]-2 to -5.
#[test]
fn where_no_function_is_all_ones_are_read_and_stores_are_ignored() {
    let world = World::new(&[Shape::default()]);
    let absent = [
        address(1),
        address(31),
        1 << 16,
        0xff << 16,
        1 << 8,
        7 << 8,
        0x1000_0000 | address(1),
    ];
    for address in absent {
        for (size, ones) in [(1, 0xff), (2, 0xffff), (4, 0xffff_ffff)] {
            assert_eq!(world.bridge.load_config(address, size), Ok(ones), "{address:#x}");
            assert_eq!(world.bridge.store_config(address, size, 0), Ok(()));
        }
    }
    let wrong = [
        (0, 3),
        (0, 0),
        (0, 8),
        (1, 2),
        (2, 4),
        (1 << 24, 4),
        (0x0800_0000, 1),
        (0x1000_0000, 4),
    ];
    for (address, size) in wrong {
        assert_eq!(
            world.bridge.load_config(address, size),
            Err(RtasStatus::ParameterError),
            "{address:#x}"
        );
        assert_eq!(
            world.bridge.store_config(address, size, 0),
            Err(RtasStatus::ParameterError)
        );
    }
}

#[test]
fn a_capability_may_be_more_than_constants() {
    let world = World::new(&[Shape::default()]);
    let at = world.capability(0, 0x09).unwrap();
    world.set_config(0, at + 4, 4, 0x1122_3344);
    assert_eq!(world.config(0, at, 4) >> 16, 0x5555);
    assert_eq!(world.config(0, at + 4, 4), 0x1122_3344);
}

#[test]
fn a_function_has_memory_while_it_is_a_master_of_the_bus() {
    let world = World::new(&[Shape::default()]);
    let socket = &world.functions[0].socket;
    let bad = |at, bytes| Err(BadAddress { at, bytes }.into());
    assert_eq!(socket.direct.write(0x2000, &[1; 4]), bad(0x2000, 4));
    world.set_config(0, 4, 2, MASTER);
    socket.direct.write(0x2000, &[1; 4]).unwrap();
    assert_eq!(socket.translated.read(0x1_2000, &mut [0; 4]), bad(0x1_2000, 4));
    let put = |tce| {
        world
            .bridge
            .tces()
            .put(0x1_2000, Tce::from_raw(tce), |page| page < 0x1_0000)
    };
    assert_eq!(put(0x2001), Status::Success);
    let mut into = [0; 4];
    socket.translated.read(0x1_2000, &mut into).unwrap();
    assert_eq!(into, [1; 4]);
    assert_eq!(
        socket.translated.write(0x1_2000, &[2; 4]),
        bad(0x1_2000, 4),
        "it may only read"
    );
    assert_eq!(put(0x2002), Status::Success);
    socket.translated.write(0x1_2000, &[2; 4]).unwrap();
    world.set_config(0, 4, 2, 0);
    assert_eq!(socket.translated.write(0x1_2000, &[2; 4]), bad(0x1_2000, 4));
}

#[test]
fn after_a_reset_all_is_as_at_the_start() {
    let world = World::new(&[Shape::default()]);
    let all = || -> Vec<u32> { (0..64).map(|n| world.config(0, 4 * n, 4)).collect() };
    let start = all();
    world.set_config(0, 4, 2, 0xffff);
    world.set_config(0, 0x18, 4, 0x9000_0000);
    world.set_msix(0, 0x8000);
    assert_eq!(
        world.bridge.tces().put(0, Tce::from_raw(0x1003), |_| true),
        Status::Success
    );
    assert_ne!(all(), start);
    world.bridge.reset();
    assert_eq!(all(), start);
    assert_eq!(world.load(Space::Memory32, 0x9000_0000), [0xff; 4]);
    assert_eq!(world.bridge.tces().get(0), Ok(Tce::from_raw(0)));
    assert_eq!(*world.functions[0].resets.lock().unwrap(), 1);
}

#[test]
fn what_does_not_fit_is_not_plugged_in() {
    let mut world = World::new(&[]);
    let shape = |bars: &[_], vectors| Shape {
        bars: bars.to_vec(),
        vectors,
        capabilities: Vec::new(),
        doorbells: Vec::new(),
    };
    let mut refused = |shape| matches!(world.plug(shape), Err(PlugError::Function(_)));
    assert!(refused(shape(&[bar(6, Space::Memory32, 0x1000)], 0)));
    assert!(refused(shape(&[bar(5, Space::Memory64, 0x1000)], 0)));
    assert!(refused(shape(
        &[bar(2, Space::Memory64, 0x1000), bar(3, Space::Memory32, 0x1000)],
        0
    )));
    assert!(refused(shape(&[bar(0, Space::Memory32, 0x800)], 0)));
    assert!(refused(shape(&[bar(0, Space::Memory32, 0x1800)], 0)));
    assert!(refused(shape(&[bar(0, Space::Io, 512)], 0)));
    assert!(refused(shape(&[], 2049)));
    let full: Vec<_> = (0..6).map(|number| bar(number, Space::Memory32, 0x1000)).collect();
    assert!(refused(shape(&full, 1)));
    assert!(refused(Shape {
        capabilities: vec![vec![0; 250]],
        ..Shape::default()
    }));
    let huge = shape(&[bar(0, Space::Memory32, 512 << 20)], 0);
    assert_eq!(world.plug(huge.clone()), Ok(0));
    assert_eq!(world.plug(huge.clone()), Ok(1));
    assert_eq!(world.plug(huge), Err(PlugError::WindowFull { bytes: 512 << 20 }));
    for device in 2..32 {
        assert_eq!(world.plug(shape(&[], 0)), Ok(device));
    }
    assert_eq!(world.plug(shape(&[], 0)), Err(PlugError::BusFull));
}
