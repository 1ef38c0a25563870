//! Guest memory as devices have it: copies that keep to what may be done to memory as processors do ([`GuestRam`]), and stand still while
//! the run is paused.
//!
//! A bus address is a real address here. What translates lies above, in the bridge.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use devices::dma::{BadAddress, Dma, DmaError, Epoch};

use crate::memory::{By, GuestRam, NotCopied};
use crate::pause::{LANES, Pause};

/// Bytes that are copied at once: so long may a pause, or whoever takes memory away, have to wait.
const PIECE: usize = 64 << 10;

/// Numbers the threads that copy.
static THREADS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// Each thread has a lane, so that devices do not meet in one.
    static LANE: usize = THREADS.fetch_add(1, Ordering::Relaxed) % LANES;
}

/// Guest memory by real address, for all devices, until the machine is started anew.
pub(crate) struct GuestDma {
    ram: Arc<GuestRam>,
    pause: Arc<Pause>,
    epoch: Epoch,
}

/// Does `work`, which changes memory of the guest of `epoch`, while the run is not paused; `None`: it is over,
/// or another guest is there, and nothing was done.
pub(crate) fn while_running<T>(pause: &Pause, epoch: Epoch, work: impl FnOnce() -> T) -> Option<T> {
    loop {
        if let Some(_copying) = pause.copy(LANE.with(|lane| *lane)) {
            return (Epoch(pause.resets()) == epoch).then(work);
        }
        if pause.wait() {
            return None;
        }
    }
}

impl GuestDma {
    /// That of `ram` and of the guest that is in it, which stands still in `pause`.
    pub(crate) fn new(ram: &Arc<GuestRam>, pause: &Arc<Pause>) -> Self {
        let (ram, pause) = (Arc::clone(ram), Arc::clone(pause));
        let epoch = Epoch(pause.resets());
        Self { ram, pause, epoch }
    }

    fn check(&self, at: u64, bytes: usize) -> Result<(), BadAddress> {
        let bytes = bytes as u64;
        self.ram
            .contains(at, bytes)
            .then_some(())
            .ok_or(BadAddress { at, bytes })
    }

    fn by(&self) -> By<'_> {
        By::Device(&self.pause, LANE.with(|lane| *lane), self.epoch)
    }

    /// Why the `bytes` bytes at `at` were not copied.
    fn error(error: NotCopied, at: u64, bytes: usize) -> DmaError {
        let bytes = bytes as u64;
        match error {
            NotCopied::NoRam => BadAddress { at, bytes }.into(),
            NotCopied::Over => DmaError::Over,
        }
    }
}

impl Dma for GuestDma {
    fn read(&self, at: u64, into: &mut [u8]) -> Result<(), DmaError> {
        self.check(at, into.len())?;
        for (piece, at) in into.chunks_mut(PIECE).zip((at..).step_by(PIECE)) {
            let copied = self.ram.copy_out(at, piece, self.by());
            copied.map_err(|error| Self::error(error, at, piece.len()))?;
        }
        Ok(())
    }

    fn write(&self, at: u64, from: &[u8]) -> Result<(), DmaError> {
        self.check(at, from.len())?;
        for (piece, at) in from.chunks(PIECE).zip((at..).step_by(PIECE)) {
            let copied = self.ram.copy_in(at, piece, self.by());
            copied.map_err(|error| Self::error(error, at, piece.len()))?;
        }
        Ok(())
    }

    fn for_life(&self) -> Option<Arc<dyn Dma>> {
        Some(Arc::new(Self::new(&self.ram, &self.pause)))
    }

