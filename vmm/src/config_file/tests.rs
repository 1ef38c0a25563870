use std::ffi::OsString;
use std::path::Path;

use clap::{Arg, ArgAction};

use super::*;
use crate::cli::{self, Command, RunArgs};

/// `pteg run` with these flags and the file `vm.toml` of this text.
fn with(flags: &[&str], name: &str, text: &str) -> Result<RunArgs, String> {
    let words: Vec<OsString> = ["pteg", "run"].iter().chain(flags).map(OsString::from).collect();
    let source = Source::new(Path::new(name), text.to_owned());
    match cli::parse_with(&words, &source) {
        Ok(Command::Run(args)) => Ok(*args),
        Ok(other) => panic!("{other:?}"),
        Err(answer) => Err(answer.said()),
    }
}

fn file(text: &str) -> Result<RunArgs, String> {
    with(&[], "vm.toml", text)
}

/// What is decided, whoever says it.
fn decided(mut args: RunArgs) -> String {
    args.origins = Origins::default();
    format!("{args:?}")
}

fn line(words: &[String]) -> String {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    decided(with(&words, "vm.toml", "").unwrap())
}

/// A value that the flag's own help gives as an example.
fn example(arg: &Arg) -> String {
    let help = arg.get_long_help().expect("each flag has a page").to_string();
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    let key = settings::key_of(arg).unwrap();
    let (_, example) = help
        .rsplit_once("Example: ")
        .unwrap_or_else(|| panic!("no example of {key}"));
    if arg.get_long().is_none() {
        return example.to_owned();
    }
    let mut flags = example.trim_start_matches("--").split(" --");
    let value = flags.find_map(|flag| flag.strip_prefix(key)?.strip_prefix(' '));
    let value = value.unwrap_or_else(|| panic!("no example of {key} in {example}"));
    value.trim_matches('\'').to_owned()
}

#[test]
fn every_flag_of_run_works_in_a_file() {
    let run = cli::run_definition();
    let mut count = 0;
    for arg in run.get_arguments() {
        let Some(key) = settings::key_of(arg) else { continue };
        // What it cannot stand without.
        let (beside, before) = match key {
            "initrd" => ("kernel = \"k\"\n", vec!["--kernel=k".to_owned()]),
            "stats-every" => ("stats-series = \"s\"\n", vec!["--stats-series=s".to_owned()]),
            _ => ("", vec![]),
        };
        let (value, flag) = match arg.get_action() {
            ArgAction::SetTrue => ("true".to_owned(), format!("--{key}")),
            _ if arg.is_positional() => (format!("'{}'", example(arg)), example(arg)),
            _ => (format!("'{}'", example(arg)), format!("--{key}={}", example(arg))),
        };
        let by_line = line(&[before.clone(), vec![flag]].concat());
        assert_ne!(by_line, line(&before), "{key} changes something");
        let by_file = decided(file(&format!("{beside}{key} = {value}\n")).unwrap());
        assert_eq!(by_file, by_line, "{key}");
        count += 1;
    }
    assert!(count > 25, "{count}");
}

#[test]
fn every_path_in_a_file_begins_at_its_folder() {
    let run = cli::run_definition();
    for arg in run.get_arguments() {
        let Some(key) = settings::key_of(arg) else { continue };
        let names = arg.get_value_names().unwrap_or_default();
        let is_path = |name: &str| ["PATH", "FILE", "DIR"].iter().any(|word| name.contains(word));
        let has_path = names.iter().any(|name| is_path(name)) && !matches!(arg.get_action(), ArgAction::SetTrue);
        let text = if has_path { example(arg) } else { "a/b".to_owned() };
        let there = settings::from_folder(arg, &text, Path::new("some,where"));
        let there = there.to_str().unwrap();
        assert_eq!(there != text, has_path, "{key}: {text} is {there}");
        if has_path {
            let folder = if ["disk", "share"].contains(&key) {
                "some,,where/"
            } else {
                "some,where/"
            };
            assert_eq!(there.replacen(folder, "", 1), text, "{key}");
            let absolute = text.replacen(there.replacen(folder, "", 1).as_str(), "/x", 1);
            assert_eq!(
                settings::from_folder(arg, &absolute, Path::new("y")),
                *absolute,
                "{key}"
            );
        }
    }
    let args = with(
        &[],
        "etc/vm.toml",
        "kernel = 'k'\nvsock = '3,a,b'\nnvram = '/n'\nappend = 'a'",
    )
    .unwrap();
    assert_eq!(args.kernel.as_deref(), Some(Path::new("etc/k")));
    assert_eq!(args.nvram.as_deref(), Some(Path::new("/n")));
    assert_eq!(args.vsock.unwrap().path(), Path::new("etc/a,b"));
    assert_eq!(args.append, "a");
}

