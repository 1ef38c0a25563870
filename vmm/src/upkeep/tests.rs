//! Guests whose memory is taken away under them: `old_mappings` stores through mappings of every size, and the host looks at
//! its memory directly.

mod guest;

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::slice;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use guest_images::programs::old_mappings::{LAST_STORE, PIECE_BYTES, WAYS, WINDOW_BYTES, WINDOWS, places};
use hpt::{Abandoned, Access, Accessor, Endless, Fault, FaultHandler, Giver, Patience, Right, Why};

use super::image::Image;
use super::watch::{MOST_WATCHES, Touches, WatchOrder, Watched};
use super::{FRAME, Kind, Upkeep, UpkeepError, Which};
use crate::accel::{KernelMemory, NotWithheld};
use crate::machine::Machine;
use crate::memory::GuestRam;
use crate::stop::Ending;
use crate::test_machine::{RAM, machine};
use guest::{Guest, STORING, Snapshot, pieces, until};

/// The real addresses of the windows.
const ALL_WINDOWS: std::ops::Range<u64> = WINDOWS..WINDOWS + WAYS as u64 * WINDOW_BYTES;

fn frame_of(real: u64) -> u64 {
    real / FRAME * FRAME
}

/// Every frame whose content has changed from one harvest to the next is in the next, and no frame of the windows that nobody stores to
/// is in any.
#[test]
fn a_harvest_has_the_frames_that_were_stored_to_and_no_others() {
    let guest = Guest::start("pause=2000");
    let upkeep = &guest.machine.upkeep;
    let stored: Vec<u64> = STORING
        .flat_map(|server| places(server).take(15).map(frame_of))
        .collect();
    upkeep.dirty_start().unwrap();
    let mut changes = 0;
    for _ in 0..30 {
        let before = guest.snapshot();
        guest.wait_for_stores(3);
        let after = guest.snapshot();
        let harvest = upkeep.dirty_harvest().unwrap();
        let ranges: Vec<_> = harvest.ranges().collect();
        assert!(ranges.windows(2).all(|two| two[0].end < two[1].start));
        assert_eq!(
            ranges.iter().map(|range| range.end - range.start).sum::<u64>(),
            harvest.pages * FRAME
        );
        let is_listed = |frame: u64| ranges.iter().any(|range| range.contains(&frame));
        for frame in before.differences(&after) {
            changes += 1;
            assert!(is_listed(frame), "{frame:#x} has changed");
        }
        for frame in ALL_WINDOWS.step_by(FRAME as usize).filter(|&frame| is_listed(frame)) {
            assert!(stored.contains(&frame), "{frame:#x} is nobody's");
        }
    }
    assert!(changes > 30);
    upkeep.dirty_stop().unwrap();
    guest.passes();
}

#[test]
fn the_log_is_started_harvested_and_stopped_in_this_order() {
    let guest = Guest::start("");
    let upkeep = &guest.machine.upkeep;
    let conflict = |result: Result<(), UpkeepError>| result.unwrap_err().kind() == Kind::Conflict;
    assert!(conflict(upkeep.dirty_harvest().map(drop)) && conflict(upkeep.dirty_stop()));
    upkeep.dirty_start().unwrap();
    assert!(conflict(upkeep.dirty_start()));
    upkeep.dirty_stop().unwrap();
    assert!(conflict(upkeep.dirty_stop()));
    upkeep.dirty_start().unwrap();
    upkeep.dirty_harvest().unwrap();
    guest.passes();
}

/// Of each processor's numbers none is higher than one before it, and the last not more than one lower than the first.
fn is_one_moment(image: &File) -> bool {
    STORING.into_iter().all(|server| {
        let numbers: Vec<u64> = places(server)
            .take(15)
            .map(|place| guest::number(image, place))
            .collect();
        numbers.is_sorted_by(|before, after| before >= after) && numbers[0] - numbers[14] <= 1 && numbers[0] > 0
    })
}

