//! The values of expressions.

use super::error::AssembleError;
use super::expression::{Arg, Binary, Expr, Part, Unary};
use super::symbols::Scope;

/// What kind of thing a value is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Number,
    /// Sixteen bits of a number, which fit a signed field and an unsigned one alike.
    Half,
    Gpr,
    Fpr,
    Vr,
    Vsr,
    CrField,
    CrBit,
}

impl Kind {
    /// In words, with an article.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Number | Self::Half => "a number",
            Self::Gpr => "a general register (r0 to r31)",
            Self::Fpr => "a floating-point register (f0 to f31)",
            Self::Vr => "a vector register (v0 to v31)",
            Self::Vsr => "a vector-scalar register (vs0 to vs63)",
            Self::CrField => "a condition register field (cr0 to cr7)",
            Self::CrBit => "a condition register bit (as in 4*cr1+eq)",
        }
    }
}

/// A number or the number of a register. It is wide enough for signed and unsigned values of 64 bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Value {
    pub number: i128,
    pub kind: Kind,
}

impl Value {
    /// A plain number.
    pub(super) fn number(number: i128) -> Self {
        Self {
            number,
            kind: Kind::Number,
        }
    }
}

/// The value of an operand or of a directive's argument.
pub(super) fn evaluate(arg: &Arg, scope: &Scope<'_>) -> Result<Value, AssembleError> {
    value(&arg.expr, scope).map_err(|message| arg.at.error(message))
}

/// The value of an argument that must be a number.
pub(super) fn number(arg: &Arg, scope: &Scope<'_>) -> Result<i128, AssembleError> {
    let value = evaluate(arg, scope)?;
    match value.kind {
        Kind::Number | Kind::Half if !arg.is_base => Ok(value.number),
        Kind::Number | Kind::Half => Err(arg.at.error("expected `,` before the parenthesis")),
        kind => Err(arg.at.error(format!("expected a number, found {}", kind.name()))),
    }
}

/// The value of an argument as `unit` bytes of data, signed or unsigned.
pub(super) fn data(arg: &Arg, unit: usize, scope: &Scope<'_>) -> Result<u64, AssembleError> {
    let number = number(arg, scope)?;
    let bits = 8 * unit as u32;
    if number < -(1 << (bits - 1)) || number >= 1 << bits {
        return Err(arg.at.error(format!("{number} does not fit in {bits} bits")));
    }
    Ok(number as u64)
}

fn value(expr: &Expr, scope: &Scope<'_>) -> Result<Value, String> {
    match expr {
        Expr::Number(number) => Ok(Value::number(*number)),
        Expr::Symbol(name) => scope.symbol(name),
        Expr::Local(label, direction) => scope.local(*label, *direction),
        Expr::Here => Ok(Value::number(scope.place.address.into())),
        Expr::Group(inner) => value(inner, scope),
        Expr::Unary(operator, operand) => {
            let operand = value(operand, scope)?.number;
            in_range(match operator {
                Unary::Negate => operand.checked_neg(),
                Unary::Not => Some(!operand),
            })
        }
        Expr::Binary(operator, left, right) => {
            let (left, right) = (value(left, scope)?, value(right, scope)?);
            in_range(binary(*operator, left.number, right.number)?)
        }
        Expr::Part(part, whole) => Ok(Value {
            number: half(*part, value(whole, scope)?.number),
            kind: Kind::Half,
        }),
    }
}

/// Keeps values far from the ends of the 128 bits that they are computed in.
fn in_range(number: Option<i128>) -> Result<Value, String> {
    match number {
        Some(number) if number.unsigned_abs() <= u64::MAX.into() => Ok(Value::number(number)),
        _ => Err("the value does not fit in 64 bits".into()),
    }
}

fn binary(operator: Binary, left: i128, right: i128) -> Result<Option<i128>, String> {
    Ok(match operator {
        Binary::Multiply => left.checked_mul(right),
        Binary::Divide | Binary::Remainder if right == 0 => return Err("division by zero".into()),
        Binary::Divide => left.checked_div(right),
        Binary::Remainder => left.checked_rem(right),
        Binary::Add => left.checked_add(right),
        Binary::Subtract => left.checked_sub(right),
        Binary::And => Some(left & right),
        Binary::Xor => Some(left ^ right),
        Binary::Or => Some(left | right),
        Binary::ShiftLeft | Binary::ShiftRight => match u32::try_from(right) {
            // No value of 64 bits overflows 128 when it is shifted by less than 64.
            Ok(count @ 0..64) if operator == Binary::ShiftLeft => Some(left << count),
            Ok(count @ 0..64) => Some(left >> count),
            _ => return Err(format!("shift by {right}: it is 0 to 63")),
        },
    })
}

/// Sixteen bits of a value.
fn half(part: Part, whole: i128) -> i128 {
    let adjustment = if part.adjusted { 0x8000 } else { 0 };
    (whole + adjustment) >> part.shift & 0xffff
}
