//! Flags that have options, written as tables: `disk = [{ path = "root.qcow2", format = "qcow2" }]`. A table becomes the text that stands behind the flag;
//! what is right there is the flag's parser's business.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::settings::{Verdict, in_order, kind, text};
use crate::{disks, nets, shares};

/// How a table becomes text.
pub(super) struct Form {
    /// The key of the flag.
    pub(super) key: &'static str,
    /// What the text begins with: one of these, all of whose keys are given.
    heads: &'static [&'static [Head]],
    /// What may follow, as the flag's parser has it.
    options: &'static [&'static str],
    commas: Commas,
}

/// A word at the beginning.
enum Head {
    /// The value of this key.
    Value(&'static str),
    /// This key, `=`, and its value.
    Named(&'static str),
    /// This key, which is true.
    Switch(&'static str),
}

/// What a comma in a value is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Commas {
    /// Written twice.
    Doubled,
    /// One, in the last value; not possible in the others.
    InTheLast,
    /// Not possible.
    Refused,
}

/// The flags that there are tables for.
pub(super) const FORMS: [Form; 4] = [
    Form {
        key: "disk",
        heads: &[&[Head::Value("path")]],
        options: &disks::OPTION_NAMES,
        commas: Commas::Doubled,
    },
    Form {
        key: "net",
        heads: &[&[Head::Switch("user")], &[Head::Named("tap")]],
        options: &nets::OPTION_NAMES,
        commas: Commas::Refused,
    },
    Form {
        key: "share",
        heads: &[&[Head::Value("path")]],
        options: &shares::OPTION_NAMES,
        commas: Commas::Doubled,
    },
    Form {
        key: "vsock",
        heads: &[&[Head::Value("cid"), Head::Value("path")]],
        options: &[],
        commas: Commas::InTheLast,
    },
];

/// Bytes of the file, and what is wrong at each.
pub(super) type Wrong = Vec<(usize, String)>;

impl Head {
    fn key(&self) -> &'static str {
        match self {
            Self::Value(key) | Self::Named(key) | Self::Switch(key) => key,
        }
    }
}

impl Form {
    /// The text of `table`, which begins at the byte `at`; `judge` is the flag's parser.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub(super) fn text(
        &self,
        table: &DeTable<'_>,
        at: usize,
        judge: impl Fn(&str) -> Verdict,
    ) -> Result<String, Wrong> {
        let has = |head: &&&[Head]| table.contains_key(head[0].key());
        let Some(head) = self.heads.iter().find(has) else {
            let keys: Vec<String> = self.heads.iter().map(|head| format!("`{}`", head[0].key())).collect();
            return Err(vec![(
                at,
                format!("a table of `{}` has {}", self.key, keys.join(" or ")),
            )]);
        };
        let mut words = Vec::new();
        let mut wrong = Wrong::new();
        for (number, part) in head.iter().enumerate() {
            let is_last = number + 1 == head.len();
            match table.get_key_value(part.key()) {
                Some((_, value)) => match self.head(part, value, is_last) {
                    Ok(word) => words.push(word),
                    Err(what) => wrong.push((value.span().start, what)),
                },
                None => wrong.push((at, format!("a table of `{}` has `{}` too", self.key, part.key()))),
            }
        }
        let begin = words.join(",");
        if wrong.is_empty()
            && let Verdict::Wrong(what) = judge(&begin)
        {
            let first = table.get(head[0].key()).map_or(at, |value| value.span().start);
            wrong.push((first, what));
        }
        let is_head_right = wrong.is_empty();
        for (key, value) in in_order(table) {
            if head.iter().any(|part| part.key() == key.get_ref()) {
                continue;
            }
            if !self.options.contains(&key.get_ref().as_ref()) {
                wrong.push((key.span().start, self.unknown(key.get_ref(), head)));
                continue;
            }
            for value in several(value) {
                let word = self.option(key.get_ref(), value);
                let verdict = match &word {
                    // Options do not know of each other: alone behind the head each is right or wrong.
                    Ok(word) if is_head_right => judge(&format!("{begin},{word}")),
                    Ok(_) => Verdict::Right,
                    Err(what) => Verdict::Wrong(what.clone()),
                };
                match (verdict, word) {
                    (Verdict::Wrong(what), _) => wrong.push((value.span().start, what)),
                    (_, Ok(word)) => words.push(word),
                    (_, Err(_)) => {}
                }
            }
        }
        match wrong.is_empty() {
            true => Ok(words.join(",")),
            false => Err(wrong),
        }
    }

    fn head(&self, part: &Head, value: &Spanned<DeValue<'_>>, is_last: bool) -> Result<String, String> {
        let key = part.key();
        match (part, value.get_ref()) {
            (Head::Switch(key), DeValue::Boolean(true)) => Ok((*key).to_owned()),
            (Head::Switch(_), _) => Err(format!("`{key}`: give true, or leave it out")),
            (_, value) => {
                let text = text(value).ok_or_else(|| format!("`{key}`: give text, not {}", kind(value)))?;
                let text = self.with_commas(key, text, is_last)?;
                Ok(match part {
                    Head::Named(key) => format!("{key}={text}"),
                    _ => text,
                })
            }
        }
    }

    fn option(&self, key: &str, value: &Spanned<DeValue<'_>>) -> Result<String, String> {
        let text = match value.get_ref() {
            DeValue::Boolean(true) => "on".into(),
            DeValue::Boolean(false) => "off".into(),
            value => text(value)
                .ok_or_else(|| format!("`{key}`: give text, a number, true or false, not {}", kind(value)))?,
        };
        Ok(format!("{key}={}", self.with_commas(key, text, false)?))
    }

    fn with_commas(&self, key: &str, text: String, is_last: bool) -> Result<String, String> {
        match self.commas {
            _ if !text.contains(',') => Ok(text),
            Commas::Doubled => Ok(text.replace(',', ",,")),
            Commas::InTheLast if is_last => Ok(text),
            Commas::InTheLast | Commas::Refused => Err(format!("`{key}`: there can be no comma in it")),
        }
    }

    fn unknown(&self, key: &str, head: &[Head]) -> String {
        let all = head.iter().map(Head::key).chain(self.options.iter().copied());
        let all: Vec<String> = all.map(|key| format!("`{key}`")).collect();
        format!(
            "there is no `{key}` in such a table of `{}`; there are {}",
            self.key,
            all.join(", ")
        )
    }
}

/// The values of an array, or the one that is none.
fn several<'v, 'i>(value: &'v Spanned<DeValue<'i>>) -> Vec<&'v Spanned<DeValue<'i>>> {
    match value.get_ref() {
        DeValue::Array(values) => values.iter().collect(),
        _ => vec![value],
    }
}
