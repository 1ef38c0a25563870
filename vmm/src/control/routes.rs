//! The table of what can be asked for. A new request is a line here, a function with its `utoipa::path` beside the others, and
//! its name in `document`, which a test compares with this table.

use hyper::Method;

use super::answer::{Answer, Refusal};
use super::{Context, document, life, memory, metrics, table};

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
    /// By whom; gets the body of a POST.
    pub(super) answer: fn(&Context, &[u8]) -> Result<Answer, Refusal>,
}

const fn get(path: &'static str, effort: Effort, answer: fn(&Context, &[u8]) -> Result<Answer, Refusal>) -> Route {
    Route {
        method: Method::GET,
        path,
        effort,
        answer,
    }
}

const fn post(path: &'static str, effort: Effort, answer: fn(&Context, &[u8]) -> Result<Answer, Refusal>) -> Route {
    Route {
        method: Method::POST,
        path,
        effort,
        answer,
    }
}

/// All of them; each path has one method.
pub(super) static ROUTES: [Route; 11] = [
    get("/openapi.json", Effort::AtOnce, document::openapi),
    get("/v1/info", Effort::AtOnce, life::info),
    post("/v1/pause", Effort::Soon, life::pause),
    post("/v1/resume", Effort::Soon, life::resume),
    post("/v1/stop", Effort::AtOnce, life::stop),
    get("/v1/hpt", Effort::Soon, table::hpt),
    get("/v1/metrics", Effort::Soon, metrics::metrics),
    post("/v1/discard", Effort::Long, memory::discard),
    post("/v1/unmap", Effort::Long, memory::unmap),
    post("/v1/dirty", Effort::Long, memory::dirty),
    post("/v1/dump", Effort::Long, memory::dump),
];

/// Who answers this; a refusal that says what could be asked for otherwise.
pub(super) fn find(method: &Method, path: &str) -> Result<&'static Route, Refusal> {
    let Some(route) = ROUTES.iter().find(|route| route.path == path) else {
        let sentence = format!("there is no {path}; GET /openapi.json says what there is");
        return Err(Refusal::new(hyper::StatusCode::NOT_FOUND, sentence));
    };
    if route.method != method {
        let allow = if route.method == Method::GET { "GET" } else { "POST" };
        return Err(Refusal::method(allow, format!("{path} takes {allow}, not {method}")));
    }
    Ok(route)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_path_stands_here_once() {
        for (n, route) in ROUTES.iter().enumerate() {
            assert!(
                ROUTES[..n].iter().all(|other| other.path != route.path),
                "{}",
                route.path
            );
            assert_eq!(find(&route.method, route.path).unwrap().path, route.path);
        }
    }
}
