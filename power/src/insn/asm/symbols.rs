//! Names: registers, labels and `.equ`.

use super::error::{AssembleError, Position};
use super::evaluate::{Kind, Value, evaluate};
use super::expression::Arg;
use super::lexer::Direction;
use std::collections::BTreeMap;

/// Where a statement stands in the program.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Place {
    /// Its number among the statements.
    pub index: usize,
    /// Its address.
    pub address: u64,
}

/// What a name stands for.
enum Definition {
    Label(u64),
    Set(Arg, Place),
}

/// A chain of `.equ` that is longer is taken for a circle.
const LONGEST_CHAIN: u32 = 32;

/// Every label and every `.equ`.
#[derive(Default)]
pub(super) struct Symbols {
    named: BTreeMap<String, Definition>,
    /// Numeric labels in the order of the program.
    locals: Vec<(u32, Place)>,
}

/// The symbols as one statement sees them.
#[derive(Clone, Copy)]
pub(super) struct Scope<'s> {
    symbols: &'s Symbols,
    /// The statement.
    pub place: Place,
    /// How many `.equ` have led here.
    chain: u32,
}

impl Symbols {
    /// Defines a label at an address.
    pub(super) fn label(&mut self, name: &str, address: u64, at: Position) -> Result<(), AssembleError> {
        self.define(name, Definition::Label(address), at)
    }

    /// Defines a name to stand for an expression.
    pub(super) fn set(&mut self, name: &str, value: Arg, place: Place, at: Position) -> Result<(), AssembleError> {
        self.define(name, Definition::Set(value, place), at)
    }

    /// Defines a numeric label.
    pub(super) fn local(&mut self, label: u32, place: Place) {
        self.locals.push((label, place));
    }

    fn define(&mut self, name: &str, definition: Definition, at: Position) -> Result<(), AssembleError> {
        if register(name).is_some() {
            return Err(at.error(format!("`{name}` is a register's name")));
        }
        match self.named.insert(name.to_owned(), definition) {
            None => Ok(()),
            Some(_) => Err(at.error(format!("`{name}` is defined twice"))),
        }
    }

    /// The symbols as a statement sees them.
    pub(super) fn scope(&self, place: Place) -> Scope<'_> {
        Scope {
            symbols: self,
            place,
            chain: 0,
        }
    }

    /// The values of all names.
    pub(super) fn named(&self) -> Result<BTreeMap<String, u64>, AssembleError> {
        let value = |(name, definition): (&String, &Definition)| {
            let value = match definition {
                Definition::Label(address) => *address,
                Definition::Set(arg, place) => evaluate(arg, &self.scope(*place))?.number as u64,
            };
            Ok((name.clone(), value))
        };
        self.named.iter().map(value).collect()
    }
}

impl Scope<'_> {
    /// The value of a name; the error has no place yet.
    pub(super) fn symbol(&self, name: &str) -> Result<Value, String> {
        if let Some(register) = register(name) {
            return Ok(register);
        }
        match self.symbols.named.get(name) {
            None => Err(format!("`{name}` is not defined")),
            Some(Definition::Label(address)) => Ok(Value::number((*address).into())),
            Some(Definition::Set(..)) if self.chain == LONGEST_CHAIN => Err(format!("`{name}` is defined by itself")),
            Some(Definition::Set(arg, place)) => {
                let scope = Scope {
                    symbols: self.symbols,
                    place: *place,
                    chain: self.chain + 1,
                };
                evaluate(arg, &scope).map_err(|error| error.message)
            }
        }
    }

    /// The address of a numeric label.
    pub(super) fn local(&self, label: u32, direction: Direction) -> Result<Value, String> {
        let mut matching = self.symbols.locals.iter().filter(|(known, _)| *known == label);
        let is_before = |place: &Place| place.index < self.place.index;
        let found = match direction {
            Direction::Backward => matching.rfind(|(_, place)| is_before(place)),
            Direction::Forward => matching.find(|(_, place)| !is_before(place)),
        };
        match (found, direction) {
            (Some((_, place)), _) => Ok(Value::number(place.address.into())),
            (None, Direction::Backward) => Err(format!("no label `{label}:` stands before this")),
            (None, Direction::Forward) => Err(format!("no label `{label}:` stands after this")),
        }
    }
}

/// The register, or bit of a condition register field, of this name.
fn register(name: &str) -> Option<Value> {
    let bit = ["lt", "gt", "eq", "so"].iter().position(|bit| *bit == name);
    if let Some(bit) = bit.or((name == "un").then_some(3)) {
        return Some(Value {
            number: bit as i128,
            kind: Kind::CrBit,
        });
    }
    let digits = name.trim_start_matches(|c: char| c.is_ascii_lowercase());
    let (kind, count) = match &name[..name.len() - digits.len()] {
        "r" => (Kind::Gpr, 32),
        "f" => (Kind::Fpr, 32),
        "v" => (Kind::Vr, 32),
        "vs" => (Kind::Vsr, 64),
        "cr" => (Kind::CrField, 8),
        _ => return None,
    };
    let number: u8 = digits.parse().ok()?;
    let is_plain = number < count && number.to_string() == digits;
    is_plain.then_some(Value {
        number: number.into(),
        kind,
    })
}
