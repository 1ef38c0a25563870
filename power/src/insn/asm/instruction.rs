//! From a mnemonic and its operands to a word.

use super::alias;
use super::error::{AssembleError, Position};
use super::evaluate::{Kind, evaluate};
use super::expression::{Arg, Cursor, Expr};
use super::lexer::{Token, lex};
use super::symbols::Scope;
use crate::insn::encode::{EncodeError, encode};
use crate::insn::layout::Class;
use crate::insn::operand::Operand;
use crate::insn::table::{Opcode, Suffix, TABLE};
use crate::spr::Spr;
use std::collections::HashMap;
use std::sync::LazyLock;

/// Every basic mnemonic with every combination of its suffixes: the opcode and the suffixes' bits.
static MNEMONICS: LazyLock<HashMap<String, (Opcode, u32)>> = LazyLock::new(|| {
    let mut mnemonics = HashMap::new();
    for row in TABLE {
        for chosen in 0..1 << row.suffixes.len() {
            let mut name = row.name.to_owned();
            let mut bits = 0;
            for (_, suffix) in row.suffixes.iter().enumerate().filter(|(at, _)| chosen >> at & 1 != 0) {
                name.push_str(suffix.text());
                bits |= suffix.mask();
            }
            mnemonics.insert(name, (row.opcode, bits));
        }
    }
    mnemonics
});

/// The word of an instruction.
pub(super) fn word(name: &str, args: &[Arg], scope: &Scope<'_>, at: Position) -> Result<u32, AssembleError> {
    if let Some(&(opcode, bits)) = MNEMONICS.get(name) {
        return basic(opcode, bits, args, scope, at);
    }
    if let Some(template) = alias::template(name, args.len()) {
        let (name, args) = expand(&template, args, at)?;
        return word(&name, &args, scope, at);
    }
    let counts = alias::operand_counts(name);
    if counts.is_empty() {
        return Err(at.error(format!("no instruction `{name}`")));
    }
    Err(at.error(format!(
        "`{name}` takes {} operands, not {}",
        counts.join(" or "),
        args.len()
    )))
}

/// The mnemonic and the operands that an extended mnemonic stands for.
fn expand(template: &str, args: &[Arg], at: Position) -> Result<(String, Vec<Arg>), AssembleError> {
    let lexemes = lex(template)?;
    let mut cursor = Cursor::new(&lexemes, args);
    let Token::Word(name) = &cursor.take().token else {
        return Err(at.error(format!("no instruction `{template}`")));
    };
    let mut expanded = cursor.args()?;
    for arg in &mut expanded {
        // An operand taken over as it is keeps its place; a number of the template has the instruction's.
        let origin = args.iter().find(|given| is_group_of(&arg.expr, &given.expr));
        arg.at = origin.map_or(at, |given| given.at);
    }
    Ok((name.clone(), expanded))
}

/// Whether `outer` is `inner` in parentheses.
fn is_group_of(outer: &Expr, inner: &Expr) -> bool {
    matches!(outer, Expr::Group(within) if **within == *inner)
}

fn basic(opcode: Opcode, bits: u32, args: &[Arg], scope: &Scope<'_>, at: Position) -> Result<u32, AssembleError> {
    let row = opcode.row();
    let Some(pairs) = row.pair(args) else {
        return Err(at.error(
            EncodeError::Count {
                opcode,
                given: args.len(),
            }
            .to_string(),
        ));
    };
    let is_absolute = row.suffixes.contains(&Suffix::Aa) && bits & Suffix::Aa.mask() != 0;
    let mut values = Vec::with_capacity(args.len());
    let mut after_displacement = false;
    for (operand, arg) in pairs {
        let Some(arg) = arg else { continue };
        match (after_displacement, arg.is_base) {
            (true, false) => return Err(arg.at.error("expected the base register in parentheses, as in `8(r1)`")),
            (false, true) => return Err(arg.at.error(format!("`{}` has no displacement", row.name))),
            _ => {}
        }
        after_displacement = operand.layout().class == Class::Displacement;
        values.push(operand_value(operand, arg, is_absolute, scope)?);
    }
    encode(opcode, &values).map(|word| word | bits).map_err(|error| {
        let wrong = match error {
            EncodeError::Value { operand, .. } => row.pair(args).into_iter().flatten().find(|pair| pair.0 == operand),
            EncodeError::Count { .. } => None,
        };
        wrong
            .and_then(|(_, arg)| arg)
            .map_or(at, |arg| arg.at)
            .error(error.to_string())
    })
}

/// The value of one operand as [`encode`] takes it.
fn operand_value(operand: Operand, arg: &Arg, is_absolute: bool, scope: &Scope<'_>) -> Result<i64, AssembleError> {
    let class = operand.layout().class;
    if class == Class::Spr
        && let Some(spr) = special_register(&arg.expr)
    {
        return Ok(spr.number().into());
    }
    let value = evaluate(arg, scope)?;
    let expected = match class {
        Class::Gpr | Class::GprOrZero | Class::GprUpdated | Class::GprPair => Kind::Gpr,
        Class::Fpr | Class::FprPair => Kind::Fpr,
        Class::Vr => Kind::Vr,
        Class::Vsr => Kind::Vsr,
        Class::CrField => Kind::CrField,
        Class::CrBit => Kind::CrBit,
        _ => Kind::Number,
    };
    if !matches!(value.kind, Kind::Number | Kind::Half) && value.kind != expected {
        return Err(arg
            .at
            .error(format!("expected {}, found {}", expected.name(), value.kind.name())));
    }
    match class {
        Class::Target if is_absolute => Ok(value.number as i64),
        Class::Target => Ok((value.number as u64).wrapping_sub(scope.place.address) as i64),
        Class::Signed | Class::SignedOrUnsigned | Class::Displacement if value.kind == Kind::Half => {
            Ok(i64::from(value.number as i16))
        }
        _ => i64::try_from(value.number).map_err(|_| arg.at.error(format!("{} is too large", value.number))),
    }
}

/// The special purpose register that an expression names.
fn special_register(expr: &Expr) -> Option<Spr> {
    match expr {
        Expr::Symbol(name) => Spr::by_name(name),
        Expr::Group(inner) => special_register(inner),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_mnemonic_is_two_instructions() {
        let combinations: usize = TABLE.iter().map(|row| 1 << row.suffixes.len()).sum();
        assert_eq!(MNEMONICS.len(), combinations);
    }

    #[test]
    fn every_extended_mnemonic_stands_for_an_instruction() {
        for (name, count, template) in alias::all() {
            let at = Position { line: 1, column: 1 };
            let given = Arg {
                expr: Expr::Number(1),
                at,
                is_base: false,
            };
            let args = vec![given; count];
            assert_eq!(alias::template(name, count).as_deref(), Some(template));
            assert!(!MNEMONICS.contains_key(name), "{name} is a basic mnemonic");
            let (basic, args) = expand(template, &args, at).unwrap();
            let (opcode, _) = MNEMONICS[&basic];
            assert!(opcode.row().pair(&args).is_some(), "{name}: {template}");
        }
    }
}
