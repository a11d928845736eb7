//! The pages: one HTML file for the chat with its modules, the API's description, and the list of problem codes. All
//! are in the binary, and none loads anything from other hosts.
//!
//! Asset names contain a digest of the content (`app.1f0c3a….js`), so browsers cache them for ever and never use a
//! stale one.

mod page;

use std::{collections::HashMap, sync::Arc};

use axum::{
    Router,
    extract::Path,
    http::HeaderMap,
    response::{IntoResponse, Response},
    routing::{MethodRouter, get},
};

use self::page::{CachePolicy, Page, digest_of};
use crate::http::error::{ApiError, ProblemCode};

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

/// The assets: name, type and content. Scripts import only those above them.
const ASSETS: [(&str, &str, &str); 14] = [
    ("text.js", SCRIPT, include_str!("assets/text.js")),
    ("storage.js", SCRIPT, include_str!("assets/storage.js")),
    ("api.js", SCRIPT, include_str!("assets/api.js")),
    ("replies.js", SCRIPT, include_str!("assets/replies.js")),
    ("connection.js", SCRIPT, include_str!("assets/connection.js")),
    ("dom.js", SCRIPT, include_str!("assets/dom.js")),
    ("rows.js", SCRIPT, include_str!("assets/rows.js")),
    ("gate.js", SCRIPT, include_str!("assets/gate.js")),
    ("account.js", SCRIPT, include_str!("assets/account.js")),
    ("app.js", SCRIPT, include_str!("assets/app.js")),
    ("app.css", STYLE, include_str!("assets/app.css")),
    ("docs.js", SCRIPT, include_str!("assets/docs.js")),
    ("docs.css", STYLE, include_str!("assets/docs.css")),
    ("icon.svg", "image/svg+xml", include_str!("assets/icon.svg")),
];

/// An asset with its digest name, importing others by theirs.
struct Asset {
    name: &'static str,
    digest_name: String,
    kind: &'static str,
    content: String,
}

pub(crate) fn router<S: Clone + Send + Sync + 'static>(description: &utoipa::openapi::OpenApi) -> Router<S> {
    let description = description.to_json().unwrap_or_default();
    let assets = assets();
    let html = |source| html(source, &assets);
    let router = Router::new()
        .route("/", html(include_str!("assets/index.html")))
        .route("/docs", html(include_str!("assets/docs.html")))
        .route("/docs/models", html(include_str!("assets/models.html")))
        .route("/docs/problems", html(&problems()))
        .route("/openapi.json", page(Page::new("application/json", POLICY, description)));
    let pages = Arc::new(pages(assets));
    router.route(
        "/assets/{name}",
        get(async move |Path(name): Path<String>, headers: HeaderMap| asset(&pages, &name, &headers)),
    )
}

fn assets() -> Vec<Asset> {
    let mut assets: Vec<Asset> = Vec::new();
    for (name, kind, content) in ASSETS {
        let content = with_digest_names(content, "./", &assets);
        assets.push(Asset { name, digest_name: digest_name(name, &content), kind, content });
    }
    assets
}

/// Replaces the plain names of assets by their digest names.
fn with_digest_names(source: &str, prefix: &str, assets: &[Asset]) -> String {
    assets.iter().fold(source.to_owned(), |source, Asset { name, digest_name, .. }| {
        source.replace(&format!("\"{prefix}{name}\""), &format!("\"{prefix}{digest_name}\""))
    })
}

/// Assets by digest name, and by plain name for clients with an older digest name.
fn pages(assets: Vec<Asset>) -> HashMap<String, (Page, CachePolicy)> {
    let both = assets.into_iter().flat_map(|Asset { name, digest_name, kind, content }| {
        let page = Page::new(kind, POLICY, content);
        [(digest_name, (page.clone(), CachePolicy::ForEver)), (name.to_owned(), (page, CachePolicy::WhileUnchanged))]
    });
    both.collect()
}

fn page<S: Clone + Send + Sync + 'static>(page: Page) -> MethodRouter<S> {
    let page = Arc::new(page);
    get(async move |headers: HeaderMap| page.respond(&headers, CachePolicy::WhileUnchanged))
}

/// A page that loads the current assets.
fn html<S: Clone + Send + Sync + 'static>(source: &str, assets: &[Asset]) -> MethodRouter<S> {
    page(Page::new(HTML, POLICY, with_digest_names(source, "/assets/", assets)))
}

/// `app.1f0c3a….js`.
fn digest_name(name: &str, content: &str) -> String {
    let (stem, extension) = name.split_once('.').unwrap_or((name, ""));
    format!("{stem}.{}.{extension}", digest_of(content.as_bytes()))
}

fn asset(assets: &HashMap<String, (Page, CachePolicy)>, wanted: &str, headers: &HeaderMap) -> Response {
    // During a rolling update, a page of one server may load its asset from another, which has a different version.
    let plain = || match wanted.split('.').collect::<Vec<_>>()[..] {
        [stem, _, extension] => assets.get(&format!("{stem}.{extension}")),
        _ => None,
    };
    match assets.get(wanted).or_else(plain) {
        Some((page, cache)) => page.respond(headers, *cache),
        None => ApiError::NotFound("address").into_response(),
    }
}

/// The problem codes, each under its own anchor: the target of a problem's `type`.
fn problems() -> String {
    let rows: Vec<_> = ProblemCode::ALL
        .iter()
        .map(|code| format!("<dt id=\"{code}\"><code>{code}</code></dt><dd>{}</dd>", code.advice()))
        .collect();
    include_str!("assets/problems.html").replace("<!-- codes -->", &rows.join("\n"))
}

#[cfg(test)]
mod tests {
    use troupe_core::problem::Problem;

    use super::*;

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
