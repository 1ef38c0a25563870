//! From a request to its answer: who gives it, whether its body is fit to be read, and on which thread that happens.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body, Bytes};
use hyper::{Method, Request, Response, StatusCode};
use tokio::sync::Semaphore;

use super::Context;
use super::answer::{Answer, Refusal};
use super::client::Client;
use super::routes::{self, Effort, Route};
use crate::upkeep::MOST_WATCHES;

/// The largest body.
const MOST_BODY_BYTES: usize = 64 << 10;

/// What is read of one that is too large, so that its sender comes to read the answer.
const MOST_DRAINED_BYTES: usize = 4 << 20;

/// How long a client may take to send a body.
const BODY_PATIENCE: Duration = Duration::from_secs(10);

/// How many requests of [`Effort::Long`] are worked on at the same time: watches, which mostly wait, and four more.
pub(super) const MOST_LONG: usize = MOST_WATCHES + 4;

/// Where requests are answered.
pub(super) struct Desk {
    context: Context,
    long: Arc<Semaphore>,
}

impl Desk {
    /// For this run.
    pub(super) fn new(context: Context) -> Arc<Self> {
        Arc::new(Self {
            context,
            long: Arc::new(Semaphore::new(MOST_LONG)),
        })
    }

    /// Answers a request, whatever it is. `is_complete` is set when all of it has come, or when it is refused without.
    pub(super) async fn answer<B>(
        self: Arc<Self>,
        request: Request<B>,
        client: Client,
        is_complete: Arc<AtomicBool>,
    ) -> Result<Response<Full<Bytes>>, Infallible>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let asked = receive(request).await;
        is_complete.store(true, Ordering::Relaxed);
        let answer = match asked {
            Ok((route, body)) => self.call(route, client, body).await,
            Err(refusal) => Err(refusal),
        };
        Ok(match answer {
            Ok(answer) => answer.response(),
            Err(refusal) => refusal.response(),
        })
    }

    /// Has the route's function called, by a thread that may wait for it.
    async fn call(self: Arc<Self>, route: &'static Route, client: Client, body: Vec<u8>) -> Result<Answer, Refusal> {
        let permit = match route.effort {
            Effort::AtOnce => {
                let answer = || route.answer.call(&self.context, &client, &body);
                // A panic has been told on stderr.
                return std::panic::catch_unwind(AssertUnwindSafe(answer)).unwrap_or_else(|_| Err(our_mistake()));
            }
            Effort::Soon => None,
            Effort::Long => Some(Arc::clone(&self.long).try_acquire_owned().map_err(|_| {
                let sentence = format!("{MOST_LONG} requests of this kind are being worked on; try again later");
                Refusal::new(StatusCode::SERVICE_UNAVAILABLE, sentence)
            })?),
        };
        let work = tokio::task::spawn_blocking(move || {
            // Kept until the work is done, should the client leave earlier.
            let _permit = permit;
            route.answer.call(&self.context, &client, &body)
        });
        match work.await {
            Ok(answer) => answer,
            Err(error) if error.is_panic() => Err(our_mistake()),
            Err(_) => Err(Refusal::gone()),
        }
    }
}

fn our_mistake() -> Refusal {
    let sentence = "an error of pteg's own, which stands on its stderr; please report it";
    Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, sentence)
}

/// Who answers a request, and all of its body.
async fn receive<B>(request: Request<B>) -> Result<(&'static Route, Vec<u8>), Refusal>
where
    B: Body<Data = Bytes> + Unpin,
{
    let (head, body) = request.into_parts();
    let route = routes::find(&head.method, head.uri.path())?;
    if head.uri.query().is_some() {
        let sentence = format!("{} takes no query; leave out the ? and what follows", route.path);
        return Err(Refusal::bad_request(sentence));
    }
    let body = match head.method {
        Method::POST => read(body).await?,
        _ => Vec::new(),
    };
    Ok((route, body))
}

/// All of a request's body.
async fn read<B: Body<Data = Bytes> + Unpin>(body: B) -> Result<Vec<u8>, Refusal> {
    tokio::time::timeout(BODY_PATIENCE, collect(body))
        .await
        .unwrap_or_else(|_| {
            let sentence = format!("the body did not come within {} s", BODY_PATIENCE.as_secs());
            Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, sentence))
        })
}

async fn collect<B: Body<Data = Bytes> + Unpin>(mut body: B) -> Result<Vec<u8>, Refusal> {
    let (mut read, mut bytes) = (Vec::new(), 0_usize);
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            return Err(Refusal::bad_request("the body is cut off, or not as its header says"));
        };
        let Some(data) = frame.data_ref() else { continue };
        bytes = bytes.saturating_add(data.len());
        if bytes > MOST_DRAINED_BYTES {
            break;
        }
        if bytes <= MOST_BODY_BYTES {
            read.extend_from_slice(data);
        }
    }
    if bytes > MOST_BODY_BYTES {
        let sentence = format!("a body has {} KiB at most", MOST_BODY_BYTES >> 10);
        return Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, sentence));
    }
    Ok(read)
}
