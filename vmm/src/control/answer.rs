//! What a request is answered with: a body and its type, or a refusal with its status and a sentence.

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::upkeep::{Kind, UpkeepError};

/// The type of every body but that of the counters.
pub(super) const JSON: &str = "application/json";

/// A request was done.
#[derive(Debug)]
pub(super) struct Answer {
    content_type: &'static str,
    body: Vec<u8>,
}

impl Answer {
    /// `body` as JSON.
    pub(super) fn json(body: &impl Serialize) -> Self {
        let mut body = serde_json::to_vec_pretty(body).expect("plain data becomes JSON");
        body.push(b'\n');
        Self {
            content_type: JSON,
            body,
        }
    }

    /// A text of this type.
    pub(super) fn text(content_type: &'static str, text: String) -> Self {
        Self {
            content_type,
            body: text.into_bytes(),
        }
    }

    /// As the library wants it.
    pub(super) fn response(self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(Bytes::from(self.body)));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        response
    }
}

/// Why a request was not done.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Failure {
    /// What is wrong, and what would be right: a sentence for people.
    pub(crate) error: String,
}

/// A request was not done.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    sentence: String,
    /// The methods that its path takes.
    allow: Option<&'static str>,
}

impl Refusal {
    /// With this status; the sentence says what would be right.
    pub(super) fn new(status: StatusCode, sentence: impl Into<String>) -> Self {
        Self {
            status,
            sentence: sentence.into(),
            allow: None,
        }
    }

    /// The request itself is wrong.
    pub(super) fn bad_request(sentence: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, sentence)
    }

    /// The path takes these methods only.
    pub(super) fn method(allow: &'static str, sentence: String) -> Self {
        Self {
            allow: Some(allow),
            ..Self::new(StatusCode::METHOD_NOT_ALLOWED, sentence)
        }
    }

    /// The run is over.
    pub(super) fn gone() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "the run is over")
    }

    /// As the library wants it.
    pub(super) fn response(self) -> Response<Full<Bytes>> {
        let mut response = Answer::json(&Failure { error: self.sentence }).response();
        *response.status_mut() = self.status;
        if let Some(allow) = self.allow {
            let headers = response.headers_mut();
            headers.insert(ALLOW, HeaderValue::from_static(allow));
        }
        response
    }
}

impl From<UpkeepError> for Refusal {
    fn from(error: UpkeepError) -> Self {
        let status = match error.kind() {
            Kind::BadRequest => StatusCode::BAD_REQUEST,
            Kind::Conflict => StatusCode::CONFLICT,
            Kind::NotPossible => StatusCode::NOT_IMPLEMENTED,
            Kind::NoSpace => StatusCode::INSUFFICIENT_STORAGE,
            Kind::Gone => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self::new(status, error.to_string())
    }
}

/// The body of a request, an object; one of no bytes is that of an empty object. `example` is one that would be right.
pub(super) fn parse<T: DeserializeOwned>(body: &[u8], example: &str) -> Result<T, Refusal> {
    let body = if body.trim_ascii().is_empty() { b"{}" } else { body };
    let wrong =
        |error: &str| Refusal::bad_request(format!("the body of the request: {error}; send JSON such as {example}"));
    let parsed = serde_json::from_slice(body).map_err(|error| wrong(&error.to_string()))?;
    // The library takes the values of an object without their names as well.
    if body.trim_ascii().starts_with(b"[") {
        return Err(wrong("it is a list, not an object"));
    }
    Ok(parsed)
}
