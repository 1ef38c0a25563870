//! From the keys and values of a file to the words that a command line would have instead.

use std::any::TypeId;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, Command};
use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue};

use super::{Mistake, Place, Source, tables};
use crate::cli;
use crate::disks::DiskArg;
use crate::nets::VsockArg;
use crate::shares::ShareArg;

/// What a file says of one flag, or of one of a flag that may be repeated.
pub(super) struct Setting {
    /// Its key: the flag's long name, or `image`.
    pub(super) key: String,
    /// As the command line would have it.
    pub(super) word: OsString,
    /// Where it stands.
    pub(super) place: Place,
    /// It needs another flag.
    pub(super) needs_another: bool,
}

/// The flags of `run` that `source` gives, in the order in which they stand there.
///
/// # Errors
/// All that is wrong with them.
pub(super) fn read(source: &Source, run: &Command) -> Result<Vec<Setting>, Vec<Mistake>> {
    let (table, errors) = DeTable::parse_recoverable(&source.text);
    // What would be read of the rest is a guess.
    if !errors.is_empty() {
        let start = |error: &toml::de::Error| error.span().map_or(0, |span| span.start);
        let mut errors: Vec<_> = errors
            .iter()
            .map(|error| (source.place(start(error)), error.message()))
            .collect();
        errors.sort_by_key(|(place, _)| place.position());
        // What comes later in a line may be a consequence of the first.
        errors.dedup_by_key(|(place, _)| place.position().0);
        let mistake = |(place, what)| Mistake::at(place, format!("this is no TOML: {what}"));
        return Err(errors.into_iter().map(mistake).collect());
    }
    let mut reader = Reader {
        source,
        run,
        settings: Vec::new(),
        mistakes: Vec::new(),
    };
    for (key, value) in in_order(table.get_ref()) {
        reader.key(key, value);
    }
    match reader.mistakes.is_empty() {
        true => Ok(reader.settings),
        false => Err(reader.mistakes),
    }
}

/// What `table` holds, as it stands in the file.
pub(super) fn in_order<'t, 'i>(
    table: &'t DeTable<'i>,
) -> Vec<(&'t Spanned<std::borrow::Cow<'i, str>>, &'t Spanned<DeValue<'i>>)> {
    let mut all: Vec<_> = table.iter().collect();
    all.sort_by_key(|(key, _)| key.span().start);
    all
}

/// The flag of `run` that has this key.
pub(super) fn find<'c>(run: &'c Command, key: &str) -> Option<&'c Arg> {
    run.get_arguments()
        .find(|arg| key_of(arg).is_some_and(|its| its == key))
}

/// The key of a flag; `None`: a file does not say it.
pub(super) fn key_of(arg: &Arg) -> Option<&str> {
    match arg.get_long() {
        Some("config" | "help") => None,
        Some(long) => Some(long),
        None => arg.is_positional().then(|| arg.get_id().as_str()),
    }
}

/// What is wrong with a value, and nothing about where.
pub(super) enum Verdict {
    /// Nothing.
    Right,
    /// Nothing, but that it needs another flag.
    NeedsAnother,
    /// That.
    Wrong(String),
}

struct Reader<'a> {
    source: &'a Source,
    run: &'a Command,
    settings: Vec<Setting>,
    mistakes: Vec<Mistake>,
}