#[test]
fn a_dump_is_memory_at_one_moment_while_processors_store() {
    let guest = Guest::start("");
    let folder = tempfile::tempdir().unwrap();
    let mut saved_first = 0;
    for n in 0..8 {
        let path = folder.path().join(n.to_string());
        let dumped = guest.machine.upkeep.dump(&path).unwrap();
        saved_first += dumped.saved_first;
        let image = File::open(&path).unwrap();
        let memory = guest.machine.ram.file();
        assert_eq!(image.metadata().unwrap().len(), dumped.bytes);
        assert!(is_one_moment(&image), "dump {n}");
        // What nobody stores to: the program and the device tree are there, and no page is at another's place.
        for frame in (0..WINDOWS).step_by(FRAME as usize) {
            let read = |file: &File| {
                let mut bytes = [0; FRAME as usize];
                file.read_exact_at(&mut bytes, frame).unwrap();
                bytes
            };
            let is_processors_own = (0x40_0000..0x60_0000).contains(&frame);
            assert!(is_processors_own || read(&image) == read(memory), "{frame:#x}");
        }
    }
    assert!(saved_first > 0, "processors stored meanwhile");
    guest.wait_for_stores(1);
    guest.passes();
}

/// What the invariant is worth: a copy made without holding stores up is seldom of one moment.
#[test]
fn a_copy_of_running_memory_is_not_of_one_moment() {
    let guest = Guest::start("");
    until("a copy of many moments", || !is_one_moment(guest.machine.ram.file()));
    guest.passes();
}

#[test]
fn a_dump_that_fails_leaves_no_file_and_the_guest_goes_on() {
    let guest = Guest::start("");
    let upkeep = &guest.machine.upkeep;
    let folder = tempfile::tempdir().unwrap();
    let taken = folder.path().join("taken");
    fs::write(&taken, "mine").unwrap();
    let kind = |path: &Path| upkeep.dump(path).unwrap_err().kind();
    assert_eq!(kind(&taken), Kind::Conflict);
    assert_eq!(kind(&folder.path().join("none/file")), Kind::BadRequest);
    assert_eq!(kind(&folder.path().join("none/")), Kind::BadRequest);
    assert_eq!(kind(Path::new("/")), Kind::Conflict);
    // A device that is full: whatever is written to it.
    let full = File::options().write(true).open("/dev/full").unwrap();
    let image = Image::on(full, Path::new("full"));
    let error = upkeep.dump_to(image, Path::new("full")).unwrap_err();
    assert_eq!(error.kind(), Kind::NoSpace);
    assert!(error.to_string().contains("full: No space left"), "{error}");
    assert!(error.to_string().contains("make room"), "{error}");
    // One that takes everything and cannot be made to keep it: no other path would help.
    let null = File::options().write(true).open("/dev/null").unwrap();
    let error = upkeep
        .dump_to(Image::on(null, Path::new("null")), Path::new("null"))
        .unwrap_err();
    assert_eq!(error.kind(), Kind::NotPossible, "{error}");
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
    assert_eq!(fs::read(&taken).unwrap(), b"mine");
    guest.wait_for_stores(2);
    upkeep.dump(&folder.path().join("good")).unwrap();
    guest.passes();
}

#[test]
fn one_dump_at_a_time_and_no_discard_meanwhile() {
    let guest = Guest::start("");
    let upkeep = &guest.machine.upkeep;
    upkeep.busy().dump = true;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("image");
    assert_eq!(upkeep.dump(&path).unwrap_err().kind(), Kind::Conflict);
    let discarded = upkeep.discard(&[ALL_WINDOWS], Which::Any);
    assert_eq!(discarded.unwrap_err().kind(), Kind::Conflict);
    upkeep.busy().dump = false;
    upkeep.busy().discards = 1;
    assert_eq!(upkeep.dump(&path).unwrap_err().kind(), Kind::Conflict);
    guest.passes();
}

