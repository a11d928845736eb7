//! The pages: the chat with everything that belongs to it, the API's description, and the list of problem codes. All
//! are in the binary, and none loads anything from other hosts.
//!
//! `build.rs` prepares the assets. Their addresses contain a digest of the content (`chat/rows.1f0c3a….js`), so
//! browsers cache them for ever and never use a stale one.

mod assets;
mod page;

use std::{collections::HashMap, sync::Arc};

use axum::{
    Router,
    extract::Path,
    http::HeaderMap,
    response::{IntoResponse, Response},
    routing::{MethodRouter, get},
};

use self::{
    assets::ASSETS,
    page::{CachePolicy, Page},
};
use crate::http::error::{ApiError, ProblemCode};

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; \
                      manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const HTML: &str = "text/html; charset=utf-8";

/// Addresses of pages, each with its asset. The service worker is at the root, for its scope is what is below it.
const PAGES: &[(&str, &str)] = &[
    ("/", "index.html"),
    ("/docs", "docs/docs.html"),
    ("/docs/models", "docs/models.html"),
    ("/sw.js", "sw.js"),
    #[cfg(debug_assertions)]
    ("/design", "design.html"),
];

pub(crate) fn router<S: Clone + Send + Sync + 'static>(description: &utoipa::openapi::OpenApi) -> Router<S> {
    let description = description.to_json().unwrap_or_default();
    let mut router = Router::new()
        .route("/docs/problems", page(Page::packed_now(HTML, POLICY, problems())))
        .route("/openapi.json", page(Page::packed_now("application/json", POLICY, description)));
    for (address, path) in PAGES {
        if let Some(asset) = ASSETS.iter().find(|asset| asset.path == *path) {
            router = router.route(address, page(Page::of(asset, POLICY)));
        }
    }
    let pages = Arc::new(pages());
    router.route(
        "/assets/{*path}",
        get(async move |Path(path): Path<String>, headers: HeaderMap| respond(&pages, &path, &headers)),
    )
}

/// Assets by digest path, and by plain path for clients with an older digest.
fn pages() -> HashMap<&'static str, (Page, CachePolicy)> {
    let both = ASSETS.iter().flat_map(|asset| {
        let page = Page::of(asset, POLICY);
        [(asset.digest_path, (page.clone(), CachePolicy::ForEver)), (asset.path, (page, CachePolicy::WhileUnchanged))]
    });
    both.collect()
}

fn page<S: Clone + Send + Sync + 'static>(page: Page) -> MethodRouter<S> {
    let page = Arc::new(page);
    get(async move |headers: HeaderMap| page.respond(&headers, CachePolicy::WhileUnchanged))
}

fn respond(pages: &HashMap<&'static str, (Page, CachePolicy)>, wanted: &str, headers: &HeaderMap) -> Response {
    // During a rolling update, a page of one server may load its asset from another, which has a different version.
    let plain = || {
        let (rest, extension) = wanted.rsplit_once('.')?;
        let (stem, _digest) = rest.rsplit_once('.')?;
        pages.get(&*format!("{stem}.{extension}")).map(|(page, _)| (page, CachePolicy::WhileUnchanged))
    };
    match pages.get(wanted).map(|(page, cache)| (page, *cache)).or_else(plain) {
        Some((page, cache)) => page.respond(headers, cache),
        None => ApiError::NotFound("address").into_response(),
    }
}

/// The problem codes, each under its own anchor: the target of a problem's `type`.
fn problems() -> String {
    let rows: Vec<_> = ProblemCode::ALL
        .iter()
        .map(|code| format!("<dt id=\"{code}\"><code>{code}</code></dt><dd>{}</dd>", code.advice()))
        .collect();
    page_of("docs/problems.html").replace("<!-- codes -->", &rows.join("\n"))
}

fn page_of(path: &str) -> String {
    let asset = ASSETS.iter().find(|asset| asset.path == path);
    asset.map(|asset| String::from_utf8_lossy(asset.plain).into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use troupe_core::problem::Problem;

    use super::*;

    #[test]
    fn every_page_has_its_asset_and_every_reference_a_digest() {
        for (address, path) in PAGES {
            let asset = ASSETS.iter().find(|asset| asset.path == *path);
            assert!(asset.is_some(), "{address}");
        }
        for page in ["index.html", "docs/docs.html"].map(page_of) {
            for reference in page.split("\"/assets/").skip(1).filter_map(|rest| rest.split(['"', '#']).next()) {
                assert!(ASSETS.iter().any(|asset| asset.digest_path == reference), "{reference}");
            }
        }
        let worker = page_of("sw.js");
        assert!(!worker.contains("of-the-build") && worker.contains("\"/assets/"), "it lists the assets");
    }

    #[test]
    fn the_type_of_every_problem_leads_to_its_explanation() {
        let page = problems();
        for code in ProblemCode::ALL {
            let problem = Problem::new(*code, "");
            let anchor = problem.kind().strip_prefix("/docs/problems#").expect("an address on the page");
            assert_eq!(page.matches(&format!("id=\"{anchor}\"")).count(), 1, "{code}");
            assert!(page.contains(code.advice()) && !code.advice().contains(['<', '&']), "{code}");
        }
    }
}
