//! The private apt against hosts whose apt is a shell script.

use super::*;
use crate::Silent;

#[test]
fn a_status_line_tells_how_much_is_done() {
    assert_eq!(percent_done("dlstatus:1:65.5:Retrieving file 1 of 1"), Some(65.5));
    assert_eq!(percent_done("dlstatus:1:1e9:x"), Some(100.0));
    for other in ["", "pmstatus:1:2:x", "dlstatus:1", "dlstatus:1:nan:x", "dlstatus:1:x:x"] {
        assert_eq!(percent_done(other), None, "{other}");
    }
}

/// A cache on a host whose only programs are the given shell scripts.
fn host_with(directory: &Path, programs: &[(&str, &str)]) -> Cache {
    let bin = directory.join("bin");
    fs::create_dir(&bin).unwrap();
    for (name, script) in programs {
        let path = bin.join(name);
        // By another process: nobody can execute what we have open for writing, and each process that another test is just starting has
        // what we have until it has become its program.
        let written = Command::new("sh")
            .args(["-c", "printf '#!/bin/sh\\n%s\\n' \"$1\" >\"$0\" && chmod 755 \"$0\""])
            .arg(&path)
            .arg(script)
            .status();
        assert!(written.unwrap().success());
    }
    let mut cache = Cache::at(&directory.join("cache")).unwrap();
    cache.host.search_path = Some(bin.into());
    cache.host.mirror = Some("http://mirror.invalid/debian".into());
    cache.host.keyrings = vec!["/dev/null".into()];
    cache
}

fn fetch(cache: &Cache) -> Result<Package, Error> {
    let lock = cache.lock(&Silent)?;
    Repository::open(cache, &lock, &Silent, "bookworm", "ppc64el")?
        .fetch("linux-image-powerpc64le", Some("linux-image-"))
}

#[test]
fn a_host_without_apt_is_told_what_else_would_do() {
    let directory = tempfile::tempdir().unwrap();
    let message = fetch(&host_with(directory.path(), &[])).unwrap_err().to_string();
    assert!(message.contains("`apt-get` is not installed"), "{message}");
    assert!(message.contains("--kernel"), "{message}");
}

#[test]
fn a_host_without_debians_keys_is_told_which_package_has_them() {
    let directory = tempfile::tempdir().unwrap();
    let mut cache = host_with(directory.path(), &[]);
    cache.host.keyrings = vec!["/nonexistent/keyring.gpg".into()];
    let message = fetch(&cache).unwrap_err().to_string();
    assert!(message.contains("/nonexistent/keyring.gpg"), "{message}");
    assert!(message.contains("debian-archive-keyring"), "{message}");
}

#[test]
fn a_network_failure_is_told_in_apts_words() {
    let directory = tempfile::tempdir().unwrap();
    let apt_get = "echo \"E: Failed to fetch X  Could not resolve 'mirror.invalid'\" >&2; exit 100";
    let cache = host_with(directory.path(), &[("apt-get", apt_get)]);
    assert_eq!(
        fetch(&cache).unwrap_err().to_string(),
        "fetching the package lists of Debian bookworm: apt-get: \
         Failed to fetch X  Could not resolve 'mirror.invalid'"
    );
}

#[test]
fn a_mirror_that_is_no_uri_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let mut cache = host_with(directory.path(), &[]);
    cache.host.mirror = Some("my mirror".into());
    let error = fetch(&cache).unwrap_err();
    assert!(
        matches!(&error, Error::BadMirror { value } if value == "my mirror"),
        "{error:?}"
    );
}

/// An apt that logs what it is asked to do and "downloads" a package on its `good`-th attempt.
fn logging_apt(directory: &Path, good: u32) -> Cache {
    let log = directory.join("log");
    let log = log.display();
    let apt_get = format!(
        "for last; do :; done
         case \"$*\" in
         *update*) echo update >> {log};;
         *download*) echo \"download $last\" >> {log}
             count=0
             while read -r line; do case $line in download*) count=$((count + 1));; esac; done < {log}
             [ $count -ge {good} ] || {{ echo 'E: 404 Not Found' >&2; exit 100; }}
             echo 'dlstatus:1:50.0:half'; echo package > \"${{last%%=*}}_1%3a2-3_ppc64el.deb\";;
         esac"
    );
    let apt_cache = "for last; do :; done
         echo \"Package: $last\"; echo 'Version: 1:2-3'; echo 'Size: 4096'
         [ \"$last\" != linux-image-powerpc64le ] || echo 'Depends: linux-image-6-powerpc64le (= 1:2-3)'";
    host_with(directory, &[("apt-get", &apt_get), ("apt-cache", apt_cache)])
}

fn log(directory: &Path) -> Vec<String> {
    let log = fs::read_to_string(directory.join("log")).unwrap();
    log.lines().map(str::to_owned).collect()
}

