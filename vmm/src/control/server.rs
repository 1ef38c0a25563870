//! The thread `control`: takes connections, reads requests, sends answers; all clients on one thread, which never waits for
//! one of them.
//!
//! A connection carries one request; who says that nothing else will follow (shuts its side down) is answered all the same. What a
//! client may take: 10 s to send the header, 10 s for the body, 30 s to take the answer. [`MOST_CONNECTIONS`] are held at once. One
//! more waits until another is closed; the oldest that has not sent all of its request is, after a second, so that clients that say
//! nothing, or half of it, keep out nobody for long.
//!
//! When the run ends, answers that are on their way get [`FAREWELL`]; whoever still works on one is left behind.

use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{UnixListener, UnixStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::Context;
use super::client::Client;
use super::requests::{Desk, MOST_LONG};
use super::worded::Worded;
use crate::socket::Socket;

/// Connections that are held at the same time.
const MOST_CONNECTIONS: usize = 64;

/// Threads for requests that wait: those of [`super::routes::Effort::Long`] never take all of them.
const MOST_WORKERS: usize = MOST_LONG + 4;

/// How long a client may keep a place that another one waits for, and not have asked: its request is complete with its body.
const SILENCE: Duration = Duration::from_secs(1);

/// How long a client may take to send the header of its request.
const HEADER_PATIENCE: Duration = Duration::from_secs(10);

/// How long a client may take to take the answer.
const ANSWER_PATIENCE: Duration = Duration::from_secs(30);

/// Bytes that the header of a request may have.
const MOST_HEADER_BYTES: usize = 16 << 10;

/// How long clients may take to take their answers when the run has ended.
const FAREWELL: Duration = Duration::from_millis(300);

/// How long the thread may take to end, after that.
const PATIENCE: Duration = Duration::from_secs(1);

/// A socket that is served. Clients are served no more, and its file is gone, when this is dropped.
pub(crate) struct Serving {
    end: Option<oneshot::Sender<()>>,
    ended: mpsc::Receiver<()>,
    /// The file goes away last.
    _socket: Socket,
}

/// Serves `context` at `socket` from here on, by a thread of its own.
///
/// # Errors
/// The thread, or what it waits with, could not be made.
pub(crate) fn serve(socket: Socket, context: Context) -> io::Result<Serving> {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(MOST_WORKERS)
        .thread_name("control work")
        .build()?;
    let listener = {
        let _inside = runtime.enter();
        UnixListener::from_std(socket.listener().try_clone()?)?
    };
    let (end, wanted) = oneshot::channel();
    let (ending, ended) = mpsc::channel();
    thread::Builder::new().name("control".into()).spawn(move || {
        live(runtime, listener, Desk::new(context), wanted);
        drop(ending);
    })?;
    Ok(Serving {
        end: Some(end),
        ended,
        _socket: socket,
    })
}

impl Drop for Serving {
    fn drop(&mut self) {
        // It ends when this is dropped, too.
        drop(self.end.take());
        // Nothing is ever sent: it ends, or it is left behind.
        let _ = self.ended.recv_timeout(FAREWELL + PATIENCE);
    }
}

/// The life of the thread.
fn live(runtime: Runtime, listener: UnixListener, desk: Arc<Desk>, end: oneshot::Receiver<()>) {
    let answers = Answers::default();
    runtime.block_on(async {
        let accepting = tokio::spawn(accept(listener, desk, answers.clone()));
        // Whether it was sent or its sender dropped.
        let _ = end.await;
        accepting.abort();
        // Who has no answer by then gets none.
        let _ = tokio::time::timeout(FAREWELL, answers.are_sent()).await;
    });
    runtime.shutdown_background();
}

/// Answers that are being worked on or sent.
#[derive(Clone)]
struct Answers(Arc<Semaphore>);

const MOST_ANSWERS: u32 = 1 << 16;

impl Default for Answers {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MOST_ANSWERS as usize)))
    }
}

impl Answers {
    /// Another one, until the returned value is dropped.
    fn begin(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.0).try_acquire_owned().ok()
    }

    /// Waits until there is none.
    async fn are_sent(&self) {
        // It is never closed.
        let _ = self.0.acquire_many(MOST_ANSWERS).await;
    }
}

/// A connection, as the one who takes connections knows it.
struct Guest {
    task: AbortHandle,
    came: Instant,
    has_asked: Arc<AtomicBool>,
}

/// Takes connections, for ever.
async fn accept(listener: UnixListener, desk: Arc<Desk>, answers: Answers) {
    /// The host is short of something; it may pass.
    const PAUSE: Duration = Duration::from_millis(100);
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let mut guests: Vec<Guest> = Vec::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let place = find_place(&places, &mut guests).await;
        let has_asked = Arc::<AtomicBool>::default();
        let connection = attend(stream, Arc::clone(&desk), answers.clone(), Arc::clone(&has_asked));
        let task = tokio::spawn(async move {
            let _place = place;
            connection.await;
        });
        guests.push(Guest {
            task: task.abort_handle(),
            came: Instant::now(),
            has_asked,
        });
    }
}

const NEVER_CLOSED: &str = "nobody closes the places";

/// A place for one more connection, as soon as there is one; that of the oldest silent one if need be.
async fn find_place(places: &Arc<Semaphore>, guests: &mut Vec<Guest>) -> OwnedSemaphorePermit {
    loop {
        guests.retain(|guest| !guest.task.is_finished());
        let place = Arc::clone(places).acquire_owned();
        let silent = guests.iter().find(|guest| !guest.has_asked.load(Ordering::Relaxed));
        let place = match silent {
            None => Ok(place.await),
            Some(silent) => tokio::time::timeout_at(silent.came + SILENCE, place).await,
        };
        match (place, silent) {
            (Ok(place), _) => return place.expect(NEVER_CLOSED),
            // It may have asked by now.
            (Err(_), Some(silent)) if !silent.has_asked.load(Ordering::Relaxed) => {
                silent.task.abort();
                return Arc::clone(places).acquire_owned().await.expect(NEVER_CLOSED);
            }
            (Err(_), _) => {}
        }
    }
}

/// Serves one connection to its end.
async fn attend(stream: UnixStream, desk: Arc<Desk>, answers: Answers, has_asked: Arc<AtomicBool>) {
    let client = Client::new(&stream);
    let is_answered = Notify::new();
    // Kept until the connection is closed: the answer is sent by then.
    let answering = Mutex::new(None);
    let is_asked = Arc::<AtomicBool>::default();
    let stream = Worded::new(stream, Arc::clone(&is_asked), MOST_HEADER_BYTES);
    let service = service_fn(|request| {
        is_asked.store(true, Ordering::Relaxed);
        *answering.lock().unwrap_or_else(PoisonError::into_inner) = answers.begin();
        let answer = Arc::clone(&desk).answer(request, client.clone(), Arc::clone(&has_asked));
        let is_answered = &is_answered;
        async move {
            let answer = answer.await;
            is_answered.notify_one();
            answer
        }
    });
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_PATIENCE)
            .keep_alive(false)
            .half_close(true)
            .max_buf_size(MOST_HEADER_BYTES)
            .serve_connection(TokioIo::new(stream), service)
    );
    let mut answered = pin!(is_answered.notified());
    let is_over = std::future::poll_fn(|context| {
        // What went wrong is the client's: it is gone, or was refused (`worded`).
        if connection.as_mut().poll(context).is_ready() {
            return Poll::Ready(true);
        }
        answered.as_mut().poll(context).map(|()| false)
    });
    if !is_over.await {
        let _ = tokio::time::timeout(ANSWER_PATIENCE, connection).await;
    }
}
