//! Guest memory that is discarded, watched and dumped through the control socket, under a guest that stores through mappings that it never
//! changes. The guest's memory is looked at from outside, in the memory file of the run.

#![allow(clippy::unwrap_used, reason = "a test, and what its cases share")]

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use guest_images::programs::old_mappings::{LAST_STORE, WAYS, WINDOW_BYTES, WINDOWS, places};
use power::insn::Endian;
use serde_json::{Value, json};
use tests::{Control, ElfFile, Guest, write_program};

/// Processors that store; one more watches.
const STORING: std::ops::RangeInclusive<u64> = 1..=3;

struct Run {
    guest: Guest,
    control: Control,
    memory: File,
    folder: tempfile::TempDir,
    _program: ElfFile,
}

impl Run {
    /// A guest whose processors store, and leave the places alone that rest.
    fn start(append: &str) -> Self {
        let program = write_program("old_mappings", Endian::Big);
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket");
        let path = |path: &Path| path.to_str().unwrap().to_owned();
        let flags = ["run", "--kernel", &path(program.path()), "--control", &path(&socket)];
        let machine = ["--smp", "4", "--mem", "128M", "--append", append];
        let mut guest = Guest::start([&flags[..], &machine].concat());
        let control = Control::new(&socket);
        control.wait();
        guest.wait_for("all rest");
        let info: Value = serde_json::from_str(&control.get("/v1/info").body).unwrap();
        Self {
            guest,
            control,
            memory: memory_of(info["pid"].as_u64().unwrap()),
            folder,
            _program: program,
        }
    }

    /// The answer to a request that succeeds.
    #[track_caller]
    fn ask(&self, path: &str, body: &Value) -> Value {
        let reply = self.control.post(path, &body.to_string());
        assert_eq!(reply.status, 200, "{path} {body}: {reply:?}");
        serde_json::from_str(&reply.body).unwrap()
    }

    fn number(&self, place: u64) -> u64 {
        number(&self.memory, place)
    }

    /// Waits until each processor has gone round so often; its first place may be discarded meanwhile.
    fn wait_for_stores(&self, rounds: u64) {
        for server in STORING {
            let first = places(server).next().unwrap();
            let mut last = self.number(first);
            let mut seen = 0;
            while seen < rounds {
                thread::sleep(Duration::from_micros(200));
                let now = self.number(first);
                seen += u64::from(now != last);
                last = now;
            }
        }
    }

    /// Ends it; it has found nothing wrong.
    fn passes(mut self) {
        self.guest.send("q");
        let ended = self.guest.finish();
        assert!(
            ended.output.ends_with("VERDICT old_mappings: pass\r\n"),
            "{}",
            ended.output
        );
        assert_eq!(ended.status, Some(0), "{}", ended.errors);
    }

