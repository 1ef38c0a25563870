//! Which Debian mirror to ask: the one that the user's own apt uses.
//!
//! apt itself reads its sources (both formats, with all their options) and tells what they amount to;
//! `PTEG_DEBIAN_MIRROR` overrides it. A wrong guess here does no harm beyond a failed download: what
//! is fetched must be signed with Debian's keys.

use std::net::IpAddr;
use std::process::Command;

use crate::Error;
use crate::host::{Host, run};

/// The URI of a mirror.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mirror(String);

impl Mirror {
    /// The mirror that `host` uses, to be asked for `suite`.
    pub(crate) fn of(host: &Host, suite: &'static str) -> Result<Self, Error> {
        let is_security = suite.ends_with("-security");
        if is_security && host.mirror.is_none() {
            let known = Self::known(&mut host.command("apt-get"), SECURITY)?;
            if let Some(mirror) = known {
                return Ok(mirror);
            }
        }
        let archive = Self::of_archive(host, suite)?;
        Ok(if is_security { archive.security() } else { archive })
    }

    /// The mirror of security updates beside this one.
    pub(crate) fn for_security(&self, host: &Host) -> Result<Self, Error> {
        let known = match host.mirror {
            None => Self::known(&mut host.command("apt-get"), SECURITY)?,
            Some(_) => None,
        };
        Ok(known.unwrap_or_else(|| self.security()))
    }

    /// The lines of a deb822 source for a whole system. A name and password for the mirror stay with their user; if no other machine can ask the mirror,
    /// the source is one to be filled in.
    pub(crate) fn system_source(&self, suites: &str, keyring: &str) -> String {
        let (before, uri) = if self.is_for_others() {
            (String::new(), self.without_user())
        } else {
            let why = "# The mirror that made this disk was its host's alone: put another one here, and remove the next line.\nEnabled: no\n";
            (why.to_owned(), "http://mirror.invalid/debian".to_owned())
        };
        format!("{before}Types: deb\nURIs: {uri}\nSuites: {suites}\nComponents: main\nSigned-By: {keyring}\n")
    }

    /// Whether other machines can ask it: it is on a network, and not on this machine.
    fn is_for_others(&self) -> bool {
        let uri = self.without_user();
        let Some(rest) = ["http://", "https://", "ftp://"]
            .iter()
            .find_map(|scheme| uri.strip_prefix(scheme))
        else {
            return false;
        };
        let host = rest.split('/').next().unwrap_or_default();
        let name = match host.strip_prefix('[') {
            Some(address) => address.split(']').next().unwrap_or_default(),
            None => host.split(':').next().unwrap_or_default(),
        };
        let is_this_machine = name.parse().map_or_else(
            |_| name == "localhost" || name.ends_with(".localhost"),
            |address: IpAddr| address.is_loopback() || address.is_unspecified(),
        );
        !name.is_empty() && !is_this_machine
    }

    /// The URI without what stands before an `@` of its host.
    fn without_user(&self) -> String {
        let Some((scheme, rest)) = self.0.split_once("//") else {
            return self.0.clone();
        };
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
        format!("{scheme}//{host}{path}")
    }

    /// The mirror of the archive proper, which has every suite but the security ones.
    fn of_archive(host: &Host, suite: &'static str) -> Result<Self, Error> {
        if let Some(value) = &host.mirror {
            return Self::parse(value).ok_or_else(|| Error::BadMirror { value: value.clone() });
        }
        let apt_get = || host.command("apt-get");
        let known = Self::known(&mut apt_get(), ARCHIVE)?;
        let found = known.map_or_else(|| Self::listed(&mut apt_get()), |mirror| Ok(Some(mirror)))?;
        found.ok_or(Error::NoMirror { suite })
    }

    /// The security archive beside this one, where mirrors that have both have it.
    fn security(&self) -> Self {
        Self(format!("{}-security", self.0.trim_end_matches('/')))
    }

    /// The mirror that, by the package lists which `apt_get` has, is Debian's archive of this label.
    fn known(apt_get: &mut Command, label: &str) -> Result<Option<Self>, Error> {
        const FORMAT: &str = "$(CREATED_BY)\t$(COMPONENT)\t$(ORIGIN)\t$(LABEL)\t$(REPO_URI)";
        let wanted = format!("Packages\tmain\tDebian\t{label}\t");
        let mut first = None;
        run(
            "apt-get",
            apt_get.args(["indextargets", "--format", FORMAT]),
            LOOKING,
            |line| {
                if first.is_none() {
                    first = line.strip_prefix(&wanted).and_then(Self::of_source);
                }
            },
        )?;
        Ok(first)
    }

    /// The mirror that `apt_get` would ask if it had no lists yet, as in many a container: the first
    /// one whose path says `debian`, or else the first that has one of Debian's suites.
    fn listed(apt_get: &mut Command) -> Result<Option<Self>, Error> {
        let mut text = String::new();
        // Only asks what would be fetched.
        run(
            "apt-get",
            apt_get.args(["-o", "quiet=0", "--print-uris", "update"]),
            LOOKING,
            |line| {
                text.push_str(line);
                text.push('\n');
            },
        )?;
        let found: Vec<Self> = text.lines().filter_map(archive).filter_map(Self::of_source).collect();
        let by_path = found
            .iter()
            .find(|mirror| mirror.0.split('/').any(|part| part == "debian"));
        Ok(by_path.or(found.first()).cloned())
    }

