//! `/proc/cpuinfo` of a POWER machine. Other architectures have other lines: nothing is found in them.

use std::fs;

/// Who stands between the kernel and the hardware.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Platform {
    /// Nobody: the kernel is in hypervisor state.
    PowerNv,
    /// A hypervisor: the machine is itself a guest (a logical partition).
    Pseries,
}

/// How the host translates addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mmu {
    /// By a hashed page table.
    Hash,
    /// By radix trees.
    Radix,
}

/// What the kernel says of the processors.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CpuInfo {
    /// Name of the processor, such as `POWER8 (raw)`.
    pub(crate) name: Option<String>,
    /// Processor version register.
    pub(crate) pvr: Option<u32>,
    /// Clock, in Hz.
    pub(crate) clock_hz: Option<u32>,
    /// Frequency of the time base, in Hz.
    pub(crate) timebase_hz: Option<u32>,
    /// Who stands below the kernel.
    pub(crate) platform: Option<Platform>,
    /// Model of the machine.
    pub(crate) model: Option<String>,
    /// How addresses are translated. Kernels before 4.7 do not say it, and know hashed page tables only.
    pub(crate) mmu: Option<Mmu>,
}

impl CpuInfo {
    /// That of this machine.
    pub(crate) fn read() -> Self {
        Self::parse(&fs::read_to_string("/proc/cpuinfo").unwrap_or_default())
    }

    /// Reads the lines of the file. All processors are alike: of a line that comes for each, the first counts.
    fn parse(text: &str) -> Self {
        let mut found = Self::default();
        for line in text.lines() {
            let Some((key, value)) = line.split_once(':') else {
                continue;
            };
            let value = value.trim();
            match key.trim() {
                // "POWER8 (raw), altivec supported"
                "cpu" => keep(&mut found.name, value.split(',').next().map(str::to_owned)),
                // "2.1 (pvr 004b 0201)"
                "revision" => keep(&mut found.pvr, pvr(value)),
                "clock" => keep(&mut found.clock_hz, megahertz(value)),
                "timebase" => keep(&mut found.timebase_hz, value.parse().ok()),
                "platform" => keep(&mut found.platform, platform(value)),
                "model" => keep(&mut found.model, Some(value.to_owned())),
                "MMU" => keep(&mut found.mmu, mmu(value)),
                _ => {}
            }
        }
        found
    }
}

fn keep<T>(place: &mut Option<T>, value: Option<T>) {
    if place.is_none() {
        *place = value;
    }
}

fn pvr(revision: &str) -> Option<u32> {
    let (_, words) = revision.split_once("(pvr ")?;
    let (version, revision) = words.strip_suffix(')')?.split_once(' ')?;
    let half = |text| u16::from_str_radix(text, 16).ok();
    Some(u32::from(half(version)?) << 16 | u32::from(half(revision)?))
}

/// "3425.000000MHz" in Hz. A clock beyond 4.3 GHz does not fit the device tree's cell, and is left out.
fn megahertz(text: &str) -> Option<u32> {
    let (whole, fraction) = text.strip_suffix("MHz")?.split_once('.')?;
    let micro: u64 = format!("{fraction:0<6}").get(..6)?.parse().ok()?;
    let whole: u64 = whole.parse().ok()?;
    u32::try_from(whole.checked_mul(1_000_000)? + micro).ok()
}

fn platform(text: &str) -> Option<Platform> {
    match text {
        "PowerNV" => Some(Platform::PowerNv),
        "pSeries" => Some(Platform::Pseries),
        _ => None,
    }
}

fn mmu(text: &str) -> Option<Mmu> {
    match text {
        "Hash" => Some(Mmu::Hash),
        "Radix" => Some(Mmu::Radix),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POWER8: &str = "\
processor\t: 0
cpu\t\t: POWER8E (raw), altivec supported
clock\t\t: 3425.500000MHz
revision\t: 2.1 (pvr 004b 0201)

processor\t: 8
cpu\t\t: POWER8E (raw), altivec supported
clock\t\t: 2061.000000MHz
revision\t: 2.1 (pvr 004b 0201)

timebase\t: 512000000
platform\t: PowerNV
model\t\t: 8247-22L
machine\t\t: PowerNV 8247-22L
firmware\t: OPAL
MMU\t\t: Hash
";

    #[test]
    fn a_power8_without_hypervisor_is_understood() {
        assert_eq!(
            CpuInfo::parse(POWER8),
            CpuInfo {
                name: Some("POWER8E (raw)".into()),
                pvr: Some(0x004b_0201),
                clock_hz: Some(3_425_500_000),
                timebase_hz: Some(512_000_000),
                platform: Some(Platform::PowerNv),
                model: Some("8247-22L".into()),
                mmu: Some(Mmu::Hash),
            }
        );
    }

    #[test]
    fn a_partition_with_radix_trees_is_understood() {
        let text = "cpu\t\t: POWER9 (architected), altivec supported\nrevision\t: 2.2 (pvr 004e 1202)\n\
                    platform\t: pSeries\nMMU\t\t: Radix\n";
        let info = CpuInfo::parse(text);
        assert_eq!(
            (info.platform, info.mmu, info.pvr),
            (Some(Platform::Pseries), Some(Mmu::Radix), Some(0x004e_1202))
        );
        assert_eq!((info.clock_hz, info.timebase_hz), (None, None));
    }

    #[test]
    fn lines_of_other_machines_and_damaged_ones_say_nothing() {
        for text in [
            "",
            "vendor_id\t: AuthenticAMD\nmodel name\t: some\n",
            "revision\t: 2.1 (pvr 004b)\nclock\t\t: fastMHz\ntimebase\t: many\nplatform\t: Chrp\nMMU\t\t: ?\n",
            "revision\t: (pvr 1004b 0201)\nclock\t\t: 3.éMHz\nclock\t\t: 99999999999999999999.0MHz\n",
            "clock\t\t: 5000.000000MHz\nclock\n:\n",
        ] {
            assert_eq!(CpuInfo::parse(text), CpuInfo::default(), "{text}");
        }
    }
}
