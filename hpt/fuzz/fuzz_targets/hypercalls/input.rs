//! From bytes to steps. Mostly what a guest would do, on few pages, so that calls meet; a byte of its own turns
//! one bit of an argument now and then.

use std::ops::Range;

use arbitrary::{Result, Unstructured};
use power::hpte::HpteV;
use power::page::{PagePair, PageSize, SegmentSize, Vpn};

use crate::model::{DEVICE, MOST_ENTRIES, Page, RAM_END};
use crate::processor::PROCESSORS;

/// What one processor does.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) processor: usize,
    pub(crate) what: What,
}

/// Arguments are register words; places are those of the largest table.
#[derive(Debug)]
pub(crate) enum What {
    Enter {
        flags: u64,
        ptex: u64,
        v: u64,
        r: u64,
    },
    Remove {
        flags: u64,
        ptex: u64,
        avpn: u64,
    },
    Bulk([(u64, u64); 4]),
    Block {
        ava: u64,
        specifiers: [u64; 8],
    },
    /// The host takes entries out.
    Evict(Vec<u64>),
    /// The host takes memory away.
    Unmap(Range<u64>),
    Protect {
        flags: u64,
        ptex: u64,
        avpn: u64,
    },
    Read {
        flags: u64,
        ptex: u64,
    },
    ClearRef {
        flags: u64,
        ptex: u64,
    },
    ClearMod {
        flags: u64,
        ptex: u64,
    },
    Prepare {
        flags: u64,
        shift: u64,
    },
    Commit {
        flags: u64,
        shift: u64,
    },
    /// It accesses a page: a load (0), a store (1) or a fetch (2).
    Access {
        page: Page,
        access: u8,
        key: bool,
    },
    /// It drops all that it holds, as one does that holds much.
    DropAll,
    /// It leaves the guest.
    Leave,
}

/// More steps take longer and meet no more.
const STEPS: usize = 100;

/// New tables that are asked for, if any: each takes as long as hundreds of other steps.
const TABLES: usize = 2;

/// The steps that `bytes` stand for; with `has_tables` new tables are among them.
pub(crate) fn steps(bytes: &[u8], has_tables: bool) -> impl Iterator<Item = Step> {
    let most = if has_tables { TABLES } else { 0 };
    let mut bytes = Unstructured::new(bytes);
    let mut tables = 0;
    std::iter::from_fn(move || (!bytes.is_empty()).then(|| step(&mut bytes).ok()).flatten())
        .take(STEPS)
        .filter(move |step| {
            let is_table = matches!(step.what, What::Prepare { .. });
            tables += usize::from(is_table);
            !is_table || tables <= most
        })
}

fn step(bytes: &mut Unstructured<'_>) -> Result<Step> {
    let first: u8 = bytes.arbitrary()?;
    let what = match first & 31 {
        0..=7 => enter(bytes)?,
        8 | 9 => {
            let flags = condition(bytes)? | odd_bit(bytes)?;
            let (ptex, avpn) = target(bytes)?;
            let avpn = if flags >> 30 & 3 == 1 { HpteV::BOLTED } else { avpn };
            What::Remove { flags, ptex, avpn }
        }
        10 => What::Bulk([
            specifier(bytes)?,
            specifier(bytes)?,
            specifier(bytes)?,
            specifier(bytes)?,
        ]),
        11 | 12 => block(bytes)?,
        13 => {
            let count = usize::from(bytes.arbitrary::<u8>()? & 7);
            let ptexes: Result<_> = (0..count).map(|_| Ok(target(bytes)?.0)).collect();
            What::Evict(ptexes?)
        }
        14 | 15 => {
            let bits: u16 = bytes.arbitrary()?;
            let flags = u64::from(bits & 0x3f07) | u64::from(bits >> 7 & 1) << 31 | odd_bit(bytes)?;
            let (ptex, avpn) = target(bytes)?;
            What::Protect { flags, ptex, avpn }
        }
        16 => What::Read {
            flags: [0, 1 << 37, 1 << 38, 3 << 37][usize::from(first >> 6)] | odd_bit(bytes)?,
            ptex: target(bytes)?.0,
        },
        17 => What::ClearRef {
            flags: odd_bit(bytes)?,
            ptex: target(bytes)?.0,
        },
        18 => What::ClearMod {
            flags: odd_bit(bytes)?,
            ptex: target(bytes)?.0,
        },
        19 | 20 => {
            let (flags, shift) = resize(bytes)?;
            What::Prepare { flags, shift }
        }
        21 | 22 => {
            let (flags, shift) = resize(bytes)?;
            What::Commit { flags, shift }
        }
        23..=28 => What::Access {
            page: page(bytes)?.0,
            access: (first & 31) % 3,
            key: bytes.arbitrary()?,
        },
        29 => What::DropAll,
        30 => What::Unmap(range(bytes)?),
        _ => What::Leave,
    };
    Ok(Step {
        processor: usize::from(first >> 5) % PROCESSORS,
        what,
    })
}

