//! One request over a Unix socket, and its answer, of whoever listens there: it is taken to be of a bounded size and to come in
//! time, whatever else it is. Whether it makes sense is looked at by `mod.rs`.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::UnixStream;
use tokio::runtime::Builder;

use crate::control::Failure;
use crate::socket::MOST_PATH_BYTES;

/// What is asked for.
#[derive(Debug)]
pub(crate) struct Asked {
    method: Method,
    path: &'static str,
    body: String,
    /// How long the answer may take; one that takes as long as there is memory has no bound.
    patience: Option<Duration>,
}

/// The largest answer: a harvest of as many ranges as one tells has a third of it.
const MOST_ANSWER_BYTES: usize = 16 << 20;

/// How long an answer may take that is no work on memory.
const PATIENCE: Duration = Duration::from_secs(60);

impl Asked {
    pub(super) fn get(path: &'static str) -> Self {
        Self {
            method: Method::GET,
            path,
            body: String::new(),
            patience: Some(PATIENCE),
        }
    }

    pub(crate) fn post(path: &'static str, body: &Value) -> Self {
        Self {
            method: Method::POST,
            path,
            body: body.to_string(),
            patience: Some(PATIENCE),
        }
    }

    /// For what may take minutes.
    pub(crate) fn without_haste(self) -> Self {
        Self { patience: None, ..self }
    }
}

/// There is no answer, or it is a refusal.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    /// Nothing is there.
    #[error("{}: there is no socket; give the path that pteg run --control was given, of a run that has not ended", .0.display())]
    NoSocket(PathBuf),
    /// No socket can be there.
    #[error(
        "{}: the path of a Unix socket has {MOST_PATH_BYTES} bytes at most, this one {}; give the path that pteg run --control was given",
        .0.display(), .0.as_os_str().len()
    )]
    TooLong(PathBuf),
    /// Something else is there.
    #[error("{}: this is no socket; give the path that pteg run --control was given", .0.display())]
    OtherFile(PathBuf),
    /// The run was killed.
    #[error("{}: nobody listens at this socket any more; the run that made it has ended", .0.display())]
    NobodyListens(PathBuf),
    /// More clients wait than the socket has room for.
    #[error("{}: too many clients wait there already; try again later", .0.display())]
    Crowded(PathBuf),
    /// The system refuses it.
    #[error("{}: connecting to it: {}", .0.display(), .1)]
    Connect(PathBuf, io::Error),
    /// The run has ended meanwhile.
    #[error("{}: the connection was closed before the answer came; the run may have ended", .0.display())]
    NoAnswer(PathBuf),
    /// Whoever listens is stopped, or is no run.
    #[error("{}: no answer within {} s; is the process stopped that listens there?", .0.display(), .1.as_secs_f32())]
    Silence(PathBuf, Duration),
    /// Only some answers are JSON.
    #[error("metrics are said as Prometheus reads them, not as JSON; ask for hpt --json")]
    NoJson,
    /// Somebody else listens.
    #[error("{}: what listens there does not answer as pteg does", .0.display())]
    NotPteg(PathBuf),
    /// A path without a folder.
    #[error("{}: {}; give a path that exists", .0.display(), .1)]
    Path(PathBuf, io::Error),
    /// JSON is text.
    #[error("{}: this path is no UTF-8; give another one", .0.display())]
    NotText(PathBuf),
    /// The run does not do it.
    #[error("{sentence}")]
    Refused {
        /// The status of HTTP.
        status: StatusCode,
        /// What it says.
        sentence: String,
    },
}

impl ClientError {
    /// Whether it was wrong to ask; else it could not be done, or not now.
    pub(super) fn is_of_the_user(&self) -> bool {
        match self {
            Self::NoSocket(_) | Self::TooLong(_) | Self::OtherFile(_) => true,
            Self::Path(..) | Self::NotText(_) | Self::NoJson => true,
            Self::NobodyListens(_) | Self::Crowded(_) | Self::Connect(..) => false,
            Self::NoAnswer(_) | Self::Silence(..) | Self::NotPteg(_) => false,
            Self::Refused { status, .. } => status.is_client_error() && *status != StatusCode::CONFLICT,
        }
    }
}