/// The places that rest have a number until they are discarded and never again; and no processor finds what was there before.
#[test]
fn what_is_discarded_is_zero_and_stays_so_unless_somebody_stores_there() {
    let guest = Guest::start("");
    let upkeep = &guest.machine.upkeep;
    let resting: Vec<u64> = STORING.map(|server| places(server).last().unwrap()).collect();
    let memory = guest.machine.ram.file();
    assert!(resting.iter().all(|&place| guest::number(memory, place) == LAST_STORE));
    let discarded = upkeep.discard(&[ALL_WINDOWS], Which::Any).unwrap();
    assert_eq!(discarded.bytes, WAYS as u64 * WINDOW_BYTES);
    for _ in 0..3 {
        assert!(resting.iter().all(|&place| guest::number(memory, place) == 0));
        guest.wait_for_stores(2);
    }
    // Each host thread in its own order, over pages of every size and parts of them.
    thread::scope(|scope| {
        for seed in 1..=2_u64 {
            scope.spawn(move || {
                let mut random = 0x9e37_79b9_7f4a_7c15 ^ seed;
                for _ in 0..300 {
                    random ^= random << 13;
                    random ^= random >> 7;
                    random ^= random << 17;
                    let way = random % WAYS as u64;
                    let first = WINDOWS + way * WINDOW_BYTES + (random >> 8) % 64 * FRAME;
                    let frames = 1 + (random >> 16) % 40;
                    let range = first..first + frames * FRAME;
                    upkeep.discard(slice::from_ref(&range), Which::Any).unwrap();
                }
            });
        }
    });
    guest.wait_for_stores(2);
    guest.passes();
}

/// By whatever mapping, and although others go on.
#[test]
fn memory_does_not_change_while_a_range_is_in_flight() {
    let guest = Guest::start("");
    for way in 0..WAYS {
        for why in [Why::Discard, Why::Protect, Why::Remap] {
            // One processor's; the others go on.
            let range = pieces(1)[way].clone();
            let in_flight = guest
                .machine
                .ram
                .notifier()
                .begin(range.clone(), why, &Endless)
                .unwrap();
            let before = guest.snapshot();
            guest.wait_for_stores_of(2, 20);
            let changed: Vec<u64> = before.differences(&guest.snapshot()).collect();
            assert!(
                !changed.iter().any(|frame| range.contains(frame)),
                "{why:?} {changed:x?}"
            );
            assert!(!changed.is_empty());
            drop(in_flight);
            guest.wait_for_stores(2);
        }
    }
    guest.passes();
}

/// Unmapping changes nothing for the guest.
#[test]
fn what_is_unmapped_is_found_again() {
    let guest = Guest::start("");
    for _ in 0..10 {
        let all = 0..guest.machine.ram.size().bytes();
        let unmapping = guest.machine.upkeep.unmap(slice::from_ref(&all)).unwrap();
        assert!(unmapping.flushes > 0);
        guest.wait_for_stores(1);
    }
    guest.passes();
}

/// Brings memory that is not there yet, as post-copy does.
struct Pager {
    ram: Arc<GuestRam>,
    source: OnceLock<Snapshot>,
    /// Held while a frame is brought.
    bringing: Mutex<()>,
    brought: AtomicU64,
}

