//! What Debian's package lists say of a package: one stanza, read field by field.

/// What the package lists say of a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Description {
    pub(crate) name: String,
    pub(crate) version: String,
    /// How large the package file is.
    pub(crate) bytes: u64,
    /// The first of each alternative that it depends on, or that must be there before it is unpacked.
    pub(crate) depends: Vec<String>,
}

impl Description {
    /// How apt is told of this version and no other.
    pub(super) fn exactly(&self) -> String {
        format!("{}={}", self.name, self.version)
    }

    /// Reads a stanza of a package list; the error names the field that is missing.
    pub(super) fn parse(stanza: &str) -> Result<Self, &'static str> {
        let optional = |name: &str| {
            stanza
                .lines()
                .find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(':')?.trim()))
        };
        let field = |name: &'static str| optional(name).filter(|value| !value.is_empty()).ok_or(name);
        let depends = ["Depends", "Pre-Depends"].map(|name| optional(name).unwrap_or_default().split(','));
        Ok(Self {
            name: field("Package")?.to_owned(),
            version: field("Version")?.to_owned(),
            bytes: field("Size")?.parse().map_err(|_| "Size")?,
            // A name ends where its version, its architecture or the next alternative begins.
            depends: depends
                .into_iter()
                .flatten()
                .filter_map(|one| one.trim().split([' ', ':', '(', '|']).next())
                .filter(|name| !name.is_empty())
                .map(str::to_owned)
                .collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const META: &str = "Package: linux-image-powerpc64le\nVersion: 6.12.95-1~bpo12+1\n\
        Depends: kmod, linux-image-6.12.95+deb12-powerpc64le (= 6.12.95-1~bpo12+1), a:any | b\n\
        Pre-Depends: dpkg (>= 1.17)\nDescription: Linux: for many\n Size: 3\nSize: 1436\n";

    #[test]
    fn a_stanza_is_read_by_its_fields() {
        let description = Description::parse(META).unwrap();
        assert_eq!(
            description,
            Description {
                name: "linux-image-powerpc64le".into(),
                version: "6.12.95-1~bpo12+1".into(),
                bytes: 1436,
                depends: ["kmod", "linux-image-6.12.95+deb12-powerpc64le", "a", "dpkg"]
                    .map(str::to_owned)
                    .into(),
            }
        );
    }

    #[test]
    fn a_stanza_without_a_field_names_it() {
        assert_eq!(Description::parse("Package: a\nVersion: 1\n"), Err("Size"));
        assert_eq!(Description::parse("Package: a\nVersion: 1\nSize: big\n"), Err("Size"));
        assert_eq!(Description::parse(""), Err("Package"));
    }
}
