//! Packets of a socket device (virtio 1.2, 5.10.6).

/// Bytes of a packet's header (`virtio_vsock_hdr`).
pub(super) const HEADER: usize = 44;

/// Packets of streams, the only kind here (`VIRTIO_VSOCK_TYPE_STREAM`).
pub(super) const STREAM: u16 = 1;

/// Of [`Operation::Shutdown`]: the sender receives no more, and sends no more.
pub(super) const NO_RECEIVE: u32 = 1;
pub(super) const NO_SEND: u32 = 2;

/// What a packet is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub(super) enum Operation {
    /// Asks for a connection.
    Request = 1,
    /// Grants it.
    Response = 2,
    /// Refuses it, or ends it at once.
    Reset = 3,
    /// Says what of it is over.
    Shutdown = 4,
    /// Carries its bytes.
    Data = 5,
    /// Says how much may be sent.
    CreditUpdate = 6,
    /// Asks how much may be sent.
    CreditRequest = 7,
}

impl Operation {
    const ALL: [Self; 7] = [
        Self::Request,
        Self::Response,
        Self::Reset,
        Self::Shutdown,
        Self::Data,
        Self::CreditUpdate,
        Self::CreditRequest,
    ];

    /// That of this number, if there is one.
    pub(super) fn from_number(number: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|&operation| operation as u16 == number)
    }
}

/// A connection, by the ports at its ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Ports {
    /// The host's.
    pub(super) host: u32,
    /// The guest's.
    pub(super) guest: u32,
}

/// How much the sender of a packet takes in, and has taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Credit {
    /// Bytes that it has room for in all.
    pub(super) room: u32,
    /// Bytes of the connection that have left that room, modulo 2^32.
    pub(super) forwarded: u32,
}

/// Header of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) from_cid: u64,
    pub(super) to_cid: u64,
    pub(super) from_port: u32,
    pub(super) to_port: u32,
    /// Bytes that follow.
    pub(super) length: u32,
    pub(super) kind: u16,
    /// Number of an [`Operation`].
    pub(super) operation: u16,
    pub(super) flags: u32,
    pub(super) credit: Credit,
}

impl Header {
    pub(super) fn from_bytes(bytes: &[u8; HEADER]) -> Self {
        let mut rest = &bytes[..];
        Self {
            from_cid: u64::from_le_bytes(take(&mut rest)),
            to_cid: u64::from_le_bytes(take(&mut rest)),
            from_port: u32::from_le_bytes(take(&mut rest)),
            to_port: u32::from_le_bytes(take(&mut rest)),
            length: u32::from_le_bytes(take(&mut rest)),
            kind: u16::from_le_bytes(take(&mut rest)),
            operation: u16::from_le_bytes(take(&mut rest)),
            flags: u32::from_le_bytes(take(&mut rest)),
            credit: Credit {
                room: u32::from_le_bytes(take(&mut rest)),
                forwarded: u32::from_le_bytes(take(&mut rest)),
            },
        }
    }

    pub(super) fn to_bytes(self) -> [u8; HEADER] {
        let fields: [&[u8]; 10] = [
            &self.from_cid.to_le_bytes(),
            &self.to_cid.to_le_bytes(),
            &self.from_port.to_le_bytes(),
            &self.to_port.to_le_bytes(),
            &self.length.to_le_bytes(),
            &self.kind.to_le_bytes(),
            &self.operation.to_le_bytes(),
            &self.flags.to_le_bytes(),
            &self.credit.room.to_le_bytes(),
            &self.credit.forwarded.to_le_bytes(),
        ];
        fields.concat().try_into().expect("the fields are a header's")
    }
}

/// The next field.
fn take<const BYTES: usize>(rest: &mut &[u8]) -> [u8; BYTES] {
    let (field, behind) = rest.split_first_chunk().expect("a header has all of its fields");
    *rest = behind;
    *field
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_has_the_layout_of_the_specification() {
        let mut bytes = [0; HEADER];
        bytes.iter_mut().zip(1..).for_each(|(byte, number)| *byte = number);
        let header = Header::from_bytes(&bytes);
        assert_eq!(
            (header.from_cid, header.to_cid),
            (0x0807_0605_0403_0201, 0x100f_0e0d_0c0b_0a09)
        );
        assert_eq!((header.from_port, header.to_port), (0x1413_1211, 0x1817_1615));
        assert_eq!(
            (header.length, header.kind, header.operation),
            (0x1c1b_1a19, 0x1e1d, 0x201f)
        );
        assert_eq!(header.flags, 0x2423_2221);
        assert_eq!(
            (header.credit.room, header.credit.forwarded),
            (0x2827_2625, 0x2c2b_2a29)
        );
        assert_eq!(header.to_bytes(), bytes);
    }

    #[test]
    fn a_number_without_an_operation_is_none() {
        assert_eq!(Operation::from_number(0), None);
        assert_eq!(Operation::from_number(5), Some(Operation::Data));
        assert_eq!(Operation::from_number(8), None);
    }
}