impl FaultHandler for Pager {
    fn fault(&self, fault: &Fault, giver: Giver<'_>, _patience: &dyn Patience) -> Result<(), Abandoned> {
        let frame = frame_of(fault.real);
        let _bringing = self.bringing.lock().unwrap();
        if self.ram.frames().right(frame) == Right::Nothing {
            self.ram
                .file()
                .write_all_at(self.source.get().unwrap().frame(frame), frame)
                .unwrap();
            giver.give(frame..frame + FRAME, Right::Store);
            self.brought.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// Everything that the processors use is taken away, and brought back frame by frame by the handler when it is touched.
#[test]
fn memory_that_is_not_there_is_brought_when_it_is_touched() {
    let guest = Guest::start("");
    let ram = &guest.machine.ram;
    let pager = Arc::new(Pager {
        ram: Arc::clone(ram),
        source: OnceLock::new(),
        bringing: Mutex::new(()),
        brought: AtomicU64::new(0),
    });
    let bringing = pager.bringing.lock().unwrap();
    let protection = ram.frames().protect(Some(Arc::clone(&pager) as Arc<_>)).unwrap();
    protection.take(ALL_WINDOWS, Right::Nothing, &Endless).unwrap();
    pager.source.get_or_init(|| guest.snapshot());
    for range in STORING.flat_map(pieces) {
        ram.file()
            .write_all_at(&vec![0xee; PIECE_BYTES as usize], range.start)
            .unwrap();
    }
    drop(bringing);
    guest.wait_for_stores(3);
    let used = STORING.count() as u64 * 16;
    until("all frames that are used", || {
        pager.brought.load(Ordering::Relaxed) == used
    });
    drop(protection);
    guest.passes();
}

/// A watch of `range` until all of it was touched.
fn watch_all(upkeep: &Upkeep, range: std::ops::Range<u64>, watched: Watched) -> Touches {
    let order = WatchOrder {
        ranges: slice::from_ref(&range),
        watched,
        lasts: Duration::from_secs(600),
        most: usize::MAX,
    };
    upkeep.watch(&order, &|| false).unwrap()
}

/// Each processor has its own places, so the host knows who stores where.
#[test]
fn a_watch_tells_which_processor_stores_first_to_each_frame() {
    let guest = Guest::start("");
    let upkeep = &guest.machine.upkeep;
    for server in STORING {
        for place in places(server).take(15) {
            let frame = frame_of(place);
            let touches = watch_all(upkeep, frame..frame + FRAME, Watched::Stores);
            assert_eq!((touches.frames, touches.touched), (1, 1));
            let [seen] = touches.seen[..] else {
                panic!("{:?}", touches.seen)
            };
            assert_eq!((seen.real, seen.access), (place, Access::Store));
            let Accessor::Processor { server: by, .. } = seen.by else {
                panic!("{seen:?}")
            };
            assert_eq!(by as u64, server);
            assert!(seen.after <= touches.took);
        }
    }
    assert_eq!(guest.machine.ram.frames().right(WINDOWS), Right::Store);
    guest.passes();
}

/// Stores are seen where the memory has changed, and nowhere else; each frame once, and the rest is counted.
#[test]
fn what_a_watch_has_not_told_has_not_changed() {
    let guest = Guest::start("");
    let upkeep = &guest.machine.upkeep;
    for (watched, most) in [
        (Watched::Stores, 1000),
        (Watched::Everything, 1000),
        (Watched::Stores, 3),
    ] {
        let before = guest.snapshot();
        let rounds = AtomicBool::new(false);
        let order = WatchOrder {
            ranges: &[ALL_WINDOWS],
            watched,
            lasts: Duration::from_secs(600),
            most,
        };
        let touches = thread::scope(|scope| {
            let watch = scope.spawn(|| upkeep.watch(&order, &|| rounds.load(Ordering::Relaxed)).unwrap());
            until("the watch", || {
                guest.machine.ram.frames().right(WINDOWS) != Right::Store
            });
            guest.wait_for_stores(3);
            rounds.store(true, Ordering::Relaxed);
            watch.join().unwrap()
        });
        assert!(touches.seen.len() <= most && touches.touched < touches.frames);
        let mut frames: Vec<u64> = touches.seen.iter().map(|seen| frame_of(seen.real)).collect();
        if most < 1000 {
            assert_eq!(frames.len(), most, "the others are counted");
            continue;
        }
        frames.sort_unstable();
        assert!(frames.windows(2).all(|two| two[0] < two[1]), "each once");
        let stored: Vec<u64> = STORING
            .flat_map(|server| places(server).take(15).map(frame_of))
            .collect();
        for frame in &stored {
            assert!(frames.contains(frame), "{frame:#x} was stored to");
        }
        let during = guest.snapshot();
        for frame in before.differences(&during) {
            assert!(frames.contains(&frame), "{frame:#x} has changed");
        }
        let only_stores = touches.seen.iter().all(|seen| seen.access == Access::Store);
        assert!(watched == Watched::Everything || only_stores);
        assert!(watched == Watched::Everything || frames.iter().all(|frame| stored.contains(frame)));
    }
    guest.passes();
}

/// A dump copies what it needs whoever watches, and who watches sees what the dump has held up as well.
#[test]
fn a_dump_and_two_watches_of_the_same_frames_do_not_disturb_each_other() {
    let guest = Guest::start("");
    let upkeep = &guest.machine.upkeep;
    let folder = tempfile::tempdir().unwrap();
    let over = AtomicBool::new(false);
    let order = |watched| WatchOrder {
        ranges: &[ALL_WINDOWS],
        watched,
        lasts: Duration::from_secs(600),
        most: 1000,
    };
    thread::scope(|scope| {
        let watches = [Watched::Stores, Watched::Everything].map(|watched| {
            let over = &over;
            scope.spawn(move || upkeep.watch(&order(watched), &|| over.load(Ordering::Relaxed)).unwrap())
        });
        until("both", || upkeep.busy().watches == MOST_WATCHES);
        let third = upkeep.watch(&order(Watched::Stores), &|| false).unwrap_err();
        assert_eq!(third.kind(), Kind::Conflict);
        for n in 0..4 {
            let path = folder.path().join(n.to_string());
            upkeep.dump(&path).unwrap();
            assert!(is_one_moment(&File::open(&path).unwrap()), "dump {n}");
            upkeep.discard(slice::from_ref(&ALL_WINDOWS), Which::Hinted).unwrap();
        }
        guest.wait_for_stores(3);
        over.store(true, Ordering::Relaxed);
        for watch in watches {
            let touches = watch.join().unwrap();
            let stored: Vec<u64> = STORING
                .flat_map(|server| places(server).take(15).map(frame_of))
                .collect();
            let seen = |frame: &u64| touches.seen.iter().any(|seen| frame_of(seen.real) == *frame);
            assert!(stored.iter().all(seen));
        }
    });
    assert_eq!(upkeep.busy().watches, 0);
    guest.passes();
}

#[test]
fn a_store_of_this_program_is_its_own() {
    let machine = machine(1);
    thread::scope(|scope| {
        let watch = scope.spawn(|| watch_all(&machine.upkeep, 0x5000..0x7000, Watched::Everything));
        until("the watch", || machine.ram.frames().right(0x6000) == Right::Nothing);
        assert_eq!(machine.ram.read(0x6008), Some([0; 4]));
        machine.ram.write(0x5ff0, &[1; 32]).unwrap();
        let touches = watch.join().unwrap();
        let seen = touches.seen.iter().map(|seen| (seen.real, seen.access, seen.by));
        let expected = [(0x6008, Access::Load), (0x5ff0, Access::Store)];
        assert!(seen.eq(expected.map(|(real, access)| (real, access, Accessor::Program))));
    });
}

#[test]
fn a_kernel_keeps_its_processors_from_what_is_watched_and_from_nothing_afterwards() {
    let machine = machine(1);
    let kernel = Arc::new(Kernel::default());
    let upkeep = upkeep_with(&machine, &kernel);
    let withheld = || kernel.withheld.lock().unwrap().clone();
    thread::scope(|scope| {
        let watch = scope.spawn(|| watch_all(&upkeep, 0x5000..0x6000, Watched::Everything));
        until("the watch", || withheld() == slice::from_ref(&(0x5000..0x6000)));
        assert_eq!(machine.ram.frames().right(0x5000), Right::Nothing);
        machine.ram.write(0x5000, &[1]).unwrap();
        assert_eq!(watch.join().unwrap().touched, 1);
    });
    assert_eq!(withheld(), []);
    kernel.fails.store(true, Ordering::Relaxed);
    let order = WatchOrder {
        ranges: slice::from_ref(&(0..FRAME)),
        watched: Watched::Everything,
        lasts: Duration::from_secs(600),
        most: 1,
    };
    let error = upkeep.watch(&order, &|| false).unwrap_err();
    assert!(
        error.kind() == Kind::NotPossible && error.to_string().contains("3 pages of the host"),
        "{error}"
    );
    assert_eq!((withheld(), machine.ram.frames().right(0)), (vec![], Right::Store));
}

#[test]
fn nobody_watches_the_stores_alone_of_what_a_kernel_runs() {
    let machine = machine(1);
    let upkeep = upkeep_with(&machine, &Arc::default());
    let order = WatchOrder {
        ranges: slice::from_ref(&(0..FRAME)),
        watched: Watched::Stores,
        lasts: Duration::from_secs(600),
        most: 1,
    };
    let error = upkeep.watch(&order, &|| false).unwrap_err();
    assert!(error.kind() == Kind::NotPossible && error.to_string().contains("--accel emulated"));
}

/// At whatever moment: each answers, nothing hangs, no file is left.
#[test]
fn the_end_of_the_run_ends_all_of_it() {
    for delay in 0..10 {
        let guest = Guest::start("");
        let (upkeep, folder) = (&guest.machine.upkeep, tempfile::tempdir().unwrap());
        let path = folder.path().join("image");
        upkeep.dirty_start().unwrap();
        let discard = || upkeep.discard(&[ALL_WINDOWS], Which::Any).map(drop);
        let harvest = || upkeep.dirty_harvest().map(drop);
        let dump = || upkeep.dump(&path).map(|_| fs::remove_file(&path).unwrap());
        let unmap = || upkeep.unmap(&[ALL_WINDOWS]).map(drop);
        let order = WatchOrder {
            ranges: &[ALL_WINDOWS],
            watched: Watched::Everything,
            lasts: Duration::from_secs(600),
            most: 3,
        };
        let watch = || upkeep.watch(&order, &|| false).map(drop);
        let works: [&(dyn Fn() -> Result<(), UpkeepError> + Sync); 5] = [&discard, &harvest, &dump, &unmap, &watch];
        thread::scope(|scope| {
            for work in works {
                let stop = &guest.machine.stop;
                scope.spawn(move || {
                    while !stop.is_requested() {
                        if let Err(error) = work() {
                            assert!(matches!(error.kind(), Kind::Gone | Kind::Conflict), "{error}");
                        }
                    }
                });
            }
            guest.wait_for_stores(1 + delay % 5);
            guest.machine.stop.request(Ending::Quit);
        });
        let gone = |result: Result<(), UpkeepError>| result.unwrap_err().kind() == Kind::Gone;
        assert!(gone(upkeep.discard(&[ALL_WINDOWS], Which::Any).map(drop)));
        assert!(gone(upkeep.dump(&path).map(drop)));
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
        assert_eq!(guest.end(), 0, "all processors come home");
    }
}

/// However often a request names it: 2000 times all of memory is that once.
#[test]
fn what_is_named_several_times_is_discarded_once() {
    let machine = machine(1);
    let page = rustix::param::page_size() as u64;
    let there = 0x10_0000..0x10_0000 + 4 * page;
    machine.ram.write(there.start, &vec![7; 4 * page as usize]).unwrap();
    let discard = |ranges: &[std::ops::Range<u64>]| machine.upkeep.discard(ranges, Which::Any).unwrap();
    let again = [
        there.clone(),
        there.start + page..there.end + page,
        there.start - page..there.start,
    ];
    let discarded = discard(&again);
    assert_eq!(discarded.bytes, 6 * page);
    assert_eq!(discarded.returned, 4 * page, "the host had given memory for these only");
    let all = vec![0..RAM; 2000];
    assert_eq!(discard(&all).bytes, RAM);
    assert_eq!(discard(&all).returned, 0);
    machine.stop.request(Ending::Quit);
    for which in [Which::Any, Which::Hinted] {
        let error = machine.upkeep.discard(&all, which).unwrap_err();
        assert_eq!(error.kind(), Kind::Gone);
    }
}

#[test]
fn the_time_that_processors_take_to_let_go_is_counted() {
    let machine = machine(1);
    let notifier = machine.ram.notifier();
    let lease = notifier.lease(&(0x5000..0x6000));
    let page = 0x5000..0x6000;
    thread::scope(|scope| {
        let discard = scope.spawn(|| machine.upkeep.discard(slice::from_ref(&page), Which::Any).unwrap());
        until("its announcement", || notifier.is_in_flight(0x5000));
        let since = Instant::now();
        thread::sleep(Duration::from_millis(5));
        let withheld = since.elapsed();
        drop(lease);
        assert!(discard.join().unwrap().longest >= withheld);
    });
}

/// A kernel that walks the table, and does not always do what it is asked for.
#[derive(Default)]
struct Kernel {
    fails: AtomicBool,
    /// What processors are kept from.
    withheld: Mutex<Vec<std::ops::Range<u64>>>,
}

impl KernelMemory for Kernel {
    fn unmap(&self, _range: &std::ops::Range<u64>) {}

    fn log_stores(&self, _on: bool) -> io::Result<()> {
        Ok(())
    }

    fn stored(&self) -> io::Result<Vec<u64>> {
        if self.fails.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        Ok(vec![0; (RAM / rustix::param::page_size() as u64).div_ceil(64) as usize])
    }

    fn withhold(&self, ranges: &[std::ops::Range<u64>]) -> Result<(), NotWithheld> {
        self.withheld.lock().unwrap().extend_from_slice(ranges);
        match self.fails.load(Ordering::Relaxed) {
            true => Err(NotWithheld::TooMany { wanted: 3, most: 2 }),
            false => Ok(()),
        }
    }

    fn settle(&self, ranges: &[std::ops::Range<u64>]) -> io::Result<()> {
        self.withheld.lock().unwrap().retain(|range| !ranges.contains(range));
        Ok(())
    }
}

/// The upkeep of `machine`, as if `kernel` ran it.
fn upkeep_with(machine: &Machine, kernel: &Arc<Kernel>) -> Upkeep {
    let kernel = Arc::clone(kernel) as Arc<dyn KernelMemory>;
    Upkeep::new(&machine.ram, &machine.hpt, &machine.pause, &machine.stop, Some(kernel))
}

#[test]
fn what_this_program_stored_is_not_lost_with_the_kernels_log() {
    let machine = machine(1);
    let kernel = Arc::new(Kernel::default());
    let upkeep = upkeep_with(&machine, &kernel);
    upkeep.dirty_start().unwrap();
    let page = rustix::param::page_size() as u64;
    for at in [3, 4, 9] {
        machine.ram.write(at * page, &[1; 8]).unwrap();
    }
    kernel.fails.store(true, Ordering::Relaxed);
    for _ in 0..2 {
        assert_eq!(upkeep.dirty_harvest().unwrap_err().kind(), Kind::NotPossible);
    }
    kernel.fails.store(false, Ordering::Relaxed);
    let harvest = upkeep.dirty_harvest().unwrap();
    assert_eq!(
        harvest.ranges().collect::<Vec<_>>(),
        [3 * page..5 * page, 9 * page..10 * page]
    );
    assert_eq!(upkeep.dirty_harvest().unwrap().pages, 0);
}

#[test]
fn a_kernels_guest_is_dumped_while_it_is_paused() {
    let machine = machine(1);
    let upkeep = upkeep_with(&machine, &Arc::default());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("image");
    machine.ram.write(0x5000, &[7; 16]).unwrap();
    let error = upkeep.dump(&path).unwrap_err();
    assert!(error.kind() == Kind::NotPossible && error.to_string().contains("pause the run first"));
    machine.pause(Duration::from_secs(60)).unwrap();
    let dumped = upkeep.dump(&path).unwrap();
    assert_eq!((dumped.bytes, dumped.saved_first), (RAM, 0));
    assert_eq!(dumped.paused, dumped.took, "nobody stored meanwhile");
    let mut bytes = [0; 16];
    File::open(&path).unwrap().read_exact_at(&mut bytes, 0x5000).unwrap();
    assert_eq!(bytes, [7; 16]);
    machine.resume().unwrap();
}

#[test]
fn a_range_that_is_not_whole_pages_of_memory_is_a_bad_request() {
    let guest = Guest::start("");
    let upkeep = &guest.machine.upkeep;
    let end = guest.machine.ram.size().bytes();
    let before = guest::number(guest.machine.ram.file(), places(1).last().unwrap());
    for (wrong, says) in [
        (0x1000..0x1000, "a range begins before it ends"),
        (0x1001..0x3000, "whole pages of 4096 bytes"),
        (0x1000..0x3001, "whole pages of 4096 bytes"),
        (0..end + FRAME, "memory ends at 0x8000000"),
        (0..u64::MAX - 4095, "memory ends at 0x8000000"),
    ] {
        let ranges = [ALL_WINDOWS, wrong];
        for result in [
            upkeep.discard(&ranges, Which::Any).map(drop),
            upkeep.unmap(&ranges).map(drop),
        ] {
            let error = result.unwrap_err();
            assert_eq!(error.kind(), Kind::BadRequest);
            assert!(error.to_string().contains(says), "{error}");
        }
    }
    assert_eq!(
        guest::number(guest.machine.ram.file(), places(1).last().unwrap()),
        before,
        "nothing was done"
    );
    guest.passes();
}
