//! Expressions: their tree, and from tokens to it.

use super::error::{AssembleError, Position};
use super::lexer::{Direction, Lexeme, Token};

/// An operator with one operand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Unary {
    Negate,
    Not,
}

/// An operator with two operands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Binary {
    Multiply,
    Divide,
    Remainder,
    ShiftLeft,
    ShiftRight,
    Add,
    Subtract,
    And,
    Xor,
    Or,
}

/// Which 16 bits of a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Part {
    /// The place of the lowest bit.
    pub shift: u32,
    /// Whether it makes up for the part below being used as a signed number.
    pub adjusted: bool,
}

/// An expression.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Expr {
    Number(i128),
    /// A symbol or a register's name.
    Symbol(String),
    Local(u32, Direction),
    /// The address of the statement.
    Here,
    Unary(Unary, Box<Expr>),
    Binary(Binary, Box<Expr>, Box<Expr>),
    Part(Part, Box<Expr>),
    /// Parentheses, which say that the order is meant.
    Group(Box<Expr>),
}

/// One operand of an instruction, or one value of a directive.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Arg {
    pub expr: Expr,
    pub at: Position,
    /// Whether it stands in parentheses after a displacement.
    pub is_base: bool,
}

/// Parentheses and signs do not nest deeper.
const DEEPEST: u32 = 64;

/// No more operators follow each other.
const LONGEST: u32 = 1000;

/// The tokens not yet parsed.
pub(super) struct Cursor<'t> {
    lexemes: &'t [Lexeme],
    next: usize,
    /// What `$0`, `$1`, … stand for.
    arguments: &'t [Arg],
    depth: u32,
}

impl<'t> Cursor<'t> {
    /// Starts at the first of `lexemes`, of which the last is an end.
    pub(super) fn new(lexemes: &'t [Lexeme], arguments: &'t [Arg]) -> Self {
        Self {
            lexemes,
            next: 0,
            arguments,
            depth: 0,
        }
    }