/// One bit, rarely.
fn odd_bit(bytes: &mut Unstructured<'_>) -> Result<u64> {
    let byte: u8 = bytes.arbitrary()?;
    Ok(if byte >= 0xc0 { 1 << (byte & 63) } else { 0 })
}

fn page(bytes: &mut Unstructured<'_>) -> Result<(Page, PagePair)> {
    const VSIDS: [u64; 4] = [0x5, 0x15, 0x3_1234_5678, 0x805];
    const NUMBERS: [u64; 8] = [0, 1, 2, 3, 0x80, 0x100, 0x7ff, 0x1000];
    let [which, pair]: [u8; 2] = bytes.arbitrary()?;
    let pair = PagePair::ALL[usize::from(pair) % PagePair::ALL.len()];
    let (segment, base) = (if which & 4 == 0 { 28 } else { 40 }, pair.base().shift());
    let page = Page {
        vsid: VSIDS[usize::from(which & 3)],
        segment,
        base,
        offset: (NUMBERS[usize::from(which >> 3 & 7)] << base) & ((1 << segment) - 1),
    };
    Ok((page, pair))
}

/// The crate's word for a page.
pub(crate) fn vpn(page: Page) -> Vpn {
    let segment = if page.segment == 40 {
        SegmentSize::Size1T
    } else {
        SegmentSize::Size256M
    };
    let base = PageSize::ALL.into_iter().find(|size| size.shift() == page.base);
    Vpn::new(page.vsid, segment, base.expect("a size that a pair has"), page.offset)
}

fn enter(bytes: &mut Unstructured<'_>) -> Result<What> {
    let (page, pair) = page(bytes)?;
    let [how, real, kind, protection]: [u8; 4] = bytes.arbitrary()?;
    let (v, group) = entry(page, pair, how & 1 != 0);
    let v = v | u64::from(how >> 1 & 3) << 3;
    let exact = u64::from(how >> 3 & 1);
    let slot = u64::from(how >> 4 & 7);
    let content = [0, 0, 0, 0, 0, 1 << 15, 1 << 22, 1 << 23][usize::from(kind & 7)];
    let (real, wimg) = match real {
        0..=0xdf => (u64::from(real & 63) << 20 | u64::from(real >> 6) << 16, 2),
        0xe0..=0xef => (DEVICE + (u64::from(real & 1) << 16), 4 + u64::from(real >> 1 & 3)),
        _ => (bytes.arbitrary::<u64>()? & 0x0fff_ffff_ffff_f000, u64::from(real & 15)),
    };
    let real = real & !pair.actual().offset_mask();
    // Bits 0 to 1: PP; 2: N; 3: PP0; 4 to 5: R and C; 6 to 7: key.
    let protection = u64::from(protection);
    let r = real
        | pair.encoding() << 12
        | wimg << 3
        | protection & 7
        | (protection >> 3 & 1) << 63
        | (protection >> 4 & 3) << 7
        | (protection >> 6 & 3) << 9;
    Ok(What::Enter {
        flags: exact << 39 | content | odd_bit(bytes)?,
        ptex: group + slot,
        v: v ^ odd_bit(bytes)?,
        r: r ^ odd_bit(bytes)?,
    })
}