/// Asks at the socket `vm`; the body of the answer.
pub(crate) fn ask(vm: &Path, asked: &Asked) -> Result<String, ClientError> {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| ClientError::Connect(vm.to_owned(), error))?;
    runtime.block_on(async {
        match asked.patience {
            None => exchange(vm, asked).await,
            Some(patience) => tokio::time::timeout(patience, exchange(vm, asked))
                .await
                .unwrap_or_else(|_| Err(ClientError::Silence(vm.to_owned(), patience))),
        }
    })
}

async fn exchange(vm: &Path, asked: &Asked) -> Result<String, ClientError> {
    if vm.as_os_str().len() > MOST_PATH_BYTES {
        return Err(ClientError::TooLong(vm.to_owned()));
    }
    let stream = UnixStream::connect(vm).await.map_err(|error| unconnected(vm, error))?;
    let no_answer = |_| ClientError::NoAnswer(vm.to_owned());
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(no_answer)?;
    // What goes wrong with it, the sender tells too.
    let connection = tokio::spawn(async move { drop(connection.await) });
    let request = Request::builder()
        .method(&asked.method)
        .uri(asked.path)
        .header(HOST, "pteg")
        .header(CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(asked.body.clone())))
        .expect("paths and headers are written here");
    let answer = sender.send_request(request).await.map_err(no_answer)?;
    let status = answer.status();
    let body = Limited::new(answer.into_body(), MOST_ANSWER_BYTES).collect().await;
    let body = body.map_err(|error| match error.is::<LengthLimitError>() {
        true => ClientError::NotPteg(vm.to_owned()),
        false => ClientError::NoAnswer(vm.to_owned()),
    })?;
    connection.abort();
    let text = String::from_utf8(body.to_bytes().to_vec()).map_err(|_| ClientError::NotPteg(vm.to_owned()))?;
    if status.is_success() {
        return Ok(text);
    }
    match serde_json::from_str(&text) {
        Ok(Failure { error: sentence }) => Err(ClientError::Refused { status, sentence }),
        Err(_) => Err(ClientError::NotPteg(vm.to_owned())),
    }
}

fn unconnected(vm: &Path, error: io::Error) -> ClientError {
    use std::os::unix::fs::FileTypeExt as _;
    let is_socket = std::fs::metadata(vm).is_ok_and(|metadata| metadata.file_type().is_socket());
    match error.kind() {
        io::ErrorKind::NotFound => ClientError::NoSocket(vm.to_owned()),
        io::ErrorKind::ConnectionRefused if is_socket => ClientError::NobodyListens(vm.to_owned()),
        io::ErrorKind::ConnectionRefused => ClientError::OtherFile(vm.to_owned()),
        io::ErrorKind::WouldBlock => ClientError::Crowded(vm.to_owned()),
        // It waited to be taken, and the socket was closed.
        io::ErrorKind::ConnectionReset => ClientError::NoAnswer(vm.to_owned()),
        _ => ClientError::Connect(vm.to_owned(), error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_never_answers_is_not_waited_for_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        // Connections are taken by the kernel.
        let _listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let asked = Asked {
            patience: Some(Duration::from_millis(10)),
            ..Asked::get("/v1/info")
        };
        let error = ask(&path, &asked).unwrap_err();
        assert!(matches!(error, ClientError::Silence(..)), "{error}");
        assert!(error.to_string().contains("no answer within 0.01 s"), "{error}");
        assert!(!error.is_of_the_user());
    }

    #[test]
    fn a_socket_that_has_no_room_for_another_client_is_told_as_such() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        // Its room is as it is told last.
        rustix::net::listen(&listener, 0).unwrap();
        let _waits = std::os::unix::net::UnixStream::connect(&path).unwrap();
        let error = ask(&path, &Asked::get("/v1/info")).unwrap_err();
        assert!(matches!(error, ClientError::Crowded(_)), "{error}");
    }

    #[test]
    fn a_refusal_is_of_the_user_unless_it_could_be_done_at_another_time() {
        for (status, is_of_the_user) in [
            (400, true),
            (404, true),
            (409, false),
            (500, false),
            (501, false),
            (503, false),
            (507, false),
        ] {
            let refused = ClientError::Refused {
                status: StatusCode::from_u16(status).unwrap(),
                sentence: String::new(),
            };
            assert_eq!(refused.is_of_the_user(), is_of_the_user, "{status}");
        }
    }
}
