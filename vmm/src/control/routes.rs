//! The table of what can be asked for. A new request is a line here, a function with its `utoipa::path` beside the others, and
//! its name in `document`, which a test compares with this table.

use hyper::Method;

use super::answer::{Answer, Refusal};
use super::client::Client;
use super::{Context, balloon, document, life, memory, metrics, table, watch};

/// How long an answer may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effort {
    /// It never waits: the thread that serves all clients gives it.
    AtOnce,
    /// It waits for processors, or looks at much memory: another thread gives it.
    Soon,
    /// It may take minutes; only a few are worked on at the same time.
    Long,
}

/// A request that is answered.
pub(super) struct Route {
    /// How.
    pub(super) method: Method,
    /// Where.
    pub(super) path: &'static str,
    /// How long it may take.
    pub(super) effort: Effort,
    /// By whom.
    pub(super) answer: By,
}

type Answering = fn(&Context, &[u8]) -> Result<Answer, Refusal>;

/// Who answers; gets the body of a POST.
pub(super) enum By {
    /// In any case.
    Context(Answering),
    /// For as long as the client waits for it.
    Client(fn(&Context, &Client, &[u8]) -> Result<Answer, Refusal>),
}

impl By {
    /// The answer, or why there is none.
    pub(super) fn call(&self, context: &Context, client: &Client, body: &[u8]) -> Result<Answer, Refusal> {
        match self {
            Self::Context(answer) => answer(context, body),
            Self::Client(answer) => answer(context, client, body),
        }
    }
}

const fn get(path: &'static str, effort: Effort, answer: Answering) -> Route {
    Route {
        method: Method::GET,
        path,
        effort,
        answer: By::Context(answer),
    }
}

const fn post(path: &'static str, effort: Effort, answer: Answering) -> Route {
    Route {
        method: Method::POST,
        path,
        effort,
        answer: By::Context(answer),
    }
}

/// All of them; each path has one method.
pub(super) static ROUTES: [Route; 16] = [
    get("/openapi.json", Effort::AtOnce, document::openapi),
    get("/v1/info", Effort::AtOnce, life::info),
    post("/v1/pause", Effort::Soon, life::pause),
    post("/v1/resume", Effort::Soon, life::resume),
    post("/v1/powerdown", Effort::Soon, life::powerdown),
    post("/v1/reset", Effort::AtOnce, life::reset),
    post("/v1/stop", Effort::AtOnce, life::stop),
    get("/v1/hpt", Effort::Soon, table::hpt),
    get("/v1/metrics", Effort::Soon, metrics::metrics),
    get("/v1/balloon", Effort::Long, balloon::look),
    post("/v1/balloon", Effort::AtOnce, balloon::want),
    post("/v1/discard", Effort::Long, memory::discard),
    post("/v1/unmap", Effort::Long, memory::unmap),
    post("/v1/dirty", Effort::Long, memory::dirty),
    post("/v1/dump", Effort::Long, memory::dump),
    Route {
        method: Method::POST,
        path: "/v1/watch",
        effort: Effort::Long,
        answer: By::Client(watch::watch),
    },
];

/// Who answers this; a refusal that says what could be asked for otherwise.
pub(super) fn find(method: &Method, path: &str) -> Result<&'static Route, Refusal> {
    let takes = |method: &Method| {
        ROUTES
            .iter()
            .find(|route| route.path == path && route.method == *method)
    };
    if let Some(route) = takes(method) {
        return Ok(route);
    }
    let allow = match (takes(&Method::GET), takes(&Method::POST)) {
        (None, None) => {
            let sentence = format!("there is no {path}; GET /openapi.json says what there is");
            return Err(Refusal::new(hyper::StatusCode::NOT_FOUND, sentence));
        }
        (Some(_), None) => "GET",
        (None, Some(_)) => "POST",
        (Some(_), Some(_)) => "GET, POST",
    };
    Err(Refusal::method(allow, format!("{path} takes {allow}, not {method}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_request_stands_here_once() {
        for (n, route) in ROUTES.iter().enumerate() {
            let is_same = |other: &Route| (other.path, &other.method) == (route.path, &route.method);
            assert!(!ROUTES[..n].iter().any(is_same), "{}", route.path);
            let found = find(&route.method, route.path).unwrap();
            assert_eq!((found.path, &found.method), (route.path, &route.method));
        }
    }
}
