//! What `--share` says.

use std::path::PathBuf;
use std::str::FromStr;

use devices::virtio::fs::MOST_TAG_BYTES;

use crate::disks::split;

/// The tag of a share that the user gives none.
const USUAL_TAG: &str = "share";

/// The names of its options; there are no others.
pub(crate) const OPTION_NAMES: [&str; 2] = ["tag", "readonly"];

/// A directory that is to be shared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ShareArg {
    pub(super) directory: PathBuf,
    /// By which the guest mounts it.
    pub(super) tag: String,
    pub(super) is_read_only: bool,
}

impl FromStr for ShareArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut words = split(text).into_iter();
        let directory = words.next().filter(|directory| !directory.is_empty());
        let mut arg = Self {
            directory: directory
                .ok_or("give a directory, such as src,tag=src,readonly")?
                .into(),
            tag: USUAL_TAG.into(),
            is_read_only: false,
        };
        for word in words {
            match word.split_once('=') {
                None if word == "readonly" => arg.is_read_only = true,
                Some(("readonly", "on")) => arg.is_read_only = true,
                Some(("readonly", "off")) => arg.is_read_only = false,
                Some(("tag", tag)) if is_tag(tag) => tag.clone_into(&mut arg.tag),
                Some(("tag", _)) => {
                    return Err(format!(
                        "`{word}`: give 1 to {MOST_TAG_BYTES} letters, digits and the signs - _ ."
                    ));
                }
                Some(("iommu", _)) => {
                    return Err(format!("`{word}`: a share is never behind the bridge's translation"));
                }
                _ => return Err(format!("`{word}`: options of a share are tag=TAG and readonly")),
            }
        }
        Ok(arg)
    }
}

/// Letters that a shell in the guest leaves alone.
fn is_tag(text: &str) -> bool {
    let is_plain = |letter: u8| letter.is_ascii_alphanumeric() || b"-_.".contains(&letter);
    (1..=MOST_TAG_BYTES).contains(&text.len()) && text.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_and_its_options_are_what_they_say() {
        let share = |directory: &str, tag: &str, is_read_only| ShareArg {
            directory: directory.into(),
            tag: tag.into(),
            is_read_only,
        };
        assert_eq!("a/b".parse(), Ok(share("a/b", "share", false)));
        assert_eq!("a,readonly=on,readonly=off".parse(), Ok(share("a", "share", false)));
        assert_eq!("a,,b,readonly,tag=x.y-z_1".parse(), Ok(share("a,b", "x.y-z_1", true)));
    }

    #[test]
    fn what_is_wrong_is_told_what_would_be_right() {
        let long = format!("x,tag={}", "x".repeat(37));
        for (text, right) in [
            ("", "give a directory"),
            (",readonly", "give a directory"),
            ("x,", "tag=TAG and readonly"),
            ("x,ro", "tag=TAG and readonly"),
            ("x,readonly=maybe", "tag=TAG and readonly"),
            ("x,tag=", "1 to 36"),
            ("x,tag=a b", "1 to 36"),
            ("x,iommu=on", "never behind"),
            (&long, "1 to 36"),
        ] {
            let said = text.parse::<ShareArg>().unwrap_err();
            assert!(said.contains(right), "{text}: {said}");
        }
        assert!(long[..long.len() - 1].parse::<ShareArg>().is_ok());
    }
}