#[test]
fn values_are_numbers_texts_switches_and_arrays() {
    let args = file(
        "smp = 0x4\nmem = 512\nstats = true\nrng = false\nhide = ['block-remove', 'bulk-remove']\nappend = '-x --y'\n",
    )
    .unwrap();
    assert_eq!((args.smp, args.mem.bytes()), (4, 512 << 20));
    assert!(args.stats && !args.rng);
    assert_eq!((args.hide.len(), args.append.as_str()), (2, "-x --y"));
}

#[test]
fn a_table_says_what_the_text_says() {
    for (key, tables, texts) in [
        (
            "disk",
            "[{ format = 'qcow2', path = 'a,b', readonly = true, queues = 4 }, { path = 'c', discard = false }]",
            "['a,,b,format=qcow2,readonly,queues=4', 'c,discard=off']",
        ),
        ("disk", "{ path = 'a', readonly = false }", "'a'"),
        (
            "net",
            "[{ hostfwd = ['tcp:2222-22', 'udp:53-53'], user = true }, { tap = 'tap0', queues = 2 }]",
            "['user,hostfwd=tcp:2222-22,hostfwd=udp:53-53', 'tap=tap0,queues=2']",
        ),
        (
            "share",
            "[{ path = 'a,b', readonly = true, tag = 'x' }, { path = 'c', readonly = false }]",
            "['a,,b,tag=x,readonly', 'c']",
        ),
        ("vsock", "{ path = 'a,b', cid = 3 }", "'3,a,b'"),
    ] {
        let one = decided(file(&format!("{key} = {tables}")).unwrap());
        assert_eq!(one, decided(file(&format!("{key} = {texts}")).unwrap()), "{tables}");
    }
    let many = "[[disk]]\npath = 'a'\n[[disk]]\npath = 'b'\niommu = true\n";
    assert_eq!(
        decided(file(many).unwrap()),
        decided(file("disk = ['a', 'b,iommu=on']").unwrap())
    );
}

#[test]
fn what_is_wrong_is_told_where_and_what_is_right() {
    for (text, lines) in [
        ("memm = '2G'", &[("1:1", "did you mean `mem`?")][..]),
        ("hpt_order = 20", &[("1:1", "did you mean `hpt-order`?")]),
        ("[vm]\nsmp = 1", &[("1:2", "there is no key `vm`")]),
        ("config = 'x'", &[("1:1", "names no other file")]),
        ("help = true", &[("1:1", "there is no key `help`")]),
        ("\n  smp = 65\n", &[("2:9", "1 to 64")]),
        ("smp = -1", &[("1:7", "1 to 64")]),
        ("smp = 99999999999999999999999", &[("1:7", "")]),
        (
            "smp = true",
            &[(
                "1:7",
                "give text in quotation marks, or a whole number, not true or false",
            )],
        ),
        ("smp = [1]", &[("1:7", "not an array")]),
        ("cpu = 9.0", &[("1:7", "not a number with a point")]),
        ("cpu = 'power7'", &[("1:7", "power8 and power9")]),
        ("stats = 'yes'", &[("1:9", "a switch: give true or false, not text")]),
        (
            "hide = ['block-remove', 'enter', 3.0]",
            &[("1:25", "bulk-remove"), ("1:34", "give text, or an array of texts")],
        ),
        ("mem = 'ü' # ü\nsmp = 0", &[("1:7", "512M"), ("2:7", "1 to 64")]),
        ("'ü' = 1; smp = 1", &[("1:7", "no TOML")]),
        ("smp = 1\nsmp = 2", &[("2:1", "duplicate key")]),
        ("smp = \nmem = = 3", &[("1:7", "no TOML"), ("2:7", "no TOML")]),
        ("disk = 'x,formt=raw'", &[("1:8", "format=raw|qcow2")]),
        (
            "disk = [{ path = 'x', formt = 'raw' }]",
            &[("1:23", "`path`, `format`, `readonly`")],
        ),
        ("disk = { format = 'raw' }", &[("1:8", "has `path`")]),
        (
            "disk = [{ path = 'x', queues = 99, cache = 'fast', readonly = 3.5 }]",
            &[
                ("1:32", "1 to 16"),
                ("1:44", "writethrough"),
                ("1:63", "not a number with a point"),
            ],
        ),
        ("disk = { path = '', queues = 99 }", &[("1:17", "path of an image")]),
        ("net = { tap = 'a,b' }", &[("1:15", "no comma")]),
        ("net = { user = false }", &[("1:16", "give true")]),
        ("net = { hostfwd = 'x' }", &[("1:7", "`user` or `tap`")]),
        ("net = { user = true, tap = 'x' }", &[("1:22", "there is no `tap`")]),
        (
            "net = { user = true, hostfwd = ['tcp:1-1', '9'] }",
            &[("1:44", "hostfwd=tcp:2222-22")],
        ),
        ("vsock = { cid = 2, path = 'x' }", &[("1:17", "from 3")]),
        ("vsock = { cid = 3 }", &[("1:9", "`path` too")]),
        ("rng = { on = true }", &[("1:7", "not a table")]),
        ("image = '-x'", &[("1:9", "-x")]),
        ("image = '--rng'", &[("1:9", "--rng")]),
    ] {
        let said = file(text).map(decided).unwrap_err();
        let heard: Vec<&str> = said.lines().collect();
        assert_eq!(heard.len(), lines.len(), "{text}: {said}");
        for (heard, (place, right)) in heard.iter().zip(lines) {
            assert!(
                heard.starts_with(&format!("pteg: vm.toml:{place}: ")) && heard.contains(right),
                "{text}: {heard}, not {place}: {right}"
            );
        }
    }
}

