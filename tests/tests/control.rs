//! The control socket of a run, by clients of every kind; and `pteg ctl`.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;
use tests::{Control, Ended, Guest, Reply, pteg, read_reply};

/// A run with a control socket in a folder of its own.
struct Run {
    guest: Guest,
    control: Control,
    socket: PathBuf,
    folder: TempDir,
}

impl Run {
    /// Of `program`, with these flags.
    fn start(program: &str, flags: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a directory");
        let socket = folder.path().join("vm.sock");
        let path = socket.to_str().expect("it is text");
        let guest = Guest::start([&["run", program, "--control", path], flags].concat());
        let control = Control::new(&socket);
        control.wait();
        Self {
            guest,
            control,
            socket,
            folder,
        }
    }

    /// One that says the time for as long as it is let.
    fn ticking(flags: &[&str]) -> Self {
        Self::start("ticks", &[&["--append", "ticks=1000000000"], flags].concat())
    }

    /// `pteg ctl` at its socket: exit status, stdout, stderr.
    fn ctl(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let socket = self.socket.to_str().expect("it is text");
        let output = pteg([&["ctl", socket], arguments].concat())
            .output()
            .expect("pteg starts");
        let text = |bytes| String::from_utf8(bytes).expect("it is text");
        (output.status.code(), text(output.stdout), text(output.stderr))
    }

    /// Ends it by its socket.
    fn stop(self) -> Ended {
        self.control.post("/v1/stop", "").expect(200);
        self.guest.finish()
    }
}

/// What answers have.
trait Answered {
    fn expect(&self, status: u16) -> Value;
    fn refused(&self, status: u16, words: &str);
}

impl Answered for Reply {
    /// The body, if the status is this.
    #[track_caller]
    fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// A refusal with this status, whose sentence has these words.
    #[track_caller]
    fn refused(&self, status: u16, words: &str) {
        let body = self.expect(status);
        let said = body["error"].as_str().expect("a sentence");
        assert!(said.contains(words), "{words:?} is not in {said:?}");
    }
}

fn state(reply: &Reply) -> Value {
    reply.expect(200)["state"].clone()
}

#[test]
fn a_run_says_what_it_is() {
    let run = Run::ticking(&["--smp", "3", "--threads", "2", "--mem", "64M", "--hpt-order", "20"]);
    let info = run.control.get("/v1/info").expect(200);
    for (name, value) in [
        ("guest", json!("ticks")),
        ("processors", json!(3)),
        ("threads", json!(2)),
        ("memory_bytes", json!(64 << 20)),
        ("hpt_order", json!(20)),
        ("state", json!("running")),
    ] {
        assert_eq!(info[name], value, "{info}");
    }
    assert!(
        ["emulated", "kvm"].contains(&info["accelerator"].as_str().unwrap()),
        "{info}"
    );
    assert!(info["uptime_seconds"].as_f64().unwrap() > 0.0, "{info}");
    assert!(info["pid"].is_u64() && info["version"].is_string(), "{info}");
    run.stop();
}

