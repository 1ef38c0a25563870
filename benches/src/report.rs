//! What a benchmark found, and the page where it stands.

use std::fs;
use std::path::Path;

use crate::error::{Error, Result};

/// What a benchmark found.
pub struct Report {
    /// How many rounds counted.
    pub rounds: usize,
    /// The tables.
    pub markdown: String,
    /// A picture, in SVG.
    pub picture: Option<String>,
}

/// Puts `text` into the section of `name` on `page`, in the place of what stood there.
pub fn write_section(page: &Path, name: &str, text: &str) -> Result<()> {
    let old = fs::read_to_string(page).map_err(|source| Error::io("reading", page, source))?;
    let (begin, end) = marks(name);
    let Some(new) = with_section(&old, (&begin, &end), text) else {
        return Err(Error::NoSection {
            path: page.to_owned(),
            begin,
            end,
        });
    };
    write(page, &new)
}

/// Writes a file.
pub fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).map_err(|source| Error::io("writing", path, source))
}

/// The lines around a section.
fn marks(name: &str) -> (String, String) {
    let begin = format!("<!-- {name}: written by `cargo xtask bench {name} --write` -->");
    (begin, format!("<!-- {name}: end -->"))
}

fn with_section(page: &str, (begin, end): (&str, &str), text: &str) -> Option<String> {
    let (before, rest) = page.split_once(begin)?;
    let (_, after) = rest.split_once(end)?;
    Some(format!("{before}{begin}\n\n{}\n\n{end}{after}", text.trim()))
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;
    use crate::cli::Benchmark;

    #[test]
    fn a_section_is_replaced_and_nothing_else() {
        let (begin, end) = marks("boot");
        let page = format!("# Title\n\n{begin}\nold\n{end}\n\nThe end.\n");
        let new = with_section(&page, (&begin, &end), "new\n").unwrap();
        assert_eq!(new, format!("# Title\n\n{begin}\n\nnew\n\n{end}\n\nThe end.\n"));
        assert_eq!(with_section(&new, (&begin, &end), "new\n").unwrap(), new);
        assert_eq!(with_section("# Title\n", (&begin, &end), "new"), None);
    }

    #[test]
    fn the_page_has_a_section_for_every_benchmark() {
        let page = include_str!("../README.md");
        for benchmark in Benchmark::value_variants() {
            let (begin, end) = marks(benchmark.name());
            assert!(with_section(page, (&begin, &end), "").is_some(), "{begin}");
        }
    }
}
