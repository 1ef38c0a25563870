//! A short soak: Linux changes its mappings on four processors while pteg looks for what must not be. The long one is
//! `cargo xtask soak`.

use guest_images::workload::{Said, Soak};
use guest_images::{Cache, Image, Stderr};
use tests::{Guest, Turns};

/// Each keeps all processors busy.
static TURNS: Turns = Turns::new(1);

/// What pteg says of its checks when they found nothing.
const NEVER: [&str; 2] = [
    "pteg: the guest mapped a page twice: never",
    "pteg: a processor held what the table does not say: never",
];

fn soak(work: Soak) {
    let _turn = TURNS.take();
    let image = Image::by_name("debian:6.12").expect("it is an image");
    let cache = Cache::from_environment().expect("a cache directory");
    let prepared = image
        .prepare(&cache, &Stderr::new(), &work.options())
        .expect("an image");
    let path = |path: &std::path::Path| path.to_str().expect("paths here are text").to_owned();
    let (kernel, initrd) = (path(&prepared.kernel), path(&prepared.initrd));
    let flags = ["run", "--smp", "4", "--check-duplicates", "--check-walkers"];
    let files = ["--kernel", &kernel, "--initrd", &initrd, "--append", &prepared.append];
    let ended = Guest::start([&flags[..], &files[..]].concat()).finish();
    let trouble: Vec<&str> = ended
        .output
        .lines()
        .filter(|line| Soak::classify(line) == Said::Trouble)
        .collect();
    assert!(trouble.is_empty(), "{}\n{}", trouble.join("\n"), ended.output);
    let healthy = ended.output.lines().any(|line| Soak::classify(line) == Said::Healthy);
    assert!(healthy, "{}\n{}", ended.output, ended.errors);
    for never in NEVER {
        assert!(ended.errors.lines().any(|line| line == never), "{}", ended.errors);
    }
    assert_eq!(ended.status, Some(0), "{}", ended.errors);
}

#[test]
fn memory_is_what_it_must_be_while_four_processors_change_their_mappings() {
    soak(Soak {
        seconds: 20,
        resize: false,
    });
}

#[test]
fn memory_is_what_it_must_be_while_the_table_is_resized_under_four_processors() {
    soak(Soak {
        seconds: 20,
        resize: true,
    });
}