/// Memory that goes away: mostly some of what entries map, now and then much, nothing, or more than there is.
fn range(bytes: &mut Unstructured<'_>) -> Result<Range<u64>> {
    let [real, how]: [u8; 2] = bytes.arbitrary()?;
    let start = (u64::from(real & 63) << 20 | u64::from(real >> 6) << 16) + u64::from(how & 3) * 0xfff;
    let length = match how >> 2 & 7 {
        0 | 1 => 1,
        2 | 3 => 1 << 12,
        4 => 1 << 16,
        5 => 1 << 24,
        6 => RAM_END,
        _ => return bytes.arbitrary(),
    };
    Ok(start..start + length)
}

/// Doubleword 0 of a page's entry, and the first entry of its group.
fn entry(page: Page, pair: PagePair, secondary: bool) -> (u64, u64) {
    let page = vpn(page);
    let hash = if secondary { !page.hash() } else { page.hash() };
    (HpteV::new(page, pair, secondary).raw(), hash % (MOST_ENTRIES / 8) * 8)
}

/// Where a page's entry may be, and its AVPN.
fn target(bytes: &mut Unstructured<'_>) -> Result<(u64, u64)> {
    let (page, pair) = page(bytes)?;
    let how: u8 = bytes.arbitrary()?;
    let (v, group) = entry(page, pair, how & 1 != 0);
    Ok(((group + u64::from(how >> 1 & 7)) ^ odd_bit(bytes)?, v & !0x7f))
}

/// None, AVPN, ANDCOND or both.
fn condition(bytes: &mut Unstructured<'_>) -> Result<u64> {
    Ok(u64::from(bytes.arbitrary::<u8>()? & 3) << 30)
}

fn specifier(bytes: &mut Unstructured<'_>) -> Result<(u64, u64)> {
    let how: u8 = bytes.arbitrary()?;
    let kind = [1, 1, 1, 1, 1, 3, 0, 2][usize::from(how & 7)];
    let mode = u64::from(how >> 3 & 3);
    let (ptex, avpn) = target(bytes)?;
    let low = if mode == 1 { HpteV::BOLTED } else { avpn };
    Ok((kind << 62 | mode << 56 | ptex & !0 >> 8, low))
}

/// Pages of one block as a guest asks for them, with others, other control bytes and ends among them.
fn block(bytes: &mut Unstructured<'_>) -> Result<What> {
    let (page, pair) = page(bytes)?;
    let how: u8 = bytes.arbitrary()?;
    let mut specifiers = [0; 8];
    for specifier in &mut specifiers {
        let byte: u8 = bytes.arbitrary()?;
        let number = (page.offset >> page.base & !7) + u64::from(byte & 7);
        let offset = number << page.base & ((1 << page.segment) - 1);
        let (_, group) = entry(Page { offset, ..page }, pair, how & 2 != 0);
        let usual = 1 << 62 | u64::from(how & 1) << 56 | (group + u64::from(byte >> 3 & 1));
        *specifier = match byte >> 4 {
            0..=10 => usual,
            11 | 12 => 3 << 62,
            13 => usual ^ odd_bit(bytes)?,
            14 => usual | 3 << 60,
            _ => 1 << 62 | target(bytes)?.0 & !0 >> 8,
        };
    }
    let (v, _) = entry(page, pair, false);
    Ok(What::Block {
        ava: v & !0x7f ^ odd_bit(bytes)?,
        specifiers,
    })
}

/// Flags and a size: mostly one that a table may have.
fn resize(bytes: &mut Unstructured<'_>) -> Result<(u64, u64)> {
    let byte: u8 = bytes.arbitrary()?;
    let shift = match byte & 15 {
        0 => 0,
        1 => bytes.arbitrary()?,
        2 => 17 + u64::from(byte >> 4) * 2,
        usual => 18 + u64::from(usual) % 3,
    };
    Ok((odd_bit(bytes)?, shift))
}