#[test]
fn a_meta_package_leads_to_the_package_it_stands_for() {
    let directory = tempfile::tempdir().unwrap();
    let package = fetch(&logging_apt(directory.path(), 1)).unwrap();
    assert_eq!(
        (&*package.name, &*package.version),
        ("linux-image-6-powerpc64le", "1:2-3")
    );
    assert_eq!(fs::read(&package.path).unwrap(), b"package\n");
    assert_eq!(
        log(directory.path()),
        ["update", "download linux-image-6-powerpc64le=1:2-3"]
    );
    discard(&package);
    assert!(!package.path.exists());
}

#[test]
fn package_lists_are_read_once_a_day_and_mirror() {
    let directory = tempfile::tempdir().unwrap();
    let mut cache = logging_apt(directory.path(), 1);
    let updates = || log(directory.path()).iter().filter(|line| *line == "update").count();
    fetch(&cache).unwrap();
    fetch(&cache).unwrap();
    assert_eq!(updates(), 1);
    cache.host.mirror = Some("http://other.invalid/debian".into());
    fetch(&cache).unwrap();
    assert_eq!(updates(), 2);
}

#[test]
fn a_package_that_the_mirror_has_replaced_is_looked_up_again() {
    let directory = tempfile::tempdir().unwrap();
    let cache = logging_apt(directory.path(), 3);
    // The lists are new: one attempt, and its error.
    assert_eq!(
        fetch(&cache).unwrap_err().to_string(),
        "downloading linux-image-6-powerpc64le: apt-get: 404 Not Found"
    );
    fetch(&cache).unwrap();
    let download = "download linux-image-6-powerpc64le=1:2-3";
    assert_eq!(
        log(directory.path()),
        ["update", download, download, "update", download]
    );
}

#[test]
fn a_line_of_uris_names_a_file_and_its_size() {
    let line = "'http://mirror.invalid/debian/pool/a/a_1%3a2_all.deb' a_1%3a2_all.deb 1436 SHA256:00";
    assert_eq!(file_of_uri(line), Some(("a_1%3a2_all.deb".into(), 1436)));
    for other in [
        "",
        "Reading lists",
        "'http://mirror.invalid/a' ../a.deb 1",
        "'http://mirror.invalid/a' a.deb many",
    ] {
        assert_eq!(file_of_uri(other), None, "{other}");
    }
}

#[test]
fn many_packages_take_as_many_questions_as_dependencies_are_deep() {
    let directory = tempfile::tempdir().unwrap();
    let log_file = directory.path().join("log");
    let log_file = log_file.display();
    let apt_get = format!(
        "while [ $# -gt 0 ] && [ \"$1\" != download ] && [ \"$1\" != update ]; do shift; done
         echo \"apt-get $*\" >> {log_file}
         [ \"$1\" = download ] && shift || exit 0
         for exact; do echo package > \"${{exact%%=*}}_1_all.deb\"; done"
    );
    // Apt has an order of its own, and passes over what there is not.
    let apt_cache = format!(
        "while [ \"$1\" != show ]; do shift; done; shift
         echo \"apt-cache $*\" >> {log_file}
         case \"$*\" in
         'a b') printf 'Package: b\\nVersion: 2\\nSize: 1\\n\\nPackage: a\\nVersion: 1\\nSize: 1\\nDepends: c (>= 1), e | d\\n\\n';;
         c) printf 'Package: c\\nVersion: 3\\nSize: 1\\nDepends: b\\n\\n';;
         'b missing') printf 'Package: b\\nVersion: 2\\nSize: 1\\n\\n';;
         esac"
    );
    let cache = host_with(directory.path(), &[("apt-get", &apt_get), ("apt-cache", &apt_cache)]);
    let lock = cache.lock(&Silent).unwrap();
    let repository = Repository::open(&cache, &lock, &Silent, "bookworm", "ppc64el").unwrap();
    let to = directory.path().join("debs");
    let all = repository
        .fetch_with_dependencies(&["b", "a"], &|name| name != "e", &to)
        .unwrap();
    let found: Vec<_> = all.iter().map(|package| (&*package.name, &*package.version)).collect();
    assert_eq!(found, [("a", "1"), ("b", "2"), ("c", "3")]);
    for package in &all {
        assert_eq!(package.path, to.join(format!("{}_1_all.deb", package.name)));
    }
    assert_eq!(
        log(directory.path()),
        [
            "apt-get update",
            "apt-cache a b",
            "apt-cache c",
            "apt-get download a=1 b=2 c=3"
        ]
    );
    let missing = repository.fetch_with_dependencies(&["b", "missing"], &|_| true, &to);
    let told = missing.unwrap_err().to_string();
    assert!(told.contains("describe missing without"), "{told}");
}
