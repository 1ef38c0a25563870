//! From tokens to statements.

use super::error::{AssembleError, Position};
use super::expression::{Arg, Cursor};
use super::lexer::{Token, lex};

/// What a statement says.
#[derive(Debug)]
pub(super) enum Kind {
    /// `name:`
    Label(String),
    /// `1:`
    LocalLabel(u32),
    /// `.equ name,value` or `name = value`
    Set(String, Arg),
    /// `mnemonic operands`
    Instruction { name: String, args: Vec<Arg> },
    /// Numbers of `unit` bytes each.
    Data { unit: usize, values: Vec<Arg> },
    /// The bytes of strings.
    Text(Vec<u8>),
    /// Padding up to a multiple of the value, or of two to the power of the value.
    Align { boundary: Arg, is_power: bool },
    /// So many bytes, of this value or zero.
    Space { count: Arg, fill: Option<Arg> },
    /// Zeros up to an address.
    Org(Arg),
}

/// A statement and where it stands.
#[derive(Debug)]
pub(super) struct Statement {
    pub at: Position,
    pub kind: Kind,
}

/// Parses a program.
pub(super) fn parse(source: &str) -> Result<Vec<Statement>, AssembleError> {
    let lexemes = lex(source)?;
    let mut cursor = Cursor::new(&lexemes, &[]);
    let mut statements = Vec::new();
    while !cursor.is_empty() {
        let first = cursor.take();
        let at = first.at;
        let kind = match &first.token {
            Token::End => continue,
            Token::Number(label) if cursor.take_sign(':') => match u32::try_from(*label) {
                Ok(label) => Kind::LocalLabel(label),
                Err(_) => return Err(at.error("a numeric label has at most 32 bits")),
            },
            Token::Word(name) if cursor.take_sign(':') => Kind::Label(name.clone()),
            Token::Word(name) => statement(name, at, &mut cursor)?,
            _ => return Err(at.error("a statement begins with a mnemonic, a directive or a label")),
        };
        if !matches!(kind, Kind::Label(_) | Kind::LocalLabel(_)) {
            let after = cursor.take();
            if after.token != Token::End {
                return Err(after.at.error("expected `,` or the end of the statement"));
            }
        }
        statements.push(Statement { at, kind });
    }
    Ok(statements)
}

/// Parses what follows the first word of a statement.
fn statement(name: &str, at: Position, cursor: &mut Cursor<'_>) -> Result<Kind, AssembleError> {
    if cursor.take_sign('=') {
        return Ok(Kind::Set(name.to_owned(), one(at, cursor)?));
    }
    if name.starts_with('.') {
        return directive(name, at, cursor);
    }
    let mut name = name.to_owned();
    // The hint of a branch is part of its mnemonic: `bne+ target`.
    let next = cursor.peek();
    if let Token::Sign(hint @ ('+' | '-')) = next.token
        && next.joined
        && name.starts_with('b')
    {
        cursor.take();
        name.push(hint);
    }
    Ok(Kind::Instruction {
        name,
        args: cursor.args()?,
    })
}

fn directive(name: &str, at: Position, cursor: &mut Cursor<'_>) -> Result<Kind, AssembleError> {
    let data = |unit, cursor: &mut Cursor<'_>| match cursor.args()? {
        values if values.is_empty() => Err(at.error(format!("`{name}` takes at least one value"))),
        values => Ok(Kind::Data { unit, values }),
    };
    match name {
        ".byte" => data(1, cursor),
        ".short" | ".hword" | ".2byte" => data(2, cursor),
        ".long" | ".int" | ".4byte" => data(4, cursor),
        ".quad" | ".8byte" => data(8, cursor),
        ".ascii" => Ok(Kind::Text(text(cursor, false)?)),
        ".asciz" | ".string" => Ok(Kind::Text(text(cursor, true)?)),
        ".align" | ".p2align" => Ok(Kind::Align {
            boundary: one(at, cursor)?,
            is_power: true,
        }),
        ".balign" => Ok(Kind::Align {
            boundary: one(at, cursor)?,
            is_power: false,
        }),
        ".org" => Ok(Kind::Org(one(at, cursor)?)),
        ".space" | ".skip" | ".zero" => {
            let mut args = cursor.args()?.into_iter();
            match (args.next(), args.next(), args.next()) {
                (Some(count), fill, None) => Ok(Kind::Space { count, fill }),
                _ => Err(at.error(format!("`{name}` takes a count of bytes and, if not 0, their value"))),
            }
        }
        ".equ" | ".set" => {
            let Token::Word(symbol) = &cursor.take().token else {
                return Err(at.error(format!("`{name}` takes a name and a value")));
            };
            cursor.expect_sign(',')?;
            Ok(Kind::Set(symbol.clone(), one(at, cursor)?))
        }
        _ => Err(at.error(format!(
            "no directive `{name}`; there are .byte .short .long .quad .ascii .asciz .align .balign .space .org .equ"
        ))),
    }
}

/// Takes exactly one value.
fn one(at: Position, cursor: &mut Cursor<'_>) -> Result<Arg, AssembleError> {
    let mut args = cursor.args()?;
    match args.pop() {
        Some(arg) if args.is_empty() => Ok(arg),
        _ => Err(at.error("expected one value")),
    }
}

/// Takes strings, each with a zero byte after it if `is_terminated`.
fn text(cursor: &mut Cursor<'_>, is_terminated: bool) -> Result<Vec<u8>, AssembleError> {
    let mut bytes = Vec::new();
    loop {
        let lexeme = cursor.take();
        let Token::Text(text) = &lexeme.token else {
            return Err(lexeme.at.error("expected a string in `\"`"));
        };
        bytes.extend_from_slice(text);
        bytes.extend(is_terminated.then_some(0));
        if !cursor.take_sign(',') {
            return Ok(bytes);
        }
    }
}