    fn epoch(&self) -> Epoch {
        self.epoch
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::unix::fs::FileExt as _;
    use std::sync::atomic::AtomicBool;
    use std::thread;
    use std::time::{Duration, Instant};

    use hpt::Why;

    use super::*;
    use crate::machine::Machine;
    use crate::test_machine::{RAM, machine};
    use crate::upkeep::Which;

    const PATIENCE: Duration = Duration::from_secs(60);

    fn dma(machine: &Machine) -> GuestDma {
        GuestDma::new(&machine.ram, &machine.pause)
    }

    fn number(memory: &File, place: u64) -> u64 {
        let mut bytes = [0; 8];
        memory.read_exact_at(&mut bytes, place).unwrap();
        u64::from_be_bytes(bytes)
    }

    #[test]
    fn what_is_no_memory_is_refused_whole() {
        let machine = machine(1);
        let dma = dma(&machine);
        for (at, bytes) in [(RAM, 1), (RAM - 4, 8), (u64::MAX, 1), (RAM - 0x1_0000, 0x2_0000)] {
            assert_eq!(
                dma.write(at, &vec![7; bytes]),
                Err(BadAddress {
                    at,
                    bytes: bytes as u64
                }
                .into())
            );
            assert!(dma.read(at, &mut vec![0; bytes]).is_err());
        }
        assert_eq!(machine.ram.read(RAM - 4), Some([0; 4]));
        dma.write(RAM, &[]).unwrap();
    }

    #[test]
    fn what_is_written_anywhere_is_read_back() {
        let machine = machine(1);
        let dma = dma(&machine);
        let bytes: Vec<u8> = (0..300_000_u32).map(|n| (n / 3) as u8).collect();
        for (at, count) in [0_u64, 1, 2, 3, 4, 5, 6, 7]
            .into_iter()
            .zip([0, 1, 2, 3, 7, 8, 15, 16].into_iter().cycle())
        {
            for count in [count, count + 1, 17, 300_000] {
                dma.write(0x1000 + at, &bytes[..count]).unwrap();
                let mut read = vec![0; count];
                dma.read(0x1000 + at, &mut read).unwrap();
                assert!(read == bytes[..count], "{count} bytes at {at}");
                // As others see it.
                machine.ram.file().read_exact_at(&mut read, 0x1000 + at).unwrap();
                assert!(read == bytes[..count], "{count} bytes at {at}");
            }
        }
    }

    /// Whatever the alignment of the device's own buffers: a torn index would name buffers that are not there.
    #[test]
    fn aligned_words_are_never_torn() {
        let machine = machine(1);
        let dma = dma(&machine);
        let is_done = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut buffer = [0_u8; 16];
                for n in 0..200_000_u32 {
                    buffer[1..9].fill(n as u8);
                    for (at, bytes) in [(0x1002, 2), (0x1014, 4), (0x1028, 8)] {
                        dma.write(at, &buffer[1..1 + bytes]).unwrap();
                    }
                }
                is_done.store(true, Ordering::Relaxed);
            });
            let mut buffer = [0_u8; 16];
            while !is_done.load(Ordering::Relaxed) {
                for (at, bytes) in [(0x1002, 2), (0x1014, 4), (0x1028, 8)] {
                    let read = &mut buffer[3..3 + bytes];
                    dma.read(at, read).unwrap();
                    assert!(read.iter().all(|byte| *byte == read[0]), "{read:x?}");
                }
            }
        });
    }

    #[test]
    fn the_dirty_log_has_what_a_device_has_written() {
        let machine = machine(1);
        let dma = dma(&machine);
        machine.upkeep.dirty_start().unwrap();
        machine.upkeep.dirty_harvest().unwrap();
        dma.write(0x2fff, &[1, 2]).unwrap();
        dma.write(0x9000, &[0; 0x1_0001]).unwrap();
        dma.read(0x6000, &mut [0; 8]).unwrap();
        let harvest = machine.upkeep.dirty_harvest().unwrap();
        assert_eq!(harvest.ranges().collect::<Vec<_>>(), [0x2000..0x4000, 0x9000..0x1_a000]);
        machine.upkeep.dirty_stop().unwrap();
    }

    /// A device counts in one frame, then in another one far away: at every moment the first is as far as the second, or one further.
    #[test]
    fn a_dump_has_what_devices_have_written_at_one_moment() {
        const PLACES: [u64; 2] = [0xf0_1000, 0x1000];
        let machine = machine(1);
        let dma = dma(&machine);
        let is_done = AtomicBool::new(false);
        let folder = tempfile::tempdir().unwrap();
        thread::scope(|scope| {
            scope.spawn(|| {
                for n in 1_u64.. {
                    if is_done.load(Ordering::Relaxed) {
                        break;
                    }
                    PLACES
                        .iter()
                        .for_each(|place| dma.write(*place, &n.to_be_bytes()).unwrap());
                }
            });
            for dump in 0..20 {
                let path = folder.path().join(dump.to_string());
                machine.upkeep.dump(&path).unwrap();
                let image = File::open(&path).unwrap();
                let [first, second] = PLACES.map(|place| number(&image, place));
                assert!(first - second <= 1, "{first} {second}");
            }
            is_done.store(true, Ordering::Relaxed);
        });
    }

    #[test]
    fn what_is_discarded_is_zero_until_a_device_writes_there() {
        let machine = machine(1);
        let dma = dma(&machine);
        dma.write(0x3000, &[7; 0x1000]).unwrap();
        let range = machine
            .ram
            .notifier()
            .begin(0x3000..0x4000, Why::Discard, &hpt::Endless)
            .unwrap();
        thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let mut read = [0; 4];
                dma.read(0x3ffe, &mut read).unwrap();
                read
            });
            machine.ram.file().write_all_at(&[5; 0x1000], 0x3000).unwrap();
            drop(range);
            assert_eq!(reader.join().unwrap(), [5, 5, 0, 0]);
        });
        machine
            .upkeep
            .discard(std::slice::from_ref(&(0x3000..0x4000)), Which::Any)
            .unwrap();
        let mut read = [1; 4];
        dma.read(0x3000, &mut read).unwrap();
        assert_eq!(read, [0; 4]);
        dma.write(0x3000, &[7]).unwrap();
        assert_eq!(machine.ram.read(0x3000), Some([7, 0]));
    }

    /// Two devices write all the time; whoever has the run paused sees nothing change.
    #[test]
    fn memory_does_not_change_while_the_run_is_paused() {
        let machine = machine(2);
        let dma = dma(&machine);
        let is_done = AtomicBool::new(false);
        let written = || {
            let mut bytes = vec![0; 0x4_0000];
            machine.ram.file().read_exact_at(&mut bytes, 0x10_0000).unwrap();
            bytes
        };
        thread::scope(|scope| {
            for device in 0..2_u64 {
                let (dma, is_done) = (&dma, &is_done);
                scope.spawn(move || {
                    for n in 0_u64.. {
                        if is_done.load(Ordering::Relaxed) {
                            break;
                        }
                        dma.write(0x10_0000 + 0x2_0000 * device, &vec![n as u8; 0x2_0000])
                            .unwrap();
                    }
                });
            }
            let (mut rounds, mut changes) = (0, 0);
            // On a busy host a device may be left waiting from one pause to the next.
            let patience = Instant::now() + PATIENCE;
            while rounds < 100 || changes == 0 && Instant::now() < patience {
                rounds += 1;
                let before = written();
                machine.pause(PATIENCE).unwrap();
                let seen = written();
                thread::yield_now();
                assert!(written() == seen, "it stands still");
                machine.resume().unwrap();
                changes += usize::from(before != seen);
            }
            assert!(changes > 0, "it goes on between");
            is_done.store(true, Ordering::Relaxed);
        });
    }

    #[test]
    fn at_the_end_of_the_run_nobody_waits_and_nothing_is_copied() {
        let machine = machine(1);
        let dma = dma(&machine);
        dma.write(0x1000, &[7; 8]).unwrap();
        machine.pause(PATIENCE).unwrap();
        thread::scope(|scope| {
            let devices = [0, 1].map(|_| {
                scope.spawn(|| {
                    let written = dma.write(0x1000, &[9; 8]);
                    (written, dma.read(0x1000, &mut [1; 8]))
                })
            });
            machine.pause.end();
            assert_eq!(
                devices.map(|device| device.join().unwrap()),
                [(Err(DmaError::Over), Err(DmaError::Over)); 2]
            );
        });
        assert_eq!(machine.ram.read(0x1000), Some([7; 8]));
    }

    /// Whatever a device began before the reset, and however late it goes on.
    #[test]
    fn memory_of_a_guest_that_is_gone_is_nobodys() {
        let machine = machine(1);
        let old = dma(&machine).for_life().unwrap();
        old.write(0x1000, &[7; 8]).unwrap();
        let entry = crate::boot::Entry {
            pc: 0x100,
            device_tree: 0x1000,
        };
        machine.reset(|| Ok(entry)).unwrap();
        machine.ram.write(0x1000, &[5; 8]).unwrap();
        let mut read = [1; 8];
        assert_eq!(old.read(0x1000, &mut read), Err(DmaError::Over));
        assert_eq!(old.write(0x1000, &[9; 0x2_0000]), Err(DmaError::Over));
        assert_eq!((machine.ram.read(0x1000), read), (Some([5; 8]), [1; 8]));
        let new = old.for_life().unwrap();
        assert_ne!(new.epoch(), old.epoch());
        new.read(0x1000, &mut read).unwrap();
        assert_eq!(read, [5; 8]);
    }
}