    /// A URI out of a source list, unless it is one of the disks that Debian was installed from.
    fn of_source(uri: &str) -> Option<Self> {
        Self::parse(uri).filter(|_| !uri.starts_with("cdrom:"))
    }

    /// A URI that can stand in a source list: a scheme, and nothing that ends a word or a line.
    fn parse(uri: &str) -> Option<Self> {
        let (scheme, rest) = uri.split_once(':')?;
        let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
        let is_word = !rest.is_empty() && !rest.contains(|c: char| c.is_whitespace() || c.is_control());
        (is_scheme && is_word).then(|| Self(uri.to_owned()))
    }

    /// The lines of a deb822 source that offers `suite` for `architecture`, verified with `keyring`.
    ///
    /// Only the package index of `main` is asked for: a mirror's other indexes can be stale, and one bad
    /// index makes apt drop the whole suite.
    pub(crate) fn source(&self, suite: &str, architecture: &str, keyring: &str) -> String {
        format!(
            "Types: deb\nURIs: {}\nSuites: {suite}\nComponents: main\nArchitectures: {architecture}\n\
             Targets: Packages\nSigned-By: {keyring}\n",
            self.0
        )
    }
}

/// What the archive calls itself.
const ARCHIVE: &str = "Debian";

/// What the security archive calls itself.
const SECURITY: &str = "Debian-Security";

/// What these runs of apt are for, if they fail.
const LOOKING: &str = "looking for a Debian mirror among this system's package sources";

/// The archive in a line of `update --print-uris` if the line is of the main packages of a Debian suite:
/// `'http://HOST/debian/dists/trixie/main/binary-amd64/Packages.xz' …`.
fn archive(line: &str) -> Option<&str> {
    let uri = line.strip_prefix('\'')?.split('\'').next()?;
    let (archive, index) = uri.rsplit_once("/dists/")?;
    let (suite, _) = index.split_once("/main/binary-")?;
    is_debian_suite(suite).then_some(archive)
}

