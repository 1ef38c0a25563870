//! Where things lie in guest memory at the start:
//!
//! ```text
//!     0 or a given base        kernel, as its ELF file says
//!     top down from low memory RTAS stub, device tree
//!     above low memory, or below them if it does not fit there: initial RAM disk
//! ```
//!
//! Low memory is what the guest reaches with translation off before it knows more, and what RTAS may be called in. The RAM disk lies
//! directly above it, not at the top of memory, where a Linux that is told to use less (`mem=`) would not find it.

use std::ops::Range;

use crate::size::Size;

/// The guest's real mode area ends here at the latest (before ISA 3.0 Linux assumes 1 GiB), and RTAS is
/// entered in 32-bit mode.
const LOW_MEMORY: u64 = 1 << 30;

/// The guest reserves whole pages around each object, of 64 KiB at most.
const ALIGNMENT: u64 = 64 << 10;

/// What shares guest memory with the kernel.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Contents {
    /// Bytes of the RTAS stub.
    pub(crate) rtas: u64,
    /// Bytes of the flattened device tree.
    pub(crate) fdt: u64,
    /// Bytes of the initial RAM disk, if there is one.
    pub(crate) initrd: Option<u64>,
}

/// Real addresses of all that is there at the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Layout {
    /// RTAS stub.
    pub(crate) rtas: Range<u64>,
    /// Flattened device tree.
    pub(crate) fdt: Range<u64>,
    /// Initial RAM disk.
    pub(crate) initrd: Option<Range<u64>>,
}

/// Guest memory is too small for what is to be in it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("--mem {size}: {what} does not fit beside the kernel (which ends at {kernel_end:#x}); give more")]
pub(crate) struct LayoutError {
    what: &'static str,
    kernel_end: u64,
    size: Size,
}

impl Layout {
    /// Places `contents` around a kernel at `kernel` in `size` of memory.
    pub(crate) fn new(size: Size, kernel: &Range<u64>, contents: Contents) -> Result<Self, LayoutError> {
        let fail = |what| LayoutError {
            what,
            kernel_end: kernel.end,
            size,
        };
        let low_top = size.bytes().min(LOW_MEMORY);
        let rtas = below(low_top, contents.rtas, kernel).ok_or(fail("the RTAS stub"))?;
        let fdt = below(rtas.start, contents.fdt, kernel).ok_or(fail("the device tree"))?;
        let initrd = match contents.initrd {
            None => None,
            Some(bytes) => Some(
                above(LOW_MEMORY, size.bytes(), bytes, kernel)
                    .or_else(|| below(fdt.start, bytes, kernel))
                    .ok_or(fail("the initial RAM disk"))?,
            ),
        };
        Ok(Self { rtas, fdt, initrd })
    }
}

/// The highest aligned place for `bytes` that ends at or below `top` and above `kernel`.
fn below(top: u64, bytes: u64, kernel: &Range<u64>) -> Option<Range<u64>> {
    let start = top.checked_sub(bytes)? & !(ALIGNMENT - 1);
    (start >= kernel.end).then(|| start..start + bytes)
}

/// The lowest aligned place for `bytes` that begins at or above `bottom` and `kernel`, and ends at or below `top`.
fn above(bottom: u64, top: u64, bytes: u64, kernel: &Range<u64>) -> Option<Range<u64>> {
    let start = bottom.max(kernel.end).checked_next_multiple_of(ALIGNMENT)?;
    let end = start.checked_add(bytes)?;
    (end <= top).then_some(start..end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KERNEL: Range<u64> = 0..48 << 20;

    fn contents(initrd: Option<u64>) -> Contents {
        Contents {
            rtas: 20,
            fdt: 5000,
            initrd,
        }
    }

    #[test]
    fn a_small_memory_holds_all_below_its_top() {
        let layout = Layout::new(Size::from_mib(64), &KERNEL, contents(Some(1 << 20))).unwrap();
        assert_eq!(layout.rtas, 0x3ff_0000..0x3ff_0014);
        assert_eq!(layout.fdt, 0x3fe_0000..0x3fe_0000 + 5000);
        assert_eq!(layout.initrd, Some(0x3ee_0000..0x3fe_0000));
    }

    #[test]
    fn a_large_memory_keeps_its_low_part_free_of_the_ram_disk() {
        let layout = Layout::new(Size::from_mib(4096), &KERNEL, contents(Some(64 << 20))).unwrap();
        assert!(layout.rtas.end <= LOW_MEMORY && layout.fdt.end <= LOW_MEMORY);
        assert_eq!(layout.initrd, Some((1024 << 20)..(1088 << 20)), "also for mem=2G");
    }

    #[test]
    fn a_ram_disk_that_does_not_fit_above_low_memory_lies_in_it() {
        let layout = Layout::new(Size::from_mib(1088), &KERNEL, contents(Some(65 << 20))).unwrap();
        assert_eq!(layout.initrd.unwrap().end, layout.fdt.start);
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let said = |initrd| {
            Layout::new(Size::from_mib(48), &KERNEL, contents(initrd))
                .unwrap_err()
                .to_string()
        };
        assert!(
            said(None).contains("RTAS stub") && said(None).contains("48 MiB"),
            "{}",
            said(None)
        );
        let said = Layout::new(Size::from_mib(64), &KERNEL, contents(Some(16 << 20)))
            .unwrap_err()
            .to_string();
        assert!(said.contains("initial RAM disk"), "{said}");
        assert!(Layout::new(Size::from_mib(64), &KERNEL, contents(Some(u64::MAX))).is_err());
    }

    proptest! {
        #[test]
        fn nothing_ever_overlaps_or_sticks_out(
            steps in 1_u64..600,
            kernel_end in 0_u64..(2 << 30),
            fdt in 1_u64..(1 << 20),
            initrd in proptest::option::of(0_u64..(3 << 30)),
        ) {
            let size = Size::from_mib(steps * 16);
            let kernel = 0..kernel_end;
            if let Ok(layout) = Layout::new(size, &kernel, Contents { rtas: 20, fdt, initrd }) {
                let mut ranges = vec![kernel, layout.rtas.clone(), layout.fdt.clone()];
                ranges.extend(layout.initrd.clone());
                ranges.sort_by_key(|range| (range.start, range.end));
                prop_assert!(ranges.windows(2).all(|pair| pair[0].end <= pair[1].start));
                prop_assert!(ranges.iter().all(|range| range.end <= size.bytes()));
                prop_assert!(layout.rtas.end <= LOW_MEMORY && layout.fdt.end <= LOW_MEMORY);
                prop_assert_eq!(layout.initrd.map(|range| range.end - range.start), initrd);
            }
        }
    }
}
