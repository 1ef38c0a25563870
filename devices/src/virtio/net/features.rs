//! What a network card and its driver agree on (virtio 1.2, 5.1.3).

use crate::net::Offloads;

/// Feature bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Features(u64);

impl Features {
    /// The card makes checksums that the driver has not made.
    pub(super) const CSUM: Self = Self::bit(0);
    /// The driver makes do with checksums that are not made yet.
    pub(super) const GUEST_CSUM: Self = Self::bit(1);
    /// The card says an MTU.
    pub(super) const MTU: Self = Self::bit(3);
    /// The card has an address.
    pub(super) const MAC: Self = Self::bit(5);
    /// The driver takes long TCP frames over IPv4.
    pub(super) const GUEST_TSO4: Self = Self::bit(7);
    /// Over IPv6.
    pub(super) const GUEST_TSO6: Self = Self::bit(8);
    /// With notifications of congestion in them.
    pub(super) const GUEST_ECN: Self = Self::bit(9);
    /// The card takes them.
    pub(super) const HOST_TSO4: Self = Self::bit(11);
    /// The card takes them over IPv6.
    pub(super) const HOST_TSO6: Self = Self::bit(12);
    /// The card takes them with notifications of congestion in them.
    pub(super) const HOST_ECN: Self = Self::bit(13);
    /// A received frame may lie in several chains.
    pub(super) const MRG_RXBUF: Self = Self::bit(15);
    /// The card says whether its link is up.
    pub(super) const STATUS: Self = Self::bit(16);
    /// There is a control queue.
    pub(super) const CTRL_VQ: Self = Self::bit(17);
    /// It can be told what to receive.
    pub(super) const CTRL_RX: Self = Self::bit(18);
    /// It can be told so in more ways.
    pub(super) const CTRL_RX_EXTRA: Self = Self::bit(20);
    /// There are several pairs of queues.
    pub(super) const MQ: Self = Self::bit(22);
    /// It can be told another address.
    pub(super) const CTRL_MAC_ADDR: Self = Self::bit(23);

    const fn bit(number: u32) -> Self {
        Self(1 << number)
    }

    pub(super) const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    pub(super) const fn bits(self) -> u64 {
        self.0
    }

    pub(super) const fn has(self, some: Self) -> bool {
        self.0 & some.0 == some.0
    }

    const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    const fn with_if(self, is_so: bool, other: Self) -> Self {
        if is_so { self.with(other) } else { self }
    }

    /// What a card offers.
    pub(super) const fn offered(pairs: usize, has_offloads: bool, has_mtu: bool) -> Self {
        let always = Self::MAC
            .with(Self::MRG_RXBUF)
            .with(Self::STATUS)
            .with(Self::CTRL_VQ)
            .with(Self::CTRL_RX)
            .with(Self::CTRL_RX_EXTRA)
            .with(Self::CTRL_MAC_ADDR);
        let offloads = Self::CSUM
            .with(Self::HOST_TSO4)
            .with(Self::HOST_TSO6)
            .with(Self::HOST_ECN)
            .with(Self::GUEST_CSUM)
            .with(Self::GUEST_TSO4)
            .with(Self::GUEST_TSO6)
            .with(Self::GUEST_ECN);
        always
            .with_if(has_offloads, offloads)
            .with_if(has_mtu, Self::MTU)
            .with_if(pairs > 1, Self::MQ)
    }

    /// What the guest finishes by itself.
    pub(super) const fn offloads(self) -> Offloads {
        let checksum = self.has(Self::GUEST_CSUM);
        let (tcp4, tcp6) = (
            checksum && self.has(Self::GUEST_TSO4),
            checksum && self.has(Self::GUEST_TSO6),
        );
        Offloads {
            checksum,
            tcp4,
            tcp6,
            ecn: (tcp4 || tcp6) && self.has(Self::GUEST_ECN),
        }
    }
}