/// Whether the archive (not the security archive, which is elsewhere) has a suite of this name.
fn is_debian_suite(release: &str) -> bool {
    const SUITES: [&str; 14] = [
        "bullseye",
        "bookworm",
        "trixie",
        "forky",
        "duke",
        "sid",
        "experimental",
        "rc-buggy",
        "unstable",
        "testing",
        "stable",
        "oldstable",
        "oldoldstable",
        "stable-proposed-updates",
    ];
    let base = ["-updates", "-backports"]
        .iter()
        .find_map(|suffix| release.strip_suffix(suffix));
    SUITES.contains(&base.unwrap_or(release))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// What the system's apt makes of a directory of sources; `None` where there is no apt.
    fn of_sources(files: &[(&str, &str)]) -> Option<Result<Option<Mirror>, Error>> {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(directory.path().join(name), text).unwrap();
        }
        let mut apt_get = Host::of_process().command("apt-get");
        for (option, value) in [
            ("Dir::Etc::sourcelist", "/dev/null".as_ref()),
            ("Dir::Etc::sourceparts", directory.path()),
            ("Dir::State::lists", directory.path()),
        ] {
            apt_get.arg("-o").arg(format!("{option}={}", value.display()));
        }
        match Mirror::listed(&mut apt_get) {
            Err(Error::MissingProgram { .. }) => {
                eprintln!("SKIPPED: this system has no apt to read its own source lists");
                None
            }
            result => Some(result),
        }
    }

    fn mirror_of(files: &[(&str, &str)]) -> Option<Option<Mirror>> {
        of_sources(files).map(Result::unwrap)
    }

    fn mirror(uri: &str) -> Mirror {
        Mirror(uri.to_owned())
    }

    #[test]
    fn one_line_sources_are_read() {
        let text = "# comment\ndeb-src http://source.invalid/debian trixie main\n\
                    deb [ arch=amd64 ] http://mirror.invalid/debian/ trixie main contrib\n";
        let Some(found) = mirror_of(&[("a.list", text)]) else {
            return;
        };
        assert_eq!(found, Some(mirror("http://mirror.invalid/debian")));
    }

    #[test]
    fn deb822_sources_are_read_and_disabled_ones_are_not() {
        let text = "Types: deb deb-src\nURIs: http://off.invalid/debian\nSuites: sid\nComponents: main\n\
                    Enabled: no\n\n# on\nTypes: deb\nURIs: http://on.invalid/debian\n\
                    Suites: sid\nComponents: main contrib\n";
        let Some(found) = mirror_of(&[("a.sources", text)]) else {
            return;
        };
        assert_eq!(found, Some(mirror("http://on.invalid/debian")));
    }

    #[test]
    fn third_parties_and_the_security_archive_are_passed_over() {
        let text = "deb http://vendor.invalid/apt bookworm main\n\
                    deb http://mirror.invalid/debian-security bookworm-security main\n\
                    deb http://docker.invalid/linux/debian bookworm stable\n\
                    deb http://mirror.invalid/debian bookworm-updates main\n";
        let Some(found) = mirror_of(&[("a.list", text)]) else {
            return;
        };
        assert_eq!(found, Some(mirror("http://mirror.invalid/debian")));
    }

    #[test]
    fn another_distributions_sources_are_no_mirror() {
        let text = "deb http://ubuntu.invalid/ubuntu noble main universe\n\
                    deb http://ubuntu.invalid/ubuntu noble-updates main\n";
        let Some(found) = mirror_of(&[("a.list", text)]) else {
            return;
        };
        assert_eq!(found, None);
    }

    #[test]
    fn broken_sources_are_told_in_apts_words() {
        let Some(result) = of_sources(&[("a.list", "deb nonsense\n")]) else {
            return;
        };
        let message = result.unwrap_err().to_string();
        assert!(message.contains("Malformed entry 1 in list file"), "{message}");
    }

    #[test]
    fn lists_that_apt_has_tell_debian_from_those_who_are_named_alike() {
        let mut shell = Host::of_process().command("sh");
        let lists = [
            "Packages main Vendor Debian http://vendor.invalid/debian/",
            "DEP-11 main Debian Debian http://icons.invalid/debian/",
            "Packages contrib Debian Debian http://contrib.invalid/debian/",
            "Packages main Debian Debian-Security http://security.invalid/debian-security/",
            "Packages main Debian Debian cdrom:[Debian]/",
            "Packages main Debian Debian http://mirror.invalid/deb/",
            "Packages main Debian Debian http://second.invalid/debian/",
        ];
        let lists = lists.map(|line| line.replace(' ', "\t")).join("\n");
        shell.arg("-c").arg(format!("echo '{lists}'"));
        let mut found = |label| Mirror::known(&mut shell, label).unwrap();
        assert_eq!(found(ARCHIVE), Some(mirror("http://mirror.invalid/deb/")));
        assert_eq!(
            found(SECURITY),
            Some(mirror("http://security.invalid/debian-security/"))
        );
    }

    #[test]
    fn a_mirror_without_debian_in_its_path_will_do() {
        let text = "deb cdrom:[Debian]/ bookworm main\ndeb http://corporate.invalid/mirror sid main\n";
        let Some(found) = mirror_of(&[("a.list", text)]) else {
            return;
        };
        assert_eq!(found, Some(mirror("http://corporate.invalid/mirror")));
    }

    #[test]
    fn the_security_archive_of_the_users_mirror_is_beside_it() {
        let host = Host {
            mirror: Some("http://mirror.invalid/debian/".to_owned()),
            ..Host::of_process()
        };
        let of = |suite| Mirror::of(&host, suite).unwrap();
        assert_eq!(of("bookworm"), mirror("http://mirror.invalid/debian/"));
        assert_eq!(of("bookworm-security"), mirror("http://mirror.invalid/debian-security"));
    }

    #[test]
    fn a_mirror_of_the_users_must_be_a_uri() {
        for good in [
            "http://host/debian",
            "file:/srv/debian",
            "mirror+file:/etc/mirrors.list",
        ] {
            assert!(Mirror::parse(good).is_some(), "{good}");
        }
        for bad in [
            "",
            "host/debian",
            "http:",
            "http://a b",
            "http://a\nSigned-By:",
            ":x",
            "1:x",
        ] {
            assert!(Mirror::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_password_for_the_mirror_is_not_written_into_a_system() {
        for (uri, written) in [
            (
                "http://me:p@ss@mirror.example:80/debian/@x",
                "http://mirror.example:80/debian/@x",
            ),
            ("https://mirror.example/debian", "https://mirror.example/debian"),
            ("http://me@mirror.example", "http://mirror.example"),
        ] {
            let source = Mirror::parse(uri).unwrap().system_source("suite", "key");
            assert!(source.contains(&format!("URIs: {written}\n")), "{source}");
        }
    }

    #[test]
    fn a_mirror_that_only_its_host_has_is_left_to_be_filled_in() {
        let source = |uri| Mirror::parse(uri).unwrap().system_source("suite", "key");
        for own in [
            "file:/srv/debian",
            "copy:/srv/debian",
            "mirror+file:/etc/mirrors.list",
            "http://localhost:3142/debian",
            "http://me@127.0.0.1/debian",
            "http://[::1]:80/debian",
            "http:///debian",
        ] {
            let source = source(own);
            assert!(source.contains("\nEnabled: no\n"), "{own}: {source}");
            assert!(!source.contains(own), "{source}");
        }
        for others in ["http://mirror.example:3142/debian", "https://[2001:db8::1]/debian"] {
            let source = source(others);
            assert!(!source.contains("Enabled") && source.contains(others), "{source}");
        }
    }
}
