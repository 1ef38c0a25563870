//! The first pass: where everything stands. Instructions are 4 bytes long, so only directives need be looked into.

use super::Endian;
use super::error::{AssembleError, Position};
use super::evaluate::number;
use super::expression::Arg;
use super::parser::{Kind, Statement};
use super::symbols::{Place, Symbols};

/// What is put at an item's place.
pub(super) enum Body {
    Instruction { name: String, args: Vec<Arg> },
    Data { unit: usize, values: Vec<Arg> },
    Text(Vec<u8>),
    Padding(Padding),
}

impl Body {
    /// How many bytes it takes.
    fn len(&self) -> u64 {
        match self {
            Self::Instruction { .. } => 4,
            Self::Data { unit, values } => (unit * values.len()) as u64,
            Self::Text(text) => text.len() as u64,
            Self::Padding(padding) => padding.count,
        }
    }
}

/// Bytes that only fill space.
pub(super) struct Padding {
    count: u64,
    /// A byte, or nothing for `nop` instructions.
    fill: Option<u8>,
}

/// `ori 0,0,0`, which does nothing.
const NOP: u64 = 0x6000_0000;

impl Padding {
    /// Puts the padding at the end of `bytes`.
    pub(super) fn push(&self, bytes: &mut Vec<u8>, endian: Endian) {
        match self.fill {
            Some(fill) => bytes.extend((0..self.count).map(|_| fill)),
            None => (0..self.count / 4).for_each(|_| endian.push(bytes, NOP, 4)),
        }
    }
}

/// Something that takes up bytes.
pub(super) struct Item {
    pub at: Position,
    pub place: Place,
    pub body: Body,
}

/// A program whose parts have addresses.
pub(super) struct Layout {
    pub items: Vec<Item>,
    pub symbols: Symbols,
}

/// No program is longer, in bytes: a wrong `.org` or `.space` is an error before it is an exhausted memory.
const LONGEST: u64 = 256 << 20;

/// Gives every statement its address, and every label its value.
pub(super) fn lay_out(statements: Vec<Statement>, origin: u64) -> Result<Layout, AssembleError> {
    let mut items = Vec::new();
    let mut symbols = Symbols::default();
    let mut address = origin;
    for (index, Statement { at, kind }) in statements.into_iter().enumerate() {
        let place = Place { index, address };
        let known = |arg: &Arg, symbols: &Symbols| number(arg, &symbols.scope(place));
        let body = match kind {
            Kind::Label(name) => {
                symbols.label(&name, address, at)?;
                continue;
            }
            Kind::LocalLabel(label) => {
                symbols.local(label, place);
                continue;
            }
            Kind::Set(name, value) => {
                symbols.set(&name, value, place, at)?;
                continue;
            }
            Kind::Instruction { .. } if !address.is_multiple_of(4) => {
                let message = "is no multiple of 4: put `.align 2` before this instruction";
                return Err(at.error(format!("the address {address:#x} {message}")));
            }
            Kind::Instruction { name, args } => Body::Instruction { name, args },
            Kind::Data { unit, values } => Body::Data { unit, values },
            Kind::Text(text) => Body::Text(text),
            Kind::Align { boundary, is_power } => {
                let boundary = alignment(known(&boundary, &symbols)?, is_power, boundary.at)?;
                let count = address.wrapping_neg() & (boundary - 1);
                // Between instructions the padding may be executed.
                let is_code = address.is_multiple_of(4) && count.is_multiple_of(4);
                Body::Padding(Padding {
                    count,
                    fill: (!is_code).then_some(0),
                })
            }
            Kind::Space { count, fill } => {
                let bytes = known(&count, &symbols)?;
                let fill = match &fill {
                    Some(fill) => super::evaluate::data(fill, 1, &symbols.scope(place))? as u8,
                    None => 0,
                };
                let Ok(bytes) = u64::try_from(bytes) else {
                    return Err(count.at.error(format!("{bytes} bytes are fewer than none")));
                };
                Body::Padding(Padding {
                    count: bytes,
                    fill: Some(fill),
                })
            }
            Kind::Org(to) => {
                let ahead = known(&to, &symbols)? - i128::from(address);
                let Ok(count) = u64::try_from(ahead) else {
                    return Err(to
                        .at
                        .error(format!("the address is {address:#x} already; `.org` goes only forward")));
                };
                Body::Padding(Padding { count, fill: Some(0) })
            }
        };
        let len = body.len();
        let used = address - origin;
        if len > LONGEST - used || address.checked_add(len).is_none() {
            return Err(at.error(format!("the program is longer than {} MiB", LONGEST >> 20)));
        }
        address += len;
        items.push(Item { at, place, body });
    }
    Ok(Layout { items, symbols })
}

/// The boundary in bytes that an alignment asks for.
fn alignment(value: i128, is_power: bool, at: Position) -> Result<u64, AssembleError> {
    match u64::try_from(value) {
        Ok(power @ 0..=24) if is_power => Ok(1 << power),
        Ok(boundary @ 1..=0x100_0000) if !is_power && boundary.is_power_of_two() => Ok(boundary),
        _ if is_power => Err(at.error(format!("an alignment to two to the power of {value}: it is 0 to 24"))),
        _ => Err(at.error(format!("an alignment to {value}: it is a power of two, up to 16 MiB"))),
    }
}