#[test]
fn the_command_line_goes_before_the_file() {
    let text = "image = 'debian'\nsmp = 4\nmem = '2G'\ndisk = ['a', 'b']\nstats = true\n";
    let args = with(&["--smp", "2", "--disk", "c"], "vm.toml", text).unwrap();
    assert_eq!((args.smp, args.mem.bytes(), args.stats), (2, 2 << 30, true));
    let disks: Vec<_> = ["a", "b", "c"].map(|path| path.parse().unwrap()).into();
    assert_eq!(args.disk, disks);
    assert_eq!(args.image.as_deref(), Some("debian"));
    assert!(args.origins.find("smp", 0).is_none());
    assert_eq!(args.origins.find("mem", 0).unwrap().to_string(), "vm.toml:3:7");
    assert_eq!(args.origins.find("disk", 1).unwrap().to_string(), "vm.toml:4:14");
    assert!(args.origins.find("disk", 2).is_none());
}

#[test]
fn what_cannot_stand_beside_the_users_flags_is_left_out() {
    let args = with(&["--kernel", "k"], "vm.toml", "image = 'debian'").unwrap();
    assert_eq!((args.image, args.kernel.unwrap().to_str()), (None, Some("k")));
    let args = with(&["hello"], "vm.toml", "kernel = 'k'\ninitrd = 'i'").unwrap();
    assert_eq!(
        (args.image.as_deref(), args.kernel, args.initrd),
        (Some("hello"), None, None)
    );
    let args = with(&["--initrd", "i"], "vm.toml", "kernel = 'k'").unwrap();
    assert_eq!(args.initrd.unwrap().to_str(), Some("i"));
}

#[test]
fn what_cannot_stand_together_in_a_file_is_told_there() {
    let said = file("image = 'debian'\nkernel = 'k'\n").unwrap_err();
    assert!(
        said.starts_with("pteg: vm.toml:") && said.contains("cannot be used with"),
        "{said}"
    );
    let said = file("\ninitrd = 'i'\n").unwrap_err();
    assert!(
        said.starts_with("pteg: vm.toml:2:10: ") && said.contains("--kernel"),
        "{said}"
    );
    // What the user says is the user's to mend.
    let said = with(&["--smp", "0"], "vm.toml", "smp = 4").unwrap_err();
    assert!(
        said.starts_with("pteg: ") && said.contains("--smp") && !said.contains("vm.toml"),
        "{said}"
    );
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vm.toml");
    let said = |path: &Path| Source::read(path).map(|_| ()).unwrap_err().to_string();
    assert!(said(&path).contains("give a TOML file"), "{}", said(&path));
    std::fs::write(&path, b"# right\nappend = '\xff'").unwrap();
    assert!(
        said(&path).contains("vm.toml:2:11: this is no UTF-8"),
        "{}",
        said(&path)
    );
    std::fs::write(&path, vec![b'\n'; 2 << 20]).unwrap();
    assert!(said(&path).contains("more than 1048576 bytes"), "{}", said(&path));
    assert!(said(folder.path()).contains("directory"), "{}", said(folder.path()));
}