    /// The next token, without taking it. Past the last, the last again.
    pub(super) fn peek(&self) -> &'t Lexeme {
        &self.lexemes[self.next.min(self.lexemes.len() - 1)]
    }

    /// Takes the next token.
    pub(super) fn take(&mut self) -> &'t Lexeme {
        let lexeme = self.peek();
        self.next += 1;
        lexeme
    }

    /// Whether every token has been taken.
    pub(super) fn is_empty(&self) -> bool {
        self.next >= self.lexemes.len()
    }

    /// Takes the sign if it comes next.
    pub(super) fn take_sign(&mut self, sign: char) -> bool {
        let found = self.peek().token == Token::Sign(sign);
        self.next += usize::from(found);
        found
    }

    /// Takes the sign, which must come next.
    pub(super) fn expect_sign(&mut self, sign: char) -> Result<(), AssembleError> {
        if self.take_sign(sign) {
            return Ok(());
        }
        Err(self.peek().at.error(format!("expected `{sign}`")))
    }

    /// Takes the rest of a statement as operands: separated by commas, `d(ra)` being two.
    pub(super) fn args(&mut self) -> Result<Vec<Arg>, AssembleError> {
        let mut args = Vec::new();
        if self.peek().token == Token::End {
            return Ok(args);
        }
        loop {
            let at = self.peek().at;
            args.push(Arg {
                expr: self.expression()?,
                at,
                is_base: false,
            });
            if self.take_sign('(') {
                let at = self.peek().at;
                args.push(Arg {
                    expr: self.expression()?,
                    at,
                    is_base: true,
                });
                self.expect_sign(')')?;
            }
            if !self.take_sign(',') {
                return Ok(args);
            }
        }
    }

    /// Takes an expression.
    pub(super) fn expression(&mut self) -> Result<Expr, AssembleError> {
        self.binary(0)
    }

    /// Takes operands and operators of a level above `floor`.
    fn binary(&mut self, floor: u32) -> Result<Expr, AssembleError> {
        let mut left = self.operand()?;
        let mut operators = 0;
        while let Some(operator) = binary_operator(&self.peek().token) {
            let at = self.peek().at;
            if operator.level() <= floor {
                break;
            }
            operators += 1;
            if operators > LONGEST {
                return Err(at.error("this expression is too long"));
            }
            self.take();
            let right = self.binary(operator.level())?;
            if operator.is_doubtful(&left, &right) {
                return Err(at.error("assemblers disagree about the order here: write parentheses"));
            }
            left = Expr::Binary(operator, Box::new(left), Box::new(right));
        }
        Ok(left)
    }

    /// Takes a number, a name or parentheses, with the signs before it and the part after it.
    fn operand(&mut self) -> Result<Expr, AssembleError> {
        let at = self.peek().at;
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(at.error("this expression is nested too deeply"));
        }
        let mut expr = match &self.take().token {
            Token::Number(value) => Expr::Number(*value),
            Token::Word(name) if name == "." => Expr::Here,
            Token::Word(name) => Expr::Symbol(name.clone()),
            Token::Local(label, direction) => Expr::Local(*label, *direction),
            Token::Sign('-') => Expr::Unary(Unary::Negate, Box::new(self.operand()?)),
            Token::Sign('~') => Expr::Unary(Unary::Not, Box::new(self.operand()?)),
            Token::Sign('+') => self.operand()?,
            Token::Sign('(') => {
                let inner = self.expression()?;
                self.expect_sign(')')?;
                Expr::Group(Box::new(inner))
            }
            Token::Placeholder(index) => match self.arguments.get(*index) {
                Some(argument) => Expr::Group(Box::new(argument.expr.clone())),
                None => return Err(at.error("`$` has no meaning here")),
            },
            Token::End => return Err(at.error("expected a value before the end of the statement")),
            Token::Text(_) => return Err(at.error("a string is no value; only `.ascii` and `.asciz` take one")),
            Token::Sign(sign) => return Err(at.error(format!("expected a value, found `{sign}`"))),
        };
        self.depth -= 1;
        if self.take_sign('@') {
            expr = Expr::Part(self.part()?, Box::new(expr));
        }
        Ok(expr)
    }

    fn part(&mut self) -> Result<Part, AssembleError> {
        let lexeme = self.take();
        let name = match &lexeme.token {
            Token::Word(name) => name.as_str(),
            _ => "",
        };
        let (shift, adjusted) = match name {
            "l" => (0, false),
            "h" | "high" => (16, false),
            "ha" | "higha" => (16, true),
            "higher" => (32, false),
            "highera" => (32, true),
            "highest" => (48, false),
            "highesta" => (48, true),
            _ => {
                let message = "after `@` comes l, h, ha, higher, highera, highest or highesta";
                return Err(lexeme.at.error(message));
            }
        };
        Ok(Part { shift, adjusted })
    }
}

fn binary_operator(token: &Token) -> Option<Binary> {
    let &Token::Sign(sign) = token else { return None };
    Some(match sign {
        '*' => Binary::Multiply,
        '/' => Binary::Divide,
        '%' => Binary::Remainder,
        '<' => Binary::ShiftLeft,
        '>' => Binary::ShiftRight,
        '+' => Binary::Add,
        '-' => Binary::Subtract,
        '&' => Binary::And,
        '^' => Binary::Xor,
        '|' => Binary::Or,
        _ => return None,
    })
}

impl Binary {
    /// How strongly it binds, in the order of C and Rust.
    fn level(self) -> u32 {
        match self {
            Self::Multiply | Self::Divide | Self::Remainder => 6,
            Self::Add | Self::Subtract => 5,
            Self::ShiftLeft | Self::ShiftRight => 4,
            Self::And => 3,
            Self::Xor => 2,
            Self::Or => 1,
        }
    }

    /// How strongly it binds for the GNU assembler.
    fn gnu_level(self) -> u32 {
        match self {
            Self::Multiply | Self::Divide | Self::Remainder | Self::ShiftLeft | Self::ShiftRight => 3,
            Self::And | Self::Xor | Self::Or => 2,
            Self::Add | Self::Subtract => 1,
        }
    }

    /// Whether the GNU assembler would group `left self right` in another way.
    fn is_doubtful(self, left: &Expr, right: &Expr) -> bool {
        let left = matches!(left, Expr::Binary(inner, ..) if inner.gnu_level() < self.gnu_level());
        let right = matches!(right, Expr::Binary(inner, ..) if inner.gnu_level() <= self.gnu_level());
        left || right
    }
}
