//! The OpenAPI document: made of what stands beside the functions that answer. `docs/api.json` is the same, to be read without a
//! run; a test sees to it.

use utoipa::OpenApi;

use super::answer::{Answer, Failure, JSON, Refusal};
use super::{Context, balloon, life, memory, metrics, table, watch};

/// What can be asked for.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "pteg's control socket",
        description = "One run of pteg, over the Unix socket that `pteg run --control PATH` makes. A connection carries one \
                       request. What is not done is answered with a status of 400 or more, and a sentence in `error`; what is no HTTP, or has more than \
                       16 KiB of header, with a status alone.",
    ),
    servers((url = "http://pteg", description = "The name of the host does not matter")),
    paths(
        openapi,
        life::info,
        life::pause,
        life::resume,
        life::powerdown,
        life::reset,
        life::stop,
        table::hpt,
        metrics::metrics,
        balloon::look,
        balloon::want,
        memory::discard,
        memory::unmap,
        memory::dirty,
        memory::dump,
        watch::watch,
    )
)]
struct Document;

/// This document
#[utoipa::path(get, path = "/openapi.json", responses((status = 200, description = "OpenAPI", content_type = "application/json"), (status = "5XX", description = "An error of pteg's own", body = Failure)))]
pub(super) fn openapi(_: &Context, _: &[u8]) -> Result<Answer, Refusal> {
    Ok(Answer::text(JSON, text()))
}

fn text() -> String {
    let mut text = Document::openapi()
        .to_pretty_json()
        .expect("the document is plain data");
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::super::routes::ROUTES;
    use super::*;

    #[test]
    fn what_is_described_is_what_is_answered() {
        let document = serde_json::to_value(Document::openapi()).unwrap();
        let mut described = Vec::new();
        for (path, methods) in document["paths"].as_object().unwrap() {
            for method in methods.as_object().unwrap().keys() {
                described.push(format!("{} {path}", method.to_uppercase()));
            }
        }
        let mut answered: Vec<String> = ROUTES
            .iter()
            .map(|route| format!("{} {}", route.method, route.path))
            .collect();
        described.sort();
        answered.sort();
        assert_eq!(described, answered);
    }

    /// `PTEG_WRITE_API=1 cargo test -p vmm openapi` writes the file.
    #[test]
    fn the_openapi_document_in_the_docs_is_this_one() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/api.json");
        if std::env::var_os("PTEG_WRITE_API").is_some() {
            std::fs::write(path, text()).unwrap();
        }
        let written = std::fs::read_to_string(path).unwrap();
        assert!(
            written == text(),
            "docs/api.json is old; write it anew: PTEG_WRITE_API=1 cargo test -p vmm openapi"
        );
    }
}
