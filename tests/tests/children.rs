//! Programs that pteg has started do not outlive it, though it has no time to end them.

#![allow(clippy::unwrap_used, reason = "a test, and what its cases share")]

use std::fs::{self, File};
use std::io::{ErrorKind, Read as _};
use std::net::TcpListener;
use std::process::Stdio;
use std::sync::mpsc::channel;
use std::thread;

use tests::{PATIENCE, pteg};

/// What `wait` returns, if it does so in time.
fn within_patience<T: Send + 'static>(what: &str, wait: impl FnOnce() -> T + Send + 'static) -> T {
    let (say, said) = channel();
    thread::spawn(move || say.send(wait()));
    said.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("{what}"))
}

/// A program with a mirror that never answers: what pteg starts has nothing to do but to wait.
#[test]
fn apt_ends_with_pteg() {
    let cache = tempfile::tempdir().unwrap();
    let mirror = TcpListener::bind("127.0.0.1:0").unwrap();
    // Its own patience would end it, too.
    let configuration = cache.path().join("patient.conf");
    fs::write(
        &configuration,
        "Acquire::http::Proxy::127.0.0.1 \"DIRECT\";\nAcquire::http::Timeout \"86400\";\n",
    )
    .unwrap();
    let mut child = pteg(["run", "debian"])
        .env("PTEG_CACHE", cache.path())
        .env(
            "PTEG_DEBIAN_MIRROR",
            format!("http://{}/debian", mirror.local_addr().unwrap()),
        )
        .env("APT_CONFIG", &configuration)
        .env_remove("http_proxy")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let (mut asked, _) = within_patience("apt asks for no list", move || mirror.accept()).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    within_patience("apt waits on", move || {
        let mut bytes = Vec::new();
        match asked.read_to_end(&mut bytes) {
            Err(error) if error.kind() != ErrorKind::ConnectionReset => panic!("{error}"),
            _ => {}
        }
    });
    // apt has had it.
    let lock = File::open(cache.path().join("lock")).unwrap();
    within_patience("the cache is locked", move || lock.lock()).unwrap();
}
