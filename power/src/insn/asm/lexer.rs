//! From characters to tokens.

use super::error::{AssembleError, Position};
use std::iter::Peekable;
use std::str::Chars;

/// Where a numeric label is looked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Direction {
    Backward,
    Forward,
}

/// One token.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Token {
    /// A mnemonic, a symbol, a directive or `.`.
    Word(String),
    Number(i128),
    /// `1b` or `1f`.
    Local(u32, Direction),
    /// A string, with its escapes replaced.
    Text(Vec<u8>),
    /// An operator or other sign; `<<` and `>>` are `<` and `>`.
    Sign(char),
    /// `$1`: an operand of an extended mnemonic, in its definition.
    Placeholder(usize),
    /// The end of a statement.
    End,
}

/// A token and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Lexeme {
    pub token: Token,
    pub at: Position,
    /// Whether nothing stands between it and the token before.
    pub joined: bool,
}

/// Cuts the source into tokens; the last is [`Token::End`].
pub(super) fn lex(source: &str) -> Result<Vec<Lexeme>, AssembleError> {
    let mut lexer = Lexer {
        rest: source.chars().peekable(),
        at: Position { line: 1, column: 1 },
    };
    let mut lexemes = Vec::new();
    loop {
        let before = lexer.at;
        lexer.skip_space()?;
        let at = lexer.at;
        let token = match lexer.rest.peek() {
            None => break,
            Some(_) => lexer.token(at)?,
        };
        lexemes.push(Lexeme {
            token,
            at,
            joined: before == at && at.column > 1,
        });
    }
    lexemes.push(Lexeme {
        token: Token::End,
        at: lexer.at,
        joined: false,
    });
    Ok(lexemes)
}

struct Lexer<'s> {
    rest: Peekable<Chars<'s>>,
    at: Position,
}

impl Lexer<'_> {
    fn next(&mut self) -> Option<char> {
        let character = self.rest.next()?;
        if character == '\n' {
            self.at = Position {
                line: self.at.line + 1,
                column: 1,
            };
        } else {
            self.at.column += 1;
        }
        Some(character)
    }

    fn next_if(&mut self, wanted: impl Fn(char) -> bool) -> Option<char> {
        let &character = self.rest.peek()?;
        if wanted(character) { self.next() } else { None }
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> String {
        std::iter::from_fn(|| self.next_if(&wanted)).collect()
    }

    /// Whether the next two characters open a `/* */` comment.
    fn at_comment(&self) -> bool {
        let mut ahead = self.rest.clone();
        ahead.next() == Some('/') && ahead.next() == Some('*')
    }

    fn skip_space(&mut self) -> Result<(), AssembleError> {
        loop {
            self.take_while(|c| c != '\n' && c.is_whitespace());
            if self.rest.peek() == Some(&'#') {
                self.take_while(|c| c != '\n');
            } else if self.at_comment() {
                self.skip_comment()?;
            } else {
                return Ok(());
            }
        }
    }

    fn skip_comment(&mut self) -> Result<(), AssembleError> {
        let start = self.at;
        self.next();
        self.next();
        let mut last = ' ';
        loop {
            match self.next() {
                Some('/') if last == '*' => return Ok(()),
                Some(character) => last = character,
                None => return Err(start.error("this comment has no end: write `*/`")),
            }
        }
    }

    fn token(&mut self, at: Position) -> Result<Token, AssembleError> {
        let Some(character) = self.next() else {
            return Ok(Token::End);
        };
        match character {
            '\n' | ';' => Ok(Token::End),
            '"' => self.text(at),
            '\'' => self.character(at),
            '$' => match self.take_while(|c| c.is_ascii_digit()).parse() {
                Ok(index) => Ok(Token::Placeholder(index)),
                Err(_) => Err(at.error("`$` has no meaning here")),
            },
            '0'..='9' => self.number(character, at),
            '<' | '>' => match self.next_if(|c| c == character) {
                Some(_) => Ok(Token::Sign(character)),
                None => Err(at.error(format!(
                    "`{character}` is no operator; a shift is `{character}{character}`"
                ))),
            },
            '+' | '-' | '*' | '/' | '%' | '&' | '|' | '^' | '~' | '(' | ')' | ',' | ':' | '@' | '=' => {
                Ok(Token::Sign(character))
            }
            _ if is_word(character) => Ok(Token::Word(character.to_string() + &self.take_while(is_word))),
            _ => Err(at.error(format!("`{character}` has no meaning here"))),
        }
    }

    fn number(&mut self, first: char, at: Position) -> Result<Token, AssembleError> {
        let digits = first.to_string() + &self.take_while(|c| c.is_ascii_alphanumeric() || c == '_');
        let local = |name: &str, direction| Some(Token::Local(name.parse().ok()?, direction));
        let label = match digits.char_indices().next_back() {
            Some((end, 'b')) => local(&digits[..end], Direction::Backward),
            Some((end, 'f')) => local(&digits[..end], Direction::Forward),
            _ => None,
        };
        if let Some(label) = label {
            return Ok(label);
        }
        let plain = digits.replace('_', "");
        let (radix, value) = match plain.as_bytes() {
            [b'0', b'x', ..] => (16, &plain[2..]),
            [b'0', b'b', ..] => (2, &plain[2..]),
            [b'0', b'o', ..] => (8, &plain[2..]),
            [b'0', b'0'..=b'9', ..] => {
                return Err(at.error(format!("`{digits}` begins with 0: octal begins with `0o`")));
            }
            _ => (10, &plain[..]),
        };
        match u64::from_str_radix(value, radix) {
            Ok(value) => Ok(Token::Number(value.into())),
            Err(_) => Err(at.error(format!("`{digits}` is no number of 64 bits"))),
        }
    }

    fn character(&mut self, at: Position) -> Result<Token, AssembleError> {
        let value = match self.next() {
            Some('\\') => self.escape(at)?,
            Some(character) if character.is_ascii() && character != '\n' => character as u8,
            _ => return Err(at.error("a character constant is one ASCII character, as in `'a'`")),
        };
        match self.next_if(|c| c == '\'') {
            Some(_) => Ok(Token::Number(value.into())),
            None => Err(at.error("a character constant ends with `'`, as in `'a'`")),
        }
    }

    fn text(&mut self, at: Position) -> Result<Token, AssembleError> {
        let mut bytes = Vec::new();
        loop {
            match self.next() {
                Some('"') => return Ok(Token::Text(bytes)),
                Some('\\') => bytes.push(self.escape(at)?),
                None | Some('\n') => return Err(at.error("this string has no end: write `\"`")),
                Some(character) => bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
    }

    fn escape(&mut self, at: Position) -> Result<u8, AssembleError> {
        match self.next() {
            Some('n') => Ok(b'\n'),
            Some('r') => Ok(b'\r'),
            Some('t') => Ok(b'\t'),
            Some('0') => Ok(0),
            Some(character @ ('\\' | '"' | '\'')) => Ok(character as u8),
            Some('x') => {
                let digits: String = (0..2).filter_map(|_| self.next_if(|c| c.is_ascii_hexdigit())).collect();
                u8::from_str_radix(&digits, 16).map_err(|_| at.error("`\\x` is followed by two hexadecimal digits"))
            }
            _ => Err(at.error("after `\\` comes n, r, t, 0, x and two digits, a quote or another `\\`")),
        }
    }
}

/// Whether a character can be part of a word.
fn is_word(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_' || character == '.'
}
