//! One request over a Unix socket, and its answer.

use std::io;
use std::path::{Path, PathBuf};

use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::UnixStream;
use tokio::runtime::Builder;

use crate::control::Failure;

/// What is asked for.
#[derive(Debug)]
pub(super) struct Asked {
    method: Method,
    path: &'static str,
    body: String,
}

impl Asked {
    pub(super) fn get(path: &'static str) -> Self {
        Self {
            method: Method::GET,
            path,
            body: String::new(),
        }
    }

    pub(super) fn post(path: &'static str, body: &Value) -> Self {
        Self {
            method: Method::POST,
            path,
            body: body.to_string(),
        }
    }
}

/// There is no answer, or it is a refusal.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClientError {
    /// Nothing is there.
    #[error("{}: there is no socket; give the path that pteg run --control was given", .0.display())]
    NoSocket(PathBuf),
    /// Something else is there.
    #[error("{}: this is no socket; give the path that pteg run --control was given", .0.display())]
    OtherFile(PathBuf),
    /// The run was killed.
    #[error("{}: nobody listens at this socket any more; the run that made it has ended", .0.display())]
    NobodyListens(PathBuf),
    /// The system refuses it.
    #[error("{}: connecting to it: {}", .0.display(), .1)]
    Connect(PathBuf, io::Error),
    /// The run has ended meanwhile.
    #[error("{}: the connection was closed before the answer came; the run may have ended", .0.display())]
    NoAnswer(PathBuf),
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
    /// Whether it was wrong to ask; else somebody else could not do it.
    pub(super) fn is_of_the_user(&self) -> bool {
        match self {
            Self::NoSocket(_) | Self::OtherFile(_) | Self::Path(..) | Self::NotText(_) => true,
            Self::NobodyListens(_) | Self::Connect(..) | Self::NoAnswer(_) | Self::NotPteg(_) => false,
            Self::Refused { status, .. } => status.is_client_error(),
        }
    }
}

/// Asks at the socket `vm`; the body of the answer.
pub(super) fn ask(vm: &Path, asked: &Asked) -> Result<String, ClientError> {
    let runtime = Builder::new_current_thread()
        .enable_io()
        .build()
        .map_err(|error| ClientError::Connect(vm.to_owned(), error))?;
    runtime.block_on(exchange(vm, asked))
}

async fn exchange(vm: &Path, asked: &Asked) -> Result<String, ClientError> {
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
    let body = answer.into_body().collect().await.map_err(no_answer)?.to_bytes();
    connection.abort();
    let text = String::from_utf8(body.to_vec()).map_err(|_| ClientError::NotPteg(vm.to_owned()))?;
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
        // It waited to be taken, and the socket was closed.
        io::ErrorKind::ConnectionReset => ClientError::NoAnswer(vm.to_owned()),
        _ => ClientError::Connect(vm.to_owned(), error),
    }
}
