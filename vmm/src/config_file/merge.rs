//! A file's words and the user's own, in one command line.
//!
//! What the user says goes before what the file says: of a flag that is given once, the file's is left out, and so is what cannot stand beside a
//! flag of the user's (an image beside `--kernel`). Flags that may be repeated add up, the file's first: a disk more does not move the others.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};

use super::settings::{self, Setting};
use super::{Mistake, Origins, Source};
use crate::cli;

/// What there is instead of the user's words.
pub(crate) struct Merged {
    /// What the file adds to them, to stand before them.
    pub(crate) words: Vec<OsString>,
    /// Where that is from.
    pub(crate) origins: Origins,
    /// What of it needs another flag.
    needy: Option<String>,
}

/// What of `source` goes with `given`, the user's own flags of `run`.
///
/// # Errors
/// All that is wrong with the file.
pub(crate) fn merge(source: &Source, run: &Command, given: &ArgMatches) -> Result<Merged, Vec<Mistake>> {
    let settings = settings::read(source, run)?;
    let is_given = |arg: &Arg| given.value_source(arg.get_id().as_str()) == Some(ValueSource::CommandLine);
    let excludes = |one: &Arg, other: &Arg| {
        run.get_arg_conflicts_with(one)
            .iter()
            .any(|arg| arg.get_id() == other.get_id())
    };
    let mut merged = Merged {
        words: Vec::new(),
        origins: Origins::default(),
        needy: None,
    };
    for Setting {
        key,
        word,
        place,
        needs_another,
    } in settings
    {
        let arg = settings::find(run, &key).expect("it was found before");
        let is_replaced = is_given(arg) && !matches!(arg.get_action(), ArgAction::Append);
        let is_excluded = || {
            let mut others = run.get_arguments().filter(|other| is_given(other));
            others.any(|other| excludes(arg, other) || excludes(other, arg))
        };
        if is_replaced || is_excluded() {
            continue;
        }
        merged.origins.add(&key, place);
        merged.words.push(word);
        if needs_another {
            merged.needy.get_or_insert(key);
        }
    }
    Ok(merged)
}

impl Merged {
    /// What `error` says of all words together, if it is about one of the file's.
    pub(crate) fn explain(&self, run: &Command, error: &clap::Error) -> Option<Mistake> {
        let flags = [ContextKind::InvalidArg, ContextKind::PriorArg]
            .into_iter()
            .filter_map(|kind| error.get(kind))
            .flat_map(|value| match value {
                ContextValue::String(flag) => vec![flag.clone()],
                ContextValue::Strings(flags) => flags.clone(),
                _ => Vec::new(),
            });
        let needy = self
            .needy
            .clone()
            .filter(|_| error.kind() == ErrorKind::MissingRequiredArgument);
        let named = flags.filter_map(|flag| {
            let arg = run.get_arguments().find(|arg| arg.to_string() == flag)?;
            settings::key_of(arg).map(str::to_owned)
        });
        let mut keys = needy.into_iter().chain(named);
        let place = keys.find_map(|key| self.origins.find(&key, 0).cloned())?;
        Some(Mistake::at(place, cli::sentence(error)))
    }
}