#[test]
fn only_its_user_may_connect_and_the_socket_is_gone_after_the_run() {
    let run = Run::ticking(&[]);
    let mode = fs::symlink_metadata(&run.socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    let socket = run.socket.clone();
    let folder = run.folder.path().to_owned();
    let Run {
        guest,
        control,
        folder: _kept,
        ..
    } = run;
    control.post("/v1/stop", "").expect(200);
    guest.finish();
    assert!(fs::symlink_metadata(socket).is_err());
    assert_eq!(fs::read_dir(folder).unwrap().count(), 0);
}

/// Every request that the document names is answered as it says; the other methods are refused.
#[test]
fn the_openapi_document_names_what_is_answered() {
    let run = Run::ticking(&["--mem", "64M"]);
    let document = run.control.get("/openapi.json").expect(200);
    let paths = document["paths"].as_object().unwrap();
    assert!(paths.len() > 5, "{document}");
    for (path, methods) in paths {
        // The last of all.
        if path == "/v1/stop" {
            continue;
        }
        let methods = methods.as_object().unwrap();
        for method in ["get", "post", "put", "delete", "head", "patch"] {
            let Some(described) = methods.get(method) else {
                let reply = run.control.request(&method.to_uppercase(), path, "");
                assert_eq!(reply.status, 405, "{method} {path}: {reply:?}");
                let allow = format!("allow: {}", methods.keys().next().unwrap());
                assert!(reply.header.contains(&allow), "{reply:?}");
                continue;
            };
            let body = match path.as_str() {
                "/v1/discard" | "/v1/unmap" => r#"{"ranges": [{"start": 1048576, "length": 4096}]}"#,
                "/v1/dirty" => r#"{"action": "start"}"#,
                "/v1/dump" => r#"{"path": "/nowhere/at/all"}"#,
                _ => "",
            };
            let reply = run.control.request(&method.to_uppercase(), path, body);
            let status = reply.status.to_string();
            let class = format!("{}XX", &status[..1]);
            let responses = described["responses"].as_object().unwrap();
            assert!(
                responses.contains_key(&status) || responses.contains_key(&class),
                "{method} {path} is answered {reply:?}, which is not described"
            );
            if method == "post" {
                run.control.post(path, "what?").refused(400, "send JSON such as");
                run.control.post(path, r#"{"colour": 1}"#).refused(400, "colour");
                run.control.post(path, r#"[1, 2"#).refused(400, "line 1 column");
                run.control.post(path, "[]").refused(400, "send JSON such as");
            }
        }
    }
    assert!(paths.contains_key("/v1/stop"));
    run.stop();
}

#[test]
fn wrong_requests_are_told_what_is_wrong() {
    let run = Run::ticking(&["--mem", "64M"]);
    let control = &run.control;
    control.get("/v1/nothing").refused(404, "/v1/nothing");
    control.get("/").refused(404, "GET /openapi.json");
    control.get("/v1/info/").refused(404, "/v1/info/");
    control.get("/v1/info?verbose=1").refused(400, "takes no query");
    control.post("/v1/info", "").refused(405, "takes GET, not POST");
    control.get("/v1/pause").refused(405, "takes POST, not GET");
    let large = format!(r#"{{"path": "{}"}}"#, "x".repeat(70_000));
    control.post("/v1/dump", &large).refused(413, "64 KiB at most");
    control
        .post("/v1/dump", &"x".repeat(3 << 20))
        .refused(413, "64 KiB at most");
    let chunks = format!("{:x}\r\n{large}\r\n0\r\n\r\n", large.len());
    let chunked = format!("POST /v1/dump HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}");
    control.send(&chunked).refused(413, "64 KiB at most");
    control
        .post("/v1/dump", r#"{"path": "here"}"#)
        .refused(400, "absolute path");
    control.post("/v1/dump", r#"{"path": 7}"#).refused(400, "string");
    control.post("/v1/dump", "").refused(400, "missing field `path`");
    control
        .post("/v1/dirty", r#"{"action": "wash"}"#)
        .refused(400, "`start`, `harvest`, `stop`");
    control
        .post("/v1/discard", r#"{"ranges": []}"#)
        .refused(400, "no range");
    for range in [(0, 0), (u64::MAX, 1), (4096, u64::MAX)] {
        let body = json!({"ranges": [{"start": range.0, "length": range.1}]});
        control
            .post("/v1/discard", &body.to_string())
            .refused(400, "give a length");
    }
    for start in ["-1", "1.5", "1e30", "\"0\"", "null", "18446744073709551616"] {
        let body = format!(r#"{{"ranges": [{{"start": {start}, "length": 4096}}]}}"#);
        control.post("/v1/discard", &body).refused(400, "start");
    }
    // What is no request at all, and what the library refuses by itself.
    for wrong in [
        "GET\r\n\r\n",
        "hello\r\n\r\n",
        "GET /v1/info HTTP/9.9\r\n\r\n",
        "\0\0\0\0\r\n\r\n",
        "GET /v1/info HTTP/1.1\r\nHost x\r\n\r\n",
        "POST /v1/dump HTTP/1.1\r\nContent-Length: -1\r\n\r\n{}",
        "POST /v1/dump HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
    ] {
        control.send(wrong).refused(400, "GET /openapi.json HTTP/1.1");
    }
    let long = format!("GET /v1/info HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "x".repeat(100_000));
    control.send(&long).refused(431, "16 KiB at most");
    assert_eq!(state(&control.get("/v1/info")), "running");
    run.stop();
}

/// Waits until the guest has said the time.
fn tick(guest: &mut Guest) {
    guest.wait_for("tick 0x");
}

/// How often the guest has said it so far, by what has been counted for it.
fn printed(control: &Control) -> u64 {
    let statistics = control.get("/v1/hpt").expect(200);
    let calls = statistics["hypercalls"]["calls"].as_array().expect("a list");
    let print = calls.iter().find(|call| call["name"] == "H_PUT_TERM_CHAR");
    print.map_or(0, |call| call["count"].as_u64().expect("a number"))
}

#[test]
fn a_paused_guest_does_nothing_and_goes_on_where_it_was() {
    for flags in [
        &[][..],
        &["--smp", "4"],
        &["--smp", "4", "--threads", "1"],
        &["--smp", "4", "--threads", "3"],
    ] {
        let mut run = Run::ticking(flags);
        tick(&mut run.guest);
        for _ in 0..10 {
            assert_eq!(state(&run.control.post("/v1/pause", "")), "paused");
            let before = printed(&run.control);
            // Again is fine.
            assert_eq!(state(&run.control.post("/v1/pause", "{}")), "paused");
            assert_eq!(state(&run.control.get("/v1/info")), "paused");
            thread::sleep(Duration::from_millis(20));
            assert_eq!(printed(&run.control), before, "{flags:?}");
            assert_eq!(state(&run.control.post("/v1/resume", "")), "running");
            assert_eq!(state(&run.control.post("/v1/resume", "")), "running");
            while printed(&run.control) <= before + 4 {
                thread::sleep(Duration::from_millis(1));
            }
        }
        let ended = run.stop();
        assert_eq!(ended.status, Some(0), "{}", ended.errors);
    }
}

/// The guest's time began after ours, and its pauses are not in it: whatever keeps the two busy, it is behind.
#[test]
fn the_time_of_an_emulated_guest_stands_still_while_it_is_paused() {
    const TICKS_PER_MS: u128 = 512_000;
    let began = Instant::now();
    let mut run = Run::ticking(&["--accel", "emulated"]);
    tick(&mut run.guest);
    let mut paused = Duration::ZERO;
    for _ in 0..3 {
        run.control.post("/v1/pause", "").expect(200);
        let since = Instant::now();
        thread::sleep(Duration::from_millis(700));
        paused += since.elapsed();
        run.control.post("/v1/resume", "").expect(200);
        let before = printed(&run.control);
        while printed(&run.control) <= before + 4 {
            thread::sleep(Duration::from_millis(1));
        }
    }
    run.control.post("/v1/pause", "").expect(200);
    let all = began.elapsed();
    let ended = run.stop();
    // The last line may be cut off.
    let (lines, _) = ended.output.rsplit_once('\n').unwrap();
    let mut last = 0;
    for line in lines.lines().filter_map(|line| line.strip_prefix("tick 0x")) {
        let now = u64::from_str_radix(line.trim_end(), 16).unwrap();
        assert!(now > last, "{now:#x} after {last:#x}");
        last = now;
    }
    assert!(last > 0);
    let most = (all - paused).as_millis() + 1;
    assert!(u128::from(last) <= most * TICKS_PER_MS, "{last} ticks in {most} ms");
}

/// Sleepers, and what comes from outside while they are paused.
#[test]
fn input_waits_until_a_paused_guest_goes_on() {
    let mut run = Run::start("echo", &[]);
    run.guest.send("one\n");
    run.guest.wait_for("one");
    run.control.post("/v1/pause", "").expect(200);
    run.guest.send("two\n");
    let before = printed(&run.control);
    thread::sleep(Duration::from_millis(100));
    assert_eq!(printed(&run.control), before);
    run.control.post("/v1/resume", "").expect(200);
    run.guest.wait_for("two");
    run.guest.send("\x04");
    let ended = run.guest.finish();
    assert_eq!(ended.status, Some(0), "{}", ended.errors);
}

/// Processors that start, stop, sleep, and interrupt each other, and judge themselves.
#[test]
fn processors_that_work_together_do_not_notice_pauses() {
    for flags in [&["--smp", "4"][..], &["--smp", "7", "--threads", "2"]] {
        let run = Run::start("smp", flags);
        let mut pauses = 0;
        // The run may end at any moment, and with it whoever answers.
        while let Ok(mut stream) = UnixStream::connect(&run.socket) {
            let path = if pauses % 2 == 0 { "pause" } else { "resume" };
            let _ = write!(stream, "POST /v1/{path} HTTP/1.1\r\nHost: x\r\n\r\n");
            match read_reply(&mut stream) {
                Ok(reply) if reply.status == 200 => pauses += 1,
                _ => break,
            }
        }
        let ended = run.guest.finish();
        assert!(pauses > 0, "the run was over before it could be paused");
        assert!(ended.output.contains("VERDICT smp: pass"), "{pauses}: {}", ended.output);
        assert_eq!(ended.status, Some(0), "{}", ended.errors);
    }
}

#[test]
fn a_run_that_is_told_to_stop_ends_as_if_the_user_had_ended_it() {
    for paused in [false, true] {
        let run = Run::ticking(&["--smp", "2"]);
        if paused {
            run.control.post("/v1/pause", "").expect(200);
        }
        assert_eq!(state(&run.control.post("/v1/stop", "")), "stopping");
        let ended = run.guest.finish();
        assert_eq!(ended.status, Some(0), "{}", ended.errors);
        assert!(
            ended
                .errors
                .contains("pteg: stopped by a request at the control socket"),
            "{}",
            ended.errors
        );
    }
}

#[test]
fn a_paused_run_ends_by_a_signal() {
    for threads in ["1", "2"] {
        let run = Run::ticking(&["--smp", "2", "--threads", threads]);
        run.control.post("/v1/pause", "").expect(200);
        run.guest.signal(Signal::TERM);
        let ended = run.guest.finish();
        assert_eq!(ended.status, Some(128 + 15), "{}", ended.errors);
        assert!(fs::symlink_metadata(&run.socket).is_err());
    }
}

/// Some say nothing, some half a header, some half a body; more of them than are held at once.
#[test]
fn clients_that_say_nothing_keep_out_nobody() {
    let run = Run::ticking(&[]);
    let mut silent = Vec::new();
    for n in 0..200 {
        let mut stream = run.control.connect();
        let said: &[u8] = match n % 3 {
            0 => b"",
            1 => b"GET /v1/in",
            _ => b"GET /v1/info HTTP/1.1\r\nHost: x\r\nX",
        };
        stream.write_all(said).unwrap();
        silent.push(stream);
        if n % 20 == 0 {
            assert_eq!(state(&run.control.get("/v1/info")), "running");
        }
    }
    assert_eq!(state(&run.control.post("/v1/pause", "")), "paused");
    assert_eq!(state(&run.control.post("/v1/resume", "")), "running");
    // The run ends with all of them connected.
    let ended = run.stop();
    assert_eq!(ended.status, Some(0), "{}", ended.errors);
    drop(silent);
}

#[test]
fn a_client_that_is_slow_with_its_body_keeps_out_nobody() {
    let run = Run::ticking(&[]);
    let mut slow = run.control.connect();
    slow.write_all(b"POST /v1/pause HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{")
        .unwrap();
    for _ in 0..10 {
        assert_eq!(state(&run.control.get("/v1/info")), "running");
    }
    slow.write_all(b"}").unwrap();
    assert_eq!(state(&read_reply(&mut slow).unwrap()), "paused");
    run.stop();
}

/// Bodies that never come: who keeps a place is sent away for the next one, long before it would be told that it is slow.
#[test]
fn clients_that_never_send_their_body_keep_out_nobody() {
    let run = Run::ticking(&[]);
    let mut slow: Vec<UnixStream> = (0..128)
        .map(|n| {
            let mut stream = run.control.connect();
            let body = if n % 2 == 0 { "" } else { "{" };
            write!(
                stream,
                "POST /v1/pause HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{body}"
            )
            .unwrap();
            stream
        })
        .collect();
    assert_eq!(state(&run.control.get("/v1/info")), "running");
    let mut said = Vec::new();
    // Sent away in the middle of its request, it may find the connection reset.
    let _ = slow[0].read_to_end(&mut said);
    assert_eq!(String::from_utf8(said).unwrap(), "");
    drop(slow);
    run.stop();
}

/// As `nc -N` does: its side is shut down as soon as the request is sent.
#[test]
fn a_client_that_sends_nothing_more_is_answered() {
    let run = Run::ticking(&[]);
    let half_closed = |request: &str| {
        let mut stream = run.control.connect();
        stream.write_all(request.as_bytes()).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        read_reply(&mut stream)
    };
    for _ in 0..20 {
        for (request, then) in [
            ("GET /v1/info HTTP/1.1\r\nHost: x\r\n\r\n", "running"),
            (
                "POST /v1/pause HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}",
                "paused",
            ),
            ("POST /v1/resume HTTP/1.1\r\nHost: x\r\n\r\n", "running"),
        ] {
            assert_eq!(state(&half_closed(request).unwrap()), then);
        }
    }
    // Half a body is no request, half a header is not worth an answer.
    half_closed("POST /v1/pause HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{")
        .unwrap()
        .refused(400, "cut off");
    assert!(half_closed("GET /v1/info HTTP/1.1\r\nHo").is_err());
    assert_eq!(state(&run.control.get("/v1/info")), "running");
    run.stop();
}

#[test]
fn a_hundred_clients_at_once_are_all_answered() {
    let run = Run::ticking(&["--smp", "2"]);
    thread::scope(|scope| {
        for n in 0..100 {
            let control = &run.control;
            scope.spawn(move || match n % 4 {
                0 => drop(control.get("/v1/hpt").expect(200)),
                1 => assert_eq!(control.get("/v1/metrics").status, 200),
                2 => drop(control.post("/v1/pause", "").expect(200)),
                _ => drop(control.post("/v1/resume", "").expect(200)),
            });
        }
    });
    run.control.post("/v1/resume", "").expect(200);
    assert_eq!(state(&run.control.get("/v1/info")), "running");
    run.stop();
}

#[test]
fn a_client_that_leaves_in_the_middle_harms_nobody() {
    let run = Run::ticking(&[]);
    for n in 0..100 {
        let mut stream = run.control.connect();
        let path = ["/openapi.json", "/v1/hpt", "/v1/metrics"][n % 3];
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        // Before the answer, or in it.
        if n % 2 == 0 {
            stream.read_exact(&mut [0; 10]).unwrap();
        }
    }
    assert_eq!(state(&run.control.get("/v1/info")), "running");
    run.stop();
}

#[test]
fn the_counters_go_up_while_the_guest_runs() {
    let run = Run::ticking(&["--accel", "emulated", "--smp", "2"]);
    let counter = |name: &str| -> f64 {
        let reply = run.control.get("/v1/metrics");
        assert!(
            reply
                .header
                .contains("content-type: application/openmetrics-text; version=1.0.0"),
            "{reply:?}"
        );
        assert!(reply.body.ends_with("# EOF\n"), "{reply:?}");
        let line = reply
            .body
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.map_or(0.0, |value| value.parse().unwrap())
    };
    for name in [
        r#"pteg_instructions_total{processor="0"}"#,
        r#"pteg_hypercalls_total{name="H_PUT_TERM_CHAR"}"#,
        r#"pteg_hypercall_seconds_total{name="H_CEDE"}"#,
        "pteg_processor_seconds_total",
        "pteg_uptime_seconds",
    ] {
        let first = counter(name);
        while counter(name) <= first {
            thread::sleep(Duration::from_millis(1));
        }
    }
    assert_eq!(counter("pteg_paused"), 0.0);
    run.control.post("/v1/pause", "").expect(200);
    assert_eq!(counter("pteg_paused"), 1.0);
    run.stop();
}

#[test]
fn a_socket_that_a_killed_run_has_left_is_replaced() {
    let run = Run::ticking(&[]);
    run.guest.signal(Signal::KILL);
    assert_eq!(run.guest.finish().status, None);
    assert!(fs::symlink_metadata(&run.socket).is_ok());
    let socket = run.socket.to_str().unwrap();
    let output = pteg(["ctl", socket, "info"]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("nobody listens"), "{said}");
    let next = Guest::start(["run", "ticks", "--append", "ticks=1000000000", "--control", socket]);
    let control = Control::new(&run.socket);
    control.wait();
    // A living one is not.
    let output = pteg(["run", "hello", "--control", socket]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("somebody listens at this path already"), "{said}");
    control.post("/v1/stop", "").expect(200);
    next.finish();
}

/// What is done to memory is tested elsewhere; here it is asked for.
#[test]
fn memory_is_worked_on_by_request() {
    let run = Run::ticking(&["--accel", "emulated", "--mem", "64M"]);
    let control = &run.control;
    let (pages, start) = (
        r#"{"ranges": [{"start": 33554432, "length": 65536}]}"#,
        r#"{"action": "start"}"#,
    );
    let unmapped = control.post("/v1/unmap", pages).expect(200);
    assert!(unmapped["steps"].is_u64(), "{unmapped}");
    let discarded = control
        .post("/v1/discard", &pages.replace("}]}", "}], \"force\": true}"))
        .expect(200);
    assert_eq!(discarded["bytes"], 65536, "{discarded}");
    control
        .post("/v1/discard", r#"{"ranges": [{"start": 1, "length": 4096}]}"#)
        .expect(400);
    control
        .post("/v1/discard", r#"{"ranges": [{"start": 67108864, "length": 4096}]}"#)
        .expect(400);
    let (harvest, stop) = (r#"{"action": "harvest"}"#, r#"{"action": "stop"}"#);
    control.post("/v1/dirty", harvest).expect(409);
    control.post("/v1/dirty", stop).expect(409);
    assert_eq!(control.post("/v1/dirty", start).expect(200)["is_tracking"], true);
    control.post("/v1/dirty", start).expect(409);
    // The guest stores to its stack and its text all the time.
    let dirty = loop {
        let dirty = control.post("/v1/dirty", harvest).expect(200);
        if dirty["harvest"]["pages"] != 0 {
            break dirty;
        }
    };
    assert!(dirty["harvest"]["ranges"][0]["start"].is_u64(), "{dirty}");
    assert_eq!(control.post("/v1/dirty", stop).expect(200)["is_tracking"], false);
    let (status, said, errors) = run.ctl(&["dump", run.folder.path().join("dump").to_str().unwrap()]);
    assert_eq!(status, Some(0), "{errors}");
    assert!(said.contains("64 MiB of memory"), "{said}");
    assert_eq!(fs::metadata(run.folder.path().join("dump")).unwrap().len(), 64 << 20);
    for arguments in [
        &["dirty", "--start"][..],
        &["dirty"],
        &["dirty", "--stop"],
        &["discard", "32M+64K"],
        &["unmap", "0+64M"],
    ] {
        let (status, said, errors) = run.ctl(arguments);
        assert_eq!((status, errors.as_str()), (Some(0), ""), "{arguments:?}");
        assert!(!said.is_empty());
    }
    run.stop();
}

#[test]
fn pteg_ctl_says_what_it_was_asked_for() {
    let run = Run::ticking(&["--mem", "64M"]);
    let said = |arguments: &[&str]| {
        let (status, output, errors) = run.ctl(arguments);
        assert_eq!((status, errors.as_str()), (Some(0), ""), "{arguments:?}");
        output
    };
    let info = said(&["info"]);
    assert!(info.lines().any(|line| line == "memory       64 MiB"), "{info}");
    assert_eq!(said(&["pause"]), "paused\n");
    assert_eq!(said(&["--json", "resume"]), "{\n  \"state\": \"running\"\n}\n");
    let statistics: Value = serde_json::from_str(&said(&["hpt", "--json"])).unwrap();
    assert!(statistics["changes"]["entered"].is_u64(), "{statistics}");
    assert!(said(&["hpt"]).contains("H_PUT_TERM_CHAR"));
    assert!(said(&["metrics"]).contains("pteg_hpt_entered_total"));
    // That a harvest is asked for at the wrong time is no wrong use.
    let (status, _, errors) = run.ctl(&["dirty"]);
    assert_eq!(status, Some(1), "{errors}");
    let (status, output, errors) = run.ctl(&["metrics", "--json"]);
    assert_eq!((status, output.as_str()), (Some(2), ""), "{errors}");
    assert!(errors.contains("ask for hpt --json"), "{errors}");
    // Refused by the run: its sentence, as ours.
    let (status, output, errors) = run.ctl(&["discard", "1T+4K"]);
    assert_ne!(status, Some(0));
    assert_eq!((output.as_str(), errors.lines().count()), ("", 1), "{errors}");
    assert!(errors.starts_with("pteg: "), "{errors}");
    assert_eq!(said(&["stop"]), "stopping\n");
    let ended = run.guest.finish();
    assert_eq!(ended.status, Some(0), "{}", ended.errors);
}
