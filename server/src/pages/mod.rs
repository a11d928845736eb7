//! The pages: one HTML file for the chat with its modules, the API's description, and the list of problem codes. All
//! are in the binary, and none loads anything from elsewhere.
//!
//! What they load is called by what is in it (`app.1f0c3a….js`), so that browsers keep it for ever and never have an
//! old one.

mod page;

use std::{collections::HashMap, sync::Arc};

use axum::{
    Router,
    extract::Path,
    http::HeaderMap,
    response::{IntoResponse, Response},
    routing::{MethodRouter, get},
};

use self::page::{Kept, Page, digest_of};
use crate::http::error::{ApiError, ProblemCode};

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

/// What pages load: the name, as they write it, its type, and what is in it. Scripts load only those above them.
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

/// An asset under the name that lasts, loading others by theirs.
struct Asset {
    name: &'static str,
    lasting: String,
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
        let content = with_lasting_names(content, "./", &assets);
        assets.push(Asset { name, lasting: lasting_name(name, &content), kind, content });
    }
    assets
}

/// What loads assets by their plain names, by those that last instead.
fn with_lasting_names(source: &str, place: &str, assets: &[Asset]) -> String {
    assets.iter().fold(source.to_owned(), |source, Asset { name, lasting, .. }| {
        source.replace(&format!("\"{place}{name}\""), &format!("\"{place}{lasting}\""))
    })
}

/// Under the names that last, and, for those who know an older one, under the plain ones.
fn pages(assets: Vec<Asset>) -> HashMap<String, (Page, Kept)> {
    let both = assets.into_iter().flat_map(|Asset { name, lasting, kind, content }| {
        let page = Page::new(kind, POLICY, content);
        [(lasting, (page.clone(), Kept::ForEver)), (name.to_owned(), (page, Kept::WhileUnchanged))]
    });
    both.collect()
}

fn page<S: Clone + Send + Sync + 'static>(page: Page) -> MethodRouter<S> {
    let page = Arc::new(page);
    get(async move |headers: HeaderMap| page.answer(&headers, Kept::WhileUnchanged))
}

/// A page that loads assets by the names that they have now.
fn html<S: Clone + Send + Sync + 'static>(source: &str, assets: &[Asset]) -> MethodRouter<S> {
    page(Page::new(HTML, POLICY, with_lasting_names(source, "/assets/", assets)))
}

/// `app.1f0c3a….js`.
fn lasting_name(name: &str, content: &str) -> String {
    let (stem, extension) = name.split_once('.').unwrap_or((name, ""));
    format!("{stem}.{}.{extension}", digest_of(content.as_bytes()))
}

fn asset(assets: &HashMap<String, (Page, Kept)>, wanted: &str, headers: &HeaderMap) -> Response {
    // While servers are replaced, a page of one asks another for what that has in another version.
    let plain = || match wanted.split('.').collect::<Vec<_>>()[..] {
        [stem, _, extension] => assets.get(&format!("{stem}.{extension}")),
        _ => None,
    };
    match assets.get(wanted).or_else(plain) {
        Some((page, kept)) => page.answer(headers, *kept),
        None => ApiError::NotFound("address").into_response(),
    }
}

/// The problem codes, each under its own anchor: where a problem's `type` points.
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
