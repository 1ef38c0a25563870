//! Debian's own programs in a guest: a compiler, Python, OpenSSL, SQLite, compression, each with answers that are known. Those that
//! take minutes are `cargo xtask programs`.

use guest_images::workload::{Programs, Verdict};
use guest_images::{Cache, Image, Stderr};
use tests::Guest;

fn all_pass(image: &str, processors: usize) {
    let options = Programs::quick(processors).options();
    let cache = Cache::from_environment().expect("there is a cache");
    let image = Image::by_name(image).expect("it is one of the images");
    let prepared = image
        .prepare(&cache, &Stderr::new(), &options)
        .unwrap_or_else(|error| panic!("{error}"));
    let (kernel, initrd) = (prepared.kernel.as_os_str(), prepared.initrd.as_os_str());
    let append = format!("quiet {}", prepared.append);
    let processors = processors.to_string();
    let mut guest = Guest::start([
        "run".as_ref(),
        "--mem".as_ref(),
        "2G".as_ref(),
        "--smp".as_ref(),
        processors.as_ref(),
        "--append".as_ref(),
        append.as_ref(),
        "--kernel".as_ref(),
        kernel,
        "--initrd".as_ref(),
        initrd,
    ]);
    guest.close_input();
    // A line at least every ten seconds: patience is for each.
    loop {
        guest.wait_for("programs: ");
        let said = guest.wait_for("\n");
        match Programs::classify(&format!("programs: {said}")) {
            Verdict::Passed => break,
            Verdict::Failed => panic!("{}\n{}", said, guest.finish().output),
            Verdict::Progress | Verdict::Other => {}
        }
    }
    let ended = guest.finish();
    assert_eq!(ended.status, Some(0), "{}", ended.errors);
    assert!(!ended.errors.contains("not emulated"), "{}", ended.errors);
}

#[test]
fn debians_programs_do_in_a_guest_what_they_do_elsewhere() {
    all_pass("debian:6.12-64k", 4);
}
