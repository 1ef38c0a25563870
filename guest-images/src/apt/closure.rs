//! Packages and all that they depend on.

use std::collections::{BTreeMap, BTreeSet};

use super::Description;
use crate::Error;

/// What the lists say of `packages` and of what they depend on as far as it `is_wanted`, each once, by name. `describe` looks up many at a time.
pub(super) fn with_dependencies(
    packages: &[&str],
    is_wanted: impl Fn(&str) -> bool,
    describe: impl Fn(&[&str]) -> Result<Vec<Description>, Error>,
) -> Result<Vec<Description>, Error> {
    let mut all: BTreeMap<String, Description> = BTreeMap::new();
    let mut open: BTreeSet<String> = packages.iter().map(|&package| package.to_owned()).collect();
    while !open.is_empty() {
        let names: Vec<&str> = open.iter().map(String::as_str).collect();
        let found = describe(&names)?;
        let depends: BTreeSet<String> = found.iter().flat_map(|one| &one.depends).cloned().collect();
        all.extend(found.into_iter().map(|one| (one.name.clone(), one)));
        open = depends;
        open.retain(|name| is_wanted(name) && !all.contains_key(name));
    }
    Ok(all.into_values().collect())
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[test]
    fn what_packages_depend_on_comes_along_once_and_circles_end() {
        let asked = RefCell::new(Vec::new());
        let describe = |packages: &[&str]| {
            asked.borrow_mut().push(packages.join(" "));
            let one = |&package: &&str| Description {
                name: package.to_owned(),
                version: "1".to_owned(),
                bytes: 2,
                depends: match package {
                    "a" => ["c", "installer"],
                    "b" => ["c", "a"],
                    "c" => ["a", "d"],
                    "d" => ["d", "b"],
                    other => panic!("{other} was not to be looked up"),
                }
                .map(str::to_owned)
                .into(),
            };
            Ok(packages.iter().map(one).collect())
        };
        let all = with_dependencies(&["b", "a"], |name| name != "installer", describe).unwrap();
        let names: Vec<_> = all.iter().map(|one| &*one.name).collect();
        assert_eq!(names, ["a", "b", "c", "d"]);
        assert_eq!(asked.into_inner(), ["a b", "c", "d"]);
    }
}