impl Reader<'_> {
    fn wrong(&mut self, at: usize, what: impl Into<String>) {
        self.mistakes.push(self.source.mistake(at, what));
    }

    fn key(&mut self, key: &Spanned<std::borrow::Cow<'_, str>>, value: &Spanned<DeValue<'_>>) {
        let run = self.run;
        let name = key.get_ref();
        let Some(arg) = find(run, name) else {
            let advice = match name.as_ref() {
                "config" => "; a file names no other file".into(),
                _ => similar(run, name).map_or_else(String::new, |other| format!("; did you mean `{other}`?")),
            };
            let what = format!("there is no key `{name}`{advice} (keys are the flags of pteg run, and image)");
            return self.wrong(key.span().start, what);
        };
        let at = value.span().start;
        match (arg.get_action(), value.get_ref()) {
            (ArgAction::SetTrue, DeValue::Boolean(true)) => self.add(arg, None, at),
            (ArgAction::SetTrue, DeValue::Boolean(false)) => {}
            (ArgAction::SetTrue, other) => self.wrong(
                at,
                format!("`{name}` is a switch: give true or false, not {}", kind(other)),
            ),
            (ArgAction::Append, DeValue::Array(values)) => {
                for value in values {
                    self.value(arg, name, value);
                }
            }
            _ => self.value(arg, name, value),
        }
    }

    /// One value of a flag that has some.
    fn value(&mut self, arg: &Arg, name: &str, value: &Spanned<DeValue<'_>>) {
        let at = value.span().start;
        if let Some(text) = text(value.get_ref()) {
            return self.add(arg, Some(&text), at);
        }
        let form = tables::FORMS.iter().find(|form| form.key == name);
        match (form, value.get_ref()) {
            (Some(form), DeValue::Table(table)) => {
                let judge = |text: &str| judge(self.run, arg, OsStr::new(text));
                match form.text(table, at, judge) {
                    Ok(text) => self.add(arg, Some(&text), at),
                    Err(wrong) => {
                        for (at, what) in wrong {
                            self.wrong(at, what);
                        }
                    }
                }
            }
            (form, other) => {
                let right = match (form, arg.get_action()) {
                    (Some(_), _) => "text as after the flag, or a table of its options",
                    (None, ArgAction::Append) => "text, or an array of texts",
                    _ => "text in quotation marks, or a whole number",
                };
                self.wrong(at, format!("`{name}`: give {right}, not {}", kind(other)));
            }
        }
    }

    /// The flag with this value, if its own parser likes it.
    fn add(&mut self, arg: &Arg, text: Option<&str>, at: usize) {
        if let Some(text) = text.filter(|text| arg.is_positional() && text.starts_with('-')) {
            return self.wrong(
                at,
                format!("`{text}` is no name of an image; a flag has a key of its own"),
            );
        }
        let value = text.map(|text| from_folder(arg, text, self.source.folder()));
        // First as the user wrote it, so that what is wrong is said in the user's words.
        let mut verdict = match text {
            Some(text) => judge(self.run, arg, OsStr::new(text)),
            None => judge_word(self.run, &word(arg, None)),
        };
        if let (Verdict::Right | Verdict::NeedsAnother, Some(value)) = (&verdict, &value) {
            verdict = judge(self.run, arg, value);
        }
        let needs_another = match verdict {
            Verdict::Right => false,
            Verdict::NeedsAnother => true,
            Verdict::Wrong(what) => return self.wrong(at, what),
        };
        self.settings.push(Setting {
            key: key_of(arg).expect("it was found by its key").to_owned(),
            word: word(arg, value.as_deref()),
            place: self.source.place(at),
            needs_another,
        });
    }
}

/// The word that gives the flag this value, or none.
fn word(arg: &Arg, value: Option<&OsStr>) -> OsString {
    let mut word = OsString::new();
    if let Some(long) = arg.get_long() {
        word.push("--");
        word.push(long);
        if value.is_some() {
            word.push("=");
        }
    }
    word.push(value.unwrap_or_default());
    word
}

/// What the flag's own parser says of `value`.
fn judge(run: &Command, arg: &Arg, value: &OsStr) -> Verdict {
    judge_word(run, &word(arg, Some(value)))
}

fn judge_word(run: &Command, word: &OsStr) -> Verdict {
    match run.clone().no_binary_name(true).try_get_matches_from([word]) {
        Ok(_) => Verdict::Right,
        Err(error) => match error.kind() {
            ErrorKind::MissingRequiredArgument => Verdict::NeedsAnother,
            _ => Verdict::Wrong(cli::sentence(&error)),
        },
    }
}

/// The key that is most like `name`.
fn similar(run: &Command, name: &str) -> Option<String> {
    let flag = format!("--{name}");
    let error = run.clone().no_binary_name(true).try_get_matches_from([flag]).err()?;
    match error.get(ContextKind::SuggestedArg)? {
        ContextValue::String(flag) => {
            let key = flag.trim_start_matches('-');
            find(run, key).map(|_| key.to_owned())
        }
        _ => None,
    }
}

/// What stands for a text or a number on the command line.
pub(super) fn text(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.clone().into_owned()),
        DeValue::Integer(number) => Some(decimal(number)),
        _ => None,
    }
}

/// A number as the flags take it.
fn decimal(number: &DeInteger<'_>) -> String {
    i128::from_str_radix(number.as_str(), number.radix()).map_or_else(|_| number.to_string(), |n| n.to_string())
}

/// What a value is called in messages.
pub(super) fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "text",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a number with a point",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}

/// `text` with the path that is in it made to begin at `folder`, unless it begins at the root.
pub(super) fn from_folder(arg: &Arg, text: &str, folder: &Path) -> OsString {
    let kind = arg.get_value_parser().type_id();
    // With options after it, a comma of the path is written twice.
    let has_options = kind == TypeId::of::<DiskArg>() || kind == TypeId::of::<ShareArg>();
    let path = if has_options || kind == TypeId::of::<PathBuf>() {
        0
    } else if kind == TypeId::of::<VsockArg>() {
        text.find(',').map_or(text.len(), |comma| comma + 1)
    } else {
        text.len()
    };
    let (before, path) = text.split_at(path);
    if path.is_empty() || path.starts_with('/') || folder.as_os_str().is_empty() {
        return text.into();
    }
    let mut folder = folder.join("").into_os_string().into_vec();
    if has_options {
        folder = folder
            .iter()
            .flat_map(|&byte| [byte].repeat(1 + usize::from(byte == b',')))
            .collect();
    }
    OsString::from_vec([before.as_bytes(), &folder, OsStr::new(path).as_bytes()].concat())
}