    fn image(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// The memory file of the guest that process `pid` runs.
fn memory_of(pid: u64) -> File {
    let all = fs::read_dir(format!("/proc/{pid}/fd"))
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let is_memory = |path: &PathBuf| fs::read_link(path).is_ok_and(|link| link.to_str().unwrap().contains("pteg-ram"));
    File::open(all.into_iter().find(is_memory).expect("there is a memory file")).unwrap()
}

fn number(file: &File, place: u64) -> u64 {
    let mut bytes = [0; 8];
    file.read_exact_at(&mut bytes, place).unwrap();
    u64::from_be_bytes(bytes)
}

fn stored(server: u64) -> impl Iterator<Item = u64> {
    places(server).take(15)
}

fn windows() -> Value {
    json!({"ranges": [{"start": WINDOWS, "length": WAYS as u64 * WINDOW_BYTES}], "force": true})
}

#[test]
fn every_place_whose_number_has_changed_is_in_the_harvest_and_no_other_page_of_the_windows() {
    let run = Run::start("pause=2000");
    let numbers = || -> Vec<u64> { STORING.flat_map(stored).map(|place| run.number(place)).collect() };
    run.ask("/v1/dirty", &json!({"action": "start"}));
    let mut changes = 0;
    for _ in 0..10 {
        let before = numbers();
        run.wait_for_stores(1);
        let after = numbers();
        let harvest = &run.ask("/v1/dirty", &json!({"action": "harvest"}))["harvest"];
        let page = harvest["page_bytes"].as_u64().unwrap();
        let pages: Vec<u64> = harvest["ranges"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|range| {
                let [start, length] = ["start", "length"].map(|name| range[name].as_u64().unwrap());
                (start..start + length).step_by(page as usize)
            })
            .collect();
        assert_eq!(harvest["pages"].as_u64(), Some(pages.len() as u64));
        for ((place, before), after) in STORING.flat_map(stored).zip(before).zip(after) {
            if before != after {
                changes += 1;
                assert!(
                    pages.contains(&(place / page * page)),
                    "{place:#x} was {before} and is {after}"
                );
            }
        }
        let windows = WINDOWS..WINDOWS + WAYS as u64 * WINDOW_BYTES;
        for dirty in pages.into_iter().filter(|page| windows.contains(page)) {
            let has_place = STORING.flat_map(stored).any(|place| place / page * page == dirty);
            assert!(has_place, "nobody stores to {dirty:#x}");
        }
    }
    assert!(changes > 0);
    run.ask("/v1/dirty", &json!({"action": "stop"}));
    run.passes();
}

#[test]
fn a_dump_is_of_one_moment() {
    let run = Run::start("");
    for n in 0..3 {
        let path = run.image(&n.to_string());
        let report = run.ask("/v1/dump", &json!({ "path": path }));
        let image = File::open(&path).unwrap();
        assert_eq!(Some(image.metadata().unwrap().len()), report["bytes"].as_u64());
        for server in STORING {
            let numbers: Vec<u64> = stored(server).map(|place| number(&image, place)).collect();
            assert!(numbers.is_sorted_by(|before, after| before >= after), "{numbers:?}");
            assert!(numbers[0] - numbers[14] <= 1, "{numbers:?}");
        }
    }
    run.passes();
}

/// Each processor stores to places of its own, so the host knows who stores where; it sees nothing change that was not told.
#[test]
fn a_watch_tells_who_stores_where_and_misses_nothing() {
    let run = Run::start("");
    let frame = |real: u64| real / 4096 * 4096;
    let mut frames: Vec<u64> = STORING.flat_map(stored).map(frame).collect();
    frames.sort_unstable();
    // It ends when each of them was touched.
    let used: Value = frames
        .iter()
        .map(|frame| json!({"start": frame, "length": 4096}))
        .collect();
    let windows = json!([{"start": WINDOWS, "length": WAYS as u64 * WINDOW_BYTES}]);
    for loads in [false, true] {
        for (ranges, seconds) in [(&used, 240), (&windows, 3)] {
            let request = json!({"ranges": ranges, "loads": loads, "seconds": seconds, "most": 1000});
            let answer = run.ask("/v1/watch", &request);
            let accesses = answer["accesses"].as_array().unwrap();
            assert_eq!(Some(accesses.len() as u64), answer["touched"].as_u64());
            let stores: Vec<(u64, u64)> = accesses
                .iter()
                .filter(|access| access["access"] == "store")
                .map(|access| ["real", "processor"].map(|name| access[name].as_u64().unwrap()).into())
                .collect();
            assert!(loads || stores.len() == accesses.len(), "{answer}");
            for (real, processor) in &stores {
                assert!(
                    stored(*processor).any(|place| place == *real),
                    "processor {processor} does not store to {real:#x}"
                );
            }
            if ranges == &windows {
                assert_eq!(answer["frames"], json!(WAYS as u64 * WINDOW_BYTES / 4096));
                continue;
            }
            // With loads another processor may have looked at the frame first.
            let mut told: Vec<u64> = accesses
                .iter()
                .map(|access| frame(access["real"].as_u64().unwrap()))
                .collect();
            told.sort_unstable();
            assert_eq!(told, frames);
        }
    }
    run.passes();
}

/// Whoever asked has gone: the pages are given back at once, and the next one has its place.
#[test]
fn a_watch_ends_with_its_client() {
    let run = Run::start("");
    let request = json!({"ranges": [{"start": 0, "length": 128 << 20}], "loads": true, "seconds": 3600});
    for _ in 0..5 {
        let mut client = UnixStream::connect(run.image("socket")).unwrap();
        let body = request.to_string();
        let length = body.len();
        write!(
            client,
            "POST /v1/watch HTTP/1.1\r\nHost: pteg\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        run.wait_for_stores(1);
    }
    let short = json!({"ranges": [{"start": 0, "length": 4096}], "seconds": 0.001});
    // The last of them may be on its way out.
    while run.control.post("/v1/watch", &short.to_string()).status == 409 {
        thread::sleep(Duration::from_millis(10));
    }
    run.ask("/v1/watch", &short);
    run.passes();
}

#[test]
fn a_watch_that_cannot_be_is_refused_with_a_sentence() {
    let run = Run::start("");
    for (wrong, says) in [
        (json!({"ranges": []}), "no range"),
        (json!({"ranges": [{"start": 1, "length": 4096}]}), "whole pages"),
        (
            json!({"ranges": [{"start": 0, "length": 4096}], "seconds": 0}),
            "more than 0",
        ),
        (
            json!({"ranges": [{"start": 0, "length": 4096}], "seconds": 3601}),
            "3600",
        ),
        (
            json!({"ranges": [{"start": 0, "length": 4096}], "seconds": -1}),
            "more than 0",
        ),
        (
            json!({"ranges": [{"start": 0, "length": 4096}], "most": 65537}),
            "65536",
        ),
        (
            json!({"ranges": [{"start": 0, "length": 4096}], "stores": true}),
            "stores",
        ),
    ] {
        let reply = run.control.post("/v1/watch", &wrong.to_string());
        assert_eq!(reply.status, 400, "{wrong}: {reply:?}");
        assert!(reply.body.contains(says), "{wrong}: {}", reply.body);
    }
    run.passes();
}

#[test]
fn what_is_discarded_reads_as_zero_until_somebody_stores_there() {
    let run = Run::start("");
    let resting: Vec<u64> = STORING.map(|server| places(server).last().unwrap()).collect();
    let all_are = |value| resting.iter().all(|&place| run.number(place) == value);
    let mut hinted = windows();
    hinted["force"] = json!(false);
    assert_eq!(
        run.ask("/v1/discard", &hinted)["bytes"],
        json!(0),
        "the guest needs all of it"
    );
    assert!(all_are(LAST_STORE));
    for _ in 0..5 {
        assert_eq!(
            run.ask("/v1/discard", &windows())["bytes"],
            json!(WAYS as u64 * WINDOW_BYTES)
        );
        run.wait_for_stores(1);
        assert!(all_are(0));
        run.ask("/v1/unmap", &json!({"ranges": [{"start": 0, "length": 128 << 20}]}));
    }
    run.passes();
}

/// Whatever is going on: the run ends, each client has an answer or none, and no file is left.
#[test]
fn a_run_that_ends_ends_what_is_being_done_to_its_memory() {
    let run = Run::start("");
    let path = run.image("image");
    run.ask("/v1/dirty", &json!({"action": "start"}));
    let requests = [
        ("/v1/discard", windows()),
        ("/v1/dirty", json!({"action": "harvest"})),
        ("/v1/dump", json!({ "path": path })),
        (
            "/v1/watch",
            json!({"ranges": windows()["ranges"], "loads": true, "seconds": 600}),
        ),
    ];
    thread::scope(|scope| {
        for (to, body) in &requests {
            let (control, path, body) = (run.control.clone(), &path, body.to_string());
            scope.spawn(move || {
                // Until nobody listens any more.
                while let Ok(reply) = std::panic::catch_unwind(|| control.post(to, &body)) {
                    assert!([200, 409, 410, 503].contains(&reply.status), "{reply:?}");
                    if reply.status == 200 && *to == "/v1/dump" {
                        fs::remove_file(path).unwrap();
                    }
                }
            });
        }
        run.wait_for_stores(3);
        run.control.post("/v1/stop", "");
    });
    // Nobody listens a moment before the last file is gone.
    run.guest.finish();
    let left: Vec<_> = fs::read_dir(&run.folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert!(left.is_empty(), "{left:?}");
}
